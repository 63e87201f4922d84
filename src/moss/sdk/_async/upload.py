"""The content of one object, taken piece by piece as it is written."""

from typing import Any

from moss.sdk._async.multipart import MultipartUpload
from moss.sdk._async.writer import ObjectWriter
from moss.sdk.const import MIB
from moss.sdk.errors import AISError, TransportError

__all__ = ["UploadStream"]

_PART_BYTES = 8 * MIB


class UploadStream:
    """Collects what is written and hands it over in large pieces; the object changes when it is committed.

    A new content that fits into one piece is one PUT, a larger one an upload in parts. What is appended goes through
    the append protocol, whose pieces become visible with its last step.

    Args:
        writer: writes the object.
        upload: an upload of the same object, not yet created; None sends everything in one piece.
        is_append: keep what is there.
        part_bytes: size of a piece, and about the memory that is needed.
    """

    def __init__(
        self, writer: ObjectWriter, upload: MultipartUpload | None, is_append: bool, part_bytes: int = _PART_BYTES
    ) -> None:
        self._writer, self._upload, self._is_append, self._part_bytes = writer, upload, is_append, part_bytes
        self._pending = bytearray()
        self._parts_count = 0
        self._handle = ""
        self.has_changes = not is_append
        """Whether a commit has something to do. Replacing with nothing is something: an empty object."""

    async def write(self, data: Any) -> int:
        """Take bytes, or text as UTF-8; returns the number of bytes."""
        piece = data.encode() if isinstance(data, str) else memoryview(data).cast("B")
        size = len(piece)
        if not size:
            return 0
        self.has_changes = True
        self._pending += piece
        if len(self._pending) >= self._part_bytes and (self._is_append or self._upload is not None):
            await self._send_parts()
        return size

    async def _send_parts(self) -> None:
        position = 0
        with memoryview(self._pending) as view:
            while len(view) - position >= self._part_bytes:
                await self._send(bytes(view[position : position + self._part_bytes]))
                position += self._part_bytes
        del self._pending[:position]

    async def _send(self, piece: bytes) -> None:
        if self._is_append:
            self._handle = await self._writer.append_content(piece, self._handle)
            return
        if not self._parts_count:
            await self._upload.create()
        self._parts_count += 1
        await self._upload.add_part(self._parts_count).put_content(piece)

    async def flush(self) -> None:
        """Make visible what was appended so far. A new content appears as a whole, when it is committed: writers
        like `gzip` flush before they are done."""
        if self._is_append:
            await self.commit()

    async def commit(self) -> None:
        """Make everything that was written visible."""
        if not self.has_changes:
            return
        if not self._is_append and not self._parts_count:
            await self._writer.put_content(bytes(self._pending))
        elif self._pending:
            await self._send(bytes(self._pending))
        self._pending.clear()  # Not before: what could not be sent is sent by the next attempt.
        if self._is_append:
            await self._writer.append_content(b"", self._handle, flush=True)
            self._handle = ""
        elif self._parts_count:
            await self._upload.complete()
        self.has_changes = False

    async def abort(self) -> None:
        """Forget what was not committed. Parts that cannot be removed now are removed by the cluster later."""
        self._pending.clear()
        self.has_changes = False
        if self._parts_count and self._upload.upload_id:
            try:
                await self._upload.abort()
            except (AISError, TransportError):
                pass
