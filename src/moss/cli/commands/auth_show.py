"""`ais auth show`: users, roles, clusters and settings of an AuthN service. Source: spec/cli.md 5.16."""

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from moss.cli.arguments import check_count
from moss.cli.authn import authn_client, complete_clusters, complete_roles, complete_users, names_of, send
from moss.cli.context import Context
from moss.cli.flags import JSON, NO_HEADERS, VERBOSE
from moss.cli.options import Command, Option
from moss.cli.tables import property_table

if TYPE_CHECKING:
    from moss.sdk import AuthNClient
    from moss.sdk.authn.types import RoleInfo


def _show_users(context: Context) -> None:
    names = context.parsed.positionals
    check_count(names, [], most=1)
    with authn_client(context) as client:
        users = [client.user_manager().get(names[0])] if names else [*client.user_manager().list().root.values()]
    users.sort(key=lambda user: user.id)
    context.show(
        [("NAME", "ROLES"), *((user.id, ", ".join(role.name for role in user.roles)) for user in users)],
        [{"name": user.id, "roles": [role.name for role in user.roles]} for user in users],
    )
    if names and context.parsed.flag("verbose") and not context.wants_json:
        for role in users[0].roles:
            context.console.result("")
            _print_role(context, role)


def _show_roles(context: Context) -> None:
    names = context.parsed.positionals
    check_count(names, [], most=1)
    cluster = context.parsed.text("cluster")
    with authn_client(context) as client:
        if names:
            role = client.role_manager().get(names[0])
            if context.wants_json:
                context.console.document(_role_document(role))
            else:
                _print_role(context, role)
            return
        roles = sorted(client.role_manager().list(), key=lambda role: role.name)
        if cluster is not None:
            uuid = client.cluster_manager().get(cluster).id
            roles = [role for role in roles if uuid in _clusters_of(role)]
    if context.parsed.flag("verbose") and not context.wants_json:
        for at, role in enumerate(roles):
            context.console.stdout.write("\n" if at else "")
            _print_role(context, role)
        return
    context.show(
        [("ROLE", "DESCRIPTION"), *((role.name, role.desc) for role in roles)], [_role_document(role) for role in roles]
    )


def _clusters_of(role: "RoleInfo") -> set[str]:
    spaces = (entry.bck.namespace for entry in role.buckets or ())
    return {entry.id for entry in role.clusters or ()} | {space.uuid for space in spaces if space is not None}


def _grants(role: "RoleInfo") -> list[tuple[str, str]]:
    """What the role is about, and what it allows there."""
    rows = [(f"Cluster {entry.id or 'any'}", names_of(int(entry.perm))) for entry in role.clusters or ()]
    for entry in role.buckets or ():
        space = entry.bck.namespace
        cluster = f" of {space.uuid}" if space is not None and space.uuid else ""
        rows.append((f"Bucket {entry.bck.provider}://{entry.bck.name}{cluster}", names_of(int(entry.perm))))
    return rows


def _print_role(context: Context, role: "RoleInfo") -> None:
    rows = [("Role", role.name), ("Description", role.desc), ("Admin", "yes" if role.admin else "no")]
    context.console.stdout.write(property_table(rows + _grants(role), headers=not context.parsed.flag("no-headers")))


def _role_document(role: "RoleInfo") -> dict[str, Any]:
    grants = [{"on": on, "permissions": names.split()} for on, names in _grants(role)]
    return {"name": role.name, "description": role.desc, "admin": role.admin, "grants": grants}


def _show_clusters(context: Context) -> None:
    names = list(filter(None, context.parsed.positionals))
    check_count(names, [], most=1)
    with authn_client(context) as client:
        manager = client.cluster_manager()
        clusters = [manager.get(names[0])] if names else [*manager.list().clusters.values()]
    clusters.sort(key=lambda cluster: (cluster.alias or "", cluster.id))
    context.show(
        [("CLUSTER ID", "ALIAS", "URLs"), *((c.id, c.alias or "", ", ".join(c.urls)) for c in clusters)],
        [{"id": c.id, "alias": c.alias or "", "urls": c.urls} for c in clusters],
    )


def _shower(path: str) -> Callable[[Context], None]:
    """Shows the JSON document that the service answers with as properties."""

    def run(context: Context) -> None:
        check_count(context.parsed.positionals, [], most=0)
        with authn_client(context) as client:
            if path.startswith("/."):
                client.client.config = _without_version(client)
            document = json.loads(send(client, "GET", path))
        context.show([("PROPERTY", "VALUE"), *_flat(document)], document)

    return run


def _without_version(client: "AuthNClient") -> Any:
    """The configuration for what is not below `/v1`."""
    from dataclasses import replace

    config = client.client.config
    return replace(config, bases=tuple(base.removesuffix("/v1") for base in config.bases))


def _flat(value: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for at, item in enumerate(value):
            yield from _flat(item, f"{prefix}[{at}]")
    else:
        text = " ".join(map(str, value)) if isinstance(value, list) else value
        yield prefix, ("true" if text else "false") if isinstance(text, bool) else str(text)


_SHOWN = (JSON, NO_HEADERS)
_CLUSTER = Option("cluster", "only roles for this registered cluster, by id or alias", value="CLUSTER")

SHOW_USER = Command(
    "[USER]", "show users and their roles", _show_users, (*_SHOWN, VERBOSE), complete=complete_users,
    examples=("ais auth show user", "ais auth show user alice --verbose"),
)  # fmt: skip
SHOW_ROLE = Command(
    "[ROLE]", "show roles, or what one of them allows", _show_roles, (*_SHOWN, _CLUSTER, VERBOSE),
    complete=complete_roles, examples=("ais auth show role", "ais auth show role readers"),
)  # fmt: skip
SHOW_CLUSTER = Command(
    "[CLUSTER]", "show registered clusters", _show_clusters, _SHOWN, complete=complete_clusters,
    examples=("ais auth show cluster",),
)  # fmt: skip
SHOW_CONFIG = Command(
    "", "show the configuration of the service", _shower("/daemon"), _SHOWN, examples=("ais auth show config",)
)
SHOW_OIDC = Command(
    "",
    "show the OpenID configuration of the service",
    _shower("/.well-known/openid-configuration"),
    _SHOWN,
    examples=("ais auth show oidc",),
)
SHOW_JWKS = Command(
    "",
    "show the keys that tokens are verified with",
    _shower("/.well-known/jwks.json"),
    _SHOWN,
    examples=("ais auth show jwks",),
)
SHOW_KEY = Command(
    "", "show the public key of the service", _shower("/public-key"), _SHOWN, examples=("ais auth show public-key",)
)
