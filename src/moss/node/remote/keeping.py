"""An object that goes into the cache while its bytes go to a client."""

import asyncio

from moss.errors import BackendDenied, BucketNotFound, ObjectNotFound, OutOfSpace, Unavailable
from moss.node.backends.base import RemoteObject
from moss.node.remote.attributes import cached_attributes
from moss.node.remote.objects import RemoteObjects
from moss.node.remote.places import Place
from moss.node.storage.engine import Engine
from moss.node.storage.uploads import Upload

__all__ = ["Keeping"]


class Keeping:
    """One such object, for the event loop. A cache that has no room for it does without.

    Args:
        about: the version that is read.
    """

    def __init__(self, objects: RemoteObjects, place: Place, name: str, about: RemoteObject, upload: Upload) -> None:
        self._objects, self._place, self._name, self._about = objects, place, name, about
        self._upload: Upload | None = upload

    @classmethod
    def begin(cls, engine: Engine, objects: RemoteObjects, place: Place, name: str, about: RemoteObject) -> "Keeping":
        """Begin to keep an object. May wait for the disk."""
        attributes = cached_attributes(about, place.backend.provider)
        return cls(objects, place, name, about, engine.begin_upload(place.record.bucket, name, attributes=attributes))

    async def add(self, piece: bytes, *, is_last: bool) -> None:
        """Add what comes next; with the last piece the object becomes visible, if it is what the store still has.

        Raises:
            ChecksumMismatch: the bytes are not what the store told; they are not kept.
        """
        if self._upload is None:
            return
        try:
            await asyncio.to_thread(self._upload.write, piece)
        except OutOfSpace:
            self._upload = None
            return
        if is_last:
            await self._end(self._upload)

    async def _end(self, upload: Upload) -> None:
        objects, place = self._objects, self._place
        async with objects.turns.hold((place.record.id, self._name)):
            try:
                now = await objects.head(place, self._name)
                if now.etag == self._about.etag:
                    await asyncio.wrap_future(await asyncio.to_thread(upload.commit))
            except (ObjectNotFound, BucketNotFound, OutOfSpace, Unavailable, BackendDenied):
                return

    async def close(self) -> None:
        """Let go of what was not made visible."""
        if self._upload is not None:
            await asyncio.to_thread(self._upload.abort)
