"""Entries of a batch that are not on this node: fetched from their stores, ahead of their turn.

The thread that assembles the batch announces windows and waits for them; the node's event loop fetches. What was
fetched lies in the cache then and is looked up again like every other object.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

from moss.errors import MossError
from moss.node.getbatch.plan import Batch
from moss.node.remote import Place, RemoteObjects
from moss.node.storage.layout import Extent

Found = dict[int, bytes | MossError]


class ColdEntries:
    """The cold entries of one batch.

    Args:
        places: where the objects of a bucket are kept, by the bucket's number in the batch; only of those that are
            kept elsewhere.
        loop: the node's event loop.
    """

    def __init__(
        self, remote: RemoteObjects, batch: Batch, places: Mapping[int, Place], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._remote, self._batch, self._places, self._loop = remote, batch, places, loop
        self._windows: dict[int, Future[Found]] = {}

    def announce(self, start: int, extents: Sequence[Extent | None]) -> bool:
        """Begin to fetch what a window lacks; return whether that is anything."""
        if start in self._windows:
            return True
        rows = [start + i for i, extent in enumerate(extents) if extent is None and self.is_cold(start + i)]
        if not rows:
            return False
        self._windows[start] = asyncio.run_coroutine_threadsafe(self._fetch(rows), self._loop)
        return True

    def is_cold(self, index: int) -> bool:
        """Tell whether an entry that is not on this node may be had from elsewhere."""
        return (self._batch.bucket_of[index] if self._batch.bucket_of else 0) in self._places

    def settle(self, start: int) -> Found:
        """Wait for a window that was announced.

        Returns:
            For each entry that is not in the cache now: its object's content, or what went wrong.
        """
        return self._windows.pop(start).result()

    async def _fetch(self, rows: Sequence[int]) -> Found:
        wanted: dict[tuple[int, str], list[int]] = {}
        for row in rows:
            which = self._batch.bucket_of[row] if self._batch.bucket_of else 0
            wanted.setdefault((which, self._batch.names[row]), []).append(row)
        answers = await asyncio.gather(
            *(self._remote.bring(self._places[which], name) for which, name in wanted), return_exceptions=True
        )
        found: Found = {}
        for rows_of_one, answer in zip(wanted.values(), answers, strict=True):
            if isinstance(answer, (bytes, MossError)):
                found.update(dict.fromkeys(rows_of_one, answer))
            elif isinstance(answer, BaseException):
                raise answer
        return found

    def close(self) -> None:
        """Stop waiting for anything; what others wait for too goes on."""
        for window in self._windows.values():
            window.cancel()
