"""Buckets of this node's own whose objects are kept in an object store: `moss serve --store s3://bucket/prefix`.

An object lies there as `<prefix>/<bucket>/<object>`, and `<prefix>/.moss/buckets/` says which buckets there are, so
that a node that has lost its disk finds everything again. Format: docs/formats/store-buckets.md.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from moss.errors import BucketExists, InvalidRequest, MossError
from moss.naming.bucket import Bucket, Provider, parse_namespace, parse_provider
from moss.node.backends.base import Backend
from moss.node.storage.engine import Engine

__all__ = ["BucketStore", "StoreAddress", "folder_of", "parse_store"]

_FORMAT = 1
_PAGE = 1000
_DELETES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where buckets are kept.

    Attributes:
        bucket: of the store.
        prefix: "" or a folder with its slash.
    """

    bucket: Bucket
    prefix: str

    def __str__(self) -> str:
        return self.bucket.cname_of(self.prefix).rstrip("/")


def parse_store(text: str) -> StoreAddress:
    """Read `s3://bucket/prefix`.

    Raises:
        InvalidRequest: it names no bucket of a cloud.
    """
    scheme, mark, rest = text.partition("://")
    name, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    try:
        bucket = Bucket(name, parse_provider(scheme))
    except MossError as error:
        raise InvalidRequest(f'invalid store "{text}": {error.message}') from None
    if not mark or not name or bucket.provider in (Provider.AIS, Provider.HTTP):
        raise InvalidRequest(f'invalid store "{text}": expecting s3://BUCKET[/PREFIX], gs://… or az://…')
    return StoreAddress(bucket, f"{prefix}/" if prefix else "")


def folder_of(bucket: Bucket) -> str:
    """Return the folder below a store's prefix in which the objects of a bucket lie, with its slash."""
    return f"{bucket.name}/" if bucket.namespace.is_global else f"{bucket.namespace}/{bucket.name}/"


class _Entry(msgspec.Struct):
    """What the store knows of a bucket."""

    format: int
    name: str
    namespace: str
    props: msgspec.Raw


class BucketStore:
    """The bucket table in a store. For the node's event loop.

    All calls raise what the backend raises.
    """

    def __init__(self, address: StoreAddress, backend: Backend) -> None:
        self.address, self._backend = address, backend
        self._folder = f"{address.prefix}.moss/buckets/"

    def _key(self, bucket: Bucket) -> str:
        return f"{self._folder}{quote(bucket.uname.rstrip('/'), safe='')}.json"

    async def publish(self, bucket: Bucket, props: bytes) -> None:
        """Enter a bucket, or its changed properties."""
        space = "" if bucket.namespace.is_global else str(bucket.namespace)
        body = msgspec.json.encode(_Entry(_FORMAT, bucket.name, space, msgspec.Raw(props)))
        await self._backend.put(self.address.bucket.name, self._key(bucket), body, {}, len(body))

    async def destroy(self, bucket: Bucket) -> None:
        """Delete a bucket's objects, then its entry."""
        place, gate = self.address.bucket.name, asyncio.Semaphore(_DELETES_AT_ONCE)

        async def delete(key: str) -> None:
            async with gate:
                await self._backend.delete(place, key)

        async for keys in self._pages(self.address.prefix + folder_of(bucket)):
            await asyncio.gather(*map(delete, keys))
        await self._backend.delete(place, self._key(bucket))

    async def restore(self, engine: Engine) -> list[Bucket]:
        """Make the buckets that the store knows and this node does not; return them."""
        made: list[Bucket] = []
        known = {record.bucket for record in engine.list_buckets()}
        async for keys in self._pages(self._folder):
            for key in keys:
                read = await self._backend.get(self.address.bucket.name, key)
                entry = _decode(key, await read.read())
                bucket = Bucket(entry.name, Provider.AIS, parse_namespace(entry.namespace))
                if bucket not in known and await asyncio.to_thread(_make, engine, bucket, bytes(entry.props)):
                    made.append(bucket)
        return made

    async def _pages(self, prefix: str) -> AsyncIterator[list[str]]:
        after = ""
        while True:
            page = await self._backend.list(self.address.bucket.name, prefix, after, _PAGE)
            if page.objects:
                yield [row.name for row in page.objects]
            after = page.next_after
            if not after:
                return


def _make(engine: Engine, bucket: Bucket, props: bytes) -> bool:
    try:
        engine.create_bucket(bucket, props)
    except BucketExists:
        return False  # another worker was first
    return True


def _decode(key: str, body: bytes) -> Any:
    try:
        entry = msgspec.json.decode(body, type=_Entry)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"the store's record of a bucket is damaged: {key}: {error}") from None
    if entry.format != _FORMAT:
        raise InvalidRequest(f"the store's record of a bucket has format {entry.format}, expected {_FORMAT}: {key}")
    return entry
