"""Azure Blob Storage; its containers are buckets."""

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from moss.naming.bucket import Bucket, Provider
from moss.node.backends.azure_account import AzureAccount
from moss.node.backends.base import Page, RemoteBucket, RemoteObject
from moss.node.backends.limits import Limits
from moss.node.backends.object_store import ObjectStoreBackend, client_options, retry_options
from moss.node.backends.rest import Answer, Request, RestClient
from moss.node.backends.rest_objects import RestObjects, plain_etag, seconds_ns, spelled
from moss.node.backends.s3_rest import children, fields, parsed, text_of

__all__ = ["AzureBackend"]

_PAGE_MAX = 5000
_MARKERS_MAX = 1000


class AzureBackend(ObjectStoreBackend):
    """All containers of one account."""

    def __init__(self, account: AzureAccount, limits: Limits | None = None) -> None:
        self._account, self._limits = account, limits or Limits()
        super().__init__(Provider.AZURE, AzureRest(RestClient(self._sign, self._limits)), self._open)

    async def _sign(self, request: Request) -> str:
        account, url = self._account, request.url(self._account.endpoint)
        if account.identity is None:
            return account.sign(request.method, url, request.headers, len(request.body))
        return await asyncio.to_thread(account.sign, request.method, url, request.headers, len(request.body))

    async def _open(self, bucket: str) -> Any:
        from obstore.store import AzureStore

        account, limits = self._account, self._limits
        return AzureStore(
            bucket,
            account_name=account.name,
            endpoint=account.endpoint,
            credential_provider=account.obstore_credential,
            client_options=client_options(limits, account.endpoint),
            retry_config=retry_options(limits),
        )


class AzureRest(RestObjects):
    """Containers, listings and blobs in the service's own words. Source: the REST reference of Azure Blob Storage."""

    prefix = "x-ms-"
    version_header = "x-ms-version-id"

    def __init__(self, client: RestClient) -> None:
        super().__init__(Provider.AZURE, client)
        # Where a listing goes on behind a name: the service's mark, and whether that is exactly there or before it.
        self._markers: OrderedDict[tuple[str, str, bool, str], tuple[str, bool]] = OrderedDict()

    async def list_buckets(self) -> list[str]:
        names: list[str] = []
        marker = ""
        while True:
            query = {"comp": "list", **({"marker": marker} if marker else {})}
            request = Request("GET", "/", Bucket("", self.provider), query=query)
            found, marker = await parsed(request, await self.client.ask(request), _containers)
            names += found
            if not marker:
                return sorted(names)

    async def head_bucket(self, bucket: str) -> RemoteBucket:
        await self.client.ask(self.request("GET", bucket, query={"restype": "container"}))
        return RemoteBucket(bucket)

    # The service lists from a mark of its own, not from a name. The marks of listings that go on are remembered; a
    # name that none is known for is looked for from the beginning.

    async def list(
        self, bucket: str, prefix: str = "", start_after: str = "", limit: int = 1000, *, one_level: bool = False
    ) -> Page:
        limit = min(limit, _PAGE_MAX)
        place = (bucket, prefix, one_level)
        marker, is_exact = self._markers.get((*place, start_after), ("", False)) if start_after else ("", True)
        page = Page([])
        while True:
            # From a mark that is right, no more is asked for than is wanted.
            asked = limit - len(page.objects) - len(page.folders) if is_exact else _PAGE_MAX
            rows, following = await self._rows(bucket, prefix, marker, asked, one_level)
            for row in rows:
                name = row if isinstance(row, str) else row.name
                if not is_exact and name <= start_after:
                    continue
                if len(page.objects) + len(page.folders) == limit:
                    return self._until(page, place, marker, is_exact=False)
                if isinstance(row, str):
                    page.folders.append(row)
                else:
                    page.objects.append(row)
            if not following:
                return page
            marker = following
            if len(page.objects) + len(page.folders) == limit:
                return self._until(page, place, marker, is_exact=True)

    def _until(self, page: Page, place: tuple[str, str, bool], marker: str, *, is_exact: bool) -> Page:
        last = max([*(found.name for found in page.objects), *page.folders])
        self._markers[(*place, last)] = (marker, is_exact)
        if len(self._markers) > _MARKERS_MAX:
            self._markers.popitem(last=False)
        return Page(page.objects, page.folders, last)

    async def _rows(
        self, bucket: str, prefix: str, marker: str, limit: int, one_level: bool
    ) -> "tuple[list[RemoteObject | str], str]":
        """Return objects and folders, and the mark to go on from, "" at the end."""
        query = {"restype": "container", "comp": "list", "maxresults": str(limit)}
        query |= {"prefix": prefix} if prefix else {}
        query |= {"marker": marker} if marker else {}
        query |= {"delimiter": "/"} if one_level else {}
        request = self.request("GET", bucket, query=query)
        return await parsed(request, await self.client.ask(request), _rows)

    def put_request(self, bucket: str, name: str, body: bytes, metadata: Mapping[str, str]) -> Request:
        return self.request("PUT", bucket, name, headers={"x-ms-blob-type": "BlockBlob", **metadata}, body=body)

    async def set_custom(
        self, bucket: str, name: str, about: RemoteObject, custom: Mapping[str, str]
    ) -> RemoteObject | None:
        headers = {
            "If-Match": f'"{about.etag}"',
            **{f"x-ms-meta-{key}": spelled(value) for key, value in custom.items()},
        }
        answer = await self.client.ask(self.request("PUT", bucket, name, {"comp": "metadata"}, headers))
        return RemoteObject(
            name,
            about.size,
            etag=plain_etag(answer.headers.get("ETag")),
            version=answer.headers.get(self.version_header, ""),
            modified_ns=seconds_ns(answer.headers.get("Last-Modified", "")),
            content_type=about.content_type,
            custom=dict(custom),
        )

    async def begin(self, bucket: str, name: str, metadata: Mapping[str, str]) -> "AzureParts":
        return AzureParts(self, bucket, name, metadata)


class AzureParts:
    """See `PartsUpload`. Blocks that are not committed go by themselves after a week."""

    def __init__(self, store: AzureRest, bucket: str, name: str, metadata: Mapping[str, str]) -> None:
        self._store, self._bucket, self._name, self._metadata = store, bucket, name, metadata
        self._blocks: dict[int, str] = {}

    async def part(self, number: int, body: bytes) -> None:
        block = base64.b64encode(b"%08d" % number).decode()
        query = {"comp": "block", "blockid": block}
        await self._store.client.ask(self._store.request("PUT", self._bucket, self._name, query, body=body))
        self._blocks[number] = block

    async def complete(self) -> Answer:
        rows = "".join(f"<Latest>{escape(block)}</Latest>" for _, block in sorted(self._blocks.items()))
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{rows}</BlockList>'.encode()
        query = {"comp": "blocklist"}
        request = self._store.request("PUT", self._bucket, self._name, query, self._metadata, body)
        return await self._store.client.ask(request)

    async def abort(self) -> None:
        return


def _containers(root: ElementTree.Element) -> tuple[list[str], str]:
    names = [text_of(row, "Name") for group in children(root, "Containers") for row in children(group, "Container")]
    return names, text_of(root, "NextMarker")


def _rows(root: ElementTree.Element) -> "tuple[list[RemoteObject | str], str]":
    rows: list[RemoteObject | str] = [
        text_of(row, "Name") if row.tag == "BlobPrefix" else _listed(row)
        for group in children(root, "Blobs")
        for row in group
    ]
    return rows, text_of(root, "NextMarker")


def _listed(row: ElementTree.Element) -> RemoteObject:
    about = fields(next(iter(children(row, "Properties")), row))
    return RemoteObject(
        text_of(row, "Name"),
        int(about["Content-Length"]),
        etag=plain_etag(about.get("Etag")),
        modified_ns=seconds_ns(about.get("Last-Modified", "")),
    )
