"""One bucket."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from moss.sdk._async.iterator import ObjectIterator
from moss.sdk._async.object import Object
from moss.sdk._async.session import RequestClient
from moss.sdk.ais_source import AISSource
from moss.sdk.answers import Answer
from moss.sdk.errors import AISError, ErrBckAlreadyExists, ErrBckNotFound, InvalidBckProvider
from moss.sdk.list_object_flag import ListObjectFlag
from moss.sdk.listing import find_files, list_value, target_name
from moss.sdk.namespace import Namespace
from moss.sdk.obj.object_props import ObjectProps
from moss.sdk.operations import Request, action, bucket_path, bucket_query
from moss.sdk.provider import Provider
from moss.sdk.types import BucketEntry, BucketList, BucketModel
from moss.wire import headers as names
from moss.wire.object import decode_list_page

__all__ = ["Bucket"]


class Bucket(AISSource):
    """One bucket. Making one sends nothing, and says nothing about its existence.

    Raises:
        InvalidBckProvider: unknown provider.
    """

    def __init__(
        self,
        name: str,
        client: RequestClient | None = None,
        provider: Provider | str = Provider.AIS,
        namespace: Namespace | None = None,
    ) -> None:
        self._session, self._name = client, name
        self._provider, self._namespace = Provider.parse(provider), namespace

    @property
    def client(self) -> RequestClient:
        """The way to the cluster; can be set."""
        if self._session is None:
            raise ValueError("Bucket requires a client to use functions")
        return self._session

    @client.setter
    def client(self, client: RequestClient) -> None:
        self._session = client

    @property
    def name(self) -> str:
        return self._name

    @property
    def provider(self) -> Provider:
        return self._provider

    @property
    def namespace(self) -> Namespace | None:
        return self._namespace

    @property
    def qparam(self) -> dict[str, str]:
        """Query parameters that go with the bucket's name."""
        return dict(self._query())

    def _query(self) -> list[tuple[str, str]]:
        return bucket_query(self._provider, self._namespace)

    def as_model(self) -> BucketModel:
        return BucketModel(self._name, self._provider.value, self._namespace)

    def get_path(self) -> str:
        """`<provider>/@<uuid>#<namespace>/<name>/`."""
        return self.as_model().get_path()

    def verify_cloud_bucket(self) -> None:
        """Raise InvalidBckProvider unless the bucket is remote."""
        if self._provider is Provider.AIS:
            raise InvalidBckProvider(self._provider)

    def _require_ais(self) -> None:
        if self._provider is not Provider.AIS:
            raise InvalidBckProvider(self._provider)

    async def make_request(
        self, method: str, action_name: str, value: Any = None, params: Any = None, name: str = ""
    ) -> Answer:
        """Send an action on the bucket by hand."""
        query = self._query() if params is None else list(params.items())
        body = action(action_name, target=name, value=value)
        return await self.client.call(Request(method.upper(), bucket_path(self._name), query, body=body))

    async def create(self, exist_ok: bool = False) -> "Bucket":
        """Create the bucket.

        Raises:
            ErrBckAlreadyExists: it exists, and not `exist_ok`.
            InvalidBckProvider: buckets of clouds are not created from here.
        """
        self._require_ais()
        try:
            await self.make_request("POST", "create-bck")
        except ErrBckAlreadyExists:
            if not exist_ok:
                raise
        return self

    async def delete(self, missing_ok: bool = False) -> None:
        """Destroy the bucket and everything in it.

        Raises:
            ErrBckNotFound: it does not exist, and not `missing_ok`.
            InvalidBckProvider: buckets of clouds are not destroyed from here.
        """
        self._require_ais()
        try:
            await self.make_request("DELETE", "destroy-bck")
        except ErrBckNotFound:
            if not missing_ok:
                raise

    async def head(self) -> Answer:
        """Ask for the bucket's properties, in the header `Ais-Bucket-Props`.

        Raises:
            AISError: status 404 when it does not exist.
        """
        return await self.client.call(Request("HEAD", bucket_path(self._name), self._query()))

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
        page = decode_list_page(answer.content, answer.headers.get(names.CONTENT_TYPE, ""))
        listed = BucketList.of_wire(page)
        for entry in listed.entries:
            entry.object = self.object(entry.name)
        return listed

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
        return [entry async for entry in pages]

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

    async def put_files(
        self,
        path: str | Path,
        prefix_filter: str = "",
        pattern: str = "*",
        basename: bool = False,
        prepend: str | None = None,
        recursive: bool = False,
        dry_run: bool = False,
        verbose: bool = True,
    ) -> list[str]:
        """Store the files of a folder.

        Args:
            prefix_filter, pattern: beginning and shell pattern of the names of files to store.
            basename: name objects after the file only, without its folders.
            prepend: put before each object name.
            recursive: files of sub-folders too.
            dry_run: store nothing.
            verbose: accepted for compatibility; nothing is printed.

        Returns:
            Names of the objects, in the order they were stored.

        Raises:
            ValueError: `path` is no folder.
        """
        stored = []
        for file, relative in find_files(path, prefix_filter, pattern, recursive=recursive):
            name = target_name(relative, basename=basename, prepend=prepend)
            if not dry_run:
                await self.object(name).put_file(file)
            stored.append(name)
        return stored

    def object(self, obj_name: str, props: ObjectProps | None = None) -> Object:
        """Name an object of the bucket; sends nothing."""
        return Object(self._session, self, obj_name, props)  # type: ignore[arg-type]

    async def exists(self) -> bool:
        """Whether the bucket exists."""
        try:
            await self.head()
        except AISError as error:
            if error.status_code == 404:
                return False
            raise
        return True

    def __repr__(self) -> str:
        return f"Bucket({self._provider}://{self._name})"
