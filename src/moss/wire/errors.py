"""The error document that every failed request is answered with.

Twin of `moss.node.server.errors`, which chooses statuses and type names. Source: spec/getbatch.md 3.4,
spec/rest-data.md 1.7.
"""

import msgspec

from moss.wire.text import printable_utf8

__all__ = ["ErrorDocument", "decode_error", "encode_error"]

_MESSAGE_CHARACTERS_MAX = 16 * 1024
"""Longer messages are cut: they echo the request, and the document may have to fit into a header."""


class ErrorDocument(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What went wrong, where, and for which request. Field order is the order on the wire."""

    tcode: str = ""
    """Name of the error's type; absent for errors that have none."""
    message: str
    method: str
    url_path: str
    remote_addr: str
    caller: str
    """Name of the calling node, mostly empty."""
    node: str
    """The failing node, `p[id]` or `t[id]`."""
    status: int
    """The HTTP status."""


class _ReceivedError(msgspec.Struct):
    """The same, with every key optional: other servers and proxies in between leave some out."""

    tcode: str | None = ""
    message: str | None = ""
    method: str | None = ""
    url_path: str | None = ""
    remote_addr: str | None = ""
    caller: str | None = ""
    node: str | None = ""
    status: int | None = 0


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_ReceivedError)


def encode_error(
    message: str,
    *,
    status: int,
    tcode: str = "",
    method: str = "",
    url_path: str = "",
    remote_addr: str = "",
    caller: str = "",
    node: str = "",
) -> bytes:
    """Build the document: compact JSON and a newline, always valid UTF-8 whatever bytes the request held."""
    document = ErrorDocument(
        tcode=printable_utf8(tcode),
        message=printable_utf8(message[:_MESSAGE_CHARACTERS_MAX]),
        method=printable_utf8(method),
        url_path=printable_utf8(url_path[:_MESSAGE_CHARACTERS_MAX]),
        remote_addr=printable_utf8(remote_addr),
        caller=printable_utf8(caller),
        node=printable_utf8(node),
        status=status,
    )
    return _encoder.encode(document) + b"\n"


def decode_error(body: bytes | bytearray | memoryview, *, status: int = 0) -> ErrorDocument:
    """Read the error document of an answer; never fails.

    What is no such document (plain text of a proxy, an empty body) becomes the message as it is.

    Args:
        status: the status of the answer; used when the document has none.
    """
    data = bytes(body)
    try:
        received = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        received = _ReceivedError(message=data.decode("utf-8", "replace").strip())
    return ErrorDocument(
        tcode=received.tcode or "",
        message=received.message or "",
        method=received.method or "",
        url_path=received.url_path or "",
        remote_addr=received.remote_addr or "",
        caller=received.caller or "",
        node=received.node or "",
        status=received.status or status,
    )
