"""The file system: what fsspec, and with it pandas, pyarrow, dask, zarr and `datasets`, knows Moss as."""

import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from glob import has_magic
from hashlib import sha256
from typing import Any

from fsspec import asyn
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.compression import compr
from fsspec.core import get_compression
from fsspec.spec import AbstractFileSystem
from fsspec.utils import isfilelike, stringify_path

from moss.integrations.fsspec._sync.store import Store
from moss.integrations.fsspec.bulk import upload_file
from moss.integrations.fsspec.coroutines import Coroutines
from moss.integrations.fsspec.file import CompressedFile, MossFile
from moss.integrations.fsspec.paths import Info
from moss.integrations.fsspec.transfers import Transfers, check_depth
from moss.sdk import Client
from moss.sdk.provider import Provider

__all__ = ["MossFileSystem"]

_OPTIONS_OF_OPEN = frozenset({"buffering", "encoding", "errors", "newline"})


class MossFileSystem(Transfers, Coroutines, asyn.AsyncFileSystem):
    """Buckets of a cluster as a file system, for the protocols `ais` and `moss`.

        import fsspec

        fs = fsspec.filesystem("ais", endpoint="http://127.0.0.1:51080")
        fs.pipe("ais://training/a.txt", b"hello")
        fs.cat_ranges(["training/a.txt"] * 2, [0, 1], [1, 3])  # one request

    Paths are `bucket/object`; a namespace stands in front, `@uuid#ns/bucket/object`. Directories are beginnings of
    object names and exist as long as there is an object below them. Paths lead into shards: `bucket/s.tar/a.wav` is a
    member of `bucket/s.tar`, which can be read, and `bucket/s.tar/` lists all of them. Where such a path is also the
    name of an object, the member is what is read.

    Everything has a blocking form, which needs no event loop and survives a fork, and the coroutine of the same name
    with an underscore in front. Errors are `OSError`s.

    Args:
        endpoint, token, timeout, skip_verify, ca_cert, client_cert, retry_config, max_pool_size: as of
            `moss.sdk.Client`, which takes the environment's for those that are None.
        provider: of the buckets.
        members: whether paths lead into shards.
        use_listings_cache: keep listings until `invalidate_cache`, or for `listings_expiry_time` seconds; what others
            change in the meantime is not seen. Off by default. `max_paths` limits their number.
        asynchronous, loop, batch_size: as of every asynchronous file system of fsspec.
        others: `encoding`, `errors`, `newline`, `buffering` are ignored: libraries hand options of text files on.

    Raises:
        TypeError: an unknown option.
        ValueError: the endpoint is no http or https URL.
        InvalidBckProvider: unknown provider.
    """

    protocol = ("ais", "moss")
    mirror_sync_methods = False
    blocksize = MossFile.DEFAULT_BLOCK_SIZE

    def __init__(
        self,
        endpoint: str | Sequence[str] | None = None,
        token: Any = None,
        *,
        provider: Provider | str = Provider.AIS,
        members: bool = True,
        timeout: Any = None,
        skip_verify: bool = False,
        ca_cert: str | None = None,
        client_cert: str | tuple[str, str] | None = None,
        retry_config: Any = None,
        max_pool_size: int | None = None,
        asynchronous: bool = False,
        loop: Any = None,
        batch_size: int | None = None,
        use_listings_cache: bool = False,
        listings_expiry_time: float | None = None,
        max_paths: int | None = None,
        **others: Any,
    ) -> None:
        if self._cached:
            return
        if unknown := others.keys() - _OPTIONS_OF_OPEN:
            raise TypeError(f"{type(self).__name__} has no option {', '.join(sorted(unknown))}")
        # As if asynchronous: the thread with the loop is started by the first coroutine, not before.
        super().__init__(
            asynchronous=True,
            batch_size=batch_size,
            use_listings_cache=use_listings_cache,
            listings_expiry_time=listings_expiry_time,
            max_paths=max_paths,
        )
        self.asynchronous, self._loop = asynchronous, loop
        self._provider, self._members = Provider.parse(provider), members
        self._client_options = {
            "endpoint": endpoint,
            "token": token,
            "timeout": timeout,
            "skip_verify": skip_verify,
            "ca_cert": ca_cert,
            "client_cert": client_cert,
            "retry_config": retry_config,
            "max_pool_size": max_pool_size,
        }
        self.store = Store(Client(**self._client_options), self._provider, self.dircache, members)

    @property
    def loop(self) -> Any:
        """The event loop of the coroutines when they are called from blocking code; another one after a fork."""
        if not self.asynchronous and (self._loop is None or self._pid != os.getpid()):
            if asyn.iothread[0] is not None and not asyn.iothread[0].is_alive():
                asyn.reset_lock()  # Older releases of fsspec go on with the loop of the parent, which runs no more.
            self._loop, self._pid = asyn.get_loop(), os.getpid()
        return self._loop

    @property
    def fsid(self) -> str:
        """The same for all file systems of a cluster and a provider."""
        return f"moss-{self.store.client.request_client.base_url}-{self._provider}"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        stripped = super()._strip_protocol(path)
        return stripped if isinstance(stripped, list) else stripped.lstrip("/")

    @classmethod
    def _strip(cls, path: Any) -> str:
        """The path without protocol; a slash at its end, which tells a shard as a directory, stays."""
        stripped: str = cls._strip_protocol(path)
        return f"{stripped}/" if stripped and stringify_path(path).endswith("/") else stripped

    # --- the tree ---

    def ls(self, path: str, detail: bool = True, refresh: bool = False, **_options: Any) -> list[Any]:
        """What is in a directory, or one file; `refresh` asks even if the listing is kept.

        Raises:
            FileNotFoundError: neither.
        """
        infos = self.store.ls(self._strip(path), refresh=refresh)
        return infos if detail else [info["name"] for info in infos]

    def info(self, path: str, **_options: Any) -> Info:
        """The description of a file or directory: `name`, `size`, `type`; of objects also `version`, `checksum`,
        `ETag`, `mtime` in seconds since 1970, and `custom` metadata.

        Raises:
            FileNotFoundError: the path leads nowhere.
        """
        return self.store.info(self._strip(path))

    def exists(self, path: str, **_options: Any) -> bool:
        """Whether a path leads somewhere. Unlike elsewhere, a cluster that cannot be reached is an error."""
        return self.store.exists(self._strip(path))

    def isfile(self, path: str) -> bool:
        return self._type_of(path) == "file"

    def isdir(self, path: str) -> bool:
        return self._type_of(path) == "directory"

    def _type_of(self, path: str) -> str:
        try:
            return self.info(path)["type"]
        except FileNotFoundError:
            return ""

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        prefix: str = "",
        **_options: Any,
    ) -> Any:
        """All files below a path, by one listing; with `prefix` only names that begin with it behind the path."""
        check_depth(maxdepth)
        found = self.store.find(self._strip(path), maxdepth, withdirs, prefix)
        return found if detail else list(found)

    def glob(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any:
        """Files and directories that match a pattern; see fsspec. What stands before the first wildcard is listed."""
        stripped = self._strip_protocol(path)
        if has_magic(stripped):
            literal = stripped[: min(at for sign in "*?[" if (at := stripped.find(sign)) >= 0)]
            kwargs.setdefault("prefix", literal.rpartition("/")[2])
        return AbstractFileSystem.glob(self, stringify_path(path), maxdepth=maxdepth, **kwargs)

    def du(
        self, path: str, total: bool = True, maxdepth: int | None = None, withdirs: bool = False, **kwargs: Any
    ) -> Any:
        """Bytes of all files below a path, or by path unless `total`."""
        found = self.find(path, maxdepth, withdirs, detail=True, **kwargs)
        sizes = {name: info["size"] for name, info in found.items()}
        return sum(sizes.values()) if total else sizes

    def mkdir(self, path: str, create_parents: bool = True, **_options: Any) -> None:
        """Make a bucket. A path below a bucket makes that, if it is not there; directories come with their files.

        Raises:
            FileExistsError: the path is a bucket that exists.
            FileNotFoundError: the bucket does not exist, and not `create_parents`.
        """
        path = self._strip_protocol(path)
        self.store.make_directory(path, exist_ok=False, create_parents=create_parents)
        self.invalidate_cache(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """As `mkdir`; with `exist_ok` a bucket may exist."""
        path = self._strip_protocol(path)
        self.store.make_directory(path, exist_ok=exist_ok)
        self.invalidate_cache(path)

    def rmdir(self, path: str) -> None:
        """Remove an empty bucket.

        Raises:
            OSError: `ENOTEMPTY`.
        """
        path = self._strip_protocol(path)
        self.store.remove_directory(path)
        self.invalidate_cache(path)

    def created(self, path: str) -> datetime:
        """As `modified`: an object is replaced, never changed."""
        return self.modified(path)

    def modified(self, path: str) -> datetime:
        """When a file was written, in UTC; of a member, its shard.

        Raises:
            FileNotFoundError: no such file.
        """
        return datetime.fromtimestamp(self.store.written(self._strip_protocol(path)).get("mtime", 0.0), UTC)

    def checksum(self, path: str) -> int:
        """A number that changes with the content."""
        return int(self.ukey(path), 16)

    def ukey(self, path: str) -> str:
        """Hash of path, size, version and checksum: another one when the file was replaced, and only then."""
        path = self._strip_protocol(path)
        info = self.store.written(path)
        return sha256(f"{path}\n{info['size']}\n{info.get('ETag', '')}".encode()).hexdigest()

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget listings: all, or those that a path and what is below it appear in."""
        super().invalidate_cache(path)
        if path is None:
            self.dircache.clear()
            return
        path = self._strip_protocol(path)
        for key in list(self.dircache):
            plain = key.rstrip("/")
            if not plain or path == plain or path.startswith(f"{plain}/") or plain.startswith(f"{path}/"):
                self.dircache.pop(key, None)

    # --- contents ---

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_options: Any) -> bytes:
        """The content of a file, or a part of it, with the limits of a Python slice.

        Raises:
            FileNotFoundError: no such file.
        """
        return self.store.cat_file(self._strip_protocol(path), start, end)

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **_options: Any,
    ) -> list[Any]:
        """Ranges of many files, with the limits of Python slices; thousands of them with one request.

        Args:
            max_gap: accepted; near ranges need no merging.
            on_error: `return` puts exceptions in the place of the bytes, `raise` raises the first.
        """
        if not isinstance(paths, list):
            raise TypeError(f"expected a list of paths, found {type(paths).__name__}")
        return self.store.cat_ranges([self._strip_protocol(path) for path in paths], starts, ends, on_error)

    def head(self, path: str, size: int = 1024) -> bytes:
        """The first bytes of a file."""
        return self.cat_file(path, 0, size)

    def tail(self, path: str, size: int = 1024) -> bytes:
        """The last bytes of a file."""
        return self.cat_file(path, -size) if size > 0 else b""

    def pipe_file(self, path: str, value: Any, mode: str = "overwrite", **_options: Any) -> None:
        """Store bytes; mode `create` refuses to replace what is there.

        Raises:
            FileExistsError: it is there, and the mode is `create`.
            FileNotFoundError: the bucket does not exist.
        """
        path = self._strip_protocol(path)
        if mode == "create":
            self.store.refuse_existing(path)
        self.store.pipe_file(path, value)
        self.invalidate_cache(path)

    def put_file(
        self, lpath: str, rpath: str, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **_options: Any
    ) -> None:
        """Store one file of the disk."""
        rpath = self._strip_protocol(rpath)
        if os.path.isdir(lpath):
            self.makedirs(rpath, exist_ok=True)
            return
        if mode == "create":
            self.store.refuse_existing(rpath)
        upload_file(self.store, lpath, rpath, callback)
        self.invalidate_cache(rpath)

    def get_file(
        self, rpath: str, lpath: Any = None, callback: Any = DEFAULT_CALLBACK, outfile: Any = None, **_options: Any
    ) -> None:
        """Write one file to the disk, or to an open file. It gets its name when it is whole."""
        rpath = self._strip_protocol(rpath)
        if outfile is not None or isfilelike(lpath):
            self.store.get_file(rpath, lpath if outfile is None else outfile, callback)
            return
        place = os.fspath(lpath)
        os.makedirs(os.path.dirname(place) or ".", exist_ok=True)
        try:
            self.store.download(rpath, place, callback)
        except FileNotFoundError:
            if not self.isdir(rpath):
                raise
            os.makedirs(place, exist_ok=True)

    def cp_file(self, path1: str, path2: str, **_options: Any) -> None:
        """Copy one file within the cluster."""
        target = self._strip_protocol(path2)
        self.store.copy(self._strip_protocol(path1), target)
        self.invalidate_cache(target)

    def rm_file(self, path: str) -> None:
        """Delete one object.

        Raises:
            FileNotFoundError: no such object.
        """
        path = self._strip_protocol(path)
        self.store.remove_file(path)
        self.invalidate_cache(path)

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Open a file; see `MossFile`. Modes `r`, `w`, `a` and `x`, with `b` or as text.

        Args:
            block_size: bytes that are read ahead; 4 MiB without one.
            cache_options: of the cache; `cache_type` chooses it.
            compression: name of a codec, or `infer` to take it from the path.
            kwargs: `encoding`, `errors`, `newline` of text; `cache_type`.
        """
        if compression is None or "r" in mode:
            return super().open(path, mode, block_size, cache_options, compression, **kwargs)
        if "b" not in mode:
            text = {name: kwargs.pop(name) for name in ("encoding", "errors", "newline") if name in kwargs}
            binary = self.open(path, f"{mode.replace('t', '')}b", block_size, cache_options, compression, **kwargs)
            return io.TextIOWrapper(binary, **text)
        codec = get_compression(path, compression)
        file = super().open(path, mode, block_size, cache_options, **kwargs)
        return file if codec is None else CompressedFile(file, compr[codec](file, mode=mode[0]))

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> MossFile:
        return MossFile(self, path, mode, block_size, autocommit, cache_options=cache_options, **kwargs)
