"""Which store is behind which bucket."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from moss.errors import BackendUnavailable
from moss.naming.bucket import Bucket, Namespace, Provider, parse_namespace, parse_provider
from moss.node.backends.base import Backend
from moss.node.backends.opening import NO_SETTINGS, BackendSettings, OpenedBackends
from moss.node.remote.store import BucketStore, StoreAddress, folder_of, parse_store
from moss.node.storage.objects import BucketRecord

__all__ = ["Place", "Remotes", "is_kept_elsewhere"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the objects of one bucket are kept.

    Attributes:
        record: the bucket on this node, whose objects are the cached ones.
        bucket: name of the bucket in the store.
        prefix: what stands there before each object's name.
        validates: cached objects are compared with the store's before they are served.
        evicts: cached objects may leave the cache when it is full.
    """

    record: BucketRecord
    backend: Backend
    bucket: str
    prefix: str = ""
    validates: bool = False
    evicts: bool = True

    def key(self, name: str) -> str:
        """Return the name that an object has in the store."""
        return self.prefix + name


class Clusters(Protocol):
    """The other clusters that are attached; falsy if there are none, and can be none until the node starts again."""

    def __bool__(self) -> bool: ...

    def backend(self, namespace: Namespace) -> Backend | None:
        """Return the store of a namespace, None if its cluster is not attached. For any thread."""

    async def close(self) -> None: ...


class Remotes:
    """The stores that this node has access to.

    Args:
        backends: those of the environment, by the provider of their buckets.
        opened: opens those that single buckets name.
        clusters: other clusters, which are stores as well.
    """

    def __init__(
        self, backends: Mapping[Provider, Backend], opened: OpenedBackends, clusters: Clusters | None = None
    ) -> None:
        self._backends, self._opened, self._clusters = dict(backends), opened, clusters
        self._is_used = bool(backends or clusters)

    def __bool__(self) -> bool:
        return self._is_used

    @property
    def backends(self) -> Mapping[Provider, Backend]:
        """The stores, by the provider of their buckets."""
        return self._backends

    def backend(self, bucket: Bucket) -> Backend | None:
        """Return the store that has a bucket, None where this node has no access to any."""
        if bucket.namespace.is_remote:
            return self._clusters.backend(bucket.namespace) if self._clusters and not bucket.is_cloud else None
        return self._backends.get(bucket.provider)

    def place(self, record: BucketRecord) -> Place | None:
        """Return where a bucket's objects are kept, None if on this node alone.

        Raises:
            BackendUnavailable: elsewhere, where this node has no access to.
        """
        terms = _terms(record.props)
        prefix = ""
        if record.bucket.is_remote:
            behind = record.bucket
        elif terms.backend is not None:
            behind = terms.backend
        elif terms.store is not None:
            behind, prefix = terms.store.bucket, terms.store.prefix + folder_of(record.bucket)
        else:
            return None
        backend = self.backend(behind)
        if terms.settings != NO_SETTINGS and behind.provider is Provider.AWS:
            backend = self._opened.get(behind.provider, terms.settings)
        if backend is None:
            raise BackendUnavailable(
                f"{behind.provider.display_name} backend failed on {behind.cname}, which keeps {record.bucket.cname}: "
                f"{_why_missing(behind)}"
            )
        name = behind.name
        if behind.provider is Provider.HTTP:
            name = terms.url or name
        return Place(record, backend, name, prefix, terms.validates, terms.evicts)

    def bucket_store(self, record: BucketRecord) -> BucketStore | None:
        """Return the store that has an `ais://` bucket in its bucket table, None if none has; raises as `place`."""
        address = _terms(record.props).store
        return BucketStore(address, self.place(record).backend) if address is not None else None

    async def close(self) -> None:
        await self._opened.close()
        if self._clusters is not None:
            await self._clusters.close()


def _why_missing(behind: Bucket) -> str:
    if behind.namespace.is_remote:
        return f'remote cluster "{behind.namespace.uuid}" is not attached'
    if behind.provider is Provider.HTTP:
        return "this node was started without hosts that it may fetch from (--download-hosts)"
    return "this node was started without its credentials"


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a bucket's properties say about where its objects are."""

    backend: Bucket | None = None
    store: StoreAddress | None = None
    settings: BackendSettings = NO_SETTINGS
    url: str = ""
    validates: bool = False
    evicts: bool = True


def is_kept_elsewhere(record: BucketRecord) -> bool:
    """Tell whether a bucket's objects are kept in a store, whether or not this node has access to it."""
    terms = _terms(record.props)
    return record.bucket.is_remote or terms.backend is not None or terms.store is not None


@lru_cache(maxsize=1024)
def _terms(props: bytes) -> _Terms:
    found = json.loads(props) if props else {}
    versioning, lru = found.get("versioning", {}), found.get("lru", {})
    return _Terms(
        _backend_bucket(found.get("backend_bck") or {}),
        parse_store(found["store"]) if found.get("store") else None,
        _settings(found.get("extra", {}).get("aws", {})),
        found.get("extra", {}).get("http", {}).get("original_url", ""),
        bool(versioning.get("validate_warm_get") or versioning.get("synchronize")),
        bool(lru.get("enabled", True)),
    )


def _settings(found: Mapping[str, Any]) -> BackendSettings:
    endpoint, profile = found.get("endpoint", ""), found.get("profile", "")
    # The region alone is what the store told of the bucket.
    return BackendSettings(endpoint, profile, found.get("cloud_region", "")) if endpoint or profile else NO_SETTINGS


def _backend_bucket(found: Mapping[str, Any]) -> Bucket | None:
    if not found.get("name"):
        return None
    space = found.get("namespace") or {}
    text = f"@{space.get('uuid') or ''}#{space.get('name') or ''}"
    return Bucket(found["name"], parse_provider(found.get("provider") or ""), parse_namespace(text))
