"""`ais auth login`, `logout`, `whoami` and `rm token`. Source: spec/cli.md 5.16."""

import json
import time
from pathlib import Path
from typing import Any

from moss.cli.arguments import check_count
from moss.cli.authn import NOT_LOGGED_IN, Claims, authn_client, names_of, read_claims, send
from moss.cli.connection import LOGIN_HINT
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import JSON, YES
from moss.cli.formats import UNSET, format_elapsed
from moss.cli.options import Command, Option
from moss.cli.preferences import write_private
from moss.cli.settings import read_token, token_file, variable
from moss.errors import MossError
from moss.sdk.authn.errors import ErrUserInvalidCredentials


def _login(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=1)
    user = context.parsed.positionals[0] if context.parsed.positionals else ""
    user = user or context.console.ask("User login: ", unanswered="no user: name one, as in 'ais auth login USER'")
    expires_s = context.seconds("expire")
    password = context.parsed.text("password") or context.console.ask(
        "User password: ", unanswered="password cannot be empty", secret=True
    )
    if not password.strip():
        raise UsageError("password cannot be empty")
    path = _file(context)
    with authn_client(context) as client:
        cluster = context.parsed.text("cluster")
        try:
            if cluster is None:
                token = client.login(user.strip(), password, expires_s)
            else:
                token = _login_to(client, user.strip(), password, expires_s, cluster)
        except ErrUserInvalidCredentials:
            raise CommandError("invalid credentials: the user is unknown, or the password is wrong") from None
    write_private(path, json.dumps({"token": token}) + "\n")
    if variable(context.environ, "AUTHN_TOKEN"):
        context.console.warn("AIS_AUTHN_TOKEN is set and wins over the token of this login")
    context.console.result(f"Logged in ({path})")


def _login_to(client: Any, user: str, password: str, expires_s: float | None, cluster: str) -> str:
    """A token for one cluster, by its id or alias."""
    from urllib.parse import quote

    cluster_id = client.cluster_manager().get(cluster).id
    expires_ns = None if expires_s is None else int(expires_s * 1e9)
    value = {"password": password, "expires_in": expires_ns, "cluster_id": cluster_id}
    return json.loads(send(client, "POST", f"/users/{quote(user, safe='')}", value))["token"]


def _file(context: Context) -> Path:
    given = context.parsed.text("file")
    return Path(given).expanduser() if given else token_file(context.environ)


def _logout(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=0)
    path = _file(context)
    token = read_token(path)
    if not token:
        raise CommandError(f"not logged in (no token in {path})")
    try:
        with authn_client(context) as client:
            client.token_manager().revoke(token)
    except (MossError, CommandError) as error:
        # Whoever logs out on a plane is logged out here; elsewhere the token lives until it expires.
        context.console.warn(f"the token could not be revoked: {getattr(error, 'message', error)}")
    path.unlink(missing_ok=True)
    context.console.result(f'Logged out (removed/revoked "{path}")')


def _whoami(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=0)
    if not context.settings.token:
        raise CommandError(NOT_LOGGED_IN)
    claims = read_claims(context.settings.token)
    roles = _roles(context, claims.user)
    if context.wants_json:
        context.console.document(
            {
                "user": claims.user,
                "admin": claims.is_admin,
                "issuer": claims.issuer,
                "expires": claims.expires,
                "roles": roles,
                "clusters": {name: names_of(number).split() for name, number in claims.clusters},
                "buckets": {name: names_of(number).split() for name, number in claims.buckets},
            }
        )
        return
    _print_claims(context, claims, roles)


def _print_claims(context: Context, claims: Claims, roles: list[str] | None) -> None:
    access = [(name, names_of(number)) for name, number in (*claims.clusters, *claims.buckets)]
    blocks: dict[str, list[tuple[str, str]]] = {
        "Identity": [
            ("User:", claims.user or UNSET),
            ("Admin:", "yes" if claims.is_admin else "no"),
            ("Issuer:", claims.issuer or UNSET),
            ("Expires:", _expiry(claims.expires)),
        ],
        "Roles": [(role, "") for role in roles or ()],
        "Access": access or ([("everything", "")] if claims.is_admin else []),
    }
    for title, rows in blocks.items():
        context.console.result(title)
        width = max((len(left) for left, _ in rows), default=0)
        for left, right in rows or [("none" if title != "Roles" or roles is not None else "unknown", "")]:
            context.console.result(f"   {left:<{width}}  {right}".rstrip())


def _roles(context: Context, user: str) -> list[str] | None:
    """The names of the user's roles; None when the service does not tell."""
    try:
        with authn_client(context) as client:
            return [role.name for role in client.user_manager().get(user).roles]
    except (MossError, CommandError) as error:
        context.console.warn(f"the roles are not known: {getattr(error, 'message', error)}")
        return None


def _expiry(expires: float | None) -> str:
    if expires is None:
        return "never"
    left_s = expires - time.time()
    when = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(expires))
    return f"{when} ({f'in {format_elapsed(round(left_s))}' if left_s > 0 else 'has expired'})"


def _remove_token(context: Context) -> None:
    words = context.parsed.positionals
    check_count(words, [], most=1)
    if words and context.parsed.given("file"):
        raise UsageError("a token and '--file' are mutually exclusive")
    path = _file(context)
    token = words[0] if words else read_token(path)
    if not token:
        raise UsageError(f"missing token (there is none in {path})")
    _print_claims(context, read_claims(token), [])
    if not context.parsed.flag("yes"):
        context.console.confirm("Revoke this token?", unanswered="the token was not revoked (use '--yes')")
    with authn_client(context) as client:
        client.token_manager().revoke(token)
    context.console.result("Token revoked")


_FILE = Option("file", "file of the token instead of the usual one", value="PATH", aliases=("f",))

LOGIN = Command(
    usage="[USER]",
    summary="log in to the AuthN service, and keep the token",
    run=_login,
    options=(
        Option("password", "the password; better typed when asked for", value="TEXT", aliases=("p",)),
        _FILE,
        Option("expire", "how long the token is valid, as 24h; 0 for as long as allowed", value="DURATION",
               aliases=("e",)),
        Option("cluster", "only for this cluster, by id or alias", value="CLUSTER"),
    ),
    notes=f"""
The service is named by AIS_AUTHN_URL, or by auth.url of 'ais config cli'.
Scripts: printf '%s' "$PASSWORD" | ais auth login USER
{LOGIN_HINT}
""",
    examples=("ais auth login alice", "ais auth login alice --expire 1h --file /run/secrets/ais.token"),
)  # fmt: skip

LOGOUT = Command(
    usage="",
    summary="revoke the token of the last login, and remove it",
    run=_logout,
    options=(_FILE,),
    examples=("ais auth logout",),
)

WHOAMI = Command(
    usage="",
    summary="show who is logged in, and what that allows",
    run=_whoami,
    options=(JSON,),
    examples=("ais auth whoami",),
)

REMOVE_TOKEN = Command(
    usage="[TOKEN]",
    summary="revoke a token",
    run=_remove_token,
    options=(_FILE, YES),
    examples=("ais auth rm token --file old.token",),
)
