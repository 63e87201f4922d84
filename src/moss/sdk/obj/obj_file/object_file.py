"""Objects as files: what `gzip`, `tarfile`, `numpy` and `io.TextIOWrapper` expect of one. Twin of `aio`."""

import io
import warnings
from typing import Any

from moss.sdk._sync.resumable import ResumableStream

__all__ = ["ObjectFileReader", "ObjectFileWriter"]

_BUFFER_BYTES = 256 * 1024


class _RawObject(io.RawIOBase):
    """The unbuffered half of `ObjectFileReader`."""

    def __init__(self, stream: ResumableStream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._stream.can_seek

    def readinto(self, buffer: Any) -> int:
        return self._stream.receive_into(memoryview(buffer).cast("B"))

    def readall(self) -> bytes:
        return self._stream.read_rest()

    def tell(self) -> int:
        return self._stream.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            offset += self._stream.position
        elif whence == io.SEEK_END:
            offset += self._stream.size()
        if offset < 0:
            raise ValueError(f"negative seek position {offset}")
        self._stream.seek(offset)
        return offset

    def close(self) -> None:
        self._stream.close()
        super().close()


class ObjectFileReader(io.BufferedReader):
    """An object that is read like a binary file; made by `ObjectReader.as_file`.

    Reading goes on where it broke off when the connection breaks. Entering a `with` block starts from byte 0.

    Raises:
        ErrObjNotFound: by the first read: the object does not exist.
        ObjectChanged: by a read: the object was replaced since the first one.
        ObjectFileReaderMaxResumeError: by a read: the connection broke more often than allowed.
        io.UnsupportedOperation: by `seek` and `tell`, on what can only be read from its beginning to its end.
    """

    def __init__(self, content_provider: ResumableStream, buffer_size: int | None = None) -> None:
        self._stream, self._buffer_size = content_provider, buffer_size or _BUFFER_BYTES
        super().__init__(_RawObject(content_provider), self._buffer_size)

    def tell(self) -> int:
        """Position of the next byte that is read."""
        if not self.closed and not self.seekable():
            raise io.UnsupportedOperation("this object can only be read from its beginning to its end")
        return super().tell()

    def __enter__(self) -> "ObjectFileReader":
        super().__enter__()
        if self._stream.position:
            self._stream.restart()
            super().__init__(_RawObject(self._stream), self._buffer_size)
        return self


class ObjectFileWriter(io.BufferedIOBase):
    """An object that is written like a binary file; made by `ObjectWriter.as_file`.

    What is written becomes visible, all at once, by `close`; what is appended by `flush` too. An exception that leaves
    the `with` block, and dropping the file without closing it, leave the object as it was.

    Args:
        upload: receives the content.
        mode: `w` replaces the object, `a` appends to it.
    """

    def __init__(self, upload: Any, mode: str = "a") -> None:
        self._upload, self._is_ended, self._mode = upload, False, mode

    @property
    def mode(self) -> str:
        return self._mode

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Take bytes, or text as UTF-8 (programs written for the reference print to such files).

        Returns:
            The number of bytes.
        """
        self._check_open()
        return self._upload.write(data)

    def flush(self) -> None:
        """Make visible what was appended so far; does nothing to a file that replaces its object."""
        if self._is_ended:  # `close` of the base class flushes.
            return
        self._check_open()
        self._upload.flush()

    def close(self) -> None:
        """Make everything visible; harmless when done before."""
        if self._is_ended:
            return
        self._is_ended = True
        try:
            self._upload.commit()
        except BaseException:
            self._upload.abort()
            raise
        finally:
            super().close()

    def abort(self) -> None:
        """Forget what is not visible yet, and close."""
        self._is_ended = True
        try:
            self._upload.abort()
        finally:
            super().close()

    def _check_open(self) -> None:
        if self._is_ended:
            raise ValueError("I/O operation on closed file")

    def __enter__(self) -> "ObjectFileWriter":
        self._check_open()
        return self

    def __exit__(self, kind: object, *_error: object) -> None:
        if kind is None:
            self.close()
        elif not self._is_ended:
            self.abort()

    def __del__(self) -> None:
        if getattr(self, "_is_ended", True):
            return
        if self._upload.has_changes:
            warnings.warn(f"{self!r} was not closed: what was written last is dropped", ResourceWarning, stacklevel=2)
        try:
            self.abort()
        except Exception:  # Nobody can handle it here; what was not committed stays invisible.
            pass
