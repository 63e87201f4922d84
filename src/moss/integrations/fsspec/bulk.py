"""Many files at once, in threads: downloads of small ones by batches, uploads and copies side by side."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from moss.integrations.fsspec._sync.store import Store
from moss.integrations.fsspec.paths import Info
from moss.sdk.transport.blocking_tasks import for_each

__all__ = ["copy_files", "download_files", "upload_files"]

_WORKERS = 16
_SMALL_BYTES_MAX = 1024 * 1024
_BATCH_BYTES_MAX = 32 * 1024 * 1024
_BATCH_ENTRIES_MAX = 512

Pair = tuple[str, str, Info | None]


class _Counter:
    """Tells a callback of fsspec about finished files, from one thread at a time."""

    def __init__(self, callback: Any, count: int) -> None:
        self._callback, self._lock = callback, Lock()
        callback.set_size(count)

    def add(self, count: int) -> None:
        with self._lock:
            self._callback.relative_update(count)


def download_files(store: Store, pairs: Sequence[Pair], callback: Any) -> None:
    """Write files to the disk, each under its own name only when it is whole.

    Args:
        pairs: path, place on the disk, and description or None.
        callback: of fsspec; counts files.

    Raises:
        FileNotFoundError: one of them does not exist.
        ValueError: a name with a component `..`, which could lead out of the folder.
    """
    directories, files = [], []
    for pair in pairs:
        if ".." in pair[0].split("/"):
            raise ValueError(f"{pair[0]!r} has a component '..'")
        (directories if pair[2] is not None and pair[2]["type"] == "directory" else files).append(pair)
    for folder in {place for _, place, _ in directories} | {os.path.dirname(place) for _, place, _ in files}:
        os.makedirs(folder or ".", exist_ok=True)
    counter = _Counter(callback, len(files))

    def fetch(group: list[Pair]) -> None:
        if len(group) == 1:
            path, place, _ = group[0]
            with callback.branched(path, place) as child:
                store.download(path, place, child)
        else:
            contents = store.cat_ranges([path for path, _, _ in group], on_error="raise")
            for (_, place, _), content in zip(group, contents, strict=True):
                _write_whole(place, content)
        counter.add(len(group))

    for_each(fetch, _group(files), _WORKERS)


def _group(files: Sequence[Pair]) -> Iterator[list[Pair]]:
    """Small files together, large ones and those of unknown size alone."""
    group: list[Pair] = []
    size = 0
    for pair in files:
        info = pair[2]
        if info is None or info["size"] > _SMALL_BYTES_MAX:
            yield [pair]
            continue
        group.append(pair)
        size += info["size"]
        if size >= _BATCH_BYTES_MAX or len(group) >= _BATCH_ENTRIES_MAX:
            yield group
            group, size = [], 0
    if group:
        yield group


def _write_whole(place: str, content: Any) -> None:
    partial = Path(f"{place}.part-{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)


def upload_files(store: Store, pairs: Sequence[Pair], callback: Any) -> None:
    """Store files of the disk. Arguments as for `download_files`: place on the disk, path.

    Raises:
        FileNotFoundError: a file, or the bucket, does not exist.
    """
    files = []
    for place, path, _ in pairs:
        if os.path.isdir(place):
            store.make_directory(path, exist_ok=True)
        else:
            files.append((place, path))
    counter = _Counter(callback, len(files))

    def send(pair: tuple[str, str]) -> None:
        with callback.branched(*pair) as child:
            upload_file(store, *pair, child)
        counter.add(1)

    for_each(send, files, _WORKERS)


def upload_file(store: Store, place: str, path: str, callback: Any) -> None:
    """Store one file of the disk; the callback counts bytes."""
    with open(place, "rb") as file:
        callback.set_size(os.fstat(file.fileno()).st_size)
        store.put_file(_Watched(file, callback), path)


class _Watched:
    """A file that tells how far it was read."""

    def __init__(self, file: Any, callback: Any) -> None:
        self._file, self._callback, self._furthest = file, callback, 0
        self.fileno, self.seek, self.seekable, self.tell = file.fileno, file.seek, file.seekable, file.tell

    def read(self, size: int = -1) -> bytes:
        piece: bytes = self._file.read(size)
        position = self._file.tell()
        if position > self._furthest:  # A body that is sent again counts once.
            self._callback.relative_update(position - self._furthest)
            self._furthest = position
        return piece


def copy_files(store: Store, pairs: Sequence[Pair], *, ignores_missing: bool) -> None:
    """Copy files within the cluster; directories come with their files.

    Raises:
        FileNotFoundError: a file does not exist, unless that is ignored.
    """

    def copy(pair: Pair) -> None:
        try:
            store.copy(pair[0], pair[1])
        except FileNotFoundError:
            if not ignores_missing:
                raise

    for_each(copy, [pair for pair in pairs if pair[2] is None or pair[2]["type"] == "file"], _WORKERS)
