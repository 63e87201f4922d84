"""Request bodies that may have to be sent twice: after a redirect, and after a failure. Pure but for `seek`."""

from typing import Any

from moss.errors import MossError

__all__ = ["Body", "UnrewindableBody"]


class UnrewindableBody(MossError):
    """A body was partly sent, must be sent again, and cannot be read again from its start."""

    code = "unrewindable-body"


class Body:
    """A body and the way back to its start.

    Attributes:
        source: what the transport sends: bytes, a binary file at its start, an iterator, or None.
    """

    def __init__(self, source: Any) -> None:
        self._position: int | None = None
        self._was_started = False
        if source is None or isinstance(source, bytes | bytearray | memoryview):
            self.source = source
        elif hasattr(source, "read"):
            self.source = source
            self._position = source.tell() if source.seekable() else None
        elif hasattr(source, "__aiter__"):
            self.source = self._watch_async(source)
        else:
            self.source = self._watch(source)

    def _watch(self, pieces: Any) -> Any:
        # From here on: pieces that fail before the first one is made must not be taken for an empty body the next time.
        self._was_started = True
        yield from pieces

    async def _watch_async(self, pieces: Any) -> Any:
        self._was_started = True
        async for piece in pieces:
            yield piece

    def rewind(self) -> None:
        """Make `source` ready to be sent again.

        Raises:
            UnrewindableBody: it cannot be.
        """
        source = self.source
        if self._position is not None:
            source.seek(self._position)
        elif self._was_started or hasattr(source, "read"):
            raise UnrewindableBody("the request body was partly sent and cannot be sent again")
