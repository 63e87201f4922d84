"""Other clusters that are attached to this one: who they are, and their buckets' stores.

They are kept in the configuration, by alias; every worker process of the node knows a change as soon as it is made.
Source: spec/rest-control.md 8.2, spec/rest-data.md 2.2, 8.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from moss.errors import BackendUnavailable, InvalidName, InvalidRequest
from moss.naming.bucket import Bucket, Namespace, parse_namespace
from moss.node.backends.guard import Egress
from moss.node.config import ConfigStore
from moss.units import quote

if TYPE_CHECKING:
    from moss.node.backends.aistore import AistoreBackend, RemoteCluster
    from moss.sdk.types import Smap

__all__ = ["Attached", "AttachedClusters"]


@dataclass(frozen=True, slots=True)
class Attached:
    """One attached cluster.

    Attributes:
        alias: by which people know it here.
        uuid: what it calls itself.
        url: of a gateway.
    """

    alias: str
    uuid: str
    url: str

    @property
    def document(self) -> dict[str, Any]:
        """What is shown of it, without what only itself can tell."""
        return {"url": self.url, "alias": self.alias, "uuid": self.uuid, "smap": None}


class AttachedClusters:
    """The attached clusters. For the node's event loop.

    Args:
        egress: which hosts may be asked.
        is_open: whether any may be; without, and with nothing attached, this is falsy.
    """

    def __init__(self, config: ConfigStore, egress: Egress, *, is_open: bool) -> None:
        self._config, self._egress = config, egress
        self._is_used = is_open or bool(config.remote_clusters)
        self._clusters: dict[Attached, RemoteCluster] = {}
        self._backends: dict[tuple[Attached, str], AistoreBackend] = {}

    def __bool__(self) -> bool:
        return self._is_used

    # -- who they are --

    def all(self) -> list[Attached]:
        """Return all of them, by alias."""
        found = self._config.remote_clusters
        return [Attached(alias, row["uuid"], row["url"]) for alias, row in sorted(found.items())]

    @property
    def version(self) -> int:
        """A number that grows whenever one is attached or detached; 0 while there is none."""
        return int(self._config.version) if self._config.remote_clusters else 0

    def find(self, word: str) -> Attached | None:
        """Return the cluster of an alias or a uuid."""
        return _find(self._config.remote_clusters, word)

    def resolve(self, bucket: Bucket) -> Bucket:
        """Return a bucket with its cluster's uuid where its alias was."""
        if not bucket.namespace.is_remote:
            return bucket
        found = self.find(bucket.namespace.uuid)
        if found is None or found.uuid == bucket.namespace.uuid:
            return bucket
        return replace(bucket, namespace=Namespace(found.uuid, bucket.namespace.name))

    # -- their stores --

    def backend(self, namespace: Namespace) -> "AistoreBackend | None":
        """Return the store of a namespace, None if its cluster is not attached."""
        found = self.find(namespace.uuid)
        if found is None:
            return None
        key = found, namespace.name
        if key not in self._backends:
            from moss.node.backends.aistore import AistoreBackend

            self._backends[key] = AistoreBackend(self._cluster(found), namespace.name)
        return self._backends[key]

    def _cluster(self, attached: Attached) -> "RemoteCluster":
        if attached not in self._clusters:
            self._clusters[attached] = self._open(attached)
        return self._clusters[attached]

    def _open(self, attached: Attached) -> "RemoteCluster":
        # Imported late: it takes a while, and few nodes have other clusters.
        from moss.node.backends.aistore import RemoteCluster

        return RemoteCluster(attached.alias, attached.uuid, attached.url, self._egress)

    async def ask(self, attached: Attached) -> "tuple[Smap, int]":
        """Ask a cluster for its map, and for how long it has been up, ns.

        Raises:
            BackendUnavailable, AccessDenied: it cannot be had.
        """
        cluster = self._cluster(attached)
        return await cluster.map(), await cluster.uptime_ns()

    # -- changes --

    async def attach(self, alias: str, url: str) -> Attached:
        """Attach a cluster, or tell another URL of one that is.

        Raises:
            InvalidRequest: the alias cannot be one or is another cluster's, the URL is none, the cluster is this one.
            AccessDenied: its host may not be asked.
            BackendUnavailable: no cluster answers there.
        """
        _check_alias(alias)
        url = _checked_url(url)
        self._egress.check_url(url)
        asked = self._open(Attached(alias, "", url))
        try:
            uuid = (await asked.map()).uuid
        finally:
            await asked.close()
        _check_uuid(uuid, url)
        if uuid == self._config.uuid:
            raise InvalidRequest(f"cannot attach {url}: it is this cluster itself")

        def change(clusters: dict[str, Mapping[str, str]]) -> None:
            for other, row in clusters.items():
                if (other == alias) != (row["uuid"] == uuid) or row["uuid"] == alias or other == uuid:
                    raise InvalidRequest(
                        f"cannot attach {quote(alias)} ({url}, uuid {uuid}): {quote(other)} "
                        f"({row['url']}, uuid {row['uuid']}) is attached"
                    )
            clusters[alias] = {"uuid": uuid, "url": url}

        self._config.change_remote_clusters(change)
        return Attached(alias, uuid, url)

    async def detach(self, word: str) -> Attached:
        """Detach a cluster; what is cached of its buckets is the caller's business.

        Raises:
            InvalidRequest: none of that alias, or uuid, is attached.
        """
        found: list[Attached] = []

        def change(clusters: dict[str, Mapping[str, str]]) -> None:
            attached = _find(clusters, word)
            if attached is None:
                raise InvalidRequest(f"cannot detach {quote(word)}: no such remote cluster is attached")
            del clusters[attached.alias]
            found.append(attached)

        self._config.change_remote_clusters(change)
        for key in [key for key in self._backends if key[0] == found[0]]:
            del self._backends[key]
        cluster = self._clusters.pop(found[0], None)
        if cluster is not None:
            await cluster.close()
        return found[0]

    async def close(self) -> None:
        for cluster in self._clusters.values():
            await cluster.close()


def _find(clusters: Mapping[str, Mapping[str, str]], word: str) -> Attached | None:
    row = clusters.get(word)
    if row is not None:
        return Attached(word, row["uuid"], row["url"])
    rows = ((alias, row) for alias, row in clusters.items() if row["uuid"] == word)
    return next((Attached(alias, row["uuid"], row["url"]) for alias, row in rows), None)


def _check_alias(alias: str) -> None:
    try:
        is_fine = bool(alias) and parse_namespace(f"@{alias}") == Namespace(alias)
    except InvalidName:
        is_fine = False
    if not is_fine:
        raise InvalidRequest(
            f"invalid alias {quote(alias)}: expecting letters, numbers, dashes and underscores, less than 32 of them"
        )


def _check_uuid(uuid: str, url: str) -> None:
    try:
        _check_alias(uuid)
    except InvalidRequest:
        raise BackendUnavailable(f"cannot attach {url}: it is no AIStore cluster") from None


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise InvalidRequest("cannot attach a cluster: expecting the http or https URL of a gateway")
    return url.rstrip("/")
