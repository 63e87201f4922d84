"""Reading one object, one archived file, a selection of archived files, or one byte range.

A connection that breaks is taken up where it broke, by the SDK's `ResumableStream`.
Source: spec/cli.md 5.6, spec/rest-data.md 5.3, 7.1, 7.2.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from moss.cli.context import Context
from moss.cli.destination import Sink
from moss.cli.failures import CommandError
from moss.cli.transport import ServerError, Transport, bucket_query, path_of
from moss.errors import MossError
from moss.naming.bucket import Bucket
from moss.wire import headers as names

__all__ = ["Opened", "Wish", "open_wish", "receive"]

PIECE_BYTES = 1 << 20
RESUMES_MAX = 5


@dataclass(frozen=True)
class Wish:
    """What is to be read.

    Attributes:
        member: file inside the object, which is an archive; or empty.
        start, length: byte range; None for everything.
        matching: pattern and mode of several files inside the object; the answer is a TAR of them.
        mime: format of the archive, when its name does not say it.
        latest: have the cluster check that it has the latest version of a remote object.
        headers: further header fields.
        chunk_bytes, workers: read so many ranges at the same time; 0 workers read one stream.
    """

    bucket: Bucket
    name: str
    member: str = ""
    start: int | None = None
    length: int | None = None
    matching: tuple[str, str] | None = None
    mime: str = ""
    latest: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    chunk_bytes: int = 0
    workers: int = 0

    @property
    def label(self) -> str:
        return self.bucket.cname_of(f"{self.name}/{self.member}" if self.member else self.name)

    @property
    def path(self) -> str:
        return path_of("objects", self.bucket.name, self.name)

    def query(self) -> dict[str, str]:
        query = bucket_query(self.bucket)
        if self.member:
            query["archpath"] = self.member
        if self.matching is not None:
            query["archregx"], query["archmode"] = self.matching
        if self.mime:
            query["archmime"] = self.mime
        if self.latest:
            query["latest-ver"] = "true"
        return query


class Opened:
    """An answer whose content is still to be read.

    Attributes:
        receive_into: receives some bytes; 0 only at the end.
        close: to be called when it is done with.
        length: bytes of the content, None when the server does not tell.
        headers: of the answer.
    """

    def __init__(
        self,
        receive_into: Callable[[memoryview], int],
        close: Callable[[], None],
        length: int | None,
        headers: Mapping[str, str],
    ) -> None:
        self.receive_into, self.close = receive_into, close
        self.length, self.headers = length, headers

    def pieces(self) -> Iterator[bytes]:
        """The content piece by piece."""
        buffer = memoryview(bytearray(PIECE_BYTES))
        while count := self.receive_into(buffer):
            yield bytes(buffer[:count])

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Source:
    """Opens answers for `ResumableStream`."""

    def __init__(self, transport: Transport, wish: Wish) -> None:
        self._transport, self._wish = transport, wish

    @property
    def can_start_at_offset(self) -> bool:
        return not self._wish.member and self._wish.matching is None

    @property
    def is_range(self) -> bool:
        return self._wish.start is not None

    def open(self, offset: int = 0):
        wish = self._wish
        headers = dict(wish.headers)
        if wish.start is not None and wish.length is not None:
            headers[names.RANGE] = f"bytes={wish.start + offset}-{wish.start + wish.length - 1}"
        elif offset:
            headers[names.RANGE] = f"bytes={offset}-"
        return self._transport.request("GET", wish.path, query=wish.query(), headers=headers).response

    def head(self):
        from moss.sdk.obj.object_attributes import ObjectAttributes

        query = bucket_query(self._wish.bucket) | {"props": "name,size"}
        with self._transport.request("HEAD", self._wish.path, query=query) as answer:
            return ObjectAttributes(answer.headers)


def open_wish(context: Context, wish: Wish) -> Opened:
    """Ask for it.

    Raises:
        CommandError: it does not exist, or the cluster says something else.
    """
    if wish.workers > 1:
        return _open_parallel(context, wish)
    from moss.sdk._sync.resumable import ResumableStream

    source = _Source(context.transport, wish)
    try:
        response = source.open()
    except ServerError as error:
        raise missing(wish, error) or error from None
    stream = ResumableStream(source, RESUMES_MAX, response)
    return Opened(stream.receive_into, stream.close, response.length, response.headers)


def _open_parallel(context: Context, wish: Wish) -> Opened:
    """Several ranges at the same time, by the SDK."""
    from moss.cli.objects.names import sdk_object
    from moss.sdk.errors import AISError

    reader = sdk_object(context, wish.bucket, wish.name).get_reader(
        chunk_size=wish.chunk_bytes or None, num_workers=wish.workers, latest=wish.latest
    )
    try:
        # The object is looked up first: its size is what the ranges are made of.
        attributes = reader.head()
    except AISError as error:
        raise missing(wish, ServerError(error.status_code, error.message)) or error from None
    raw = reader.raw()
    return Opened(raw.readinto, raw.close, attributes.size, attributes)


def missing(wish: Wish, error: ServerError) -> CommandError | None:
    """What to say when an object, or a file in it, does not exist; None when the error is another one."""
    if error.code != 404 or f'bucket "{wish.bucket}"' in error.message:
        return None
    if wish.matching is not None:
        return CommandError(f'no files in "{wish.label}" match {wish.matching[1]} "{wish.matching[0]}"')
    what = "file" if wish.member else "object"
    return CommandError(f'{what} "{wish.label}" does not exist')


def receive(opened: Opened, sink: Sink, wish: Wish, tell: Callable[[int], object], *, verify: bool = False) -> int:
    """Write the content to its place; return its size in bytes.

    Args:
        tell: is told the size of every piece.
        verify: compare the content with the checksum that the cluster has of it.

    Raises:
        CommandError: it ended early, or it is not what was stored.
    """
    from moss.sdk.obj.obj_file.errors import ObjectChanged

    hasher = _hasher(opened, wish) if verify else None
    buffer = memoryview(bytearray(min(PIECE_BYTES, max(opened.length or PIECE_BYTES, 1))))
    size = 0
    try:
        while count := opened.receive_into(buffer):
            piece = buffer[:count]
            sink.write(piece)
            if hasher is not None:
                hasher.update(piece)
            size += count
            tell(count)
    except ObjectChanged:
        raise CommandError(f"{wish.label} has changed while it was read", "Run the command again.") from None
    except MossError as error:
        raise CommandError(f"{wish.label}: {error.message} (got {size} of {_known(opened.length)} bytes)") from None
    if opened.length is not None and size != opened.length:
        raise CommandError(f"{wish.label}: got {size} of {opened.length} bytes")
    if hasher is not None:
        from moss.sdk.checksums import check_digest

        check_digest(opened.headers, hasher, wish.label)
    return size


def _known(length: int | None) -> str:
    return "an unknown number of" if length is None else str(length)


def _hasher(opened: Opened, wish: Wish):
    from moss.sdk.checksums import hasher_of

    if wish.member or wish.matching or wish.start is not None:
        return None  # the cluster has checksums of whole objects
    hasher = hasher_of(opened.headers)
    if hasher is None:
        raise CommandError(f"{wish.label} has no checksum to compare with")
    return hasher
