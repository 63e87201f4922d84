"""Files of the file system, as `open` returns them."""

import errno
import io
import warnings
from typing import Any

from fsspec.spec import AbstractBufferedFile

from moss.integrations.fsspec.failures import os_errors

__all__ = ["CompressedFile", "MossFile"]

_HEAD_BYTES = 64 * 1024
_LINES_BYTES = 256 * 1024


class MossFile(AbstractBufferedFile):
    """A file for reading, or one that becomes an object when it is closed.

    Opening for reading takes one request, which brings the first 64 KiB as well: small files need no other.

    What is written goes to the cluster in parts and becomes visible, all at once, by `close`. An exception that leaves
    the `with` block of the file, and dropping it without closing it, leave the object as it was. The same holds for
    what is appended.

    Args:
        fs, path, mode, block_size, autocommit, cache_type, cache_options, size: as of `AbstractBufferedFile`; `size`
            saves the request at opening.

    Raises:
        FileNotFoundError: no such file; when writing, by `close`: no such bucket.
        FileExistsError: mode `xb`, and the path leads somewhere.
        OSError: by a read, `ESTALE`: the object was replaced since the file was opened.
    """

    DEFAULT_BLOCK_SIZE = 4 * 1024 * 1024

    def __init__(
        self,
        fs: Any,
        path: str,
        mode: str = "rb",
        block_size: int | str | None = None,
        autocommit: bool = True,
        cache_type: str = "readahead",
        cache_options: dict[str, Any] | None = None,
        size: int | None = None,
        **kwargs: Any,
    ) -> None:
        self._head, self._version = b"", ""
        self._lines, self._lines_start = b"", 0
        self._writer: Any = None
        if mode == "rb" and size is None:
            self._head, size, self._version = fs.store.read_head(path, _HEAD_BYTES)
        super().__init__(fs, path, mode, block_size or "default", autocommit, cache_type, cache_options, size, **kwargs)
        if mode != "rb":
            self._begin_writing()

    def _begin_writing(self) -> None:
        store = self.fs.store
        if self.mode == "xb":
            store.refuse_existing(self.path)
        if self.mode == "ab" and store.exists(self.path):
            self.loc = store.info(self.path)["size"]
        self._writer = store.writable(self.path).get_writer().as_file("a" if self.mode == "ab" else "w")

    def _fetch_range(self, start: int, end: int) -> bytes:
        head = self._head[start:end]
        if len(head) >= min(end, self.size) - start:
            return head
        rest: bytes = self.fs.store.read_part(self.path, start + len(head), end, self._version)
        return head + rest if head else rest

    def readline(self, size: int | None = -1) -> bytes:
        """Read up to and including the next line feed, at most `size` bytes."""
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        pieces: list[bytes] = []
        remaining = self.size if size is None or size < 0 else size
        while remaining > 0:
            offset = self.loc - self._lines_start
            if not 0 <= offset < len(self._lines):
                self._lines, self._lines_start = self.read(_LINES_BYTES), self.loc
                self._lines_start -= len(self._lines)
                self.loc = self._lines_start
                offset = 0
                if not self._lines:
                    break
            found = self._lines.find(b"\n", offset)
            stop = min(found + 1 if found >= 0 else len(self._lines), offset + remaining)
            pieces.append(self._lines[offset:stop])
            self.loc += stop - offset
            remaining -= stop - offset
            if found >= 0 and stop == found + 1:
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """The rest of the lines, or about `hint` bytes of them."""
        lines, count = [], 0
        while line := self.readline():
            lines.append(line)
            count += len(line)
            if hint is not None and 0 < hint <= count:
                break
        return lines

    def write(self, data: Any) -> int:
        """Take bytes; returns their number."""
        if self.closed or (self.mode != "rb" and self.forced):
            raise ValueError("I/O operation on closed file.")
        if not self.writable():
            raise ValueError("File not in write mode")
        with os_errors(self.path):
            count: int = self._writer.write(data)
        self.loc += count
        return count

    def flush(self, force: bool = False) -> None:
        """Nothing becomes visible before `close`, which flushes by force."""
        if self.closed:
            raise ValueError("Flush on closed file")
        if self.mode == "rb" or not force:
            return
        if self.forced:
            raise ValueError("Force flush cannot be called more than once")
        self.forced = True
        if self.autocommit:
            self.commit()

    def commit(self) -> None:
        """Make what was written visible; at the end of a transaction."""
        with os_errors(self.path):
            self._writer.close()
        self.fs.invalidate_cache(self.path)

    def discard(self) -> None:
        """Forget what was written; the object stays as it was."""
        self.forced = self.closed = True
        with os_errors(self.path):
            self._writer.abort()

    def readable(self) -> bool:
        return self.mode == "rb" and not self.closed

    def truncate(self, size: int | None = None) -> int:
        raise OSError(errno.EOPNOTSUPP, "objects are written as a whole", self.path)

    def __exit__(self, kind: object, *_error: object) -> None:
        if kind is not None and self._writer is not None and not self.closed:
            self.discard()
        else:
            self.close()

    def __del__(self) -> None:
        if getattr(self, "_writer", None) is None or self.closed or self.forced:
            return
        if self.loc:
            warnings.warn(f"{self.path} was not closed: what was written is dropped", RuntimeWarning, stacklevel=2)
        try:
            self.discard()
        except OSError:  # Nobody can handle it here; what was not committed stays invisible.
            pass


class CompressedFile(io.BufferedIOBase):
    """A file that is compressed while it is written, and closed together with its compressor.

    Args:
        file: receives what is compressed.
        compressor: writes to it.
    """

    def __init__(self, file: MossFile, compressor: Any) -> None:
        self._file, self._compressor = file, compressor

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Take bytes; returns their number."""
        count: int = self._compressor.write(data)
        return count

    def close(self) -> None:
        """Make everything visible; harmless when done before."""
        if self.closed:
            return
        try:
            self._compressor.close()
            self._file.close()
        except BaseException:
            self.discard()
            raise
        super().close()

    def discard(self) -> None:
        """Forget what was written; the object stays as it was."""
        if not self._file.closed:
            self._file.discard()
        super().close()

    def __exit__(self, kind: object, *_error: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()
