"""Which store is behind which bucket."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from moss.naming.bucket import Bucket, Provider, parse_namespace, parse_provider
from moss.node.backends.base import Backend
from moss.node.storage.objects import BucketRecord

__all__ = ["Place", "Remotes"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the objects of one bucket are kept.

    Attributes:
        record: the bucket on this node, whose objects are the cached ones.
        bucket: name of the bucket in the store.
        prefix: what stands there before each object's name.
        validates: cached objects are compared with the store's before they are served.
    """

    record: BucketRecord
    backend: Backend
    bucket: str
    prefix: str = ""
    validates: bool = False

    def key(self, name: str) -> str:
        """Return the name that an object has in the store."""
        return self.prefix + name


class Remotes:
    """The stores that this node has access to.

    Args:
        backends: by the provider of their buckets.
    """

    def __init__(self, backends: Mapping[Provider, Backend]) -> None:
        self._backends = dict(backends)

    def __bool__(self) -> bool:
        return bool(self._backends)

    def backend(self, bucket: Bucket) -> Backend | None:
        """Return the store that has a bucket, None where this node has no access to any."""
        return None if bucket.namespace.is_remote else self._backends.get(bucket.provider)

    def place(self, record: BucketRecord) -> Place | None:
        """Return where a bucket's objects are kept, None if on this node alone."""
        behind = record.bucket if record.bucket.is_remote else backend_bucket(record.props)
        if behind is None:
            return None
        backend = self.backend(behind)
        return Place(record, backend, behind.name, validates=_validates(record.props)) if backend else None

    async def close(self) -> None:
        for backend in self._backends.values():
            await backend.close()


@lru_cache(maxsize=1024)
def backend_bucket(props: bytes) -> Bucket | None:
    """Read from a bucket's properties which bucket is behind it (`backend_bck`), None for none."""
    found = json.loads(props).get("backend_bck") if props else None
    if not found or not found.get("name"):
        return None
    space = found.get("namespace") or {}
    text = f"@{space.get('uuid') or ''}#{space.get('name') or ''}"
    return Bucket(found["name"], parse_provider(found.get("provider") or ""), parse_namespace(text))


@lru_cache(maxsize=1024)
def _validates(props: bytes) -> bool:
    versioning = json.loads(props).get("versioning", {}) if props else {}
    return bool(versioning.get("validate_warm_get") or versioning.get("synchronize"))
