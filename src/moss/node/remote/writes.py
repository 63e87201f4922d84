"""Writing objects that are kept elsewhere: to their store first, which has to say that it has them, then to the cache.

What is written is staged where large objects of the cache are received: in memory while it is small, else in a file
that becomes the cached object. So its checksum is known before the store is asked, a client that is slow holds up no
request to a store, and memory is bounded.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from moss.errors import (
    BackendUnavailable,
    BucketNotFound,
    ChecksumMismatch,
    InvalidBody,
    InvalidRequest,
    MossError,
    ObjectChanged,
    ObjectNotFound,
    OutOfSpace,
)
from moss.hashing import make_hasher
from moss.naming.bucket import Bucket
from moss.node.backends.base import RemoteObject
from moss.node.delivery import verified_pieces
from moss.node.remote.attributes import (
    custom_of,
    described,
    is_from_store,
    is_same,
    kept_checksum,
    metadata_of,
    own_custom,
    user_custom,
    written_attributes,
)
from moss.node.remote.objects import RemoteObjects
from moss.node.remote.places import Place
from moss.node.storage.engine import Engine
from moss.node.storage.objects import ObjectAttributes, ObjectRecord
from moss.node.storage.uploads import Upload

__all__ = ["RemoteWrites"]

log = logging.getLogger("moss.remote")
Outcome = TypeVar("Outcome")

# Up to this size an object is sent in one piece.
WHOLE_BYTES_MAX = 1 << 20
# So much is checked and put into the cache's queue in about 50 µs.
_AT_ONCE_BYTES_MAX = 128 << 10
# What sending a large object may take in memory: parts of 5 MiB, several under way.
_SENDING_BYTES = 60 << 20
# Bodies that go past the cache, each as fast as its client sends it.
_PASSING_MAX = 4
# The cache has to keep so much room beside a body that is staged on its disk.
_ROOM_BYTES = 64 << 20


class RemoteWrites:
    """Changes of objects that are kept elsewhere. For the node's event loop, but for `begin`.

    What is begun is brought to its end, whatever becomes of the caller.
    """

    def __init__(self, engine: Engine, objects: RemoteObjects) -> None:
        self._engine, self._objects = engine, objects
        self._passing = asyncio.Semaphore(_PASSING_MAX)

    # -- content --

    def begin(self, place: Place, name: str, attributes: ObjectAttributes | None = None) -> Upload:
        """Begin an object; `commit` ends it. For any thread.

        Raises:
            BucketNotFound, InvalidName, InvalidRequest: as `Engine.begin_upload`.
        """
        return self._engine.begin_upload(place.record.bucket, name, attributes=attributes, is_staged=True)

    async def commit(self, place: Place, name: str, upload: Upload) -> ObjectRecord:
        """Write what was staged to the store, then to the cache.

        Of the attributes that it was begun with the version does not count: the store tells it.

        Returns:
            The object; one that the cache has no room for lies nowhere (`described`).

        Raises:
            ChecksumMismatch: the bytes are not what was announced; the store is not asked.
            ObjectChanged: it is not to replace what there is.
            BackendUnavailable, BackendDenied, BucketNotFound: as the store says; the cached object stays as it was.
        """
        return await self._objects.to_the_end(self._commit(place, name, upload))

    async def _commit(self, place: Place, name: str, upload: Upload) -> ObjectRecord:
        given = upload.attributes
        try:
            given = replace(given, checksum_value=await _beside(upload, upload.checksum))
            async with self._objects.changing(place, name) as record:
                given = replace(given, custom=await self._custom(place, name, record, given))
                is_small = upload.size <= WHOLE_BYTES_MAX
                body = b"".join(upload.pieces()) if is_small else _pieces(upload)
                held = upload.size if is_small else _SENDING_BYTES
                async with self._objects.in_flight, self._objects.held.hold(held):
                    about = await self._send(place, name, body, given, upload.size)
                return await self._keep(place, name, about, given, upload)
        except BaseException:
            upload.abort()
            raise

    async def _custom(
        self, place: Place, name: str, record: ObjectRecord | None, given: ObjectAttributes
    ) -> dict[str, str]:
        """Return the custom metadata of a new version: what is given, and what survives of the one that it replaces.

        In a bucket of this cluster metadata survives whether or not the object is cached; in a cloud's, as with the
        reference, only that of a cached one. Source: spec/rest-data.md 5.2.

        Raises:
            ObjectChanged: there is another version than is to be replaced.
        """
        if given.replaces is not None and given.replaces != (record.serial if record is not None else 0):
            raise ObjectChanged(place.record.bucket.cname_of(name))
        survives = given.keep_custom and given.load_previous
        old: Mapping[str, str] = {}
        if record is not None:
            old = own_custom(record, place.backend.provider) if survives else {}
        elif given.replaces == 0 or (survives and not place.record.bucket.is_remote):
            try:
                about = await self._objects.head(place, name)
            except ObjectNotFound:
                return dict(given.custom)
            if given.replaces == 0:
                raise ObjectChanged(place.record.bucket.cname_of(name))
            old = user_custom(about)
        return {**old, **given.custom}

    async def _send(
        self, place: Place, name: str, body: bytes | AsyncIterable[bytes], given: ObjectAttributes, size: int
    ) -> RemoteObject:
        checksum = (given.checksum_type, given.checksum_value) if given.checksum_value else None
        metadata = metadata_of(given.custom, place.backend.provider, checksum)
        key = place.key(name)
        about = await place.backend.put(place.bucket, key, body, metadata, size)
        if not about.etag:
            # Not every way to write tells it.
            about = await place.backend.head(place.bucket, key)
        return replace(about, size=size, custom=metadata)

    async def _keep(
        self, place: Place, name: str, about: RemoteObject, given: ObjectAttributes, upload: Upload
    ) -> ObjectRecord:
        """Put into the cache what the store has just acknowledged; whatever happens, it is written."""
        attributes = written_attributes(about, place.backend.provider, given)
        try:
            return await asyncio.wrap_future(await _beside(upload, partial(upload.commit, attributes)))
        except (MossError, OSError) as error:
            if not isinstance(error, (OutOfSpace, BucketNotFound)):
                log.warning("%s is not cached: %s", ascii(place.record.bucket.cname_of(name)), error)
            upload.abort()
            await self._objects.forget(place, name)
            return described(about, name, place.backend.provider, (given.checksum_type, given.checksum_value))

    # -- content that the cache has no room for --

    def has_room(self, size: int) -> bool:
        """Tell whether a body can be staged. May wait for the disk."""
        status = os.statvfs(self._engine.remote_folder)
        return status.f_bavail * status.f_frsize > size + _ROOM_BYTES

    async def pass_on(
        self, place: Place, name: str, chunks: AsyncIterable[bytes], size: int, given: ObjectAttributes
    ) -> ObjectRecord:
        """Write an object to its store as its bytes come; it is not cached. Raises as `commit`.

        Its checksum goes with it only if it was announced.
        """
        return await self._objects.to_the_end(self._pass_on(place, name, chunks, size, given))

    async def _pass_on(
        self, place: Place, name: str, chunks: AsyncIterable[bytes], size: int, given: ObjectAttributes
    ) -> ObjectRecord:
        hasher = make_hasher(given.checksum_type)
        cname = place.record.bucket.cname_of(name)
        broken: list[MossError] = []

        async def checked() -> AsyncIterator[bytes]:
            received = 0
            try:
                async for chunk in chunks:
                    received += len(chunk)
                    hasher.update(chunk)
                    yield chunk
                if received != size:
                    raise InvalidBody(f"expected {size} bytes of body, got {received}")
                if given.checksum_value and hasher.hexdigest() != given.checksum_value:
                    raise ChecksumMismatch(cname, expected=given.checksum_value, found=hasher.hexdigest())
            except MossError as error:
                broken.append(error)
                raise

        async with self._objects.changing(place, name) as record:
            given = replace(given, custom=await self._custom(place, name, record, given))
            try:
                async with self._passing:
                    about = await self._send(place, name, checked(), given, size)
            except BackendUnavailable:
                if broken:
                    raise broken[0] from None
                raise
            await self._objects.forget(place, name)
        return described(about, name, place.backend.provider, (given.checksum_type, hasher.hexdigest()))

    async def copy(
        self, source: Bucket, record: ObjectRecord, custom: Mapping[str, str], place: Place, name: str
    ) -> ObjectRecord:
        """Write a copy of a stored object. Raises as `commit`, and:

        Args:
            custom: metadata of the copy.

        Raises:
            SegmentGone: the source was moved meanwhile: look it up again.
        """
        given = replace(record.attributes_of_copy(record.checksum_type), custom=custom, version=None)
        upload = await asyncio.to_thread(self._staged_copy, source, record, given, place, name)
        return await self.commit(place, name, upload)

    def _staged_copy(
        self, source: Bucket, record: ObjectRecord, given: ObjectAttributes, place: Place, name: str
    ) -> Upload:
        upload = self.begin(place, name, given)
        try:
            for piece in verified_pieces(self._engine, record.extent, source.cname_of(record.name)):
                upload.write(piece)
        except BaseException:
            upload.abort()
            raise
        return upload

    # -- metadata --

    async def set_custom(
        self, place: Place, name: str, changes: Mapping[str, str], *, keep: bool, bytes_max: int
    ) -> None:
        """Change an object's custom metadata in its store, and in the cache if it is there.

        Args:
            keep: metadata that is not changed stays.
            bytes_max: largest size of all keys and values together.

        Raises:
            InvalidRequest: more metadata than that.
            ObjectNotFound, ObjectChanged, BackendUnavailable, BackendDenied: as the store says.
        """
        await self._objects.to_the_end(self._set_custom(place, name, changes, keep, bytes_max))

    async def _set_custom(
        self, place: Place, name: str, changes: Mapping[str, str], keep: bool, bytes_max: int
    ) -> None:
        async with self._objects.changing(place, name) as record:
            if record is not None and not is_from_store(record):
                await self._describe_here(record, place, changes, keep, bytes_max)
                return
            about = await self._objects.head(place, name)
            custom = {**(user_custom(about) if keep else {}), **changes}
            size = sum(len(text.encode("utf-8", "surrogateescape")) for pair in custom.items() for text in pair)
            if size > bytes_max:
                cname = place.record.bucket.cname_of(name)
                raise InvalidRequest(f"{cname}: custom metadata: total size {size} exceeds max {bytes_max} bytes")
            metadata = metadata_of(custom, place.backend.provider, kept_checksum(about))
            changed = replace(await self._rewrite(place, name, about, metadata), custom=metadata)
            if record is not None:
                await self._describe_anew(place, record, about, changed)

    async def _describe_here(
        self, record: ObjectRecord, place: Place, changes: Mapping[str, str], keep: bool, bytes_max: int
    ) -> None:
        """Change the metadata of an object that is on this node alone."""
        bucket, custom = place.record.bucket, dict(changes)
        change = self._engine.update_custom(bucket, record.name, custom, keep=keep, bytes_max=bytes_max)
        await asyncio.wrap_future(change)

    async def _rewrite(self, place: Place, name: str, about: RemoteObject, metadata: Mapping[str, str]) -> RemoteObject:
        """Have the store keep other metadata with an object: by itself if it can, else it gets the object again."""
        key = place.key(name)
        async with self._objects.in_flight:
            done = await place.backend.set_custom(place.bucket, key, about, metadata)
            if done is not None:
                return done
            async with self._objects.held.hold(about.size if about.size <= WHOLE_BYTES_MAX else _SENDING_BYTES):
                answer = await place.backend.get(place.bucket, key, etag=about.etag)
                body = await answer.read() if about.size <= WHOLE_BYTES_MAX else answer.chunks()
                done = await place.backend.put(place.bucket, key, body, metadata, about.size)
                return replace(done if done.etag else await place.backend.head(place.bucket, key), size=about.size)

    async def _describe_anew(
        self, place: Place, record: ObjectRecord, about: RemoteObject, changed: RemoteObject
    ) -> None:
        """Let a cached object say what its original says now; one that is no longer the same goes."""
        custom, bucket = custom_of(changed, place.backend.provider), place.record.bucket
        if is_same(record, about) and changed.version == about.version:
            await asyncio.wrap_future(self._engine.update_custom(bucket, record.name, custom))
        else:
            await self._objects.forget(place, record.name)


async def _beside(upload: Upload, work: Callable[[], Outcome]) -> Outcome:
    """Have something done with an upload, beside the event loop if it is large or on the disk."""
    return work() if upload.size <= _AT_ONCE_BYTES_MAX else await asyncio.to_thread(work)


async def _pieces(upload: Upload) -> AsyncIterator[bytes]:
    pieces = upload.pieces()
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
