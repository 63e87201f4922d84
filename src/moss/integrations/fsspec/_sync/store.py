# Made by scripts/unasync.py from _async/store.py; change that file instead.
"""Contents: reading, batches of ranges, writing, copying, deleting."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from moss.errors import MossError
from moss.integrations.fsspec._sync.tree import Tree
from moss.integrations.fsspec.failures import missing, os_error_of, os_errors
from moss.integrations.fsspec.paths import Info, Location, locate, version_of
from moss.integrations.fsspec.ranges import Range, as_list, split_batches
from moss.sdk._sync.object import Object
from moss.sdk._sync.reader import ObjectReader
from moss.sdk.archive_config import ArchiveConfig
from moss.sdk.errors import AISError, ErrBckNotFound
from moss.sdk.transport.blocking_tasks import call_blocking, for_each

__all__ = ["Store"]

_WORKERS = 16
_BATCHES_AT_A_TIME = 2
_DELETED_SINGLY_MAX = 16
_NAMES_PER_JOB = 10_000
_JOB_TIMEOUT_S = 3600.0
_COPY_BYTES = 1024 * 1024


class Store(Tree):
    """The tree with its contents. Paths may lead to members of shards wherever something is read."""

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Bytes of a file, with the limits of a Python slice.

        Raises:
            FileNotFoundError: no such file.
        """
        part = Range.of(0, path, start, end)
        if ((start or 0) < 0 and end is not None) or (end or 0) < 0:
            size = (self.info(path))["size"]
            start, end, _ = slice(start, end).indices(size)
            part = Range.of(0, path, start, end)
        if part.is_empty:
            return b""
        return self._read(part)

    def _read(self, part: Range, version: str = "") -> bytes:
        """Read a range whose limits need no size, except a start that counts from the end without an end.

        Raises:
            OSError: `ESTALE`: the object is not of the given version.
        """
        if self._sees_members and (found := part.location.split_member()) is not None:
            content = self._read_member(part, *found)
            if content is not None:
                return content
        with os_errors(part.path):
            try:
                reader = self.object(part.location).get(byte_range=_header(part))
                content = reader.read_all()
            except AISError as error:
                if error.status_code == 416:  # It ends before the range begins, as slices may.
                    return b""
                raise
            if version and version_of(reader.attributes) != version:
                raise OSError(errno.ESTALE, "replaced while it was read", part.path)
            return content

    def read_part(self, path: str, start: int, end: int, version: str) -> bytes:
        """A part of a file of which something was read before.

        Args:
            version: as `read_head` told it.

        Raises:
            OSError: `ESTALE`: the object was replaced.
        """
        part = Range.of(0, path, start, end)
        return b"" if part.is_empty else self._read(part, version)

    def _read_member(self, part: Range, shard: Location, member: str) -> bytes | None:
        """A range of a member; None when there is no such member."""
        with os_errors(part.path):
            if part.fits_batch and (part.start or part.end is not None):
                batch = self.client.batch(bucket=self.bucket(shard))
                batch.add(shard.name, archpath=member, start=part.start or 0, length=part.length)
                with batch.get() as answer:
                    for out, content in answer:
                        if out.err_msg is None:
                            return content
        reader = self.open_member(shard, member)
        if reader is None:
            return None
        with os_errors(part.path):
            return (reader.read_all())[part.start : part.end]

    def open_member(self, shard: Location, member: str) -> ObjectReader | None:
        """Begin to read a member; None when there is no such shard, or no such member in it."""
        with os_errors(f"{shard.path}/{member}"):
            try:
                return self.object(shard).get(archive_config=ArchiveConfig(archpath=member))
            except AISError as error:
                if error.status_code not in (400, 404) or isinstance(error, ErrBckNotFound):
                    raise
                return None

    def open_reader(self, path: str) -> ObjectReader:
        """Begin to read a file as a whole.

        Raises:
            FileNotFoundError: no such file.
        """
        location = locate(path)
        if self._sees_members and (found := location.split_member()) is not None:
            reader = self.open_member(*found)
            if reader is not None:
                return reader
        with os_errors(path):
            return self.object(location).get()

    def read_head(self, path: str, size_max: int) -> tuple[bytes, int, str]:
        """The beginning of a file, the size of the whole, and what tells its version; one request.

        Raises:
            FileNotFoundError: no such file.
        """
        location = locate(path)
        if self._sees_members and (found := location.split_member()) is not None:
            reader = self.open_member(*found)
            if reader is not None:
                return self._read_head_of_member(path, reader, size_max)
        with os_errors(path):
            try:
                reader = self.object(location).get(byte_range=f"bytes=0-{size_max - 1}")
                head = reader.read_all()
            except AISError as error:
                if error.status_code == 416:
                    return b"", 0, ""
                raise
            attributes = reader.attributes
            total = attributes.get("content-range", "").rpartition("/")[2]
            return head, int(total) if total.isdigit() else len(head), version_of(attributes)

    def _read_head_of_member(self, path: str, reader: ObjectReader, size_max: int) -> tuple[bytes, int, str]:
        with os_errors(path):
            size = (reader.attributes).size
            if size <= size_max:
                content = reader.read_all()
                return content, len(content), ""
            stream = reader.raw()
            stream.close()
            return b"", size, ""

    def cat_ranges(
        self, paths: Sequence[str], starts: Any = None, ends: Any = None, on_error: str = "return"
    ) -> list[bytes | Exception]:
        """Ranges of many files, by batches: one request for thousands of them.

        Args:
            starts, ends: limits of each, as of Python slices, or one for all.
            on_error: `return` puts errors in the place of the bytes, anything else raises the first of them.

        Raises:
            OSError: a range that could not be read, unless errors are returned.
            ValueError: the lists have different lengths.
        """
        count = len(paths)
        limits = zip(as_list(starts, count), as_list(ends, count), strict=True)
        ranges = [Range.of(index, path, *pair) for index, (path, pair) in enumerate(zip(paths, limits, strict=True))]
        results: list[Any] = [None] * count
        batchable = [part for part in ranges if part.fits_batch]
        if len(batchable) > 1:

            def fetch(batch: list[Range]) -> None:
                self._fetch(batch, results)

            for_each(fetch, split_batches(batchable), _BATCHES_AT_A_TIME)

        def fetch_alone(part: Range) -> None:
            # What a batch did not deliver: the request for it alone tells the exact reason, or cuts it like a slice.
            try:
                results[part.index] = self.cat_file(part.path, part.start, part.end)
            except (OSError, ValueError) as error:
                results[part.index] = error

        for_each(fetch_alone, [part for part in ranges if results[part.index] is None], _WORKERS)
        if on_error != "return":
            for result in results:
                if isinstance(result, Exception):
                    raise result
        return results

    def _fetch(self, ranges: list[Range], results: list[Any]) -> None:
        """Put the bytes of one batch in their places; those of entries that fail stay None."""
        first = ranges[0].location
        batch = self.client.batch(bucket=self.bucket(first))
        for part in ranges:
            name, member = part.location.name, None
            if self._sees_members and (found := part.location.split_member()) is not None:
                name, member = found[0].name, found[1]
            if part.start or part.end is not None:
                batch.add(name, archpath=member, start=part.start or 0, length=part.length)
            else:
                batch.add(name, archpath=member)
        try:
            with batch.get() as answer:
                places = iter(ranges)
                for out, content in answer:
                    place = next(places).index
                    if out.err_msg is None:
                        results[place] = content
        except AISError as error:
            if not 400 <= error.status_code < 500:
                _fill(ranges, results, os_error_of(error, first.root))
        except MossError as error:
            _fill(ranges, results, os_error_of(error, first.root))

    def writable(self, path: str) -> Object:
        """The object to write for a path.

        Raises:
            IsADirectoryError: the path is a bucket.
            OSError: `EROFS`: it leads into a shard that exists; shards are written as a whole.
        """
        location = locate(path)
        target = self.object(location)
        if self._sees_members and (found := location.split_member()) is not None:
            try:
                self._info_of_object(found[0])
            except FileNotFoundError:
                return target
            raise OSError(errno.EROFS, "members of a shard cannot be written, only the whole shard", path)
        return target

    def refuse_existing(self, path: str) -> None:
        """Raise FileExistsError if the path is there already."""
        if self.exists(path):
            raise FileExistsError(errno.EEXIST, "exists already", path)

    def pipe_file(self, path: str, value: Any) -> None:
        """Store bytes as an object."""
        target = self.writable(path)
        with os_errors(path):
            target.put_content(value)

    def put_file(self, source: BinaryIO, path: str) -> None:
        """Store a file, from its current position on, as an object."""
        self.pipe_file(path, source)

    def get_file(self, path: str, target: BinaryIO, progress: Any = None) -> None:
        """Write the content of a file to another; broken connections are resumed.

        Args:
            progress: `set_size` is called with the number of bytes, and `relative_update` with that of each piece.

        Raises:
            FileNotFoundError: no such file.
        """
        reader = self.open_reader(path)
        with os_errors(path):
            if progress is not None:
                progress.set_size((reader.attributes).size)
            file = reader.as_file(_COPY_BYTES)
            try:
                while piece := file.read(_COPY_BYTES):
                    call_blocking(target.write, piece)
                    if progress is not None:
                        progress.relative_update(len(piece))
            finally:
                file.close()

    def download(self, path: str, target: str, progress: Any = None) -> None:
        """Write a file to the disk: under another name until it is whole, so that what was there stays if it fails."""
        partial = Path(f"{target}.part-{os.getpid()}")
        try:
            with partial.open("wb") as file:
                self.get_file(path, file, progress)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def copy(self, source: str, target: str) -> None:
        """Copy one file; within the cluster, unless it is a member of a shard.

        Raises:
            FileNotFoundError: no such file.
        """
        if source == target:
            return
        location = locate(source)
        if self._sees_members and (found := location.split_member()) is not None:
            reader = self.open_member(*found)
            if reader is not None:
                with os_errors(source):
                    content = reader.read_all()
                self.pipe_file(target, content)
                return
        copied = self.writable(target)
        with os_errors(source):
            self.object(location).copy(copied)

    def remove_file(self, path: str) -> None:
        """Delete one object.

        Raises:
            FileNotFoundError: no such object.
        """
        with os_errors(path):
            self.object(locate(path)).delete()

    def remove(self, paths: Sequence[str], recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete objects, and with `recursive` everything below the paths, by jobs of the cluster where there are many.

        A bucket whose content is removed as a whole is removed too.

        Raises:
            FileNotFoundError: a path leads nowhere.
            IsADirectoryError: a path is a directory, and not `recursive`.
        """
        names: dict[str, list[str]] = {}
        buckets = []
        for path in paths:
            location = locate(path)
            found = [path] if not recursive else self._paths_to_remove(location, maxdepth)
            for name in found:
                names.setdefault(location.root, []).append(locate(name).name)
            if recursive and not location.name and maxdepth is None:
                buckets.append(location)
            elif not location.name and not recursive:
                raise IsADirectoryError(errno.EISDIR, "a bucket, not an object", path)
        for root, chosen in names.items():
            for begin in range(0, len(chosen), _NAMES_PER_JOB):
                self._remove_names(Location(root), chosen[begin : begin + _NAMES_PER_JOB], missing_ok=recursive)
        for location in buckets:
            with os_errors(location.path):
                self.bucket(location).delete(missing_ok=True)

    def _paths_to_remove(self, location: Location, maxdepth: int | None) -> list[str]:
        if not location.root:
            raise PermissionError(errno.EPERM, "removing all buckets at once is not allowed", "")
        info = self.info(location.path)
        found = [location.path] if info["type"] == "file" else []
        return found + [path for path in self.find(location.path, maxdepth) if path != location.path]

    def _remove_names(self, location: Location, names: list[str], *, missing_ok: bool) -> None:
        def remove_one(name: str) -> None:
            try:
                self.remove_file(f"{location.root}/{name}")
            except FileNotFoundError:
                if not missing_ok:
                    raise

        if len(names) <= _DELETED_SINGLY_MAX:
            for_each(remove_one, names, _WORKERS)
            return
        with os_errors(location.root):
            job = self.client.job(self.bucket(location).objects(obj_names=names).delete())
            result = job.wait(timeout=_JOB_TIMEOUT_S, verbose=False)
        if not result.success and not (missing_ok and "does not exist" in (result.error or "")):
            if "does not exist" in (result.error or ""):
                raise FileNotFoundError(errno.ENOENT, result.error, location.root)
            raise OSError(errno.EIO, f"deleting {len(names)} objects: {result.error}", location.root)

    def written(self, path: str) -> Info:
        """The description of what was written last where a path leads: an object, or the shard around a member.

        Raises:
            FileNotFoundError: no such file.
        """
        info = self.info(path)
        if info["type"] == "directory":
            raise missing(path)
        location = locate(path)
        found = location.split_member() if self._sees_members and "version" not in info else None
        return self._info_of_object(found[0] if found is not None else location)


def _header(part: Range) -> str | None:
    """The range header of a range; None for the whole."""
    if part.start is not None and part.start < 0:
        return f"bytes={part.start}"
    if not part.start and part.end is None:
        return None
    return f"bytes={part.start or 0}-{'' if part.end is None else part.end - 1}"


def _fill(ranges: list[Range], results: list[Any], error: OSError) -> None:
    for part in ranges:
        if results[part.index] is None:
            results[part.index] = error
