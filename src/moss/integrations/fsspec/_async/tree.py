"""Buckets, objects and members of shards as a tree of directories and files."""

import errno
from collections.abc import MutableMapping
from email.utils import parsedate_to_datetime

from moss.integrations.fsspec.failures import missing, os_errors
from moss.integrations.fsspec.paths import (
    Info,
    Location,
    describe_directory,
    describe_entries,
    describe_file,
    locate,
    select_below,
)
from moss.naming.bucket import parse_namespace
from moss.sdk._async.bucket import Bucket
from moss.sdk._async.client import Client
from moss.sdk._async.object import Object
from moss.sdk.list_object_flag import ListObjectFlag
from moss.sdk.namespace import Namespace
from moss.sdk.provider import Provider
from moss.wire.object import EntryFlag

__all__ = ["Tree"]

_LISTED = "name,size,version,checksum"
_ASKED = "name,size,version,checksum,last-modified,custom"


class Tree:
    """The reading half of the tree, and its directories.

    Args:
        client: the cluster.
        provider: of the buckets.
        listings: listings by path, kept for as long as it keeps them; those of shards end with a slash.
        sees_members: whether paths lead into shards.
    """

    def __init__(
        self, client: Client, provider: Provider, listings: MutableMapping[str, list[Info]], sees_members: bool
    ) -> None:
        self.client, self._provider = client, provider
        self._listings, self._sees_members = listings, sees_members

    def bucket(self, location: Location) -> Bucket:
        """The bucket of a location.

        Raises:
            InvalidName: a malformed namespace.
        """
        namespace = None
        if location.namespace:
            parsed = parse_namespace(location.namespace)
            namespace = Namespace(parsed.uuid, parsed.name)
        return self.client.bucket(location.bucket, self._provider, namespace)

    def object(self, location: Location) -> Object:
        """The object of a location.

        Raises:
            IsADirectoryError: the location is a bucket, or the top.
        """
        if not location.name:
            raise IsADirectoryError(errno.EISDIR, "a bucket, not an object", location.path)
        return self.bucket(location).object(location.name)

    async def list_buckets(self) -> list[Info]:
        """Descriptions of the buckets of the provider."""
        with os_errors(""):
            buckets = await self.client.cluster().list_buckets(self._provider)
        names = []
        for bucket in buckets:
            space = bucket.namespace
            is_global = space is None or not (space.uuid or space.name)
            names.append(bucket.name if is_global else f"{space.get_path()}/{bucket.name}")
        return [describe_directory(name) for name in sorted(names)]

    async def ls(self, path: str, *, refresh: bool = False) -> list[Info]:
        """Descriptions of what is in a directory, or of one file. A shard whose path ends with a slash is a directory.

        Raises:
            FileNotFoundError: neither.
        """
        stripped = path.rstrip("/")
        location = locate(stripped)
        if not location.root:
            return await self.list_buckets()
        if shard := self._shard_and_folder(Location(location.root, f"{location.name}/")):
            is_folder = path.endswith("/") or shard[1]
            if is_folder and (members := await self._members(shard[0], refresh=refresh)):
                below = [info for info in members if info["name"].startswith(f"{stripped}/")]
                if below:
                    return [
                        info for info in select_below(stripped, below, 1, True).values() if info["name"] != stripped
                    ]
                found = [info for info in members if info["name"] == stripped]
                if found:
                    return found
        if not refresh and stripped in self._listings:
            return self._listings[stripped]
        with os_errors(stripped):
            flags = [ListObjectFlag.NO_RECURSION]
            entries = await self.bucket(location).list_all_objects(location.prefix, _LISTED, flags=flags)
        if not entries and location.name:
            return [await self._info_of_object(location)]
        infos = list(describe_entries(location.root, entries))
        self._listings[stripped] = infos
        return infos

    async def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, prefix: str = ""
    ) -> dict[str, Info]:
        """Descriptions of everything below a path, by path; empty when there is nothing.

        One listing answers, however deep the tree is.

        Args:
            maxdepth: levels below the path.
            withdirs: directories too.
            prefix: only names that begin with it, relative to the path.
        """
        stripped = path.rstrip("/")
        location = locate(stripped)
        try:
            if not location.root:
                return await self._find_from_the_top(maxdepth, withdirs, prefix)
            infos = await self._list_below(path, location, maxdepth, prefix)
        except FileNotFoundError:
            return {}
        if infos or not location.name:
            return select_below(stripped, infos, maxdepth, withdirs)
        try:
            return {stripped: await self._info_of_file(location)}
        except FileNotFoundError:
            return {}

    async def _find_from_the_top(self, maxdepth: int | None, withdirs: bool, prefix: str) -> dict[str, Info]:
        infos = []
        for info in await self.list_buckets():
            if not info["name"].startswith(prefix):
                continue
            infos.append(info)
            if maxdepth is None or maxdepth > 1:
                depth = None if maxdepth is None else maxdepth - 1
                infos += (await self.find(info["name"], depth, withdirs)).values()
        return select_below("", infos, maxdepth, withdirs)

    async def _list_below(self, path: str, location: Location, maxdepth: int | None, prefix: str) -> list[Info]:
        if shard := self._shard_and_folder(Location(location.root, f"{location.name}/")):
            begin = f"{location.path}/{prefix}"
            is_folder = path.endswith("/") or shard[1]
            members = await self._members(shard[0]) if is_folder else []
            if members:
                return [info for info in members if info["name"].startswith(begin)]
        flags = [ListObjectFlag.NO_RECURSION] if maxdepth == 1 else []
        with os_errors(location.path):
            entries = await self.bucket(location).list_all_objects(location.prefix + prefix, _LISTED, flags=flags)
        return list(describe_entries(location.root, entries))

    async def info(self, path: str) -> Info:
        """The description of a path. What is no object may be a directory: a beginning of the names of others.

        Raises:
            FileNotFoundError: it leads nowhere.
        """
        location = locate(path.rstrip("/"))
        if not location.root:
            return describe_directory("")
        if not location.name:
            with os_errors(location.path):
                await self.bucket(location).head()
            return describe_directory(location.path)
        for info in self._listings.get(location.path.rpartition("/")[0], ()):
            if info["name"] == location.path:
                return info
        try:
            return await self._info_of_file(location)
        except FileNotFoundError:
            pass
        if await self._is_folder(location):
            return describe_directory(location.path)
        raise missing(location.path)

    async def _is_folder(self, location: Location) -> bool:
        with os_errors(location.path):
            if (await self.bucket(location).list_objects(location.prefix, "name", page_size=1)).entries:
                return True
        if (shard := self._shard_and_folder(location)) is None:
            return False
        return any(info["name"].startswith(f"{location.path}/") for info in await self._members(shard[0]))

    async def _info_of_file(self, location: Location) -> Info:
        """The description of a member, where there is one of this path, or else of an object."""
        if shard := self._shard_and_folder(location):
            for info in await self._members(shard[0]):
                if info["name"] == location.path:
                    return info
        return await self._info_of_object(location)

    async def _info_of_object(self, location: Location) -> Info:
        with os_errors(location.path):
            props = await self.object(location).head(_ASKED)
        info = describe_file(location.path, props.size, props.obj_version, props.checksum_value)
        if props.last_modified:
            info["mtime"] = parsedate_to_datetime(props.last_modified).timestamp()
        if props.custom_metadata:
            info["custom"] = props.custom_metadata
        return info

    def _shard_and_folder(self, location: Location) -> tuple[Location, str] | None:
        """The shard that a location leads into, and the rest of its name behind it, which is empty for all of it."""
        if not self._sees_members:
            return None
        found = location.split_member()
        if found is not None:
            return found[0], found[1].rstrip("/")
        shard = Location(location.root, location.name.rstrip("/"))
        is_all = location.name.endswith("/") and Location(shard.root, f"{shard.name}/-").split_member() is not None
        return (shard, "") if is_all else None

    async def _members(self, shard: Location, *, refresh: bool = False) -> list[Info]:
        """Descriptions of the members of a shard; empty when there is no such shard."""
        key = f"{shard.path}/"
        if not refresh and key in self._listings:
            return self._listings[key]
        with os_errors(shard.path):
            entries = await self.bucket(shard).list_archive(shard.name, props="name,size")
        infos = [
            describe_file(f"{shard.root}/{entry.name}", entry.size)
            for entry in entries
            if entry.flags & EntryFlag.IN_ARCHIVE and entry.name.startswith(f"{shard.name}/")
        ]
        self._listings[key] = infos
        return infos

    async def exists(self, path: str) -> bool:
        """Whether a path leads somewhere."""
        try:
            await self.info(path)
        except FileNotFoundError:
            return False
        return True

    async def make_directory(self, path: str, *, exist_ok: bool, create_parents: bool = True) -> None:
        """Make the bucket of a path; directories below it come with their first object.

        Raises:
            FileExistsError: the path is a bucket that exists, and not `exist_ok`.
            FileNotFoundError: the bucket does not exist, and not `create_parents`.
        """
        location = locate(path)
        if not location.root:
            if exist_ok:
                return
            raise FileExistsError(errno.EEXIST, "the top exists", path)
        with os_errors(path):
            if location.name and not create_parents:
                await self.bucket(location).head()
            else:
                await self.bucket(location).create(exist_ok=exist_ok or bool(location.name))

    async def remove_directory(self, path: str) -> None:
        """Remove an empty bucket. A directory that is empty is not there any more.

        Raises:
            OSError: `ENOTEMPTY`.
            FileNotFoundError: the bucket does not exist.
        """
        location = locate(path)
        if not location.root:
            raise PermissionError(errno.EPERM, "the top cannot be removed", path)
        with os_errors(path):
            bucket = self.bucket(location)
            if (await bucket.list_objects(location.prefix, "name", page_size=1)).entries:
                raise OSError(errno.ENOTEMPTY, "not empty", path)
            if not location.name:
                await bucket.delete()

    async def close(self) -> None:
        """Close the idle connections."""
        await self.client.close()
