"""Buckets, listings and jobs in messages."""

import json

import msgspec
import pytest

from moss.errors import InvalidBody, MalformedAnswer
from moss.naming.bucket import Bucket, Namespace, Provider
from moss.wire.bucket import ACCESS_ALL, BucketModel, BucketProps, decode_bucket_props, decode_buckets
from moss.wire.job import (
    TIME_ZERO,
    JobQuery,
    JobSnapshot,
    JobStats,
    decode_job_query,
    decode_snapshots,
    format_time,
    pack_workers,
)
from moss.wire.object import EntryFlag, ListPage, ObjectEntry, decode_list_page, encode_list_page


def test_a_bucket_in_a_message() -> None:
    bucket = Bucket("b", Provider.AWS, Namespace("u", "n"))
    text = msgspec.json.encode(BucketModel.of(bucket))
    assert text == b'{"name":"b","provider":"aws","namespace":{"uuid":"u","name":"n"}}'
    assert msgspec.json.decode(text, type=BucketModel).to_bucket() == bucket
    assert BucketModel.of(None).to_bucket() is None
    assert msgspec.json.decode(b'{"name":"b","namespace":null}', type=BucketModel).to_bucket() == Bucket("b")


def test_a_list_of_buckets() -> None:
    assert decode_buckets(b'[{"name":"b","provider":"s3"},{"name":"c"}]') == [Bucket("b", Provider.AWS), Bucket("c")]
    assert decode_buckets(b"null") == decode_buckets(b"[]") == []
    with pytest.raises(MalformedAnswer):
        decode_buckets(b"{}")


def test_properties_have_sensible_defaults_of_the_right_types() -> None:
    document = json.loads(msgspec.json.encode(BucketProps()))
    assert list(document) == [
        "backend_bck", "write_policy", "provider", "Renamed", "checksum", "extra", "rate_limit", "ec", "chunks",
        "mirror", "lru", "access", "features", "bid", "created", "versioning",
    ]  # fmt: skip
    assert document["access"] == ACCESS_ALL == "18446744073709551615"
    assert document["checksum"]["type"] == "xxhash2" and document["chunks"]["chunk_size"] == "1GiB"
    assert isinstance(document["ec"]["objsize_limit"], int) and document["versioning"]["enabled"] is True
    assert decode_bucket_props(msgspec.json.encode(BucketProps())) == BucketProps()
    assert decode_bucket_props('{"bid":"7","unknown":1}').bid == "7"
    with pytest.raises(MalformedAnswer):
        decode_bucket_props("x")


PAGE = ListPage(
    uuid="abcdefghi",
    continuation_token="b",
    entries=[ObjectEntry("a", checksum="ff", size=3, flags=EntryFlag.CACHED), ObjectEntry("b/", flags=256)],
)


def test_a_packed_page_to_the_byte() -> None:
    assert encode_list_page(PAGE, packed=True) == (
        b"\x84\xa4UUID\xa9abcdefghi\xb1ContinuationToken\xa1b\xa7Entries\x92"
        b"\x84\xa1n\xa1a\xa2cs\xa2ff\xa1s\x03\xa1f\x40\x82\xa1n\xa2b/\xa1f\xcd\x01\x00\xa5Flags\x00"
    )


def test_a_page_in_json_has_its_sizes_as_text() -> None:
    assert encode_list_page(PAGE, packed=False) == (
        b'{"uuid":"abcdefghi","continuation_token":"b","entries":[{"name":"a","checksum":"ff","size":"3","flags":64},'
        b'{"name":"b/","flags":256}],"flags":0}\n'
    )


@pytest.mark.parametrize(("packed", "content_type"), [(True, "application/msgpack"), (False, "application/json")])
def test_pages_read_back(packed: bool, content_type: str) -> None:
    assert decode_list_page(encode_list_page(PAGE, packed=packed), content_type) == PAGE
    empty = encode_list_page(ListPage(uuid="u"), packed=packed)
    assert decode_list_page(empty, content_type) == ListPage(uuid="u", entries=[])
    for garbage in (b"", b"\xc1", b"{", b'{"entries":[{"name":"a","size":"x"}]}', b"[[[["):
        with pytest.raises(MalformedAnswer):
            decode_list_page(garbage, content_type)


def test_an_empty_page_is_an_empty_array_when_packed_and_null_in_json() -> None:
    assert b"Entries\x90" in encode_list_page(ListPage(uuid="u"), packed=True)
    assert b'"entries":null' in encode_list_page(ListPage(uuid="u"), packed=False)


def test_names_that_are_no_utf8_are_shown() -> None:
    page = ListPage(uuid="u", entries=[ObjectEntry("a\udcff")], continuation_token="a\udcff")
    for packed, kind in ((True, "application/msgpack"), (False, "application/json")):
        found = decode_list_page(encode_list_page(page, packed=packed), kind)
        assert found.entries == [ObjectEntry("a\ufffd")] and found.continuation_token == "a\ufffd"


def test_a_job_snapshot() -> None:
    snapshot = JobSnapshot(
        id="gbt-1", kind="get-batch", start_time=format_time(1772600767123456789), bck=BucketModel.of(Bucket("b")),
        ctlmsg="reqs:1", workers=pack_workers(joggers=3, workers=4), is_idle=True, stats=JobStats(loc_objs="2"),
    )  # fmt: skip
    document = json.loads(msgspec.json.encode(snapshot))
    assert document == {
        "id": "gbt-1",
        "kind": "get-batch",
        "start-time": "2026-03-04T05:06:07.123456789Z",
        "end-time": "0001-01-01T00:00:00Z",
        "bck": {"name": "b", "provider": "ais", "namespace": {"uuid": "", "name": ""}},
        "src-bck": {"name": "", "provider": "", "namespace": {"uuid": "", "name": ""}},
        "dst-bck": {"name": "", "provider": "", "namespace": {"uuid": "", "name": ""}},
        "ctlmsg": "reqs:1",
        "abort-err": "",
        "err": "",
        "glob.id": "4099",
        "ext": None,
        "aborted": False,
        "is_idle": True,
        "stats": {
            "loc-objs": "2",
            "loc-bytes": "0",
            "out-objs": "0",
            "out-bytes": "0",
            "in-objs": "0",
            "in-bytes": "0",
        },
    }
    assert not snapshot.is_finished and format_time(0) == TIME_ZERO
    assert b"ctlmsg" not in msgspec.json.encode(JobSnapshot(id="x", kind="lru"))


def test_snapshots_read_back() -> None:
    text = msgspec.json.encode({"t1": [JobSnapshot(id="x", kind="lru")], "t2": None})
    assert decode_snapshots(text) == {"t1": [JobSnapshot(id="x", kind="lru")], "t2": []}
    with pytest.raises(MalformedAnswer):
        decode_snapshots(b"[]")


def test_job_queries_in_both_spellings() -> None:
    expected = JobQuery(id="a,b", kind="lru", node="t1", bucket=BucketModel("b"), show_active=True)
    sdk = {"ID": "a,b", "Kind": "lru", "DaemonID": "t1", "Bck": {"Name": "b", "provider": None}, "Buckets": None,
           "show_active": True}  # fmt: skip
    cli = {"id": "a,b", "kind": "lru", "node": "t1", "bck": {"name": "b"}, "show_active": True}
    assert decode_job_query(sdk) == decode_job_query(cli) == expected
    assert expected.ids == ["a", "b"]
    assert decode_job_query(None) == decode_job_query({"bck": {"name": ""}, "show_active": None}) == JobQuery()
    for bad in ([], "x", {"id": 5}, {"bck": 3}, {"show_active": "yes"}):
        with pytest.raises(InvalidBody):
            decode_job_query(bad)
