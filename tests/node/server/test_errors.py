"""The table of errors: every error has a status, and the answer has the documented form."""

import json

import pytest

from moss import errors
from moss.naming.bucket import Bucket, Provider
from moss.node.server.errors import error_response, status_of
from moss.node.server.gateway.lookup import BackendMissing
from moss.node.server.http import Face, Request


def _request(method: str = "GET", path: str = "/v1/buckets/b") -> Request:
    return Request(
        method=method,
        raw_path=path,
        headers={},
        remote="10.0.0.1:4",
        face=Face.GATEWAY,
        content_length=None,
        body=None,
        writer=None,
    )


@pytest.mark.parametrize(
    ("error", "status", "tcode"),
    [
        (errors.BucketNotFound("ais://b"), 404, "ErrBckNotFound"),
        (errors.BucketNotFound("s3://b", is_remote=True), 404, "ErrRemoteBckNotFound"),
        (BackendMissing(Bucket("b", Provider.AWS), "p[x]"), 404, "ErrFailedTo"),
        (errors.BucketExists("ais://b"), 409, "ErrBucketAlreadyExists"),
        (errors.ObjectNotFound("ais://b/o"), 404, "ErrNotFound"),
        (errors.MemberNotFound("m", "ais://b/o"), 404, "ErrNotFound"),
        (errors.InvalidProvider("x"), 400, "ErrInvalidBackendProvider"),
        (errors.InvalidName("x"), 400, ""),
        (errors.UnknownMime("rar"), 400, "errUnknownMime"),
        (errors.RangeOutOfBounds(size=1, start=2, length=3), 416, "ErrRangeNotSatisfiable"),
        (errors.InvalidConfig("x", tcode="NumError"), 400, "NumError"),
        (errors.TooManyRequests("x"), 429, "ErrTooManyRequests"),
        (errors.OutOfSpace("x"), 507, "ErrCapacityExceeded"),
        (errors.Aborted("x"), 409, "ErrAborted"),
        (errors.Unsupported("x"), 501, "ErrUnsupp"),
        (errors.TruncatedArchive(), 400, ""),
        (errors.SegmentGone(3), 503, ""),
        (ValueError("/secret/path"), 500, ""),
    ],
)
def test_status_and_type_name(error, status, tcode):
    assert status_of(error) == (status, tcode)


def _all_errors(cls=errors.MossError):
    yield cls
    for below in cls.__subclasses__():
        yield from _all_errors(below)


@pytest.mark.parametrize("cls", sorted(set(_all_errors()), key=lambda cls: cls.__name__))
def test_every_error_of_ours_is_an_answer_of_four_or_five_hundred(cls):
    status, _ = status_of(cls.__new__(cls) if cls is not errors.InvalidConfig else errors.InvalidConfig("x"))
    assert 400 <= status < 600


def test_document_has_the_keys_in_order():
    answer = error_response(errors.BucketNotFound("ais://b"), _request(), "p[me]")
    assert list(json.loads(answer.body)) == [
        *("tcode", "message", "method", "url_path", "remote_addr", "caller", "node", "status"),
    ]
    assert answer.body.endswith(b"}\n")
    assert answer.headers == {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}


def test_head_carries_the_document_in_an_ascii_header():
    path = "/v1/objects/b/caf\N{LATIN SMALL LETTER E WITH ACUTE}\N{GRINNING FACE}"
    error = errors.ObjectNotFound("ais://b/caf\N{LATIN SMALL LETTER E WITH ACUTE}\n\N{GRINNING FACE}")
    answer = error_response(error, _request("HEAD", path), "t[me]")
    text = answer.headers["Hdr-Error"]
    assert answer.body == b""
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text)["message"] == error.message


def test_btr_25_unforeseen_errors_do_not_show_their_text():
    answer = error_response(OSError("/srv/secret/file: no such file"), _request(), "p[me]")
    assert b"secret" not in answer.body
    assert answer.status == 500


def test_429_says_when_to_come_back():
    answer = error_response(errors.TooManyRequests("busy", retry_after_s=3), _request(), "t[me]")
    assert answer.headers["Retry-After"] == "3"
