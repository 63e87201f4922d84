"""The engine as those see it who write from threads: what belongs into a store is written there too."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from moss.naming.bucket import Bucket
from moss.node.remote.objects import RemoteObjects
from moss.node.remote.places import Place, Remotes
from moss.node.remote.writes import RemoteWrites
from moss.node.storage.engine import Engine
from moss.node.storage.objects import Buffer, ObjectAttributes, ObjectRecord
from moss.node.storage.unfinished import Part
from moss.node.storage.uploads import Upload

__all__ = ["WriteThrough"]

# Threads that may wait for stores at one time. They are none of those that the event loop itself waits for.
_THREADS = 16
Outcome = TypeVar("Outcome")


class StagedUpload:
    """An object on its way to a store; as `Upload`, but its commit is done when the store has it."""

    def __init__(self, through: "WriteThrough", place: Place, name: str, upload: Upload) -> None:
        self._through, self._place, self._name, self._upload = through, place, name, upload
        self.write, self.abort = upload.write, upload.abort

    @property
    def size(self) -> int:
        return self._upload.size

    def commit(self) -> "Future[ObjectRecord]":
        """Make the object visible in its store. The future raises as `RemoteWrites.commit`."""
        return self._through.submit(self._through.remote.commit(self._place, self._name, self._upload))


class WriteThrough:
    """The engine's calls that write, for any bucket; what they do not do is the engine's.

    Their futures are done when the store behind the bucket has acknowledged, if there is one, and raise what it says.
    They must not be waited for in the event loop's own threads: use `run`.

    Attributes:
        remote: the same for the event loop.
    """

    def __init__(self, engine: Engine, remotes: Remotes, objects: RemoteObjects, loop: asyncio.AbstractEventLoop):
        self._engine, self._remotes, self._objects, self._loop = engine, remotes, objects, loop
        self.remote = RemoteWrites(engine, objects)
        self._waited: set[Future[Any]] = set()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="moss-write")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def place(self, bucket: Bucket) -> Place | None:
        """Return where a bucket's objects are kept, None if on this node alone.

        Raises:
            BucketNotFound: there is no such bucket.
        """
        return self._remotes.place(self._engine.get_bucket(bucket)) if self._remotes else None

    async def run(self, work: Callable[[], Outcome]) -> Outcome:
        """Have work done by a thread that may wait for stores."""
        return await self._loop.run_in_executor(self._threads, work)

    def submit(self, work: Any) -> "Future[Any]":
        """Have a coroutine of the event loop run, from any thread."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._waited.add(future)
        future.add_done_callback(self._waited.discard)
        return future

    def put(
        self, bucket: Bucket, name: str, data: Buffer | Sequence[Buffer], *, attributes: ObjectAttributes | None = None
    ) -> "Future[ObjectRecord]":
        place = self.place(bucket)
        if place is None:
            return self._engine.put(bucket, name, data, attributes=attributes)
        upload = self.begin_upload(bucket, name, attributes=attributes)
        for part in [data] if isinstance(data, (bytes, bytearray, memoryview)) else data:
            upload.write(part)
        return upload.commit()

    def begin_upload(
        self, bucket: Bucket, name: str, *, attributes: ObjectAttributes | None = None
    ) -> Upload | StagedUpload:
        place = self.place(bucket)
        if place is None:
            return self._engine.begin_upload(bucket, name, attributes=attributes)
        return StagedUpload(self, place, name, self.remote.begin(place, name, attributes))

    def concat(
        self, bucket: Bucket, name: str, parts: Iterable[Part], *, attributes: ObjectAttributes | None = None
    ) -> "Future[ObjectRecord]":
        upload = self.begin_upload(bucket, name, attributes=attributes)
        try:
            for part in parts:
                for piece in part.read():
                    upload.write(piece)
            return upload.commit()
        except BaseException:
            upload.abort()
            raise

    def delete(self, bucket: Bucket, name: str) -> "Future[None]":
        """Remove an object from its store and from the cache; one that is in a store's bucket need not be there."""
        place = self.place(bucket)
        if place is None:
            return self._engine.delete(bucket, name)
        return self.submit(self._objects.delete(place, name))

    def close(self) -> None:
        """Begin nothing more, and let nobody wait any longer; what was begun ends with the event loop."""
        for future in list(self._waited):
            future.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
