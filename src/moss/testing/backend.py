"""A store behind buckets that lives in memory, for tests; it answers as the real ones do."""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, replace

from moss.errors import BucketNotFound, InvalidBody, InvalidName, ObjectChanged, ObjectNotFound, RangeOutOfBounds
from moss.naming.bucket import Bucket, Provider
from moss.node.backends.base import Page, RemoteBucket, RemoteObject

__all__ = ["MemoryBackend"]

_PAGE_MAX = 1000
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Stored:
    about: RemoteObject
    content: bytes


class MemoryBackend:
    """Buckets in memory. For one event loop.

    Args:
        is_versioned: whether its objects have version ids.

    Attributes:
        failures: errors that the next calls raise, one each, before they do anything.
        calls: the names of the calls that were made, with bucket and object name.
    """

    def __init__(self, provider: Provider = Provider.AWS, *, is_versioned: bool = False) -> None:
        self.provider = provider
        self._is_versioned = is_versioned
        self._buckets: dict[str, dict[str, _Stored]] = {}
        self._writes = 0
        self.failures: deque[Exception] = deque()
        self.calls: list[tuple[str, str, str]] = []

    def make_bucket(self, bucket: str) -> None:
        self._buckets.setdefault(bucket, {})

    async def _begin(self, call: str, bucket: str = "", name: str = "") -> dict[str, _Stored]:
        self.calls.append((call, bucket, name))
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.popleft()
        if bucket and bucket not in self._buckets:
            cname = Bucket(bucket, self.provider).cname
            text = f'{self.provider.value} bucket "{cname}" does not exist'
            raise BucketNotFound(cname, is_remote=True, message=text)
        return self._buckets.get(bucket, {})

    def _cname(self, bucket: str, name: str) -> str:
        return Bucket(bucket, self.provider).cname_of(name)

    def _find(self, objects: dict[str, _Stored], bucket: str, name: str, etag: str = "") -> _Stored:
        stored = objects.get(name)
        if stored is None:
            raise ObjectNotFound(self._cname(bucket, name))
        if etag and stored.about.etag != etag:
            raise ObjectChanged(self._cname(bucket, name))
        return stored

    async def list_buckets(self) -> list[str]:
        await self._begin("list_buckets")
        return sorted(self._buckets)

    async def head_bucket(self, bucket: str) -> RemoteBucket:
        await self._begin("head_bucket", bucket)
        return RemoteBucket(bucket, self._is_versioned)

    async def list(
        self, bucket: str, prefix: str = "", start_after: str = "", limit: int = 1000, *, one_level: bool = False
    ) -> Page:
        objects = await self._begin("list", bucket, prefix)
        page, limit = Page([]), min(limit, _PAGE_MAX)
        last = ""
        for name in sorted(objects, key=_bytes):
            rest = name.removeprefix(prefix)
            if not name.startswith(prefix) or _bytes(name) <= _bytes(start_after):
                continue
            folder = prefix + rest.partition("/")[0] + "/" if one_level and "/" in rest else ""
            if folder and folder in (last, start_after):
                continue
            if len(page.objects) + len(page.folders) == limit:
                return replace(page, next_after=last)
            last = folder or name
            if folder:
                page.folders.append(folder)
            else:
                page.objects.append(replace(objects[name].about, content_type="", custom={}))
        return page

    async def head(self, bucket: str, name: str) -> RemoteObject:
        return self._find(await self._begin("head", bucket, name), bucket, name).about

    async def get(self, bucket: str, name: str, start: int = 0, length: int = -1, *, etag: str = "") -> "_Read":
        stored = self._find(await self._begin("get", bucket, name), bucket, name, etag)
        size = stored.about.size
        if start > size or (start == size and start and length):
            raise RangeOutOfBounds(size=size, start=start, length=length)
        stop = size if length < 0 else min(size, start + length)
        return _Read(stored.about, start, stop, stored.content[start:stop])

    async def put(
        self, bucket: str, name: str, body: bytes | AsyncIterable[bytes], custom: Mapping[str, str], size: int = -1
    ) -> RemoteObject:
        objects = await self._begin("put", bucket, name)
        try:
            name.encode()
        except UnicodeEncodeError:
            raise InvalidName(f"{self._cname(bucket, name)!a}: a store takes names in UTF-8 only") from None
        content = bytes(body) if isinstance(body, bytes) else b"".join([chunk async for chunk in body])
        if size not in (-1, len(content)):
            raise InvalidBody(f"expected {size} bytes of body, got {len(content)}")
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return self._store(objects, RemoteObject(name, len(content), etag, custom=dict(custom)), content)

    def _store(self, objects: dict[str, _Stored], about: RemoteObject, content: bytes) -> RemoteObject:
        self._writes += 1
        about = replace(
            about,
            version=f"v{self._writes}" if self._is_versioned else "",
            modified_ns=int(time.time()) * 10**9,
            content_type="application/octet-stream",
        )
        objects[about.name] = _Stored(about, content)
        return about

    async def set_custom(
        self, bucket: str, name: str, about: RemoteObject, custom: Mapping[str, str]
    ) -> RemoteObject | None:
        objects = await self._begin("set_custom", bucket, name)
        stored = self._find(objects, bucket, name, about.etag)
        return self._store(objects, replace(stored.about, custom=dict(custom)), stored.content)

    async def delete(self, bucket: str, name: str) -> None:
        (await self._begin("delete", bucket, name)).pop(name, None)

    async def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class _Read:
    about: RemoteObject
    start: int
    stop: int
    content: bytes

    async def read(self) -> bytes:
        return self.content

    async def chunks(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self.content), _CHUNK_BYTES):
            yield self.content[at : at + _CHUNK_BYTES]


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
