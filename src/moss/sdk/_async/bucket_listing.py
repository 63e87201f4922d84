"""Listings of a bucket."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from moss.sdk._async.bucket_base import BucketBase
from moss.sdk._async.iterator import ObjectIterator
from moss.sdk._async.object import Object
from moss.sdk.list_object_flag import ListObjectFlag
from moss.sdk.listing import list_value
from moss.sdk.operations import Request, action, bucket_path
from moss.sdk.provider import Provider
from moss.sdk.types import BucketEntry, BucketList
from moss.wire import headers as names

__all__ = ["BucketListing"]


class BucketListing(BucketBase):
    """The part of `Bucket` that lists."""

    async def list_objects(
        self,
        prefix: str = "",
        props: str = "",
        page_size: int = 0,
        uuid: str = "",
        continuation_token: str = "",
        flags: Sequence[ListObjectFlag] | None = None,
        target: str = "",
        inventory_name: str = "",
        start_after: str = "",
    ) -> BucketList:
        """List one page, in byte order of the names.

        Args:
            props: comma list of `name,size,atime,version,checksum,cached,status,copies,ec,custom,location`.
            page_size: entries; 0 leaves it to the server.
            uuid, continuation_token: of the page before.
            start_after: list names behind this one (`ais` buckets only).

        Raises:
            ErrBckNotFound: the bucket does not exist.
            NotImplementedError: `start_after` on a cloud bucket.
        """
        if start_after and self._provider is not Provider.AIS:
            raise NotImplementedError("start_after is not supported for remote buckets")
        headers = {names.ACCEPT: names.MSGPACK}
        flags = list(flags or ())
        if inventory_name:
            headers["Ais-Inv-Name"] = inventory_name
            flags.append(ListObjectFlag.NBI)
        value = list_value(
            prefix=prefix, props=props, page_size=page_size, uuid=uuid, token=continuation_token, flags=flags,
            target=target, start_after=start_after,
        )  # fmt: skip
        body = action("list", value=value)
        answer = await self.client.call(Request("GET", bucket_path(self._name), self._query(), headers, body))
        return BucketList.decode(answer.content, answer.headers.get(names.CONTENT_TYPE, ""), self)

    def list_objects_iter(
        self,
        prefix: str = "",
        props: str = "",
        page_size: int = 0,
        flags: Sequence[ListObjectFlag] | None = None,
        target: str = "",
        inventory_name: str = "",
        start_after: str = "",
    ) -> ObjectIterator:
        """Iterate over a listing; pages are asked for as they are needed. Arguments as in `list_objects`."""
        if start_after and self._provider is not Provider.AIS:
            raise NotImplementedError("start_after is not supported for remote buckets")

        async def list_page(uuid: str, token: str) -> BucketList:
            after = "" if token else start_after
            return await self.list_objects(prefix, props, page_size, uuid, token, flags, target, inventory_name, after)

        return ObjectIterator(list_page)

    async def list_all_objects(
        self,
        prefix: str = "",
        props: str = "",
        page_size: int = 0,
        flags: Sequence[ListObjectFlag] | None = None,
        target: str = "",
        inventory_name: str = "",
        start_after: str = "",
    ) -> list[BucketEntry]:
        """List everything. Arguments as in `list_objects`."""
        pages = self.list_objects_iter(prefix, props, page_size, flags, target, inventory_name, start_after)
        return await pages.read_all()

    async def list_all_objects_iter(
        self, prefix: str = "", props: str = "name,size", start_after: str = ""
    ) -> AsyncIterator[Object]:
        """Iterate over all objects, with what was listed in their `props_cached`."""
        async for entry in self.list_objects_iter(prefix, props, start_after=start_after):
            yield self.object(entry.name, entry.generate_object_props())

    async def list_urls(self, prefix: str = "", etl: Any = None, *, etl_name: str | None = None) -> AsyncIterator[str]:
        """Iterate over the HTTP URLs of all objects."""
        async for entry in self.list_objects_iter(prefix, "name"):
            yield entry.object.get_url(etl=etl, etl_name=etl_name)

    async def list_archive(
        self, archive_obj_name: str, include_archive_obj: bool = False, props: str = "", page_size: int = 0
    ) -> list[BucketEntry]:
        """List the members of an archive; their names are `<object>/<member>`."""
        entries = await self.list_all_objects(archive_obj_name, props, page_size, [ListObjectFlag.ARCH_DIR])
        if include_archive_obj:
            return entries
        return [entry for entry in entries if entry.name != archive_obj_name]
