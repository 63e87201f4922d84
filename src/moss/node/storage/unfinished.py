"""Objects that are put together over several requests: multipart uploads, and appends before their flush.

Each has a folder of its own under the data directory, so that every worker process sees it. Its parts are files; its
journal says which of them count. A part that is sent again replaces the one before, and a part that broke off was
never there. Parts are checked against the checksum in the journal when the object is made of them.

Format: docs/formats/store.md, "Unfinished objects".
"""

import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from xxhash import xxh3_64, xxh3_64_intdigest

from moss.errors import ChecksumMismatch, OutOfSpace
from moss.naming.bucket import Bucket
from moss.node.storage.index import space_error
from moss.node.storage.layout import encode_name
from moss.node.storage.objects import BucketRecord, ObjectRecord
from moss.node.storage.records import FLAG_BLOCKS
from moss.node.storage.segments import Segment, sync_directory

__all__ = ["Draft", "Part", "Unfinished", "UnfinishedObjects"]

_PIECE_BYTES = 1 << 20
_ID_BYTES = 9
_MARK, _JOURNAL = "about.json", "journal"
# What a file system says that has no links, or when the folders lie on different ones.
_CANNOT_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `size` bytes of a file from `offset` on, whose XXH3-64 is `xxh3`."""

    number: int
    path: Path
    offset: int
    size: int
    xxh3: int

    def read(self) -> Iterator[bytes]:
        """Yield the bytes in pieces of up to 1 MiB.

        Raises:
            ChecksumMismatch: they are not what was written; known only behind the last piece.
        """
        hasher, left = xxh3_64(), self.size
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            while left and (piece := file.read(min(_PIECE_BYTES, left))):
                hasher.update(piece)
                left -= len(piece)
                yield piece
        if left or hasher.intdigest() != self.xxh3:
            found = hasher.hexdigest()
            raise ChecksumMismatch(f"part {self.number}", expected=f"{self.xxh3:016x}", found=found)


class _Store(Protocol):
    """What of the engine is needed here."""

    def segment(self, number: int) -> Segment: ...

    def read_version(self, bucket: Bucket, record: ObjectRecord, start: int, length: int) -> bytes: ...


class Draft:
    """A part that is being received. Used by one thread at a time; `close` drops it unless it was published."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._hasher = xxh3_64()
        try:
            self._file: IO[bytes] = open(path, "xb", buffering=0)  # noqa: SIM115 - lives as long as the draft
        except OSError as error:
            raise _explained(error) from error

    def write(self, data: bytes | memoryview) -> None:
        """Append to the part.

        Raises:
            OutOfSpace: the disk is full.
        """
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise _explained(error) from error
        self.size += len(data)
        self._hasher.update(data)

    def finish(self, *, sync: bool) -> int:
        """Close the file; returns the XXH3-64 of the part."""
        try:
            if sync:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise _explained(error) from error
        self._file.close()
        return self._hasher.intdigest()

    def close(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)


class Unfinished:
    """One unfinished object."""

    def __init__(self, folder: Path, *, sync: bool) -> None:
        self._folder, self._sync = folder, sync

    @property
    def id(self) -> str:
        return self._folder.name

    def draft(self) -> Draft:
        """Begin a part.

        Raises:
            FileNotFoundError: the object was completed or dropped meanwhile.
            OutOfSpace: the disk is full.
        """
        return Draft(self._folder / f"{secrets.token_hex(6)}.part")

    def publish(self, number: int, draft: Draft) -> None:
        """Make a draft the part of this number.

        Raises:
            FileNotFoundError: the object was completed or dropped meanwhile.
            OutOfSpace: the disk is full.
        """
        xxh3 = draft.finish(sync=self._sync)
        self._note(Part(number, draft.path, 0, draft.size, xxh3))

    def publish_object(self, number: int, store: "_Store", bucket: Bucket, record: ObjectRecord) -> None:
        """Make a stored object, as it is now, the part of this number.

        Raises:
            SegmentGone, FileNotFoundError: it was moved, replaced or deleted; or this object was dropped.
            ChecksumMismatch: it is damaged.
            OutOfSpace: the disk is full.
        """
        segment, offset, size, xxh3, flags, _ = record.extent
        if flags & FLAG_BLOCKS:
            # A large object is a file of its own that never changes: a second name for the file keeps its bytes.
            path = self._folder / f"{secrets.token_hex(6)}.part"
            try:
                os.link(store.segment(segment).path, path)
            except OSError as error:
                if error.errno not in _CANNOT_LINK:
                    raise
            else:
                self._note(Part(number, path, offset, size, xxh3))
                return
        draft = self.draft()
        try:
            for start in range(0, size, _PIECE_BYTES):
                draft.write(store.read_version(bucket, record, start, min(_PIECE_BYTES, size - start)))
            self.publish(number, draft)
        except BaseException:
            draft.close()
            raise

    def _note(self, part: Part) -> None:
        line = f"{part.number} {part.path.name} {part.offset} {part.size} {part.xxh3:016x}\n".encode()
        line = b"%016x %b" % (xxh3_64_intdigest(line), line)
        fd = os.open(self._folder / _JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if os.write(fd, line) != len(line):
                raise OutOfSpace("no space left on the node's disk")
            if self._sync:
                os.fdatasync(fd)
                sync_directory(self._folder)
        except OSError as error:
            raise _explained(error) from error
        finally:
            os.close(fd)

    def parts(self) -> tuple[dict[int, Part], bool]:
        """Return the parts by number, and whether they arrived in the order of their numbers.

        Raises:
            FileNotFoundError: the object was completed or dropped meanwhile.
        """
        found: dict[int, Part] = {}
        in_order, last = True, -1
        if not self._folder.is_dir():
            raise FileNotFoundError(self._folder)
        try:
            lines = (self._folder / _JOURNAL).read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            lines = []
        for line in lines:
            check, _, rest = line.partition(b" ")
            if check != b"%016x" % xxh3_64_intdigest(rest):
                continue  # a line that a power cut has torn: its part was not acknowledged
            number, name, offset, size, xxh3 = rest.decode().split()
            part = Part(int(number), self._folder / name, int(offset), int(size), int(xxh3, 16))
            in_order, last = in_order and part.number > last, part.number
            found[part.number] = part
        return found, in_order

    @contextlib.contextmanager
    def exclusive(self, wanted: str) -> Iterator[bool]:
        """Hold the object while it is completed; others wait.

        Args:
            wanted: which parts are wanted. Whoever waited for another who wanted the same is told False: it is done,
                and a client that sent its request again, because the first took long, gets the answer to that.

        Raises:
            FileNotFoundError: it was completed in another way, or dropped.
        """
        with open(self._folder / _MARK, "rb") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX)
            if (self._folder / _MARK).exists():
                yield True
                return
            _, _, done = mark.read().rpartition(b"\n")
            if done != wanted.encode():
                raise FileNotFoundError(self._folder)
            yield False

    def end(self, wanted: str) -> None:
        """Note that the object was completed, for those who wait, and drop it."""
        with open(self._folder / _MARK, "ab") as mark:
            mark.write(b"\n" + wanted.encode())
        self.drop()

    def drop(self) -> None:
        """Remove the object and its parts."""
        # Without the mark it is gone for everyone; whatever else stays behind is removed later.
        (self._folder / _MARK).unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)


class UnfinishedObjects:
    """The unfinished objects of one kind.

    Args:
        root: the folder that holds a folder of each.
        sync: parts are on stable storage before they are acknowledged.
    """

    def __init__(self, root: Path, *, sync: bool) -> None:
        self._root, self._sync = root, sync

    def begin(self, bucket: BucketRecord, name: str) -> Unfinished:
        """Begin an object.

        Raises:
            OutOfSpace: the disk is full.
        """
        folder = self._root / secrets.token_hex(_ID_BYTES)
        about = {"bucket_id": bucket.id, "object": encode_name(name).hex()}
        try:
            folder.mkdir(parents=True)
            (folder / _MARK).write_text(json.dumps(about))
            if self._sync:
                sync_directory(self._root)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise _explained(error) from error
        return Unfinished(folder, sync=self._sync)

    def find(self, object_id: str, bucket: BucketRecord, name: str) -> Unfinished | None:
        """Return an object by its id, None when there is none, or it belongs to another name or bucket."""
        if len(object_id) != 2 * _ID_BYTES or not object_id.isalnum() or not object_id.isascii():
            return None
        folder = self._root / object_id
        about = _about(folder)
        if about != {"bucket_id": bucket.id, "object": encode_name(name).hex()}:
            return None
        return Unfinished(folder, sync=self._sync)

    def expire(self, age_s_max: float, bucket_ids: Collection[int]) -> int:
        """Drop what nobody went on with for so long, and what belongs to buckets that are gone. Returns how many.

        Args:
            bucket_ids: of the buckets that there are; one that was made since has a larger id than these.
        """
        dropped, newest = 0, max(bucket_ids, default=0)
        try:
            folders = [Path(entry.path) for entry in os.scandir(self._root) if entry.is_dir(follow_symlinks=False)]
        except OSError:  # nothing was begun yet
            return 0
        for folder in folders:
            about = _about(folder)
            with contextlib.suppress(OSError):  # completed meanwhile
                last_s = max(os.stat(path).st_mtime for path in (folder, *folder.glob("*")))
                owner = about["bucket_id"] if about is not None else newest
                is_orphan = owner < newest and owner not in bucket_ids
                if is_orphan or time.time() - last_s > age_s_max:
                    Unfinished(folder, sync=self._sync).drop()
                    dropped += 1
        return dropped


def _about(folder: Path) -> dict | None:
    try:
        return json.loads((folder / _MARK).read_text())
    except (OSError, ValueError):
        return None


def _explained(error: OSError) -> Exception:
    return OutOfSpace("no space left on the node's disk") if space_error(error) else error
