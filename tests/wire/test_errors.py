"""The error document, both ways."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.wire.errors import ErrorDocument, decode_error, encode_error


def test_the_document_to_the_byte() -> None:
    body = encode_error(
        'bucket "ais://x" does not exist <&>',
        status=404,
        tcode="ErrBckNotFound",
        method="GET",
        url_path="/v1/ml/moss/x",
        remote_addr="127.0.0.1:9",
        node="p[abc]",
    )
    assert body == (
        b'{"tcode":"ErrBckNotFound","message":"bucket \\"ais://x\\" does not exist <&>","method":"GET",'
        b'"url_path":"/v1/ml/moss/x","remote_addr":"127.0.0.1:9","caller":"","node":"p[abc]","status":404}\n'
    )
    assert decode_error(body).status == 404 and decode_error(body).tcode == "ErrBckNotFound"


def test_an_error_without_a_type_has_no_tcode() -> None:
    assert b"tcode" not in encode_error("moss: empty input", status=400)


@given(st.binary(max_size=60), st.text(alphabet=st.characters(), max_size=20))
def test_btr_25_every_document_is_one_line_of_utf8_json(data: bytes, text: str) -> None:
    body = encode_error(data.decode("utf-8", "surrogateescape"), status=400, url_path=text)
    assert body.count(b"\n") == 1
    assert json.loads(body.decode())["status"] == 400


def test_messages_that_echo_the_request_are_cut() -> None:
    assert len(encode_error("x" * 10_000_000, status=400)) < 20_000


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"Method Not Allowed\n", "Method Not Allowed"),
        (b"", ""),
        (b'{"message":"x","status":null}', "x"),
        (b'{"message":null}', ""),
        (b"\xff", "\ufffd"),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
def test_any_answer_gives_an_error(body: bytes, message: str) -> None:
    found = decode_error(body, status=405)
    assert isinstance(found, ErrorDocument)
    assert found.message == message and found.status == 405
