"""Buckets of other clusters, AIStore's or Moss', asked through the SDK.

An object's version here is what its cluster tells of it: version, checksum and size together make its entity tag, as
versions count from 1 again after a delete.
"""

import json
import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any

from moss.errors import (
    BackendDenied,
    BackendUnavailable,
    BucketExists,
    BucketNotFound,
    InvalidBody,
    InvalidName,
    InvalidRequest,
    MalformedAnswer,
    MossError,
    ObjectChanged,
    ObjectNotFound,
    RangeOutOfBounds,
)
from moss.naming.bucket import Bucket, Namespace, Provider, validate_bucket_name
from moss.node.backends.aistore_metadata import (
    CHECKSUM_TYPE,
    CHECKSUM_VALUE,
    custom_of,
    describe,
    etag_of,
    given_of,
    pairs_of,
    written,
)
from moss.node.backends.base import Page, RemoteBucket, RemoteObject
from moss.node.backends.failures import reason_of
from moss.node.backends.guard import Egress, GuardedResolver
from moss.node.backends.limits import Limits
from moss.sdk.aio import Client
from moss.sdk.bodies import UnrewindableBody
from moss.sdk.errors import AISError, ConnectTimedOut, ReadTimedOut, TransportError
from moss.sdk.list_object_flag import ListObjectFlag
from moss.sdk.listing import list_value
from moss.sdk.obj.object_attributes import ObjectAttributes
from moss.sdk.operations import DIRECT, Request, action, bucket_path, object_path
from moss.sdk.retry_config import HttpRetry, NetworkRetry, RetryConfig
from moss.sdk.transport.aio import Response, Transport
from moss.sdk.types import BucketList, Smap, decode_smap
from moss.units import quote
from moss.wire import headers as names

__all__ = ["AistoreBackend", "RemoteCluster"]

_PAGE_MAX = 10_000
_CHUNK_BYTES = 1 << 20
# Up to this size an object is sent from memory.
_WHOLE_BYTES_MAX = 1 << 20
_LISTED = "name,size,version,checksum,custom"
_PASSING = frozenset({429, 502, 503, 504})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")
_NO_BUCKET = ("ErrBckNotFound", "ErrRemoteBckNotFound")


class _GuardedTransport(Transport):
    """Asks no host that may not be asked, wherever a redirect leads."""

    def __init__(self, settings: Any, egress: Egress) -> None:
        super().__init__(settings, GuardedResolver(egress))
        self._egress = egress

    async def send(self, method: str, url: str, *rest: Any, **options: Any) -> Response:
        self._egress.check_url(url)
        return await super().send(method, url, *rest, **options)


class RemoteCluster:
    """One attached cluster.

    Args:
        alias: that people know it by.
        uuid: that it calls itself.
        url: of a gateway.
        egress: which hosts may be asked.
    """

    def __init__(self, alias: str, uuid: str, url: str, egress: Egress, limits: Limits | None = None) -> None:
        self.alias, self.uuid, self.url = alias, uuid, url
        limits = limits or Limits()
        retry = RetryConfig(
            http_retry=HttpRetry(
                total=limits.retries, backoff_factor=limits.pause_s, backoff_max=limits.pause_s_max,
                status_forcelist=_PASSING,
            ),
            network_retry=NetworkRetry(
                attempts=min(3, limits.retries), wait_s_min=limits.pause_s, wait_s_max=limits.pause_s_max / 4
            ),
            deadline_s=limits.retry_s,
        )  # fmt: skip
        # No token of this node's environment goes to another cluster.
        client = Client(url, timeout=(limits.connect_s, limits.read_s), retry_config=retry, token=lambda: None)
        self.session = client.request_client
        self.session.transport = _GuardedTransport(self.session.config.settings, egress)

    async def map(self) -> Smap:
        """Return the cluster's map.

        Raises:
            BackendUnavailable, AccessDenied: it cannot be had.
        """
        try:
            answer = await self.session.call(Request("GET", "/daemon", [("what", "smap")]))
            return decode_smap(answer.content)
        except (AISError, TransportError, MalformedAnswer) as error:
            raise BackendUnavailable(f"cannot reach cluster {self.alias} at {self.url}: {_reason(error)}") from None

    async def uptime_ns(self) -> int:
        """Return how long the cluster has been up, 0 where it does not tell; raises as `map`."""
        try:
            answer = await self.session.call(Request("GET", "/health"))
        except (AISError, TransportError) as error:
            raise BackendUnavailable(f"cannot reach cluster {self.alias} at {self.url}: {_reason(error)}") from None
        told = answer.headers.get(names.CLUSTER_UPTIME, "")
        return int(told) if told.isdigit() else 0

    async def close(self) -> None:
        await self.session.close()


class AistoreBackend:
    """The buckets of one namespace of another cluster.

    Args:
        space: name of the namespace there, "" for the global one.
    """

    provider = Provider.AIS

    def __init__(self, cluster: RemoteCluster, space: str = "") -> None:
        self._cluster, self._space = cluster, space
        self._query = [("provider", "ais"), *([("namespace", f"#{space}")] if space else [])]

    def _bucket(self, name: str) -> Bucket:
        return Bucket(name, Provider.AIS, Namespace(self._cluster.uuid, self._space))

    # -- buckets --

    async def list_buckets(self) -> list[str]:
        request = Request("GET", "/buckets", self._query, {}, action("list"))
        answer = await self._call(request, self._bucket(""))
        found = json.loads(answer.content)
        return [row["name"] for row in found if _space_of(row) == ("", self._space)]

    async def head_bucket(self, bucket: str) -> RemoteBucket:
        answer = await self._call(Request("HEAD", bucket_path(bucket), self._query), self._bucket(bucket))
        props = json.loads(answer.headers.get(names.BUCKET_PROPS, "") or "{}")
        return RemoteBucket(bucket, bool(props.get("versioning", {}).get("enabled")))

    async def create_bucket(self, bucket: str, props: Any = None) -> None:
        """Create a bucket.

        Args:
            props: what its properties are to be, where that is not the cluster's default.

        Raises:
            BucketExists: it is there.
        """
        request = Request("POST", bucket_path(bucket), self._query, {}, action("create-bck", value=props))
        await self._call(request, self._bucket(bucket))

    async def destroy_bucket(self, bucket: str) -> None:
        """Destroy a bucket and what is in it."""
        request = Request("DELETE", bucket_path(bucket), self._query, {}, action("destroy-bck"))
        await self._call(request, self._bucket(bucket))

    async def list(
        self, bucket: str, prefix: str = "", start_after: str = "", limit: int = 1000, *, one_level: bool = False
    ) -> Page:
        value = list_value(
            prefix=prefix, props=_LISTED, page_size=min(limit, _PAGE_MAX), uuid="", token="", target="",
            flags=[ListObjectFlag.NO_RECURSION] if one_level else [], start_after=start_after,
        )  # fmt: skip
        request = Request(
            "GET", bucket_path(bucket), self._query, {names.ACCEPT: names.MSGPACK}, action("list", value=value)
        )
        answer = await self._call(request, self._bucket(bucket))
        found = BucketList.decode(answer.content, answer.headers.get(names.CONTENT_TYPE, ""), None)
        objects, folders = [], []
        for entry in found.entries:
            if entry.is_directory:
                folders.append(entry.name if entry.name.endswith("/") else f"{entry.name}/")
            else:
                etag = etag_of(entry.version, entry.size, entry.checksum)
                objects.append(RemoteObject(entry.name, entry.size, etag=etag, version=entry.version))
        is_last = not found.continuation_token or not found.entries
        return Page(objects, folders, "" if is_last else found.entries[-1].name)

    # -- objects --

    async def head(self, bucket: str, name: str) -> RemoteObject:
        attributes = await self._look_up(bucket, name)
        return describe(name, attributes, attributes.size)

    async def _look_up(self, bucket: str, name: str) -> ObjectAttributes:
        request = Request("HEAD", self._path(bucket, name), self._query, DIRECT)
        answer = await self._call(request, self._bucket(bucket), name)
        return ObjectAttributes(answer.headers)

    async def get(self, bucket: str, name: str, start: int = 0, length: int = -1, *, etag: str = "") -> "AistoreRead":
        place, headers = self._bucket(bucket), dict(DIRECT)
        if length == 0:
            about = await self.head(bucket, name)
            if etag and about.etag != etag:
                raise ObjectChanged(place.cname_of(name))
            if start > about.size:
                raise RangeOutOfBounds(size=about.size, start=start, length=length)
            return AistoreRead(place, about, start, start, None)
        if start or length > 0:
            headers[names.RANGE] = f"bytes={start}-{start + length - 1 if length > 0 else ''}"
        try:
            response = await self._cluster.session.open(Request("GET", self._path(bucket, name), self._query, headers))
        except (AISError, TransportError) as error:
            if isinstance(error, AISError) and error.status_code == 416:
                about = await self.head(bucket, name)
                if start or about.size:
                    raise RangeOutOfBounds(size=about.size, start=start, length=length) from None
                return AistoreRead(place, about, 0, 0, None)
            raise _translated(error, place, name) from None
        try:
            attributes = ObjectAttributes(response.headers)
            told = _CONTENT_RANGE.match(response.headers.get("content-range", ""))
            if response.status == 206 and told is not None:
                first, stop, size = int(told[1]), int(told[2]) + 1, int(told[3])
            else:
                first, stop, size = 0, attributes.size, attributes.size
            if first != start or (length > 0 and stop > start + length):
                raise BackendUnavailable(f"{_word(place, name)}: it sent another range than it was asked for")
            about = describe(name, attributes, size)
            if etag and about.etag != etag:
                # Some buckets tell the checksum of a range.
                about = await self.head(bucket, name) if response.status == 206 else about
                if about.etag != etag:
                    raise ObjectChanged(place.cname_of(name))
        except BaseException:
            response.close()
            raise
        return AistoreRead(place, about, first, stop, response)

    async def put(
        self, bucket: str, name: str, body: bytes | AsyncIterable[bytes], custom: Mapping[str, str], size: int = -1
    ) -> RemoteObject:
        try:
            path = self._path(bucket, name)
        except ObjectNotFound:
            raise InvalidName(f"invalid object name {quote(name)}") from None
        headers = dict(DIRECT)
        if CHECKSUM_TYPE in custom and CHECKSUM_VALUE in custom:
            # Checked there against what has arrived.
            headers |= {names.CHECKSUM_TYPE: custom[CHECKSUM_TYPE], names.CHECKSUM_VALUE: custom[CHECKSUM_VALUE]}
        if not isinstance(body, (bytes, bytearray, memoryview)) and 0 <= size <= _WHOLE_BYTES_MAX:
            # So that it can be sent again when a gateway redirects it.
            body = b"".join([piece async for piece in _Measured(body, size)])
        if isinstance(body, (bytes, bytearray, memoryview)):
            _check_size(len(body), size)
            await self._call(Request("PUT", path, self._query, headers, body), self._bucket(bucket), name)
        else:
            pieces = _Measured(body, size)
            request = Request("PUT", path, self._query, headers, pieces, size if size >= 0 else None)
            try:
                await self._call(request, self._bucket(bucket), name)
            except BackendUnavailable:
                if pieces.failure is not None:
                    raise pieces.failure from None
                raise
        return await self._with_custom(bucket, name, custom)

    async def set_custom(self, bucket: str, name: str, about: RemoteObject, custom: Mapping[str, str]) -> RemoteObject:
        """Give one version of an object other user metadata; returns the object as it is then.

        Raises:
            ObjectChanged: the object is another one.
        """
        return await self._with_custom(bucket, name, custom, about.etag)

    async def _with_custom(self, bucket: str, name: str, custom: Mapping[str, str], etag: str = "") -> RemoteObject:
        attributes = await self._look_up(bucket, name)
        about, there = describe(name, attributes, attributes.size), custom_of(attributes)
        if etag and about.etag != etag:
            raise ObjectChanged(self._bucket(bucket).cname_of(name))
        given = given_of(there)
        wanted = {key: value for key, value in there.items() if key not in given} | written(pairs_of(custom))
        if wanted == there:
            return about
        query = [*self._query, ("set-new-custom", "true")]
        request = Request("PATCH", self._path(bucket, name), query, DIRECT, action("", value=wanted))
        await self._call(request, self._bucket(bucket), name)
        return await self.head(bucket, name)

    async def delete(self, bucket: str, name: str) -> None:
        try:
            request = Request("DELETE", self._path(bucket, name), self._query, DIRECT)
            await self._call(request, self._bucket(bucket), name)
        except ObjectNotFound:
            pass

    # -- requests --

    def _path(self, bucket: str, name: str) -> str:
        """Return the path of an object; a name that no cluster takes is that of no object."""
        try:
            return object_path(bucket, name)
        except ValueError:
            raise ObjectNotFound(self._bucket(bucket).cname_of(name)) from None

    async def _call(self, request: Request, bucket: Bucket, name: str = "") -> Any:
        try:
            return await self._cluster.session.call(request)
        except (AISError, TransportError) as error:
            raise _translated(error, bucket, name) from None
        except UnrewindableBody:
            raise BackendUnavailable(f"{_word(bucket, name)}: the connection broke") from None

    async def close(self) -> None:
        await self._cluster.close()


class _Measured:
    """A body that comes piece by piece, and has to have the size that was announced.

    Attributes:
        failure: why it could not be sent to its end.
    """

    def __init__(self, pieces: AsyncIterable[bytes], size: int) -> None:
        self._pieces, self._size = pieces, size
        self.failure: MossError | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        found, last = 0, b""
        try:
            async for piece in self._pieces:
                found += len(piece)
                if 0 <= self._size < found:
                    break
                if last:
                    yield last
                last = piece
            _check_size(found, self._size)
        except MossError as error:
            self.failure = error
            raise
        # Held back until the rest is known to be right: the cluster must not have all of a body that broke off.
        if last:
            yield last


def _check_size(found: int, announced: int) -> None:
    if announced not in (-1, found):
        raise InvalidBody(f"expected {announced} bytes of body, got {found}")


class AistoreRead:
    """One answer. See `moss.node.backends.base.RemoteRead`."""

    def __init__(self, bucket: Bucket, about: RemoteObject, start: int, stop: int, response: Response | None) -> None:
        self.about, self.start, self.stop = about, start, stop
        self._bucket, self._response = bucket, response

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        response, left = self._response, self.stop - self.start
        if response is None:
            return
        buffer = memoryview(bytearray(min(_CHUNK_BYTES, max(1, left))))
        try:
            while left and (count := await response.receive_into(buffer[:left])):
                left -= count
                yield bytes(buffer[:count])
        except TransportError as error:
            raise _translated(error, self._bucket, self.about.name) from None
        finally:
            await response.finish()
        if left:
            expected, place = self.stop - self.start, self._bucket.cname_of(self.about.name)
            raise BackendUnavailable(f"AIS backend cut off {place}: expected {expected} bytes, got {expected - left}")


def _space_of(row: Mapping[str, Any]) -> tuple[str, str]:
    space = row.get("namespace") or {}
    return space.get("uuid") or "", space.get("name") or ""


# -- failures ------------------------------------------------------------------------------------------


def _translated(error: AISError | TransportError, bucket: Bucket, name: str) -> MossError:
    if isinstance(error, TransportError):
        return BackendUnavailable(f"{_word(bucket, name)}: {_reason(error)}")
    is_lost = error.status_code == 404 and (not name or error.tcode in _NO_BUCKET)
    if is_lost or (error.status_code == 400 and not _can_exist(bucket)):
        return BucketNotFound(bucket.cname, is_remote=True, message=f'remote bucket "{bucket.cname}" does not exist')
    if error.status_code == 404:
        return ObjectNotFound(bucket.cname_of(name))
    if error.status_code == 409 and not name:
        return BucketExists(bucket.cname)
    if error.status_code in (401, 403):
        return BackendDenied(f"{_word(bucket, name)}: {_reason(error)}")
    if error.status_code == 400:
        return InvalidRequest(f"{_word(bucket, name)}: {_reason(error)}")
    return BackendUnavailable(f"{_word(bucket, name)}: {_reason(error)}")


def _can_exist(bucket: Bucket) -> bool:
    try:
        validate_bucket_name(bucket.name)
    except InvalidName:
        return not bucket.name  # stands for the list of all
    return True


def _word(bucket: Bucket, name: str) -> str:
    return f"AIS backend failed on {bucket.cname_of(name) if name else bucket.cname}"


def _reason(error: MossError) -> str:
    if isinstance(error, AISError):
        return f"{error.status_code} {error.message}".strip()
    if isinstance(error, MalformedAnswer):
        return "it is no AIStore cluster"
    if isinstance(error, (ConnectTimedOut, ReadTimedOut)):
        return "no answer in time"
    cause = error.__cause__
    return (reason_of(cause) if cause is not None else "") or "the connection broke"
