"""The part that S3, GCS and Azure have in common: `obstore` reads and writes objects, fast; what it cannot do goes
through HTTP requests of our own (`rest_objects`): buckets, listings, odd names, large writes, other metadata.
"""

import re
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import BaseError

from moss.errors import InvalidBody, ObjectChanged
from moss.naming.bucket import Bucket, Provider
from moss.node.backends.base import Page, RemoteBucket, RemoteObject, RemoteRead
from moss.node.backends.failures import failure_of, plain, reading, status_in
from moss.node.backends.limits import Limits
from moss.node.backends.rest import cut_off
from moss.node.backends.rest_objects import EmptyRead, decoded, plain_etag, spelled

__all__ = ["ObjectStoreBackend", "client_options", "retry_options"]

_CHUNK_BYTES = 1 << 20
# `obstore` waits for an answer from the first byte that it sends: on a slow line larger bodies would not get one.
_WHOLE_BYTES_MAX = 1 << 20
_CONTENT_TYPE = "Content-Type"
_STANDARD = frozenset(("Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Storage-Class"))
# What a store calls a failure that is none of these is translated by its text.
_FAILURES = (BaseError, OSError, ValueError)
# It drops empty segments at the ends of names, and refuses those, dots and control characters in the middle, and
# what is no UTF-8.
_UNSPELLABLE = re.compile(r"(?:^|/)(?:\.{0,2})(?:/|$)|[\x00-\x1f\x7f\ud800-\udfff]")
_OPEN_MAX = 256
# Metadata that is no ASCII.
_HEADER_MARK = re.compile(r"InvalidMetadata|InvalidHeader|BadHeader|MissingContentLength")
_RANGE_MARK = re.compile(r"StartTooLarge|Range started at")
# A bucket that is somewhere else. Answers to a look-up come without the store's words for it.
_MOVED_MARK = re.compile(r"status code: (?:301|307|400)|HTTP status client error \(400|configured region")


class ObjectStoreBackend:
    """All buckets that one set of credentials opens.

    Args:
        rest: does what `obstore` cannot.
        open_store: makes the `obstore` client of one bucket.
        moves: finds out where a bucket is now, tells whether that is another place; None where buckets do not move.
    """

    def __init__(
        self,
        provider: Provider,
        rest: Any,
        open_store: Callable[[str], Awaitable[Any]],
        moves: Callable[[str], Awaitable[bool]] | None = None,
    ) -> None:
        self.provider = provider
        self._rest, self._open_store, self._moves = rest, open_store, moves
        self._stores: OrderedDict[str, Any] = OrderedDict()

    def bucket(self, name: str) -> Bucket:
        return Bucket(name, self.provider)

    async def _store(self, bucket: str) -> Any:
        """Return the client of a bucket; made at its first use."""
        store = self._stores.get(bucket)
        if store is None:
            store = self._stores[bucket] = await self._open_store(bucket)
            if len(self._stores) > _OPEN_MAX:
                self._stores.popitem(last=False)
        return store

    # -- buckets and listings --

    async def list_buckets(self) -> list[str]:
        return await self._rest.list_buckets()

    async def head_bucket(self, bucket: str) -> RemoteBucket:
        return await self._rest.head_bucket(bucket)

    async def list(
        self, bucket: str, prefix: str = "", start_after: str = "", limit: int = 1000, *, one_level: bool = False
    ) -> Page:
        return await self._rest.list(bucket, prefix, start_after, limit, one_level=one_level)

    # -- objects --

    async def head(self, bucket: str, name: str) -> RemoteObject:
        if is_spellable(name):
            try:
                return describe(name, await self._get(bucket, name, {"head": True}))
            except _FAILURES as error:
                if not _is_unreadable(error):
                    raise reading(failure_of(error, self.bucket(bucket), name), self.bucket(bucket), name) from None
        return await self._rest.head(bucket, name)

    async def get(self, bucket: str, name: str, start: int = 0, length: int = -1, *, etag: str = "") -> RemoteRead:
        if length == 0 or not is_spellable(name):
            return await self._rest.get(bucket, name, start, length, etag=etag)
        options: Any = {"if_match": f'"{etag}"'} if etag else {}
        if length > 0:
            options["range"] = (start, start + length)
        elif start:
            options["range"] = {"offset": start}
        try:
            found = await self._get(bucket, name, options)
        except _FAILURES as error:
            if _is_unreadable(error):
                return await self._rest.get(bucket, name, start, length, etag=etag)
            if status_in(str(error)) == 416 or _RANGE_MARK.search(plain(error)):
                return EmptyRead.of(await self.head(bucket, name), start, length)
            raise reading(failure_of(error, self.bucket(bucket), name), self.bucket(bucket), name) from None
        about = describe(name, found)
        if etag and about.etag != etag:
            raise ObjectChanged(self.bucket(bucket).cname_of(name))  # a store that does not know of conditions
        return Read(self.bucket(bucket), about, found)

    async def _get(self, bucket: str, name: str, options: Any) -> Any:
        try:
            return await obstore.get_async(await self._store(bucket), name, options=options)
        except _FAILURES as error:
            if not await self._has_moved(bucket, error):
                raise
            return await obstore.get_async(await self._store(bucket), name, options=options)

    async def _has_moved(self, bucket: str, error: BaseException) -> bool:
        if self._moves is None or not _MOVED_MARK.search(plain(error)) or not await self._moves(bucket):
            return False
        self._stores.pop(bucket, None)
        return True

    async def put(
        self, bucket: str, name: str, body: bytes | AsyncIterable[bytes], custom: Mapping[str, str], size: int = -1
    ) -> RemoteObject:
        if not isinstance(body, bytes) or len(body) > _WHOLE_BYTES_MAX or not is_spellable(name):
            return await self._rest.put(bucket, name, body, custom, size)
        if size not in (-1, len(body)):
            raise InvalidBody(f"expected {size} bytes of body, got {len(body)}")
        try:
            done = await self._put(bucket, name, body, {key: spelled(value) for key, value in custom.items()})
        except _FAILURES as error:
            raise failure_of(error, self.bucket(bucket), name) from None
        version = done.get("version") or ""
        version = "" if version == "null" else version
        return RemoteObject(name, len(body), etag=plain_etag(done.get("e_tag")), version=version, custom=dict(custom))

    async def _put(self, bucket: str, name: str, body: bytes, attributes: Any) -> Any:
        try:
            return await obstore.put_async(
                await self._store(bucket), name, body, attributes=attributes, use_multipart=False
            )
        except _FAILURES as error:
            if not await self._has_moved(bucket, error):
                raise
            return await obstore.put_async(
                await self._store(bucket), name, body, attributes=attributes, use_multipart=False
            )

    async def set_custom(
        self, bucket: str, name: str, about: RemoteObject, custom: Mapping[str, str]
    ) -> RemoteObject | None:
        return await self._rest.set_custom(bucket, name, about, custom)

    async def delete(self, bucket: str, name: str) -> None:
        await self._rest.delete(bucket, name)

    async def close(self) -> None:
        self._stores.clear()
        await self._rest.client.close()


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
            raise cut_off(self._bucket, self.about.name, self.stop - self.start, len(content))
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
            raise cut_off(self._bucket, self.about.name, self.stop - self.start, received)


def is_spellable(name: str) -> bool:
    """Tell whether `obstore` takes a name as it is."""
    return not _UNSPELLABLE.search(name)


def _is_unreadable(error: BaseException) -> bool:
    """Tell whether the answer was fine, but for a header that `obstore` cannot read."""
    return not status_in(str(error)) and bool(_HEADER_MARK.search(plain(error)))


def describe(name: str, found: Any) -> RemoteObject:
    """Turn an answer's metadata into ours."""
    meta, attributes = found.meta, dict(found.attributes)
    content_type = str(attributes.pop(_CONTENT_TYPE, ""))
    version = meta["version"] or ""
    return RemoteObject(
        name,
        meta["size"],
        etag=plain_etag(meta["e_tag"]),
        version="" if version == "null" else version,
        modified_ns=int(meta["last_modified"].timestamp()) * 10**9,
        content_type=content_type,
        custom={str(key).lower(): decoded(str(value)) for key, value in attributes.items() if key not in _STANDARD},
    )


def client_options(limits: Limits, endpoint: str = "", trust: bytes = b"") -> dict[str, Any]:
    """Return `obstore`'s options for connections.

    Args:
        trust: certificates in PEM to trust besides the system's.
    """
    options: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=limits.connect_s),
        "read_timeout": timedelta(seconds=limits.read_s),
        "timeout": timedelta(seconds=limits.total_s),
        "pool_idle_timeout": timedelta(seconds=60),
    }
    if endpoint.startswith("http://"):
        options["allow_http"] = True
    if trust:
        options["root_certificate"] = trust
    return options


def retry_options(limits: Limits) -> dict[str, Any]:
    """Return `obstore`'s options for repetitions."""
    return {
        "max_retries": limits.retries,
        "retry_timeout": timedelta(seconds=limits.retry_s),
        "backoff": {
            "init_backoff": timedelta(seconds=limits.pause_s),
            "max_backoff": timedelta(seconds=limits.pause_s_max),
            "base": 2,
        },
    }
