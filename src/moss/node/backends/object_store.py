"""Reading and writing objects through `obstore`: the part that S3, GCS and Azure have in common."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import BaseError

from moss.errors import BackendUnavailable, MossError, RangeOutOfBounds
from moss.naming.bucket import Bucket, Provider
from moss.node.backends.base import RemoteObject
from moss.node.backends.failures import failure_of

# Answers of a store that is overloaded or hiccups are asked for again; then the node says what is wrong.
RETRY: Any = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=50), "max_backoff": timedelta(seconds=2), "base": 2},
}
CLIENT: Any = {"connect_timeout": "3s", "read_timeout": "20s", "timeout": "300s", "pool_idle_timeout": "60s"}
_CHUNK_BYTES = 1 << 20
_CONTENT_TYPE = "Content-Type"
# What a store calls a failure that is none of these is translated by its text.
_FAILURES = (BaseError, OSError, ValueError)


class ObjectStoreReads:
    """Objects of all buckets of one provider.

    Args:
        open_store: makes the client of one bucket.
    """

    def __init__(self, provider: Provider, open_store: Callable[[str], Any]) -> None:
        self.provider = provider
        self._open_store = open_store
        self._stores: dict[str, Any] = {}

    def bucket(self, name: str) -> Bucket:
        return Bucket(name, self.provider)

    def store(self, bucket: str) -> Any:
        """Return the client of a bucket; made at its first use."""
        store = self._stores.get(bucket)
        if store is None:
            store = self._stores[bucket] = self._open_store(bucket)
        return store

    async def head(self, bucket: str, name: str) -> RemoteObject:
        try:
            found = await obstore.get_async(self.store(bucket), name, options={"head": True})
        except _FAILURES as error:
            raise failure_of(error, self.bucket(bucket), name) from None
        return describe(name, found)

    async def get(self, bucket: str, name: str, start: int = 0, length: int = -1, *, etag: str = "") -> "Read":
        options: Any = {"if_match": f'"{etag}"'} if etag else {}
        if length >= 0:
            options["range"] = (start, start + length)
        elif start:
            options["range"] = {"offset": start}
        try:
            found = await obstore.get_async(self.store(bucket), name, options=options)
        except _FAILURES as error:
            if "416" in str(error) or "Range started at" in str(error):
                about = await self.head(bucket, name)
                raise RangeOutOfBounds(size=about.size, start=start, length=length) from None
            raise failure_of(error, self.bucket(bucket), name) from None
        return Read(self.bucket(bucket), describe(name, found), found)

    async def put(
        self, bucket: str, name: str, body: bytes | AsyncIterable[bytes], custom: Mapping[str, str], size: int = -1
    ) -> RemoteObject:
        attributes: Any = dict(custom)
        try:
            done = await obstore.put_async(self.store(bucket), name, body, attributes=attributes)
        except MossError:
            raise
        except _FAILURES as error:
            raise failure_of(error, self.bucket(bucket), name) from None
        total = len(body) if isinstance(body, (bytes, bytearray, memoryview)) else size
        return RemoteObject(
            name, total, etag=_plain(done.get("e_tag")), version=done.get("version") or "", custom=custom
        )

    async def delete(self, bucket: str, name: str) -> None:
        try:
            await obstore.delete_async(self.store(bucket), name)
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise failure_of(error, self.bucket(bucket), name) from None
        except _FAILURES as error:
            raise failure_of(error, self.bucket(bucket), name) from None

    async def close(self) -> None:
        self._stores.clear()


class Read:
    """One answer. See `moss.node.backends.base.RemoteRead`."""

    def __init__(self, bucket: Bucket, about: RemoteObject, found: Any) -> None:
        self._bucket, self._found = bucket, found
        self.about = about
        self.start, self.stop = found.range

    async def read(self) -> bytes:
        try:
            content = bytes(await self._found.bytes_async())
        except _FAILURES as error:
            raise failure_of(error, self._bucket, self.about.name) from None
        if len(content) != self.stop - self.start:
            raise self._cut(len(content))
        return content

    async def chunks(self) -> AsyncIterator[bytes]:
        received = 0
        try:
            async for chunk in self._found.stream(min_chunk_size=_CHUNK_BYTES):
                received += len(chunk)
                yield bytes(chunk)
        except _FAILURES as error:
            raise failure_of(error, self._bucket, self.about.name) from None
        if received != self.stop - self.start:
            raise self._cut(received)

    def _cut(self, received: int) -> BackendUnavailable:
        place, expected = self._bucket.cname_of(self.about.name), self.stop - self.start
        word = f"{self._bucket.provider.display_name} backend"
        return BackendUnavailable(f"{word} cut off {place}: expected {expected} bytes, got {received}")


def describe(name: str, found: Any) -> RemoteObject:
    """Turn an answer's metadata into ours."""
    meta, attributes = found.meta, dict(found.attributes)
    content_type = str(attributes.pop(_CONTENT_TYPE, ""))
    custom = {str(key).lower(): str(value) for key, value in attributes.items() if key not in _STANDARD}
    return RemoteObject(
        name,
        meta["size"],
        etag=_plain(meta["e_tag"]),
        version=meta["version"] or "",
        modified_ns=int(meta["last_modified"].timestamp()) * 10**9,
        content_type=content_type,
        custom=custom,
    )


_STANDARD = frozenset(("Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Storage-Class"))


def _plain(etag: str | None) -> str:
    return (etag or "").removeprefix("W/").strip('"')
