"""Calls of the file system that take many files."""

import os
from collections.abc import Iterator
from glob import has_magic
from typing import Any

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.implementations.local import LocalFileSystem, make_path_posix
from fsspec.utils import stringify_path

from moss.integrations.fsspec.bulk import copy_files, download_files, upload_files
from moss.integrations.fsspec.pairs import pair_paths
from moss.integrations.fsspec.paths import Info
from moss.sdk.transport.blocking_tasks import for_each

__all__ = ["Transfers", "check_depth"]

_WORKERS = 16


def check_depth(maxdepth: int | None) -> None:
    """Raise ValueError unless it is a depth that fsspec knows."""
    if maxdepth is not None and maxdepth < 1:
        raise ValueError("maxdepth must be at least 1")


class Transfers:
    """Blocking calls for lists, patterns and trees; small files by batches. For `MossFileSystem` only."""

    store: Any

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **_options: Any) -> Any:
        """The content of a file, or contents by path for a list, a pattern, or with `recursive`; by batches."""
        path = stringify_path(path)
        found = self._expand(path, recursive, None)
        paths = [name for name, info in found.items() if info is None or info["type"] == "file"]
        if isinstance(path, str) and paths == [self._strip_protocol(path)]:
            return self.cat_file(paths[0])
        contents = self.store.cat_ranges(paths, on_error="raise" if on_error == "raise" else "return")
        pairs = zip(paths, contents, strict=True)
        return {name: data for name, data in pairs if on_error != "omit" or not isinstance(data, Exception)}

    def pipe(self, path: Any, value: Any = None, **kwargs: Any) -> None:
        """Store bytes, or those of a dict by path, several at a time."""
        contents = path if isinstance(path, dict) else {path: value}
        for_each(lambda item: self.pipe_file(*item, **kwargs), contents.items(), _WORKERS)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete objects, patterns of them, or with `recursive` directories and buckets; many by a job of the cluster.

        Raises:
            FileNotFoundError: nothing there.
            IsADirectoryError: a bucket, and not `recursive`.
        """
        path = stringify_path(path)
        paths: list[str] = []
        for source in [path] if isinstance(path, str) else path:
            stripped = self._strip_protocol(source)
            if has_magic(stripped):
                matched = self.glob(stripped, maxdepth=maxdepth, detail=True)
                paths += [name for name, info in matched.items() if recursive or info["type"] == "file"]
            else:
                paths.append(stripped)
        if not paths:
            raise FileNotFoundError(path)
        self.store.remove(paths, recursive, maxdepth)
        for name in paths:
            self.invalidate_cache(name)

    def get(
        self,
        rpath: Any,
        lpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **_options: Any,
    ) -> None:
        """Write files to the disk: small ones by batches, large ones side by side. Rules of the names: see fsspec."""
        rpath, lpath = stringify_path(rpath), stringify_path(lpath)
        found = self._expand(rpath, recursive, maxdepth, looks=True)
        lpath = make_path_posix(lpath) if isinstance(lpath, str) else lpath
        pairs = pair_paths(
            rpath,
            lpath,
            found,
            drops_directories=not recursive or maxdepth is not None,
            is_directory=LocalFileSystem().isdir,
        )
        download_files(self.store, pairs, callback)

    def put(
        self,
        lpath: Any,
        rpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **_options: Any,
    ) -> None:
        """Store files of the disk, several at a time. Rules of the names: see fsspec."""
        local = LocalFileSystem()
        lpath, rpath = stringify_path(lpath), stringify_path(rpath)
        lpath = make_path_posix(lpath) if isinstance(lpath, str) else lpath
        is_into = isinstance(rpath, str) and rpath.endswith("/")
        rpath = self._strip_protocol(rpath)
        found: dict[str, Info | None] = {
            place: {"name": place, "size": 0, "type": "directory" if os.path.isdir(place) else "file"}
            for place in local.expand_path(lpath, recursive=recursive, maxdepth=maxdepth)
        }
        pairs = pair_paths(
            lpath,
            rpath,
            found,
            drops_directories=not recursive or maxdepth is not None,
            is_directory=lambda path: is_into or self.isdir(path),
        )
        upload_files(self.store, pairs, callback)
        for _, path, _ in pairs:
            self.invalidate_cache(path)

    def copy(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        on_error: str | None = None,
        **_options: Any,
    ) -> None:
        """Copy files within the cluster, several at a time.

        Args:
            on_error: `ignore` skips what does not exist, `raise` does not; the former is the default if `recursive`.
        """
        path1, path2 = stringify_path(path1), stringify_path(path2)
        found = self._expand(path1, recursive, maxdepth, looks=True)
        target = path2 if isinstance(path2, str) and path2.endswith("/") else self._strip_protocol(path2)
        pairs = pair_paths(
            path1,
            target,
            found,
            drops_directories=not recursive or maxdepth is not None,
            is_directory=self.isdir,
        )
        pairs = [(path, self._strip_protocol(place), info) for path, place, info in pairs]
        copy_files(self.store, pairs, ignores_missing=on_error == "ignore" or (on_error is None and recursive))
        for _, path, _ in pairs:
            self.invalidate_cache(path)

    def _expand(
        self, source: Any, recursive: bool, maxdepth: int | None, *, looks: bool = False
    ) -> dict[str, Info | None]:
        """Descriptions of what a path, a pattern or a list of them stands for; None where nobody looked.

        Args:
            looks: look at a single path that is no pattern.

        Raises:
            FileNotFoundError: nothing there.
        """
        check_depth(maxdepth)
        found: dict[str, Info | None] = {}
        for path in self._strip_all(source):
            if has_magic(path):
                matched = self.glob(path, maxdepth=maxdepth, detail=True)
                found |= matched
                if recursive and maxdepth != 1:
                    depth = None if maxdepth is None else maxdepth - 1
                    for name in matched:
                        found |= self.find(name, depth, withdirs=True, detail=True)
            elif recursive:
                found |= self.find(path, maxdepth, withdirs=True, detail=True)
                if path not in found:
                    found[path.rstrip("/")] = self.info(path)
            else:
                found[path.rstrip("/")] = self.info(path) if looks and isinstance(source, str) else None
        if not found:
            raise FileNotFoundError(source)
        return dict(sorted(found.items()))

    def _strip_all(self, source: Any) -> Iterator[str]:
        for path in [source] if isinstance(source, str) else source:
            yield self._strip_protocol(path)
