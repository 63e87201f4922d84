"""The asynchronous half of the file system: the methods with an underscore in front."""

import os
from glob import has_magic
from typing import Any

from fsspec.callbacks import DEFAULT_CALLBACK

from moss.integrations.fsspec.paths import Info
from moss.integrations.fsspec.transfers import check_depth

__all__ = ["Coroutines"]


class Coroutines:
    """Coroutines over the SDK for asyncio; what is not here fsspec makes of these. For `MossFileSystem` only."""

    _client_options: dict[str, Any]
    _async_store: Any = None

    @property
    def async_store(self) -> Any:
        """What the coroutines ask; made when it is first needed, because it takes aiohttp."""
        if self._async_store is None:
            from moss.integrations.fsspec._async.store import Store
            from moss.sdk.aio import Client

            self._async_store = Store(Client(**self._client_options), self._provider, self.dircache, self._members)
        return self._async_store

    async def aclose(self) -> None:
        """Close the idle connections of the coroutines; they can be used again."""
        if self._async_store is not None:
            await self._async_store.close()

    async def _ls(self, path: str, detail: bool = True, refresh: bool = False, **_options: Any) -> list[Any]:
        infos = await self.async_store.ls(self._strip(path), refresh=refresh)
        return infos if detail else [info["name"] for info in infos]

    async def _info(self, path: str, **_options: Any) -> Info:
        return await self.async_store.info(self._strip(path))

    async def _exists(self, path: str, **_options: Any) -> bool:
        return await self.async_store.exists(self._strip(path))

    async def _isfile(self, path: str) -> bool:
        return await self._type_of_path(path) == "file"

    async def _isdir(self, path: str) -> bool:
        return await self._type_of_path(path) == "directory"

    async def _type_of_path(self, path: str) -> str:
        try:
            return (await self._info(path))["type"]
        except FileNotFoundError:
            return ""

    async def _find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        prefix: str = "",
        **_options: Any,
    ) -> Any:
        check_depth(maxdepth)
        found = await self.async_store.find(self._strip(path), maxdepth, withdirs, prefix)
        return found if detail else list(found)

    async def _mkdir(self, path: str, create_parents: bool = True, **_options: Any) -> None:
        path = self._strip_protocol(path)
        await self.async_store.make_directory(path, exist_ok=False, create_parents=create_parents)
        self.invalidate_cache(path)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        path = self._strip_protocol(path)
        await self.async_store.make_directory(path, exist_ok=exist_ok)
        self.invalidate_cache(path)

    async def _rmdir(self, path: str) -> None:
        path = self._strip_protocol(path)
        await self.async_store.remove_directory(path)
        self.invalidate_cache(path)

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_options: Any) -> bytes:
        return await self.async_store.cat_file(self._strip_protocol(path), start, end)

    async def _cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        batch_size: int | None = None,
        on_error: str = "return",
        **_options: Any,
    ) -> list[Any]:
        if not isinstance(paths, list):
            raise TypeError(f"expected a list of paths, found {type(paths).__name__}")
        stripped = [self._strip_protocol(path) for path in paths]
        return await self.async_store.cat_ranges(stripped, starts, ends, on_error)

    async def _pipe_file(self, path: str, value: Any, mode: str = "overwrite", **_options: Any) -> None:
        path = self._strip_protocol(path)
        if mode == "create":
            await self.async_store.refuse_existing(path)
        await self.async_store.pipe_file(path, value)
        self.invalidate_cache(path)

    async def _put_file(
        self, lpath: str, rpath: str, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **_options: Any
    ) -> None:
        rpath = self._strip_protocol(rpath)
        if os.path.isdir(lpath):
            await self._makedirs(rpath, exist_ok=True)
            return
        if mode == "create":
            await self.async_store.refuse_existing(rpath)
        with open(lpath, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            callback.set_size(size)
            await self.async_store.put_file(file, rpath)
            callback.relative_update(size)
        self.invalidate_cache(rpath)

    async def _get_file(self, rpath: str, lpath: str, callback: Any = DEFAULT_CALLBACK, **_options: Any) -> None:
        rpath = self._strip_protocol(rpath)
        os.makedirs(os.path.dirname(lpath) or ".", exist_ok=True)
        try:
            await self.async_store.download(rpath, lpath, callback)
        except FileNotFoundError:
            if not await self._isdir(rpath):
                raise
            os.makedirs(lpath, exist_ok=True)

    async def _cp_file(self, path1: str, path2: str, **_options: Any) -> None:
        target = self._strip_protocol(path2)
        try:
            await self.async_store.copy(self._strip_protocol(path1), target)
        except FileNotFoundError:
            if not await self._isdir(path1):  # Directories come with their files.
                raise
        self.invalidate_cache(target)

    async def _rm_file(self, path: str, **_options: Any) -> None:
        path = self._strip_protocol(path)
        await self.async_store.remove_file(path)
        self.invalidate_cache(path)

    async def _rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None, **_options: Any) -> None:
        paths: list[str] = []
        for source in [path] if isinstance(path, str) else path:
            stripped = self._strip_protocol(source)
            if has_magic(stripped):
                matched = await self._glob(stripped, maxdepth=maxdepth, detail=True)
                paths += [name for name, info in matched.items() if recursive or info["type"] == "file"]
            else:
                paths.append(stripped)
        if not paths:
            raise FileNotFoundError(path)
        await self.async_store.remove(paths, recursive, maxdepth)
        for name in paths:
            self.invalidate_cache(name)

    async def open_async(self, path: str, mode: str = "rb", **_options: Any) -> Any:
        """A file whose methods are coroutines, for `rb`, `wb` and `ab`; see `moss.sdk.aio`.

        Raises:
            FileNotFoundError: reading: no such file.
            ValueError: another mode.
        """
        path = self._strip_protocol(path)
        if mode == "rb":
            return (await self.async_store.open_reader(path)).as_file()
        if mode not in ("wb", "ab"):
            raise ValueError(f"mode must be 'rb', 'wb' or 'ab', found {mode!r}")
        target = await self.async_store.writable(path)
        return target.get_writer().as_file(mode[0])
