# Made by scripts/unasync.py from _async/authn_managers.py; change that file instead.
"""Users, roles, clusters and tokens of the authentication server. Source: spec/python-sdk.md 1.12."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import quote

import msgspec

from moss.sdk._sync.session import RequestClient
from moss.sdk.answers import Answer
from moss.sdk.authn.access_attr import AccessAttr
from moss.sdk.authn.errors import ErrRoleNotFound, ErrUserNotFound, MissingCluster
from moss.sdk.authn.types import ClusterInfo, ClusterList, RoleInfo, RolesList, UserInfo, UserMap, decode
from moss.sdk.config import resolve_config
from moss.sdk.operations import Request

__all__ = ["ClusterManager", "RoleManager", "TokenManager", "UserManager"]


class _Manager:
    def __init__(self, client: RequestClient) -> None:
        self._session = client

    @property
    def client(self) -> RequestClient:
        return self._session

    def _call(self, method: str, path: str, value: Any = None) -> Answer:
        # The server knows no PUT or DELETE that does something else the second time.
        body = None if value is None else msgspec.json.encode(value)
        return self._session.call(Request(method, path, body=body))


def _path(kind: str, name: str) -> str:
    return f"/{kind}/{quote(name, safe='')}"


def _role_value(role: RoleInfo) -> dict[str, Any]:
    value = msgspec.to_builtins(role)
    return {name: value[name] for name in ("name", "desc", "clusters", "buckets", "admin")}


class TokenManager(_Manager):
    """Tokens."""

    def revoke(self, token: str) -> None:
        """Make a token invalid.

        Raises:
            ValueError: it is empty.
        """
        if not token:
            raise ValueError("Token must be provided to revoke.")
        self._call("DELETE", "/tokens", {"token": token})


class ClusterManager(_Manager):
    """Registered clusters."""

    def list(self) -> ClusterList:
        """All of them."""
        return decode((self._call("GET", "/clusters")).content, ClusterList)

    def get(self, cluster_id: str | None = None, cluster_alias: str | None = None) -> ClusterInfo:
        """One, by its id or its alias.

        Raises:
            ValueError: neither is given.
            ErrClusterNotFound: it is not registered.
            MissingCluster: the server answers with none.
        """
        name = _id_or_alias(cluster_id, cluster_alias)
        found = decode((self._call("GET", _path("clusters", name))).content, ClusterList).clusters
        if not found:
            raise MissingCluster(f"No cluster found with ID or alias {name!r}")
        return found.get(name) or next(iter(found.values()))

    def register(self, cluster_alias: str, urls: Sequence[str]) -> ClusterInfo:
        """Register a cluster. Its id is asked of the cluster itself, at the first URL.

        Raises:
            ValueError: no URL.
            ErrClusterAlreadyRegistered: one of this id or alias is registered.
        """
        if not urls:
            raise ValueError("At least one URL must be provided")
        config = self._session.config
        bases = resolve_config(
            urls[0], skip_verify=False, ca_cert=None, client_cert=None, timeout=None, token=None, max_pool_size=None,
            environment={},
        ).bases  # fmt: skip
        cluster = RequestClient(replace(config, bases=bases), self._session.retry_config)
        try:
            uuid = (cluster.get_smap()).uuid
        finally:
            cluster.close()
        self._call("POST", "/clusters", {"id": uuid, "alias": cluster_alias, "urls": [*urls]})
        return self.get(uuid)

    def update(
        self, cluster_id: str, cluster_alias: str | None = None, urls: Sequence[str] | None = None
    ) -> ClusterInfo:
        """Change the alias or the URLs.

        Raises:
            ValueError: neither is given.
        """
        if not cluster_alias and not urls:
            raise ValueError("At least one of cluster_alias or urls must be provided")
        value = {"id": cluster_id, "alias": cluster_alias, "urls": [*(urls or ())]}
        self._call("PUT", _path("clusters", cluster_id), value)
        return self.get(cluster_id)

    def delete(self, cluster_id: str | None = None, cluster_alias: str | None = None) -> None:
        """Remove a registration. Errors as for `get`."""
        self._call("DELETE", _path("clusters", _id_or_alias(cluster_id, cluster_alias)))


def _id_or_alias(cluster_id: str | None, cluster_alias: str | None) -> str:
    name = cluster_id or cluster_alias
    if not name:
        raise ValueError("At least one of cluster_id or cluster_alias must be provided")
    return name


class RoleManager(_Manager):
    """Roles."""

    def list(self) -> RolesList:
        """All of them."""
        return RolesList(decode((self._call("GET", "/roles")).content, list[RoleInfo] | None))

    def get(self, role_name: str) -> RoleInfo:
        """One of them.

        Raises:
            ErrRoleNotFound: it does not exist.
        """
        return decode((self._call("GET", _path("roles", role_name))).content, RoleInfo)

    def create(
        self, name: str, desc: str, cluster_alias: str, perms: Iterable[AccessAttr], bucket_name: str | None = None
    ) -> RoleInfo:
        """Create a role for a cluster, or for one bucket of it.

        Raises:
            ErrRoleAlreadyExists: one of this name exists.
            ErrClusterNotFound, MissingCluster: the cluster is not registered.
        """
        role: dict[str, Any] = {"name": name, "desc": desc, "clusters": None, "buckets": None, "admin": False}
        role |= self._permissions(cluster_alias, perms, bucket_name)
        self._call("POST", "/roles", role)
        return self.get(name)

    def _permissions(
        self, cluster_alias: str, perms: Iterable[AccessAttr], bucket_name: str | None
    ) -> dict[str, Any]:
        uuid = (ClusterManager(self._session).get(cluster_alias=cluster_alias)).id
        perm = str(int(reduce(or_, perms, AccessAttr(0))))
        if not bucket_name:
            return {"clusters": [{"id": uuid, "perm": perm}]}
        bucket = {"name": bucket_name, "provider": "ais", "namespace": {"uuid": uuid, "name": ""}}
        return {"buckets": [{"bck": bucket, "perm": perm}]}

    def update(
        self,
        name: str,
        desc: str | None = None,
        cluster_alias: str | None = None,
        perms: Iterable[AccessAttr] | None = None,
        bucket_name: str | None = None,
    ) -> None:
        """Change the description, or the permissions for a cluster or for one bucket of it.

        Raises:
            ValueError: nothing to change, or permissions or a bucket without a cluster.
            ErrRoleNotFound: it does not exist.
        """
        if perms is not None and not cluster_alias:
            raise ValueError("Cluster alias must be provided when permissions are specified.")
        if bucket_name and not cluster_alias:
            raise ValueError("Cluster alias must be provided when bucket_name is specified.")
        if cluster_alias and perms is None:
            raise ValueError("Permissions must be provided when cluster alias is specified.")
        if not desc and perms is None:
            raise ValueError("You must change either the description or permissions for a bucket or cluster.")
        role = _role_value(self.get(name))
        if desc:
            role["desc"] = desc
        if cluster_alias and perms is not None:
            role |= self._permissions(cluster_alias, perms, bucket_name)
        self._call("PUT", _path("roles", name), role)

    def delete(self, name: str, missing_ok: bool = False) -> None:
        """Delete a role.

        Raises:
            ErrRoleNotFound: it does not exist, and not `missing_ok`.
        """
        try:
            self._call("DELETE", _path("roles", name))
        except ErrRoleNotFound:
            if not missing_ok:
                raise


class UserManager(_Manager):
    """Users."""

    def list(self) -> UserMap:
        """All of them, by name."""
        return UserMap(decode((self._call("GET", "/users")).content, dict[str, UserInfo] | None))

    def get(self, username: str) -> UserInfo:
        """One of them.

        Raises:
            ErrUserNotFound: it does not exist.
        """
        return decode((self._call("GET", _path("users", username))).content, UserInfo)

    def create(self, username: str, roles: Iterable[str], password: str) -> UserInfo:
        """Create a user with roles that exist.

        Raises:
            ErrUserAlreadyExists: one of this name exists.
            ErrRoleNotFound: a role does not exist.
        """
        value = {"id": username, "roles": self._roles(roles), "pass": password}
        self._call("POST", "/users", value)
        return self.get(username)

    def update(self, username: str, password: str | None = None, roles: Iterable[str] | None = None) -> UserInfo:
        """Change the password, or replace the roles.

        Raises:
            ValueError: neither is given.
            ErrUserNotFound: it does not exist.
        """
        names = [*(roles or ())]
        if not password and not names:
            raise ValueError("You must change either the password or roles for a user.")
        value: dict[str, Any] = {"id": username, "roles": self._roles(names)}
        if password:
            value["pass"] = password
        self._call("PUT", _path("users", username), value)
        return self.get(username)

    def _roles(self, names: Iterable[str]) -> Any:
        manager = RoleManager(self._session)
        return [_role_value(manager.get(name)) for name in names]

    def delete(self, username: str, missing_ok: bool = False) -> None:
        """Delete a user.

        Raises:
            ErrUserNotFound: it does not exist, and not `missing_ok`.
        """
        try:
            self._call("DELETE", _path("users", username))
        except ErrUserNotFound:
            if not missing_ok:
                raise
