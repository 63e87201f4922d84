"""The buffered answer: one report row for each entry, and the multipart layout around report and archive.

Part of `moss.wire.batch`; import from there. Source: spec/getbatch.md 5, spec/python-sdk.md 2.7.
"""

import json
import re
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from moss.errors import InvalidBody, MalformedAnswer, TruncatedArchive
from moss.wire.batch_entries import decode_opaque
from moss.wire.text import printable_utf8

__all__ = [
    "BatchReport",
    "MultipartParser",
    "ReportRow",
    "decode_metadata",
    "encode_metadata",
    "multipart_epilogue",
    "multipart_prologue",
    "new_boundary",
    "parse_boundary",
    "split_multipart",
]


class ReportRow(msgspec.Struct, gc=False, omit_defaults=True, kw_only=True):
    """What became of one entry; `out[i]` describes member i of the archive. Field order is the order on the wire."""

    objname: str
    archpath: str = ""
    """As asked for, leading slash included."""
    bucket: str
    provider: str
    """Canonical word."""
    err_msg: str = ""
    """Why the member is a placeholder; absent on success."""
    opaque: bytes | None = None
    size: int
    """Payload bytes of the member; 0 for placeholders and for what is empty."""


class BatchReport(msgspec.Struct):
    """The metadata part: job id and one row for each entry, in order."""

    uuid: str
    out: list[ReportRow]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(BatchReport)

# The reference writes these so in this document (not in error documents). They can only stand inside strings.
_HTML_ESCAPES = ((b"&", b"\\u0026"), (b"<", b"\\u003c"), (b">", b"\\u003e"))
_LINE_ESCAPES = (("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))


def encode_metadata(uuid: str, rows: Sequence[ReportRow]) -> bytes:
    """Build the metadata part: compact JSON and a newline, always valid UTF-8."""
    report = BatchReport(uuid, list(rows))
    try:
        text = _encoder.encode(report)
    except UnicodeEncodeError:
        text = _encoder.encode(BatchReport(uuid, [_printable(row) for row in rows]))
    for plain, escaped in _HTML_ESCAPES if text.isascii() else _HTML_ESCAPES + _LINE_ESCAPES:
        if plain in text:
            text = text.replace(plain, escaped)
    return text + b"\n"


def _printable(row: ReportRow) -> ReportRow:
    return ReportRow(
        objname=printable_utf8(row.objname),
        archpath=printable_utf8(row.archpath),
        bucket=row.bucket,
        provider=row.provider,
        err_msg=printable_utf8(row.err_msg),
        opaque=row.opaque,
        size=row.size,
    )


def decode_metadata(data: bytes | bytearray | memoryview) -> BatchReport:
    """Read the metadata part of any server: absent and null fields are empty, opaque may be of either alphabet.

    Raises:
        MalformedAnswer: not JSON, or not a report.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        document = json.loads(bytes(data).decode("utf-8", "replace"))
        return BatchReport(str(document.get("uuid") or ""), [_read_row(row) for row in document.get("out") or []])
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedAnswer(f"failed to decode multipart JSON: {error}") from None


def _read_row(row: dict[str, Any]) -> ReportRow:
    try:
        opaque = decode_opaque(row.get("opaque") or "")
    except InvalidBody:
        opaque = None  # It is for the caller alone, and no reason to lose the data.
    return ReportRow(
        objname=str(row.get("objname") or ""),
        archpath=str(row.get("archpath") or ""),
        bucket=str(row.get("bucket") or ""),
        provider=str(row.get("provider") or ""),
        err_msg=str(row.get("err_msg") or ""),
        opaque=opaque,
        size=int(row.get("size") or 0),
    )


# --- multipart ---

_BOUNDARY_BYTES = 30
_PART_HEADER_BYTES_MAX = 64 * 1024
_BOUNDARY_PARAMETER = re.compile(r';\s*boundary\s*=\s*(?:"([^"]+)"|([^";,\s]+))', re.IGNORECASE)
_PART_NAME = re.compile(rb'\bname="([^"]*)"')
_METADATA_HEADER = b'Content-Disposition: form-data; name="metadata"\r\n\r\n'


def new_boundary() -> str:
    """Return a random boundary: 60 lower-case hex digits."""
    return secrets.token_hex(_BOUNDARY_BYTES)


def multipart_prologue(boundary: str, metadata: bytes, uuid: str) -> bytes:
    """Build everything before the archive's first byte.

    Args:
        metadata: what `encode_metadata` made.
        uuid: job id, for the archive's file name.
    """
    return b"".join(
        (
            f"--{boundary}\r\n".encode(),
            _METADATA_HEADER,
            metadata,
            f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="archive"; filename="get-batch[{uuid}]"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode(),
        )
    )


def multipart_epilogue(boundary: str) -> bytes:
    """Build everything behind the archive's last byte."""
    return f"\r\n--{boundary}--\r\n".encode()


def parse_boundary(content_type: str) -> str:
    """Return the boundary of a multipart content type.

    Raises:
        MalformedAnswer: not multipart, or without a boundary.
    """
    match = _BOUNDARY_PARAMETER.search(content_type)
    if not content_type.strip().lower().startswith("multipart/") or match is None:
        raise MalformedAnswer(f'expected multipart response, got "{content_type}"')
    return match[1] or match[2]


class MultipartParser:
    """Reads a buffered answer piece by piece and never copies nor keeps the archive.

    The archive is the last part, so its end is known by the end of the answer: payload that happens to hold the
    delimiter does no harm.

    Attributes:
        metadata: the metadata part, once it is complete.
    """

    def __init__(self, boundary: str) -> None:
        self.metadata: bytes | None = None
        self._delimiter = f"--{boundary}".encode()
        self._epilogue = multipart_epilogue(boundary)
        self._head = bytearray()
        self._searched = 0
        self._in_archive = False
        self._tail = b""

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes | memoryview]:
        """Take the next piece of the answer and return the pieces of the archive that it completes.

        Returned views are of `data`: use them before its buffer is used again.

        Raises:
            MalformedAnswer: not the two parts of a batch answer.
        """
        if self._in_archive:
            return self._pass_on(data)
        self._head += data
        start = self._parse_head()
        if start < 0:
            return []
        rest = bytes(memoryview(self._head)[start:])
        self._head = bytearray()
        return self._pass_on(rest)

    def finish(self) -> None:
        """Check that the answer is complete.

        Raises:
            TruncatedArchive: it ended before its last delimiter.
        """
        if not self._in_archive or self._tail != self._epilogue:
            raise TruncatedArchive("unexpected EOF: multipart answer without its closing delimiter")

    def _pass_on(self, data: bytes | bytearray | memoryview) -> list[bytes | memoryview]:
        """Return all but the last bytes so far; those may be the closing delimiter."""
        kept = len(self._epilogue)
        if len(data) >= kept:
            pieces: list[bytes | memoryview] = [self._tail] if self._tail else []
            view = memoryview(data)
            if len(data) > kept:
                pieces.append(view[:-kept])
            self._tail = bytes(view[-kept:])
            return pieces
        joined = self._tail + bytes(data)
        self._tail = joined[-kept:]
        return [joined[:-kept]] if len(joined) > kept else []

    def _parse_head(self) -> int:
        """Return where the archive starts in `_head`, or -1 when more is needed."""
        head = self._head
        opening = self._delimiter + b"\r\n"
        if not head.startswith(opening[: len(head)]):
            raise MalformedAnswer("missing metadata part: no opening delimiter")
        if self.metadata is None:
            start = self._end_of_header(len(opening), b"metadata")
            if start < 0:
                return -1
            between = b"\r\n" + opening
            # What was searched before is not searched again, but a delimiter may lie across the seam.
            end = head.find(between, max(start, self._searched - len(between)))
            self._searched = len(head)
            if end < 0:
                return -1
            self.metadata = bytes(head[start:end])
            del head[: end + 2]
        start = self._end_of_header(len(opening), b"archive")
        self._in_archive = start >= 0
        return start

    def _end_of_header(self, start: int, name: bytes) -> int:
        """Return the offset behind a part's header, or -1 when it is incomplete."""
        end = self._head.find(b"\r\n\r\n", start, start + _PART_HEADER_BYTES_MAX)
        if end < 0:
            if len(self._head) - start >= _PART_HEADER_BYTES_MAX:
                raise MalformedAnswer(f"missing {name.decode()} part: header too long")
            return -1
        found = _PART_NAME.search(self._head, start, end)
        if found is None or found[1] != name:
            raise MalformedAnswer(f"missing {name.decode()} part")
        return end + 4


def split_multipart(body: bytes | bytearray | memoryview, content_type: str) -> tuple[bytes, memoryview]:
    """Split a whole buffered answer into metadata and archive; the archive is a view of `body`.

    Raises:
        MalformedAnswer: not the two parts of a batch answer.
        TruncatedArchive: cut off before the closing delimiter.
    """
    parser = MultipartParser(parse_boundary(content_type))
    pieces = parser.feed(body)
    parser.finish()
    assert parser.metadata is not None  # finish() would have refused
    archive_bytes = sum(map(len, pieces))
    stop = len(body) - len(parser._epilogue)
    return parser.metadata, memoryview(body)[stop - archive_bytes : stop]
