# Made by scripts/unasync.py from _async/reader.py; change that file instead.
"""Reading one object."""

from collections.abc import Iterator, Callable
from typing import Any

from moss.sdk._sync.session import RequestClient
from moss.sdk._sync.stream import RawStream
from moss.sdk.const import DEFAULT_CHUNK_SIZE
from moss.sdk.errors import ConnectionLost, compatible
from moss.sdk.obj.object_attributes import ObjectAttributes
from moss.sdk.operations import Request
from moss.sdk.transport.blocking import Response

__all__ = ["ObjectReader"]


class ObjectReader:
    """Reads one object, as often as wanted; nothing is sent before the first read.

    Args:
        session: the way to the cluster.
        build: makes the GET request; it may raise ValueError for options that exclude each other.
        head: makes the HEAD request for `attributes`.
        chunk_size: bytes of the pieces of an iteration.
        response: an answer that is already open, used by the first read.
    """

    def __init__(
        self,
        session: RequestClient,
        build: Callable[[], Any],
        head: Request,
        chunk_size: int | None = None,
        response: Response | None = None,
    ) -> None:
        self._session, self._build, self._head = session, build, head
        self._chunk_size = chunk_size or DEFAULT_CHUNK_SIZE
        self._response = response
        self._attributes = None if response is None else ObjectAttributes(response.headers)

    def head(self) -> ObjectAttributes:
        """Ask for the attributes, always anew."""
        answer = self._session.call(self._head)
        self._attributes = ObjectAttributes(answer.headers)
        return self._attributes

    @property
    def attributes(self) -> ObjectAttributes:
        """The attributes: of the last answer if there was one, else asked for."""
        return self._attributes if self._attributes is not None else self.head()

    def _open(self) -> Response:
        response, self._response = self._response, None
        if response is None:
            request = self._build()
            response = self._session.open(request)
        self._attributes = ObjectAttributes(response.headers)
        return response

    def start(self) -> None:
        """Send the request now; the answer is used by the next read."""
        if self._response is None:
            self._response = self._open()

    def read_all(self, *, verify_checksum: bool = False) -> bytes:
        """Read the whole object (or member, or range).

        Args:
            verify_checksum: compare the bytes with the checksum of the answer, where there is one of a known type.

        Raises:
            ErrObjNotFound: it does not exist.
            ConnectionLost: fewer bytes than declared were received.
            ChecksumMismatch: with `verify_checksum`.
        """
        response = self._open()
        content = response.read()
        if verify_checksum and response.status == 200:
            from moss.sdk.checksums import verify

            verify(response.headers, content, response.url)
        return content

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Read the object into a buffer that is large enough; returns its size in bytes.

        Raises:
            ValueError: the object is larger than the buffer.
        """
        view, position = memoryview(buffer).cast("B"), 0
        response = self._open()
        if response.length is not None and response.length > len(view):
            response.close()
            raise ValueError(f"the object has {response.length} bytes, the buffer only {len(view)}")
        while position < len(view) and (count := response.receive_into(view[position:])):
            position += count
        response.finish()
        if response.length is not None and position != response.length:
            raise compatible(ConnectionLost)(f"received {position} of {response.length} bytes")
        return position

    def raw(self) -> RawStream:
        """Open the undecoded stream; the caller closes it."""
        return RawStream(self._open())

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the content in pieces of `chunk_size` bytes; every iteration is a new GET."""
        stream = self.raw()
        try:
            while piece := stream.read(self._chunk_size):
                yield piece
        finally:
            stream.close()
