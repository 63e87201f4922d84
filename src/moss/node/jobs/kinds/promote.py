"""Kind `promote`: files of this machine become objects. Source: spec/rest-data.md 5.12.

Only what lies below a configured root is read, and no symbolic link is followed on the way: every folder is opened
from the one above it, so that nobody can put a link into the path while it is walked.
"""

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any

from moss.errors import AccessDenied, InvalidRequest, MossError, NotFound, ObjectChanged, ObjectNotFound
from moss.naming.bucket import Bucket, is_valid_object_name
from moss.node.jobs.job import Job
from moss.node.storage.objects import ObjectAttributes
from moss.units import quote

_PIECE_BYTES = 1 << 20
# Files whose puts may wait for one sync together, and their bytes.
_WINDOW_FILES, _WINDOW_BYTES = 64, 16 << 20


class InvalidPromoteSource(InvalidRequest):
    """A path that is not, or not safely, below a root for promotion."""

    code = "invalid-promote-source"

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"invalid promote source {quote(source)}: {reason}")


@dataclass(frozen=True, slots=True)
class PromotePlan:
    """What to promote, and how.

    Attributes:
        root: the configured folder; it may itself be reached through links.
        path: of a file or folder below it; no `.` or `..` in it; "" is the root.
        name: name of the object of a single file (its own is put behind if this is empty or ends with a slash), or
            what the objects of a folder begin with.
        is_recursive: files in folders of the folder too.
        overwrites: objects that exist are replaced.
        deletes: files are deleted after their object is stored.
    """

    bucket: Bucket
    root: str
    path: str
    name: str
    attributes: ObjectAttributes
    is_recursive: bool = False
    overwrites: bool = False
    deletes: bool = False

    @property
    def source(self) -> str:
        return os.path.join(self.root, self.path) if self.path else self.root


def check_source(plan: PromotePlan) -> None:
    """Open the source once, to say what is wrong with it before a job starts.

    Raises:
        NotFound: it is not there.
        InvalidPromoteSource: a symbolic link is on the way to it, or it is neither file nor folder.
        AccessDenied: this process may not read it.
    """
    with _opened(plan) as found:
        mode = os.fstat(found).st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise InvalidPromoteSource(plan.source, "neither a file nor a folder")


@contextlib.contextmanager
def _opened(plan: PromotePlan) -> Iterator[int]:
    """Open a source below its root, part by part; a link anywhere is refused."""
    try:
        root = os.open(plan.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(plan.source, error) from None
    try:
        found = _descend(root, plan.path, plan.source)
    finally:
        os.close(root)
    try:
        yield found
    finally:
        os.close(found)


def _descend(folder: int, path: str, source: str) -> int:
    """Open a path below an open folder, which stays open."""
    current = os.dup(folder)
    try:
        for part in filter(None, path.split("/")):
            # A pipe must not hold this up.
            opened = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=current)
            os.close(current)
            current = opened
    except OSError as error:
        os.close(current)
        raise _unreadable(source, error) from None
    return current


def _unreadable(source: str, error: OSError) -> MossError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"promote source {quote(source)} does not exist")
    if error.errno == errno.ELOOP:
        return InvalidPromoteSource(source, "symbolic links are not followed")
    if error.errno in (errno.EACCES, errno.EPERM):
        return AccessDenied(f"promote source {quote(source)} cannot be read: permission denied")
    return InvalidPromoteSource(source, os.strerror(error.errno or errno.EIO))


# -- the job ----------------------------------------------------------------------------------------


def promote_files(plan: PromotePlan, engine: Any) -> Callable[[Job], None]:
    """Return the work of one promote job. What cannot be promoted is told in the job's errors; the rest goes on."""

    def work(job: Job) -> None:
        window = _Window(plan, engine, job)
        with _opened(plan) as found:
            if not stat.S_ISDIR(os.fstat(found).st_mode):
                base = plan.path.rsplit("/", 1)[-1]
                name = plan.name + base if not plan.name or plan.name.endswith("/") else plan.name
                with _parent(plan) as folder:
                    window.add(folder, base, name)
                    window.settle()
                return
            _promote_folder(found, plan, window, job)

    return work


@contextlib.contextmanager
def _parent(plan: PromotePlan) -> Iterator[int]:
    folder = PromotePlan(plan.bucket, plan.root, plan.path.rpartition("/")[0], "", plan.attributes)
    with _opened(folder) as fd:
        yield fd


def _promote_folder(top: int, plan: PromotePlan, window: "_Window", job: Job) -> None:
    folders = deque([""])
    while folders:
        inner = folders.popleft()
        try:
            fd = _descend(top, inner, f"{plan.source}/{inner}")
        except MossError as error:
            job.add_error(error.message)
            continue
        try:
            with os.scandir(fd) as entries:
                names = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
            for name, is_folder in names:
                job.check()
                path = f"{inner}{name}"
                if not is_folder:
                    window.add(fd, name, plan.name + path)
                elif plan.is_recursive:
                    folders.append(f"{path}/")
            window.settle()
        finally:
            os.close(fd)


@dataclass(slots=True)
class _Pending:
    """A file whose object is being stored."""

    base: str
    status: os.stat_result
    future: "Future[Any]"


class _Window:
    """Puts that wait for their sync together. `settle` before the folder of a file that was added is closed."""

    def __init__(self, plan: PromotePlan, engine: Any, job: Job) -> None:
        self._plan, self._engine, self._job = plan, engine, job
        self._pending: list[_Pending] = []
        self._folder = -1
        self._bytes = 0

    def add(self, folder: int, base: str, name: str) -> None:
        """Begin to store one file of an open folder."""
        self._folder = folder
        plan, cname = self._plan, self._plan.bucket.cname_of(name)
        if not is_valid_object_name(name):
            self._job.add_error(f"invalid object name {quote(name)}")
            return
        if not plan.overwrites and self._exists(name):
            return
        try:
            fd = os.open(base, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError as error:
            self._job.add_error(_unreadable(f"{plan.source} → {cname}", error).message)
            return
        with open(fd, "rb", buffering=0) as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                self._job.add_error(f"{quote(base)} is no regular file: not promoted")
                return
            self._pending.append(_Pending(base, status, self._store(file, name)))
        self._bytes += status.st_size
        if len(self._pending) >= _WINDOW_FILES or self._bytes >= _WINDOW_BYTES:
            self.settle()

    def _exists(self, name: str) -> bool:
        try:
            self._engine.head(self._plan.bucket, name)
        except ObjectNotFound:
            return False
        return True

    def _store(self, file: Any, name: str) -> "Future[Any]":
        upload = self._engine.begin_upload(self._plan.bucket, name, attributes=self._plan.attributes)
        try:
            while piece := file.read(_PIECE_BYTES):
                self._job.check()
                upload.write(piece)
            return upload.commit()
        except BaseException:
            upload.abort()
            raise

    def settle(self) -> None:
        """Wait for all that was begun; delete the files whose objects are stored, if that is asked for."""
        pending, self._pending, self._bytes = self._pending, [], 0
        for item in pending:
            try:
                record = item.future.result()
            except CancelledError:
                self._job.check()
                raise
            except ObjectChanged:
                continue  # somebody else has just made an object of this name, and it is not to be replaced
            self._job.count(1, record.size)
            if self._plan.deletes:
                self._delete(item)

    def _delete(self, item: _Pending) -> None:
        try:
            now = os.stat(item.base, dir_fd=self._folder, follow_symlinks=False)
            if _identity(now) != _identity(item.status):
                self._job.add_error(f"{quote(item.base)} has changed meanwhile: not deleted")
                return
            os.unlink(item.base, dir_fd=self._folder)
        except OSError as error:
            self._job.add_error(f"failed to delete {quote(item.base)}: {error.strerror}")


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
