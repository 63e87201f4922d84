# Made by scripts/unasync.py from _async/resumable.py; change that file instead.
"""The content of an object as one stream, however often the connection breaks."""

from io import BytesIO
from typing import Any

from moss.sdk.errors import AISError, TransportError
from moss.sdk.obj.obj_file.errors import (
    ObjectChanged,
    ObjectFileReaderMaxResumeError,
    ObjectFileReaderStreamError,
    ObjectFileReaderUnexpectedEOF,
)
from moss.sdk.transport.blocking import Response
from moss.sdk.transport.memory import LARGE_BYTES_MIN, prefer_large_pages

__all__ = ["ResumableStream"]

_SKIP_BYTES = 256 * 1024
_IDENTITY = ("ais-version", "etag", "last-modified")


class ResumableStream:
    """Reads from a source that can be opened anew, and goes on where it was after a broken connection.

    Args:
        source: opens answers, see `ObjectClient`.
        max_resume: how often reading may be resumed in one pass over the object.
        response: an answer to begin with.

    Attributes:
        position: bytes delivered so far, or where the next read begins after `seek`.
        resumes: how often reading was resumed in this pass.
    """

    def __init__(self, source: Any, max_resume: int = 5, response: Response | None = None) -> None:
        self._source, self._max_resume = source, max_resume
        self._response: Response | None = None
        self._skip = 0
        self._length: int | None = None
        self._identity: dict[str, str] = {}
        self._is_present: bool | None = None
        self._was_opened = False
        self.position = self.resumes = 0
        if response is not None:
            self._take(response, 0)

    @property
    def can_seek(self) -> bool:
        return self._source.can_start_at_offset

    def size(self) -> int:
        """Bytes of the whole stream; asks for it when nothing was read yet.

        Raises:
            ObjectFileReaderStreamError: the server does not tell.
        """
        if self._length is None and self._response is None:
            self._open()
        if self._length is None:
            raise ObjectFileReaderStreamError("its length is not known before its end")
        return self._length

    def receive_into(self, view: memoryview) -> int:
        """Receive some bytes; 0 only at the end.

        Raises:
            ErrObjNotFound: the object does not exist (any more).
            ObjectChanged: it was replaced since the first read.
            ObjectFileReaderMaxResumeError: it broke off too often.
        """
        if not len(view) or (self._length is not None and self.position >= self._length):
            return 0
        is_first = self._response is None and not self.position
        while True:
            try:
                if self._response is None:
                    self._open()
                is_first = False
                self._discard()
                count = self._response.receive_into(view)
            except TransportError as error:
                self._drop()
                if is_first:
                    raise
                self._count_resume(error)
            except BaseException as error:
                self._drop()
                if getattr(error, "status_code", 0) != 416 or not self.position:
                    raise
                if self._was_opened:
                    raise ObjectChanged(f"it has fewer than {self.position} bytes now") from error
                return 0  # Sought behind the end.
            else:
                self.position += count
                if not count:
                    self._end()
                return count

    def read_rest(self) -> bytes:
        """Receive everything up to the end."""
        if self._length is None and self._response is None:
            self._open()
        # As in `Response.read`: zeros that nobody else holds become the content without being touched twice.
        size = max((self._length or 0) - self.position, 0)
        content = BytesIO(bytes(size))
        if size:
            with content.getbuffer() as view:
                if size >= LARGE_BYTES_MIN:
                    prefer_large_pages(view)
                filled = 0
                while filled < size:
                    filled += self.receive_into(view[filled:])
        elif self._length is None:
            piece = memoryview(bytearray(_SKIP_BYTES))
            while count := self.receive_into(piece):
                content.write(piece[:count])
        return content.getvalue()

    def seek(self, position: int) -> None:
        """Read on from another byte; the request is sent by the next read."""
        if position != self.position:
            self._drop()
            self.position = position

    def restart(self) -> None:
        """Begin another pass over the object."""
        self._drop()
        self.position = self.resumes = 0
        self._length, self._identity, self._was_opened = None, {}, False

    def close(self) -> None:
        self._drop()

    def _open(self) -> None:
        position = self.position
        if position and not (self._source.can_start_at_offset and self._has_all_bytes()):
            position = 0
        self._take(self._source.open(position), position)

    def _has_all_bytes(self) -> bool:
        """Whether the cluster holds the object: a range of one that it has to fetch may wait for the whole of it."""
        if self._is_present is None:
            try:
                self._is_present = (self._source.head()).present
            except AISError as error:
                if error.status_code == 404:
                    raise
                self._is_present = False
        return self._is_present

    def _take(self, response: Response, asked: int) -> None:
        """Use an answer that was asked for from byte `asked` on."""
        starts_at = asked if response.status == 206 else 0
        if asked and response.status != 206 and self._source.is_range:
            response.close()
            raise ObjectFileReaderStreamError("the server ignores ranges, so that a part of one cannot be asked for")
        length = None if response.length is None else starts_at + response.length
        identity = {name: value for name in _IDENTITY if (value := response.headers.get(name, ""))}
        if self._length is not None and length is not None and length != self._length:
            response.close()
            raise ObjectChanged(f"its length was {self._length} and is {length} bytes now")
        for name, value in identity.items():
            if self._identity.setdefault(name, value) != value:
                response.close()
                raise ObjectChanged(f"its {name} was {self._identity[name]} and is {value} now")
        if self._length is None:
            self._length = length
        self._was_opened = True
        self._skip = self.position - starts_at
        self._response = response

    def _discard(self) -> None:
        """Receive and forget the bytes before `position` that an answer begins with."""
        scratch = memoryview(bytearray(min(self._skip, _SKIP_BYTES)))
        while self._skip:
            count = self._response.receive_into(scratch[: self._skip])
            if not count:
                raise ObjectFileReaderUnexpectedEOF(self.position - self._skip, self.position)
            self._skip -= count

    def _end(self) -> None:
        if self._length is not None and self.position < self._length:
            raise ObjectFileReaderUnexpectedEOF(self.position, self._length)
        self._length = self.position
        self._response = None

    def _count_resume(self, error: TransportError) -> None:
        self.resumes += 1
        if self.resumes > self._max_resume:
            raise ObjectFileReaderMaxResumeError(error, self._max_resume) from error

    def _drop(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.close()
