"""The buffered answer: metadata and multipart, byte for byte."""

import json
from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.errors import MalformedAnswer, TruncatedArchive
from moss.wire.batch import (
    MultipartParser,
    ReportRow,
    decode_metadata,
    encode_metadata,
    multipart_epilogue,
    multipart_prologue,
    new_boundary,
    parse_boundary,
    split_multipart,
)

ROWS = [
    ReportRow(objname="a", bucket="b", provider="ais", size=3),
    ReportRow(objname="x", bucket="b", provider="ais", err_msg="t[abc]: ais://b/x does not exist", size=0),
    ReportRow(objname="s.tar", archpath="/d/x", bucket="c", provider="aws", opaque=b"\xfb\xff\xbf", size=7),
]
METADATA = (
    b'{"uuid":"gbt-1","out":[{"objname":"a","bucket":"b","provider":"ais","size":3},'
    b'{"objname":"x","bucket":"b","provider":"ais","err_msg":"t[abc]: ais://b/x does not exist","size":0},'
    b'{"objname":"s.tar","archpath":"/d/x","bucket":"c","provider":"aws","opaque":"+/+/","size":7}]}\n'
)
LAYOUT = (
    b'--B\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{}\n\r\n'
    b'--B\r\nContent-Disposition: form-data; name="archive"; filename="get-batch[gbt-1]"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\nBYTES\r\n--B--\r\n"
)


def test_btr_22_metadata_echo_what_was_asked() -> None:
    assert encode_metadata("gbt-1", ROWS) == METADATA
    report = decode_metadata(METADATA)
    assert report.uuid == "gbt-1" and report.out == ROWS


def test_metadata_are_written_as_the_reference_does() -> None:
    row = ReportRow(objname="<tag>&\u2028é", bucket="b", provider="ais", size=0)
    text = encode_metadata("j", [row])
    assert b'"objname":"\\u003ctag\\u003e\\u0026\\u2028\xc3\xa9"' in text
    assert decode_metadata(text).out == [row]


def test_metadata_are_utf8_whatever_the_names() -> None:
    row = ReportRow(objname="a\udcff", archpath="\udc80", bucket="b", provider="ais", err_msg="no \udcff", size=0)
    found = decode_metadata(encode_metadata("j", [row])).out[0]
    assert (found.objname, found.archpath, found.err_msg) == ("a\ufffd", "\ufffd", "no \ufffd")


def test_metadata_of_other_servers_are_read() -> None:
    text = b'{"uuid":null,"more":1,"out":[{"objname":"a","opaque":"-_-_","err_msg":null},{"opaque":"!","size":2}]}'
    report = decode_metadata(text)
    assert report.uuid == "" and report.out[0].opaque == b"\xfb\xff\xbf" and report.out[0].err_msg == ""
    assert report.out[1].opaque is None and report.out[1].size == 2
    assert decode_metadata(b'{"out":null}').out == []


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b'{"out":[1]}', b'{"out":3}', b'{"out":[{"size":"x"}]}', b"[" * 99999]
)
def test_what_is_no_report_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        decode_metadata(text)


def test_the_official_client_reads_our_metadata() -> None:
    official = pytest.importorskip("aistore.sdk.batch.types")
    response = official.MossResp.model_validate_json(METADATA)
    assert [out.err_msg for out in response.out] == [None, "t[abc]: ais://b/x does not exist", None]
    assert response.out[2].opaque == b"\xfb\xff\xbf"


def test_the_layout_of_the_two_parts() -> None:
    assert multipart_prologue("B", b"{}\n", "gbt-1") + b"BYTES" + multipart_epilogue("B") == LAYOUT
    message = BytesParser().parsebytes(b"Content-Type: multipart/mixed; boundary=B\r\n\r\n" + LAYOUT)
    metadata, archive = message.get_payload()
    assert metadata.get_payload() == "{}\n" and archive.get_payload() == "BYTES"
    assert archive.get_filename() == "get-batch[gbt-1]"


def test_boundaries_are_random_and_of_sixty_digits() -> None:
    first, second = new_boundary(), new_boundary()
    assert first != second and len(first) == 60 and set(first) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "content_type",
    ["multipart/mixed; boundary=B", 'multipart/form-data; charset=x; boundary="B"', "Multipart/Mixed;Boundary=B;x=1"],
)
def test_boundaries_are_found(content_type: str) -> None:
    assert parse_boundary(content_type) == "B"


@pytest.mark.parametrize("content_type", ["", "application/x-tar", "multipart/mixed", "text/plain; boundary=B"])
def test_answers_that_are_not_multipart(content_type: str) -> None:
    with pytest.raises(MalformedAnswer):
        parse_boundary(content_type)


def test_a_whole_answer_splits_without_a_copy() -> None:
    body = bytearray(LAYOUT)
    metadata, archive = split_multipart(body, "multipart/mixed; boundary=B")
    assert (metadata, bytes(archive)) == (b"{}\n", b"BYTES")
    assert archive.obj is body


_payloads = st.lists(
    st.sampled_from([b"--B", b"\r\n--B\r\n", b"\r\n--B--\r\n", b"\r\n", b"x", b"\0" * 20]), max_size=8
).map(b"".join)


@given(_payloads, st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_any_pieces_give_the_archive_back_even_when_it_holds_the_delimiter(payload: bytes, sizes: list[int]) -> None:
    metadata = json.dumps({"out": [], "uuid": "--B"}).encode()
    body = multipart_prologue("B", metadata, "j") + payload + multipart_epilogue("B")
    parser = MultipartParser("B")
    found = bytearray()
    at = step = 0
    while at < len(body):
        size = sizes[step % len(sizes)]
        for piece in parser.feed(body[at : at + size]):
            found += piece
        at, step = at + size, step + 1
    parser.finish()
    assert parser.metadata == metadata
    assert bytes(found) == payload


@pytest.mark.parametrize("cut", [0, 1, 10, 60, 100, 180, len(LAYOUT) - 8, len(LAYOUT) - 1])
def test_btr_01_a_cut_answer_is_never_taken_for_a_whole_one(cut: int) -> None:
    parser = MultipartParser("B")
    parser.feed(LAYOUT[:cut])
    with pytest.raises(TruncatedArchive):
        parser.finish()


@pytest.mark.parametrize(
    "body",
    [
        b'{"message":"x"}' * 10,
        LAYOUT.replace(b'"metadata"', b'"other"'),
        LAYOUT.replace(b'"archive"', b'"other"'),
        b"--B\r\n" + b"x" * 70_000,
    ],
)
def test_answers_with_other_parts_are_refused(body: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        MultipartParser("B").feed(body)


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for body in (data, LAYOUT[:40] + data, LAYOUT[:150] + data):
        try:
            split_multipart(body, "multipart/mixed; boundary=B")
        except (MalformedAnswer, TruncatedArchive):
            pass
