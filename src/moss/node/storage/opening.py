"""Opens a data directory: takes the worker's lock, opens the index, recovers."""

import json
import os
import secrets
import struct
from collections.abc import Callable
from pathlib import Path

import lmdb
import msgspec

from moss.errors import Conflict, OutOfSpace, Unsupported
from moss.node.storage.buckets import BucketTable, replace_file
from moss.node.storage.index import Index, space_error
from moss.node.storage.layout import FORMAT, StorePaths
from moss.node.storage.locks import WorkerLock, exclusive, is_free
from moss.node.storage.parts import EngineOptions, Parts
from moss.node.storage.records import RecordCodec
from moss.node.storage.recovery import recover
from moss.node.storage.segments import ActiveSegment, Segments

__all__ = ["open_store"]

# What a damaged index may raise; whatever it is, it can be made anew.
_DAMAGED = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.PageNotFoundError,
    lmdb.BadDbiError,
    lmdb.IncompatibleError,
    lmdb.PageFullError,
    struct.error,
    msgspec.MsgspecError,
    ValueError,
)


def open_store(root: Path, options: EngineOptions) -> tuple[Parts, WorkerLock, ActiveSegment | None]:
    """Open a data directory; make it if there is none.

    Returns:
        The parts, the held lock of this worker, and the segment to go on appending to.

    Raises:
        Conflict: another process runs as the same worker.
        Unsupported: the directory was written by a later version.
        OutOfSpace: there is no room even for the locks and the index.
    """
    paths = StorePaths(root)
    try:
        for folder in (paths.root, paths.segments, paths.incoming, paths.derived):
            folder.mkdir(parents=True, exist_ok=True)
        lock = WorkerLock(paths.worker_lock(options.worker))
        if not lock.acquire():
            lock.release()
            raise Conflict(f"worker {options.worker} is running already")
        try:
            with exclusive(paths.lock("recovery")):
                parts, active = _open_parts(paths, options)
                return parts, lock, active
        except BaseException:
            lock.release()
            raise
    except OSError as error:
        if space_error(error):
            raise OutOfSpace("no space left on the node's disk") from error
        raise


def _open_parts(paths: StorePaths, options: EngineOptions) -> tuple[Parts, ActiveSegment | None]:
    store_id = _identity(paths)
    for leftover in paths.incoming.glob(f"{options.worker}-*.tar"):
        leftover.unlink()

    def is_alive(worker: int) -> bool:
        return worker != options.worker and not is_free(paths.worker_lock(worker))

    try:
        return _open_index(paths, options, store_id, is_alive)
    except _DAMAGED:
        workers = [int(path.stem) for path in paths.worker_lock(0).parent.glob("*.lock")]
        if any(map(is_alive, workers)):
            raise Conflict("the index is damaged, and other workers use it") from None
        for name in ("data.mdb", "lock.mdb"):
            (paths.index / name).unlink(missing_ok=True)
        return _open_index(paths, options, store_id, is_alive)


def _open_index(
    paths: StorePaths, options: EngineOptions, store_id: int, is_alive: Callable[[int], bool]
) -> tuple[Parts, ActiveSegment | None]:
    index = Index(paths.index, map_bytes=options.index_bytes_max, sync=options.sync)
    try:
        buckets = BucketTable(index, paths.buckets)
        capacity = _segment_bytes(paths, options)
        parts = Parts(options, paths, RecordCodec(store_id), index, buckets, Segments(paths), capacity)
        return parts, recover(parts, is_alive)
    except BaseException:
        index.close()
        raise


def _identity(paths: StorePaths) -> int:
    """Return the id of the store; make one for a new store.

    Raises:
        Unsupported: the format is not known.
    """
    try:
        document = json.loads(paths.identity.read_bytes())
    except FileNotFoundError:
        document = {"format": FORMAT, "id": secrets.token_hex(8)}
        replace_file(paths.identity, json.dumps(document).encode())
    if document["format"] != FORMAT:
        raise Unsupported(f"data directory of format {document['format']}, this program knows {FORMAT}")
    return int(document["id"], 16)


def _segment_bytes(paths: StorePaths, options: EngineOptions) -> int:
    """Return the capacity of new segments: small on small disks, so that dead space can be reclaimed in steps."""
    status = os.statvfs(paths.root)
    share = status.f_blocks * status.f_frsize // 64
    smallest = min(2 * options.small_object_bytes_max, options.segment_bytes_max)
    return min(options.segment_bytes_max, max(share, smallest)) // 4096 * 4096
