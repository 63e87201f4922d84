"""`ais auth add|set|rm`: users, roles and clusters of an AuthN service. Source: spec/cli.md 5.16."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from moss.cli.arguments import check_count, parse_bucket
from moss.cli.authn import (
    PERMISSION_SETS,
    PERMISSIONS,
    authn_client,
    complete_clusters,
    complete_roles,
    complete_users,
    permissions_of,
    send,
)
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import YES
from moss.cli.options import Command, Option
from moss.cli.settings import normal_url
from moss.sdk.authn.errors import ErrRoleAlreadyExists, ErrUserAlreadyExists

if TYPE_CHECKING:
    from moss.sdk import AuthNClient


def _add_user(context: Context) -> None:
    name, *roles = _named(context, "USER")
    password = context.parsed.text("password") or context.console.ask(
        f"User {name}'s password: ", unanswered="password cannot be empty", secret=True
    )
    with authn_client(context) as client:
        try:
            client.user_manager().create(name, roles, password)
        except ErrUserAlreadyExists:
            raise CommandError(f'user "{name}" already exists', f"Change it with 'ais auth set user {name}'.") from None
    context.console.result(f'User "{name}" added')


def _set_user(context: Context) -> None:
    name, *roles = _named(context, "USER")
    password = context.parsed.text("password")
    if not roles and not password:
        password = context.console.ask(
            f"User {name}'s new password: ", unanswered="nothing to change: name roles, or a password", secret=True
        )
    with authn_client(context) as client:
        client.user_manager().update(name, password, roles)
    context.console.result(f'User "{name}" updated')


def _add_role(context: Context) -> None:
    name, *words = _named(context, "ROLE")
    permissions, cluster, bucket = permissions_of(words), _cluster(context), _bucket(context)
    if not permissions:
        raise UsageError('missing "PERMISSION" argument')
    with authn_client(context) as client:
        try:
            client.role_manager().create(
                name, context.parsed.text("desc") or "", _cluster_id(context, client, cluster), permissions, bucket
            )
        except ErrRoleAlreadyExists:
            raise CommandError(f'role "{name}" already exists', f"Change it with 'ais auth set role {name}'.") from None
    context.console.result(f'Role "{name}" added')


def _set_role(context: Context) -> None:
    name, *words = _named(context, "ROLE")
    permissions, cluster, bucket = permissions_of(words), _cluster(context), _bucket(context)
    description = context.parsed.text("desc")
    if not permissions and not description:
        raise UsageError("nothing to change: name permissions, or a description with '--desc'")
    with authn_client(context) as client:
        if permissions:
            cluster_id = _cluster_id(context, client, cluster)
            client.role_manager().update(name, description, cluster_id, permissions, bucket)
        else:
            client.role_manager().update(name, description)
    context.console.result(f'Role "{name}" updated')


def _cluster(context: Context) -> str:
    return context.parsed.text("cluster") or ""


def _cluster_id(context: Context, client: "AuthNClient", wanted: str) -> str:
    """The registered cluster that a role is for: the named one, or the one that the settings name."""
    return client.cluster_manager().get(wanted or context.client.cluster().get_uuid()).id


def _bucket(context: Context) -> str | None:
    text = context.parsed.text("bucket")
    if text is None:
        return None
    bucket = parse_bucket(text if "://" in text else f"ais://{text}")
    if bucket.provider.value != "ais":
        raise UsageError(f"'--bucket' must be an ais:// bucket, got \"{text}\"")
    return bucket.name


def _add_cluster(context: Context) -> None:
    words = context.parsed.positionals
    names, urls = _names_and_urls(words)
    check_count(names, ["CLUSTER_ID"], most=2)
    value = {"id": names[0], "alias": names[1] if len(names) > 1 else "", "urls": urls or [context.settings.url]}
    with authn_client(context) as client:
        send(client, "POST", "/clusters", value)
    context.console.result(f'Cluster "{names[0]}" added')


def _set_cluster(context: Context) -> None:
    names, urls = _names_and_urls(context.parsed.positionals)
    check_count(names, ["CLUSTER_ID"], most=2)
    alias = names[1] if len(names) > 1 else None
    if not alias and not urls:
        raise UsageError("nothing to change: name an alias, or URLs")
    with authn_client(context) as client:
        client.cluster_manager().update(names[0], alias, urls)
    context.console.result(f'Cluster "{names[0]}" updated')


def _names_and_urls(words: list[str]) -> tuple[list[str], list[str]]:
    """An address is what has a port or a scheme; ids and aliases have neither."""
    return [word for word in words if ":" not in word], [normal_url(word) for word in words if ":" in word]


def _remover(kind: str) -> Callable[[Context], None]:
    def run(context: Context) -> None:
        check_count(context.parsed.positionals, [kind.upper()], most=1)
        name = context.parsed.positionals[0]
        if not context.parsed.flag("yes"):
            context.console.confirm(f'Remove {kind} "{name}"?', unanswered=f"the {kind} was not removed (use '--yes')")
        with authn_client(context) as client:
            send(client, "DELETE", f"/{kind}s/{quote(name, safe='')}")
        context.console.result(f'{kind.capitalize()} "{name}" removed')

    return run


def _named(context: Context, what: str) -> list[str]:
    check_count(context.parsed.positionals, [what], most=None)
    return context.parsed.positionals


def _complete_permissions(context: Context) -> list[str]:
    return [*PERMISSION_SETS, *PERMISSIONS] if context.parsed.positionals else []


_PASSWORD = Option("password", "the password; asked for when it is not given", value="TEXT", aliases=("p",))
_CLUSTER = Option("cluster", "registered cluster, by id or alias (default: the one of AIS_ENDPOINT)", value="CLUSTER")
_ROLE_OPTIONS = (
    Option("desc", "what the role is for", value="TEXT"),
    _CLUSTER,
    Option("bucket", "only for this bucket of the cluster", value="BUCKET"),
)
_PERMISSION_NOTES = (
    "PERMISSION is ro, rw, su, or one of:\n   " + " ".join(PERMISSIONS[:10]) + "\n   " + " ".join(PERMISSIONS[10:])
)

ADD_USER = Command(
    "USER [ROLE...]", "add a user", _add_user, (_PASSWORD,), complete=complete_roles,
    examples=("ais auth add user alice readers",),
)  # fmt: skip
SET_USER = Command(
    "USER [ROLE...]", "change the password or the roles of a user", _set_user, (_PASSWORD,), complete=complete_users,
    examples=("ais auth set user alice writers", "ais auth set user alice"),
)  # fmt: skip
ADD_ROLE = Command(
    "ROLE PERMISSION [PERMISSION...]", "add a role", _add_role, _ROLE_OPTIONS, _PERMISSION_NOTES,
    ("ais auth add role readers ro --desc 'may read'", "ais auth add role b-writers rw --bucket ais://b"),
    _complete_permissions,
)  # fmt: skip
SET_ROLE = Command(
    "ROLE [PERMISSION...]", "change what a role allows, or its description", _set_role, _ROLE_OPTIONS,
    _PERMISSION_NOTES, ("ais auth set role readers ro --bucket ais://b",), _complete_permissions,
)  # fmt: skip
ADD_CLUSTER = Command(
    "CLUSTER_ID [ALIAS] [URL...]", "register a cluster", _add_cluster,
    notes="Without an address the one of AIS_ENDPOINT is registered.",
    examples=("ais auth add cluster hYz8p7sD main http://10.0.0.1:51080",),
)  # fmt: skip
SET_CLUSTER = Command(
    "CLUSTER_ID [ALIAS] [URL...]", "change the alias or the addresses of a registered cluster", _set_cluster,
    complete=complete_clusters, examples=("ais auth set cluster hYz8p7sD main http://10.0.0.2:51080",),
)  # fmt: skip
REMOVE_USER = Command(
    "USER", "remove a user", _remover("user"), (YES,), complete=complete_users, examples=("ais auth rm user alice",)
)
REMOVE_ROLE = Command(
    "ROLE", "remove a role", _remover("role"), (YES,), complete=complete_roles, examples=("ais auth rm role readers",)
)
REMOVE_CLUSTER = Command(
    "CLUSTER", "remove the registration of a cluster", _remover("cluster"), (YES,), complete=complete_clusters,
    examples=("ais auth rm cluster main",),
)  # fmt: skip
