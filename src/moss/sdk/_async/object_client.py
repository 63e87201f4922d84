"""The requests that read one object: where they go, and from which byte on."""

from collections.abc import Mapping, Sequence

from moss.sdk._async.session import RequestClient
from moss.sdk.errors import AISError
from moss.sdk.obj.object_attributes import ObjectAttributes
from moss.sdk.operations import DIRECT, Request
from moss.sdk.reading import parse_range
from moss.sdk.transport.aio import Response
from moss.wire import headers as names

__all__ = ["ObjectClient"]

_READER_PROPS = "checksum,atime,version,custom"
_SELECTING = frozenset({"archpath", "archregx", "etl_name"})


class ObjectClient:
    """Reads an object, a member of it, or a range of it, with the options of one reader.

    Args:
        request_client: the way to the cluster.
        path: the object's path below `/v1`.
        params: query parameters of its GET; those that name the bucket go with its HEAD too.
        headers: header fields of its GET.
        byte_range: `bytes=a-b`, `bytes=a-` or `bytes=-n`.
        uname: the object's unique name, to ask the target that owns it without the gateway.

    Raises:
        ValueError: a malformed range.
    """

    def __init__(
        self,
        request_client: RequestClient,
        path: str,
        params: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        byte_range: str | None = None,
        uname: str | None = None,
    ) -> None:
        self._session, self._path, self._uname = request_client, path, uname
        self._query = list(params)
        self._headers = {**DIRECT, **(headers or {})}
        self._first, self._last = parse_range(byte_range) if byte_range else (0, None)

    @property
    def path(self) -> str:
        return self._path

    @property
    def can_start_at_offset(self) -> bool:
        """Whether a GET may begin in the middle: not of what is made on the way, nor of a range that counts from the
        end."""
        return self._first is not None and not any(name in _SELECTING and value for name, value in self._query)

    @property
    def is_range(self) -> bool:
        return self._first is None or self._first > 0 or self._last is not None

    async def open(self, offset: int = 0) -> Response:
        """Send the GET, `offset` bytes behind its beginning.

        Raises:
            ErrObjNotFound: it does not exist.
        """
        headers = dict(self._headers)
        if self._first is None:
            headers[names.RANGE] = f"bytes=-{self._last}"
        elif self.is_range or offset:
            last = "" if self._last is None else self._last
            headers[names.RANGE] = f"bytes={self._first + offset}-{last}"
        return await self._send("GET", self._query, headers)

    async def get_chunk(self, start: int, end: int) -> Response:
        """Ask for the bytes from `start` up to, and without, `end` of the whole object."""
        return await self._send("GET", self._query, {**self._headers, names.RANGE: f"bytes={start}-{end - 1}"})

    async def head(self, props: str = _READER_PROPS) -> ObjectAttributes:
        """Ask for attributes; `props` is a comma list of their names."""
        query = [(name, value) for name, value in self._query if name in ("provider", "namespace")]
        response = await self._send("HEAD", [*query, ("props", props)], DIRECT)
        await response.finish()
        return ObjectAttributes(response.headers)

    async def _send(self, method: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> Response:
        if self._uname is None:
            return await self._session.open(Request(method, self._path, query, headers))
        try:
            return await self._session.open(Request(method, self._path, query, headers, base=await self._owner()))
        except AISError as error:
            # The map may be older than a change of the cluster; the gateways' own answer to that is a redirect.
            if error.status_code != 404:
                raise
            base = await self._owner(refresh=True)
            return await self._session.open(Request(method, self._path, query, headers, base=base))

    async def _owner(self, *, refresh: bool = False) -> str:
        node = (await self._session.get_smap(refresh=refresh)).get_target_for_object(self._uname or "")
        return f"{node.public_net.direct_url.rstrip('/')}/v1"
