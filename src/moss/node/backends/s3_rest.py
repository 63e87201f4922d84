"""Buckets, listings and objects in S3's own words, which GCS and OCI speak too.

Source: the S3 API reference; the XML API of Cloud Storage.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote_plus
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from moss.errors import BackendDenied, ObjectChanged
from moss.naming.bucket import Bucket
from moss.node.backends.base import Page, RemoteBucket, RemoteObject
from moss.node.backends.failures import failure
from moss.node.backends.rest import Answer, Request, encoded
from moss.node.backends.rest_objects import RestObjects, plain_etag, seconds_ns, spelled

__all__ = ["COPY_BYTES_MAX", "S3Rest", "behind", "children", "fields", "parsed", "text_of"]

PAGE_MAX = 1000
# S3 copies larger objects in parts only.
COPY_BYTES_MAX = 5 << 30
# Larger answers are parsed beside the event loop.
_PARSED_AT_ONCE_BYTES = 16 << 10
_LAST = "\U0010ffff"
Found = TypeVar("Found")
# Headers of an object that a change of its metadata leaves as they are.
_KEPT = ("Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Expires")
_KEPT_MARKED = (
    *("storage-class", "server-side-encryption", "server-side-encryption-aws-kms-key-id"),
    "website-redirect-location",
)


class S3Rest(RestObjects):
    """All buckets that one set of credentials opens."""

    async def list_buckets(self) -> list[str]:
        root = await self._xml(Request("GET", "/", Bucket("", self.provider)))
        return sorted(text_of(row, "Name") for group in children(root, "Buckets") for row in children(group, "Bucket"))

    async def head_bucket(self, bucket: str) -> RemoteBucket:
        try:
            versioning = await self._xml(self.request("GET", bucket, query={"versioning": ""}))
            is_versioned = text_of(versioning, "Status") == "Enabled"
        except BackendDenied:
            is_versioned = False  # who may use a bucket need not be allowed to read how it is set up
        head = await self.client.ask(self.request("HEAD", bucket))
        return RemoteBucket(bucket, is_versioned, self.region_in(head))

    def region_in(self, answer: Answer) -> str:
        """Return the region that an answer names."""
        return answer.headers.get(f"{self.prefix}bucket-region", "")

    async def list(
        self, bucket: str, prefix: str = "", start_after: str = "", limit: int = 1000, *, one_level: bool = False
    ) -> Page:
        query = {
            "list-type": "2", "encoding-type": "url", "prefix": prefix, "max-keys": str(min(limit, PAGE_MAX)),
            "start-after": behind(start_after, prefix) if one_level else start_after,
        }  # fmt: skip
        if one_level:
            query["delimiter"] = "/"
        query = {key: value for key, value in query.items() if value}
        request = self.request("GET", bucket, query=query)
        return await parsed(request, await self.client.ask(request), _page)

    async def set_custom(
        self, bucket: str, name: str, about: RemoteObject, custom: Mapping[str, str]
    ) -> RemoteObject | None:
        if about.size > COPY_BYTES_MAX:
            return None
        # Ceph's gateway does not look at the condition of a copy onto itself.
        if (await self.head(bucket, name)).etag != about.etag:
            raise ObjectChanged(Bucket(bucket, self.provider).cname_of(name))
        mark = self.prefix
        found = (await self.client.ask(self.request("HEAD", bucket, name))).headers
        # A copy onto itself forgets all that is not said again.
        kept = (*_KEPT, *(mark + word for word in _KEPT_MARKED))
        headers = {
            **{key: found[key] for key in kept if key in found},
            f"{mark}copy-source": f"/{encoded(bucket)}/{encoded(name)}",
            f"{mark}copy-source-if-match": f'"{about.etag}"',
            f"{mark}metadata-directive": "REPLACE",
            **{f"{mark}meta-{key}": spelled(value) for key, value in custom.items()},
        }
        request = self.request("PUT", bucket, name, headers=headers)
        answer = await self.client.ask(request)
        root = _unless_failed(request, answer)
        version = answer.headers.get(self.version_header, "")
        if about.version and not version:
            return await self.head(bucket, name)  # not every store tells it
        return RemoteObject(
            name,
            about.size,
            etag=plain_etag(text_of(root, "ETag")),
            version="" if version == "null" else version,
            modified_ns=seconds_ns(text_of(root, "LastModified")),
            content_type=about.content_type,
            custom=dict(custom),
        )

    async def begin(self, bucket: str, name: str, metadata: Mapping[str, str]) -> "S3Parts":
        root = await self._xml(self.request("POST", bucket, name, {"uploads": ""}, metadata))
        return S3Parts(self, bucket, name, text_of(root, "UploadId"))

    async def _xml(self, request: Request) -> ElementTree.Element:
        return await parsed(request, await self.client.ask(request), _itself)


class S3Parts:
    """See `PartsUpload`."""

    def __init__(self, store: S3Rest, bucket: str, name: str, upload: str) -> None:
        self._store, self._bucket, self._name, self._upload = store, bucket, name, upload
        self._tags: dict[int, str] = {}

    def _request(self, method: str, query: Mapping[str, str] | None = None, body: bytes = b"") -> Request:
        query = {"uploadId": self._upload, **(query or {})}
        return self._store.request(method, self._bucket, self._name, query, body=body)

    async def part(self, number: int, body: bytes) -> None:
        answer = await self._store.client.ask(self._request("PUT", {"partNumber": str(number)}, body))
        self._tags[number] = answer.headers.get("ETag", "")

    async def complete(self) -> Answer:
        rows = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tag)}</ETag></Part>"
            for number, tag in sorted(self._tags.items())
        )
        body = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()
        request = self._request("POST", body=body)
        answer = await self._store.client.ask(request)
        root = _unless_failed(request, answer)
        headers: Any = {**answer.headers, "ETag": text_of(root, "ETag")}
        return Answer(answer.status, headers, answer.body)

    async def abort(self) -> None:
        await self._store.client.ask(self._request("DELETE"))


def behind(start_after: str, prefix: str) -> str:
    """Return the name to go on behind at one level: behind a folder come none of its objects."""
    is_folder = start_after.endswith("/") and len(start_after) > len(prefix)
    return start_after + _LAST if is_folder else start_after


async def parsed(request: Request, answer: Answer, read: Callable[[ElementTree.Element], Found]) -> Found:
    """Parse an XML answer, a large one beside the event loop.

    Args:
        read: turns it into what it means.

    Raises:
        BackendUnavailable: it is none, or it means nothing.
    """
    try:
        if len(answer.body) > _PARSED_AT_ONCE_BYTES:
            return await asyncio.to_thread(lambda: read(ElementTree.fromstring(answer.body)))
        return read(ElementTree.fromstring(answer.body))
    except (ElementTree.ParseError, ValueError, KeyError):
        reason = "an answer that cannot be understood"
        raise failure(request.bucket, request.name, status=0, code="", reason=reason) from None


def _itself(root: ElementTree.Element) -> ElementTree.Element:
    return root


def _unless_failed(request: Request, answer: Answer) -> ElementTree.Element:
    """Parse an answer whose status was sent before its outcome was known."""
    try:
        root = ElementTree.fromstring(answer.body)
    except ElementTree.ParseError:
        raise failure(request.bucket, request.name, status=500, code="") from None
    if root.tag.rpartition("}")[2] == "Error":
        raise failure(request.bucket, request.name, status=500, code=text_of(root, "Code"))
    return root


def children(root: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    """Return the elements of that name, whatever their namespace."""
    return [child for child in root if child.tag.rpartition("}")[2] == tag]


def text_of(root: ElementTree.Element, tag: str) -> str:
    return next((child.text or "" for child in children(root, tag)), "")


def fields(row: ElementTree.Element) -> dict[str, str]:
    """Return the texts of the elements below one, by name."""
    return {child.tag.rpartition("}")[2]: child.text or "" for child in row}


def _page(root: ElementTree.Element) -> Page:
    objects: list[RemoteObject] = []
    folders: list[str] = []
    for row in root:
        if row.tag.endswith("Contents"):
            told = fields(row)
            objects.append(
                RemoteObject(
                    unquote_plus(told["Key"]),
                    int(told["Size"]),
                    etag=plain_etag(told.get("ETag")),
                    modified_ns=seconds_ns(told.get("LastModified", "")),
                )
            )
        elif row.tag.endswith("CommonPrefixes"):
            folders.append(unquote_plus(text_of(row, "Prefix")))
    last = max([*(row.name for row in objects), *folders], key=_bytes, default="")
    return Page(objects, folders, last if text_of(root, "IsTruncated") == "true" else "")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
