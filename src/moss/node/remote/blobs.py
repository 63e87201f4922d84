"""Large objects by many ranges at once: blob downloads. Source: spec/rest-data.md 5.3, 5.13."""

import asyncio
from collections import deque
from dataclasses import dataclass

from moss.errors import OutOfSpace
from moss.node.backends.base import RemoteObject
from moss.node.remote.attributes import cached_attributes
from moss.node.remote.objects import RemoteObjects, Uncached
from moss.node.remote.places import Place
from moss.node.storage.engine import Engine
from moss.node.storage.objects import ObjectRecord

__all__ = ["BlobOptions", "download"]

_CHUNK_BYTES, _CHUNK_BYTES_MIN, _CHUNK_BYTES_MAX = 4 << 20, 32 << 10, 16 << 20
_WORKERS, _WORKERS_MAX = 8, 128
# Of one download so much is in memory.
_AHEAD_BYTES_MAX = 64 << 20


@dataclass(frozen=True, slots=True)
class BlobOptions:
    """How a blob is downloaded.

    Attributes:
        chunk_bytes: of a range, 0 for the default; kept between 32 KiB and 16 MiB.
        workers: ranges at one time, 0 for the default, -1 for one after the other; fewer if they would be too much
            in memory.
        timeout_s: a range that takes longer fails, 0 for no limit but the store's own.
    """

    chunk_bytes: int = 0
    workers: int = 0
    timeout_s: float = 0.0

    @property
    def chunk(self) -> int:
        return min(max(self.chunk_bytes or _CHUNK_BYTES, _CHUNK_BYTES_MIN), _CHUNK_BYTES_MAX)

    @property
    def in_flight(self) -> int:
        wanted = 1 if self.workers < 0 else self.workers or _WORKERS
        return max(1, min(wanted, _WORKERS_MAX, _AHEAD_BYTES_MAX // self.chunk))


async def download(
    engine: Engine, objects: RemoteObjects, place: Place, name: str, about: RemoteObject, options: BlobOptions
) -> ObjectRecord | Uncached:
    """Have one version of an object in the cache, fetched by many ranges at once.

    Raises:
        ObjectChanged: the store has another version by now.
        TimeoutError: a range took too long.
        ObjectNotFound, BackendUnavailable, BackendDenied, ChecksumMismatch: as `RemoteObjects.bring`.
    """
    if not about.etag:
        return await objects.bring(place, name)
    async with objects.turns.hold((place.record.id, name)):
        attributes = cached_attributes(about, place.backend.provider)
        upload = await asyncio.to_thread(engine.begin_upload, place.record.bucket, name, attributes=attributes)
        reading: deque[asyncio.Task[bytes]] = deque()
        starts = iter(range(0, about.size, options.chunk))

        async def read(start: int) -> bytes:
            length = min(options.chunk, about.size - start)
            async with asyncio.timeout(options.timeout_s or None):
                return (await objects.read(place, name, start, length, etag=about.etag))[1]

        try:
            while True:
                while len(reading) < options.in_flight and (start := next(starts, None)) is not None:
                    reading.append(asyncio.create_task(read(start)))
                if not reading:
                    break
                await asyncio.to_thread(upload.write, await reading[0])
                reading.popleft()
            return await asyncio.wrap_future(await asyncio.to_thread(upload.commit))
        except OutOfSpace:
            upload.abort()
            await objects.forget(place, name)
            return Uncached(about)
        except BaseException:
            upload.abort()
            raise
        finally:
            for task in reading:
                task.cancel()
