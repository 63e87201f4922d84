"""Talking to an AuthN service, and reading its tokens. Source: spec/rest-control.md 13, spec/cli.md 5.16."""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from moss.cli.connection import quick_policy, reason_of
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.wire.masks import OPERATIONS

if TYPE_CHECKING:
    from moss.sdk import AuthNClient
    from moss.sdk.authn.access_attr import AccessAttr

__all__ = [
    "NOT_LOGGED_IN",
    "PERMISSIONS",
    "PERMISSION_SETS",
    "Claims",
    "authn_client",
    "complete_clusters",
    "complete_roles",
    "complete_users",
    "names_of",
    "permissions_of",
    "read_claims",
    "send",
]

NOT_LOGGED_IN = "not logged in (run `ais auth login` or set AIS_AUTHN_TOKEN / AIS_AUTHN_TOKEN_FILE)"

PERMISSIONS = OPERATIONS
PERMISSION_SETS = {"ro": "ACCESS_RO", "rw": "ACCESS_RW", "su": "ACCESS_SU"}


class Claims(NamedTuple):
    """What a token says about its bearer; nothing here is verified, that is for the servers.

    Attributes:
        expires: seconds since 1970, None when it never does.
        clusters, buckets: pairs of what is meant and the number of the permissions.
    """

    user: str
    is_admin: bool
    issuer: str
    expires: float | None
    clusters: list[tuple[str, int]]
    buckets: list[tuple[str, int]]


@contextmanager
def authn_client(context: Context) -> "Iterator[AuthNClient]":
    """The service that the settings name, with the token of the last login.

    Raises:
        CommandError: it does not answer; its refusals are errors of the SDK.
    """
    from moss.sdk import AuthNClient
    from moss.sdk.errors import ConnectFailed

    settings = context.settings
    url = settings.authn_url
    try:
        client = AuthNClient(
            url,
            skip_verify=settings.skip_verify,
            ca_cert=settings.ca_file or None,
            timeout=(settings.connect_timeout_s, settings.http_timeout_s or 0),
            token=settings.token or None,
        )
    except ValueError as error:
        raise CommandError(f'unusable address "{url}" of the AuthN service: {error}') from None
    client.client.retry_config = quick_policy()
    try:
        with client:
            yield client
    except ConnectFailed as error:
        raise CommandError(
            f"AuthN unreachable at {url} (detailed error: {reason_of(error)}). "
            "You may need to update AIS CLI configuration or environment variable AIS_AUTHN_URL"
        ) from None


def send(client: "AuthNClient", method: str, path: str, value: Any = None) -> bytes:
    """One request that the SDK's managers do not have; returns the body of the answer.

    Args:
        path: below `/v1`, escaped.
        value: becomes the JSON body.
    """
    from moss.sdk.operations import Request

    body = None if value is None else json.dumps(value).encode()
    return client.client.call(Request(method, path, body=body)).content


def read_claims(token: str) -> Claims:
    """Read a token.

    Raises:
        CommandError: it is no JSON Web Token.
    """
    try:
        payload = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expires = found.get("exp")
        return Claims(
            str(found.get("sub") or ""),
            bool(found.get("admin")),
            str(found.get("iss") or ""),
            None if expires is None else float(expires),
            [(_cluster(entry), int(entry.get("perm") or 0)) for entry in found.get("clusters") or ()],
            [(_bucket(entry["bck"]), int(entry.get("perm") or 0)) for entry in found.get("buckets") or ()],
        )
    except (IndexError, ValueError, TypeError, KeyError, AttributeError, binascii.Error):
        raise CommandError("the token cannot be read: it is no JSON Web Token", "Log in again.") from None


def _cluster(entry: dict[str, Any]) -> str:
    alias, uuid = entry.get("alias"), str(entry.get("id") or "")
    return f"{alias} [{uuid}]" if alias else uuid or "any cluster"


def _bucket(entry: dict[str, Any]) -> str:
    space = entry.get("namespace") or {}
    name = f"#{space['name']}/" if space.get("name") else ""
    cluster = f" in {space['uuid']}" if space.get("uuid") else ""
    return f"{entry.get('provider') or 'ais'}://{name}{entry['name']}{cluster}"


def names_of(permissions: int) -> str:
    """The permissions in a number, by name: `GET HEAD-OBJECT`, or `ro`, `rw`, `su` where they are just these."""
    from moss.sdk.authn.access_attr import AccessAttr

    for word, name in PERMISSION_SETS.items():
        wanted = int(AccessAttr[name])
        if permissions == wanted or (word == "su" and permissions & wanted == wanted):
            return word
    return " ".join(name for bit, name in enumerate(PERMISSIONS) if permissions >> bit & 1) or "none"


def permissions_of(words: Iterable[str]) -> "list[AccessAttr]":
    """The permissions that words name, in either case.

    Raises:
        UsageError: a word is no permission.
    """
    from moss.sdk.authn.access_attr import AccessAttr

    found = []
    for word in words:
        if word.lower() in PERMISSION_SETS:
            found.append(AccessAttr[PERMISSION_SETS[word.lower()]])
        elif word.upper() in PERMISSIONS:
            found.append(AccessAttr(1 << PERMISSIONS.index(word.upper())))
        else:
            raise UsageError(f'invalid permission "{word}" (expecting ro, rw, su or: {" ".join(PERMISSIONS)})')
    return found


def complete_users(context: Context) -> list[str]:
    """Names of users, as candidates for the shell."""
    with authn_client(context) as client:
        return sorted(client.user_manager().list())


def complete_roles(context: Context) -> list[str]:
    """Names of roles, as candidates for the shell."""
    with authn_client(context) as client:
        return sorted(role.name for role in client.role_manager().list())


def complete_clusters(context: Context) -> list[str]:
    """Aliases and ids of registered clusters, as candidates for the shell."""
    with authn_client(context) as client:
        return [name for c in client.cluster_manager().list().clusters.values() for name in (c.alias, c.id) if name]
