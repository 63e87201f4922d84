"""Making archive objects, and letting existing ones grow. Synchronous; may wait for the disk.

What an archive holds already is carried over as it is: for TAR to the byte, compressed TARs are unpacked and packed
again, of a ZIP only the directory is written anew. Memory is bounded by pieces of 1 MiB, and by a ZIP's directory.
Source: spec/rest-data.md 7.3, 7.4.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from moss.archive.buffers import Buffer
from moss.archive.decompression import make_decompressor
from moss.archive.formats import Format
from moss.archive.limits import DEFAULT_LIMITS, Limits
from moss.archive.tar import PADDINGS
from moss.archive.tar_parse import walk
from moss.archive.tar_pull import pull_entries
from moss.archive.writer import Framer, make_framer
from moss.archive.zip import ZipWriter
from moss.archive.zip_parse import directory_span, read_directory
from moss.errors import ObjectChanged, ObjectNotFound, SegmentGone
from moss.naming.bucket import Bucket
from moss.node.delivery import verified_pieces
from moss.node.storage.locks import Turns
from moss.node.storage.objects import ObjectAttributes, ObjectRecord

__all__ = ["ArchiveUpload", "existing_archive", "grow"]

# Other processes may change an archive while it grows; those of this one wait for each other.
_TRIES = 50
_turns = Turns()
Made = TypeVar("Made")


def grow(bucket: Bucket, name: str, make_once: Callable[[], Made]) -> Made:
    """Make an archive from what it is now; again if it was changed meanwhile.

    Args:
        make_once: raises ObjectChanged, or SegmentGone, when its work was for nothing.
    """
    with _turns.wait((bucket, name)):
        for _ in range(_TRIES - 1):
            try:
                return make_once()
            except (ObjectChanged, SegmentGone):
                continue
        return make_once()


def existing_archive(engine: Any, bucket: Bucket, name: str) -> ObjectRecord | None:
    """Return the record of an archive that may be there."""
    try:
        return engine.head(bucket, name)
    except ObjectNotFound:
        return None


class ArchiveUpload:
    """One archive object that is being written: `keep` at most once, `add` for each member, `commit` or `abort`.

    Args:
        engine: the store.
        attributes: of the object.
        limits: what may be asked of the archive that is carried over.
    """

    def __init__(
        self,
        engine: Any,
        bucket: Bucket,
        name: str,
        archive_format: Format,
        attributes: ObjectAttributes,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._engine, self._bucket, self._format, self._limits = engine, bucket, archive_format, limits
        self._upload = engine.begin_upload(bucket, name, attributes=attributes)
        self._framer: Framer | _ZipContinuation = make_framer(archive_format)
        self._is_done = False

    def __enter__(self) -> "ArchiveUpload":
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._is_done:
            self._upload.abort()

    def keep(self, record: ObjectRecord) -> None:
        """Carry everything over that an archive holds; one without a byte holds nothing.

        Raises:
            BadArchive: it is no archive of this format, or a broken one.
            ChecksumMismatch: it is damaged on disk.
        """
        if not record.size:
            return
        number, offset, size = record.extent[:3]
        view = self._engine.segment(number).view[offset : offset + size]
        if self._format is Format.TAR:
            end = _tar_end(view, self._limits)
            self._copy(record, end)
            self._upload.write(PADDINGS[-end & 511])
        elif self._format is Format.ZIP:
            self._keep_zip(record, view)
        else:
            self._keep_compressed(record)

    def _copy(self, record: ObjectRecord, stop: int) -> None:
        for piece in self._pieces(record, stop):
            self._upload.write(piece)

    def _pieces(self, record: ObjectRecord, stop: int | None = None) -> Iterator[memoryview]:
        return verified_pieces(self._engine, record.extent, self._bucket.cname_of(record.name), 0, stop)

    def _keep_zip(self, record: ObjectRecord, view: memoryview) -> None:
        # The directory's own bytes are checked before they are believed.
        for _ in self._pieces(record):
            pass
        entries = len(read_directory(view, self._limits))
        begin, end, shift = directory_span(view)
        self._copy(record, begin)
        self._framer = _ZipContinuation(ZipWriter(bytes(view[begin:end]), entries, begin - shift))

    def _keep_compressed(self, record: ObjectRecord) -> None:
        decompressor = make_decompressor(self._format, self._limits)

        def unpacked() -> Iterator[bytes]:
            for piece in self._pieces(record):
                yield from decompressor.feed(piece)
            decompressor.finish()

        pieces = unpacked()
        for member, head, payload in pull_entries(pieces, self._limits):
            self._write(self._framer.raw([head]))
            for piece in payload:
                self._write(self._framer.raw([piece]))
            self._write(self._framer.raw([PADDINGS[-member.size & 511]]))
        # What stands behind the end mark is dropped, but a broken end is noticed.
        for _ in pieces:
            pass

    def add(self, name: str, size: int, pieces: Iterable[Buffer]) -> None:
        """Add a regular file behind all others; exactly `size` bytes must come."""
        self._write(self._framer.begin(name, size))
        for piece in pieces:
            self._write(self._framer.data(piece))
        self._write(self._framer.end())

    def commit(self) -> "Future[ObjectRecord]":
        """End the archive and make it visible, whole.

        The future raises as that of a put, and ObjectChanged if the attributes say what is replaced.
        """
        self._write(self._framer.finish())
        committed = self._upload.commit()
        self._is_done = True
        return committed

    def _write(self, buffers: Iterable[Buffer]) -> None:
        for buffer in buffers:
            if len(buffer):
                self._upload.write(buffer)


class _ZipContinuation:
    """Writes further entries behind those of a ZIP that was there; as a framer does."""

    def __init__(self, writer: ZipWriter) -> None:
        self._zip = writer

    def begin(self, name: str, size: int) -> list[Buffer]:
        return [self._zip.begin(name, size)]

    def data(self, piece: Buffer) -> list[Buffer]:
        self._zip.data(piece)
        return [piece]

    def end(self) -> list[Buffer]:
        return [self._zip.end()]

    def finish(self) -> list[Buffer]:
        return self._zip.finish()


def _tar_end(view: memoryview, limits: Limits) -> int:
    """Return where the payload of the last member of a TAR ends."""
    end = 0
    for member in walk(view, limits):
        end = member.data_offset + member.size
    return end
