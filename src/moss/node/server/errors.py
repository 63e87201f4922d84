"""The one table that says how errors become HTTP answers: status and type name of each.

Twin of `moss.wire.errors`, which writes the document. Source: spec/getbatch.md 3.4, 8.4; spec/rest-data.md 1.7;
spec/rest-control.md 3.1, 3.2.
"""

import re
from urllib.parse import unquote

from moss.errors import InvalidConfig, MossError, TooManyRequests
from moss.node.server.http import Request, Response
from moss.wire import headers
from moss.wire.errors import encode_error

# `code` of an error class → status, type name on the wire ("" = none). An error without a row takes the row of its
# nearest base class.
STATUSES: dict[str, tuple[int, str]] = {
    "error": (400, ""),
    # the caller must change what it sends
    "invalid-request": (400, ""),
    "invalid-provider": (400, "ErrInvalidBackendProvider"),
    "invalid-range": (400, ""),
    "range-out-of-bounds": (416, "ErrRangeNotSatisfiable"),
    "range-not-satisfiable": (416, "ErrRangeNotSatisfiable"),
    "range-of-archive": (400, "ErrUnsupp"),
    "unknown-mime": (400, "errUnknownMime"),
    "unknown-extension": (400, "errUnknownFileExt"),
    "invalid-object-name": (400, "errInvalidPath"),
    "method-not-allowed": (405, ""),
    "invalid-promote-source": (400, "errInvalidPromoteSource"),
    "unknown-node": (400, "errNodeNotFound"),
    "too-large": (413, ""),
    "slow-body": (408, ""),
    # it is not there
    "not-found": (404, "ErrNotFound"),
    "bucket-not-found": (404, "ErrBckNotFound"),
    "remote-bucket-not-found": (404, "ErrRemoteBckNotFound"),
    "backend-missing": (404, "ErrFailedTo"),
    "cannot-register": (501, "ErrRemoteBckNotFound"),
    "nothing-to-delete": (404, ""),
    "cold-get-disabled": (404, "wrapError"),
    "deleted-in-store": (410, ""),
    "not-remote": (400, "ErrNotRemoteBck"),
    "not-enough-targets": (400, "errNotEnoughTargets"),
    "job-not-found": (404, "ErrXactNotFound"),
    "node-not-found": (404, "errNodeNotFound"),
    # the state forbids it now
    "conflict": (409, ""),
    "bucket-exists": (409, "ErrBucketAlreadyExists"),
    "destination-exists": (400, "ErrBucketAlreadyExists"),
    "differs-from-store": (409, "ErrRemoteMetadataMismatch"),
    "job-conflict": (409, "ErrLimitedCoexistence"),
    "job-not-active": (409, ""),
    "aborted": (409, "ErrAborted"),
    # stored or received bytes are not what they should be
    "corrupt-data": (400, ""),
    "checksum-mismatch": (500, "ErrBadCksum"),
    "bad-upload": (500, "ErrBadCksum"),
    "bad-record": (500, ""),
    # try again later
    "unavailable": (503, ""),
    "too-many-requests": (429, "ErrTooManyRequests"),
    "backend-unavailable": (503, "ErrFailedTo"),
    "out-of-space": (507, "ErrCapacityExceeded"),
    "access-denied": (403, ""),
    "backend-denied": (403, "ErrFailedTo"),
    "bucket-access-denied": (403, "ErrBucketAccessDenied"),
    "direct-access-denied": (401, ""),
    "unsupported": (501, "ErrUnsupp"),
    "bucket-unsupported": (405, "ErrUnsupp"),
}

# A header must stay far below what clients accept, also when every character is escaped.
_HEADER_MESSAGE_MAX = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def status_of(error: BaseException) -> tuple[int, str]:
    """Return HTTP status and type name of an error; 500 for what is no error of ours."""
    if isinstance(error, InvalidConfig):
        return 400, error.tcode
    for cls in type(error).__mro__:
        row = STATUSES.get(cls.__dict__.get("code", ""))
        if row is not None:
            if row[1] == "ErrBckNotFound" and getattr(error, "is_remote", False):
                return STATUSES["remote-bucket-not-found"]
            return row
    return 500, ""


def error_response(error: BaseException, request: Request, node_name: str) -> Response:
    """Answer a request with an error: the JSON document, or for HEAD the same in a header.

    Errors that are not ours are described by their class only: their text may hold paths of the server.

    Args:
        node_name: `p[id]` or `t[id]`.
    """
    status, tcode = status_of(error)
    message = error.message if isinstance(error, MossError) else f"internal error ({type(error).__name__})"
    if request.method == "HEAD":
        message = message[:_HEADER_MESSAGE_MAX]
    document = encode_error(
        message,
        status=status,
        tcode=tcode,
        method=request.method,
        url_path=unquote(request.path, errors="surrogateescape"),
        remote_addr=request.remote,
        node=node_name,
    )
    answer = dict(getattr(error, "headers", {}))
    if isinstance(error, TooManyRequests):
        answer[headers.RETRY_AFTER] = str(error.retry_after_s)
    if request.method == "HEAD":
        answer[headers.CONTENT_TYPE_OPTIONS] = headers.NOSNIFF
        answer[headers.HDR_ERROR] = _header_text(document)
        return Response(status, answer)
    answer |= {headers.CONTENT_TYPE: headers.JSON, headers.CONTENT_TYPE_OPTIONS: headers.NOSNIFF}
    return Response(status, answer, document)


def _header_text(document: bytes) -> str:
    """Make a JSON document fit for a header: one line, ASCII only, other characters as JSON escapes."""
    text = document.decode().rstrip("\n")
    if text.isascii():
        return _CONTROL.sub(" ", text)
    units = text.encode("utf-16-be")
    codes = (int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2))
    return _CONTROL.sub(" ", "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes))
