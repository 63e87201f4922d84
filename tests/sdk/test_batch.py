"""Batches from end to end, blocking. Numbers in names are lines of spec/python-sdk.md 10."""

import gc
import json
import random
import socket
import threading
from dataclasses import replace

import pytest
import xxhash

from moss.sdk import Client
from moss.sdk.batch.errors import (
    BatchChecksumError,
    BatchError,
    BatchIncompleteError,
    BatchMismatchError,
    MultipartDecodeError,
)
from moss.sdk.batch.types import MossIn
from moss.sdk.enums import Colocation
from moss.sdk.errors import AISError, ErrObjNotFound
from moss.sdk.namespace import Namespace
from tests.sdk.peer import BOUNDARY, Peer, Reply, build_tar, error_reply, multipart

FORMATS = [".tar", ".tgz", ".tar.gz", ".TGZ", ".zip", ".tar.lz4"]


@pytest.fixture
def names(peer: Peer) -> list[str]:
    rng = random.Random(7)
    names = [f"dir/o{i:03}" for i in range(120)]
    for name in names:
        peer.objects[f"b/{name}"] = rng.randbytes(rng.choice([0, 1, 511, 512, 513, 3000, 70_000]))
    return names


def payloads(result) -> list[bytes]:
    return [bytes(payload) for _, payload in result]


def expected(peer: Peer, names: list[str]) -> list[bytes]:
    return [peer.objects[f"b/{name}"] for name in names]


def test_69_impossible_batches_send_nothing(client: Client, peer: Peer):
    bucket = client.bucket("b")
    with pytest.raises(ValueError, match="Bucket must be provided"):
        client.batch(["a"])
    for objects in ([1], 1, [("a", 2)], [{}], b"bytes"):
        with pytest.raises(ValueError, match="Unsupported object type"):
            client.batch(objects, bucket)
    with pytest.raises(ValueError, match="No objects"):
        client.batch(bucket=bucket).get()
    for output in ("tar", None, ".rar", 5):
        with pytest.raises(ValueError, match="Unsupported output format type"):
            client.batch(output_format=output)
    for colocation in (-1, 3):
        with pytest.raises(ValueError, match="colocation"):
            client.batch(colocation=colocation)
    assert peer.received == []


def test_objects_come_in_many_forms(client: Client):
    bucket = client.bucket("b")
    forms = [
        "a",
        bucket.object("c"),
        "s3://cloud/x y",
        ("s.tar", "m"),
        ("ais://other/s.tar", "m"),
        {"obj": "r", "start": 1, "length": 2},
        MossIn("raw", "q", "ais"),
    ]
    wanted = [
        MossIn("a", "b", "ais"),
        MossIn("c", "b", "ais"),
        MossIn("x y", "cloud", "aws"),
        MossIn("s.tar", "b", "ais", archpath="m"),
        MossIn("s.tar", "other", "ais", archpath="m"),
        MossIn("r", "b", "ais", start=1, length=2),
        MossIn("raw", "q", "ais"),
    ]
    assert client.batch(forms, bucket).requests_list == wanted
    assert client.batch(iter(forms), bucket).requests_list == wanted
    assert client.batch(tuple("xy"), bucket).requests_list == client.batch(["x", "y"], bucket).requests_list
    assert len(client.batch("x", bucket)) == 1 and len(client.batch(bucket.object("x"))) == 1
    assert repr(client.batch("x", bucket)) == "Batch(objects=1, format=.tar)"


def test_70_opaque_and_archpath_are_told_apart_by_type(client: Client):
    batch = client.batch(bucket=client.bucket("b"))
    batch.add("o", b"id", "m.jpg").add("o", "m.jpg", b"id").add("o", "m.jpg").add("o", archpath="m.jpg")
    first, second, third, fourth = batch.requests_list
    assert first == second and third == fourth and first.archpath == "m.jpg" and first.opaque == "aWQ="
    with pytest.raises(ValueError):
        batch.add("o", "a", "b")


def test_73_ranges_are_checked_before_anything_is_sent(client: Client, peer: Peer):
    batch = client.batch(bucket=client.bucket("b"))
    for fields in ({"start": -1}, {"length": -2}, {"start": 5}, {"start": 5, "length": 0}):
        with pytest.raises(ValueError, match="Invalid byte range"):
            batch.add("o", **fields)
    batch.add("o", start=0, length=0).add("o", start=0, length=-1)
    assert batch.requests_list == [MossIn("o", "b", "ais"), MossIn("o", "b", "ais", length=-1)]
    for fields in ({"bck": "x"}, {"provider": "ais"}):
        with pytest.raises(ValueError, match="together"):
            batch.add("o", **fields)
    with pytest.raises(ValueError, match="combined"):
        batch.add(client.bucket("b").object("o"), bck="x", provider="ais")
    assert peer.received == []


def test_71_74_75_what_is_sent(client: Client, peer: Peer):
    peer.objects |= {"b/a": b"1", "b/c": b"2"}
    assert payloads(client.batch(["a", "c"], client.bucket("b")).get()) == [b"1", b"2"]
    request = peer.received[-1]
    assert (request.method, request.path, request.query) == ("GET", "/v1/ml/moss/b", {"provider": "ais"})
    assert list(request.json) == ["in", "mime", "coer", "onob", "strm"]
    assert request.headers["content-type"] == "application/json" and request.headers["moss-direct"] == "1"
    batch = client.batch(colocation=Colocation.TARGET_AWARE).add("a", bck="b", provider="ais")
    assert payloads(batch.get()) == [b"1"]
    request = peer.received[-1]
    assert (request.path, request.query, request.json["coloc"]) == ("/v1/ml/moss", {"coloc": "1"}, 1)


def test_namespaces_are_sent(client: Client, peer: Peer):
    bucket = client.bucket("b", namespace=Namespace("u", "n"))
    peer.objects["b/a"] = b"1"
    assert payloads(client.batch(["a"], bucket).add(bucket.object("a")).get()) == [b"1", b"1"]
    assert [row["uname"] for row in peer.received[-1].json["in"]] == ["ais/@u#n/b/"] * 2
    assert peer.received[-1].query["namespace"] == "@u#n"


@pytest.mark.parametrize("zero_copy", [False, True])
@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("output_format", FORMATS)
def test_76_every_format_in_both_modes(client: Client, peer: Peer, names, output_format, streaming, zero_copy):
    bucket = client.bucket("b")
    batch = client.batch(names, bucket, output_format=output_format, streaming_get=streaming)
    result = [(out, bytes(data)) for out, data in batch.get(zero_copy=zero_copy, decode_as_stream=True)]
    assert [data for _, data in result] == expected(peer, names)
    assert [(out.obj_name, out.size) for out, _ in result] == [(n, len(peer.objects[f"b/{n}"])) for n in names]
    assert all(out.err_msg is None for out, _ in result)


@pytest.mark.parametrize("streaming", [True, False])
def test_77_what_a_result_says(client: Client, peer: Peer, streaming):
    peer.objects["b/s.tar/m"] = b"12345"
    batch = client.batch(bucket=client.bucket("b"), streaming_get=streaming).add("s.tar", "/m", b"\xfb\xff\x00")
    [(out, data)] = batch.get()
    assert (out.obj_name, out.archpath, out.bucket, out.provider) == ("s.tar", "/m", "b", "ais")
    assert (out.opaque, out.size, data) == (b"\xfb\xff\x00", 5, b"12345")
    assert peer.received[-1].json["in"][0]["opaque"] == "+/8A"


@pytest.mark.parametrize("output_format", [".tar", ".tgz", ".zip"])
@pytest.mark.parametrize("only_obj_name", [True, False])
@pytest.mark.parametrize("streaming", [True, False])
def test_78_missing_entries(client: Client, peer: Peer, streaming, only_obj_name, output_format):
    peer.objects |= {"b/a": b"1", "b/z": b"3"}
    batch = client.batch(
        ["a", "gone", ("s.tar", "m"), "z"],
        client.bucket("b"),
        output_format=output_format,
        streaming_get=streaming,
        only_obj_name=only_obj_name,
    )
    result = list(batch.get())
    assert [data for _, data in result] == [b"1", b"", b"", b"3"]
    assert [bool(out.err_msg) for out, _ in result] == [False, True, True, False]
    assert [out.size for out, _ in result] == [1, 0, 0, 1]


def test_a_placeholder_with_content_is_missing_all_the_same(client: Client, peer: Peer):
    for name in ("__404__/b/a", "__404__/b", "__404__/elsewhere"):
        peer.scripted = [Reply(body=build_tar([(name, b"content"), ("b/z", b"3")]), chunk_bytes=100)]
        result = list(client.batch(["a", "z"], client.bucket("b")).get())
        assert [data for _, data in result] == [b"", b"3"] and result[0][0].err_msg


def test_an_object_may_be_called_like_a_placeholder(client: Client, peer: Peer):
    peer.objects["b/__404__/x"] = b"real"
    [(out, data)] = client.batch(["__404__/x"], client.bucket("b"), only_obj_name=True).get()
    assert data == b"real" and out.err_msg is None


def test_79_missing_entries_of_a_strict_batch_raise_at_once(client: Client, peer: Peer):
    with pytest.raises(ErrObjNotFound, match="ais://b/gone does not exist"):
        client.batch(["gone"], client.bucket("b"), cont_on_err=False).get()


@pytest.mark.parametrize("output_format", [".tar", ".tgz", ".zip", ".tar.lz4"])
def test_80_duplicates_and_ranges(client: Client, peer: Peer, output_format):
    peer.objects["b/o"] = b"0123456789"
    batch = client.batch(["o", "o"], client.bucket("b"), output_format=output_format)
    batch.add("o", start=2, length=3).add("o", start=5, length=-1).add("o", length=1)
    assert payloads(batch.get()) == [b"0123456789", b"0123456789", b"234", b"56789", b"0"]


def test_81_batches_can_be_sent_again(client: Client, peer: Peer, names):
    batch = client.batch(names, client.bucket("b"))
    first = batch.get(clear_batch=False)
    batch.add(names[0])
    assert payloads(first) == expected(peer, names)
    assert payloads(batch.get()) == expected(peer, [*names, names[0]])
    assert len(batch) == 0
    batch.add(names[1])
    assert payloads(batch.get()) == expected(peer, names[1:2])


def test_clearing_does_not_disturb_a_running_batch(client: Client, peer: Peer, names):
    batch = client.batch(names, client.bucket("b"))
    running = batch.get()
    batch.clear().add(names[0])
    assert payloads(running) == expected(peer, names)


@pytest.mark.parametrize("streaming", [True, False])
def test_82_raw_answers(client: Client, peer: Peer, streaming):
    peer.objects["b/a"] = b"1"
    raw = client.batch(["a"], client.bucket("b"), streaming_get=streaming).get(raw=True)
    first = raw.read(10)
    data = first + raw.read()
    assert len(first) == 10
    tar = build_tar([("b/a", b"1")])
    assert data == tar if streaming else tar in data
    raw.close()


def test_83_buffer_sizes(client: Client, peer: Peer, names):
    bucket = client.bucket("b")
    for size in (0, -1, True, 1.5, "x"):
        with pytest.raises(ValueError):
            client.batch(names, bucket).get(tar_buffer_size=size)
    for options, arguments in (({"output_format": ".zip"}, {}), ({}, {"raw": True})):
        with pytest.raises(ValueError, match="TAR extraction"):
            client.batch(names, bucket, **options).get(tar_buffer_size=10240, **arguments)
    assert peer.received == []
    for size in (1, 10240):
        assert payloads(client.batch(names, bucket).get(tar_buffer_size=size)) == expected(peer, names)


# --- what must never pass for success ---


def test_84_surplus_members(client: Client, peer: Peer):
    peer.scripted = [Reply(body=build_tar([("b/a", b"1"), ("b/z", b"2")]))]
    got = []
    with pytest.raises(RuntimeError, match="more members"):
        for _, data in client.batch(["a"], client.bucket("b")).get():
            got.append(data)
    assert got == [b"1"]


def short(reply: Reply) -> Reply:
    return replace(reply, body=build_tar([("b/a", b"1")]))


def test_85_btr_01_a_short_archive_is_an_error(client: Client, peer: Peer):
    """A well-formed archive with fewer members, which the reference sends when it gives up (line 1 of section A)."""
    peer.objects |= {"b/a": b"1", "b/c": b"2", "b/d": b"3"}
    empty = replace(Reply(), body=build_tar([]))
    peer.faults = [short, lambda reply: empty]
    got = []
    with pytest.raises(BatchIncompleteError) as caught:
        for _, data in client.batch(["a", "c", "d"], client.bucket("b")).get():
            got.append(data)
    assert got == [b"1"]
    assert (caught.value.received, caught.value.expected) == (1, 3)
    assert [entry.obj_name for entry in caught.value.missing_entries] == ["c", "d"]
    assert "1 of 3" in str(caught.value) and isinstance(caught.value, RuntimeError)


def test_btr_01_a_short_archive_without_resume(client: Client, peer: Peer):
    peer.objects |= {"b/a": b"1", "b/c": b"2"}
    peer.faults = [short]
    with pytest.raises(BatchIncompleteError):
        list(client.batch(["a", "c"], client.bucket("b")).get(resume=False))
    assert len(peer.received) == 1


def test_btr_01_a_short_archive_is_completed(client: Client, peer: Peer):
    peer.objects |= {"b/a": b"1", "b/c": b"2"}
    peer.faults = [short]
    assert payloads(client.batch(["a", "c"], client.bucket("b")).get()) == [b"1", b"2"]
    assert [row["objname"] for row in peer.received[-1].json["in"]] == ["c"]


def test_85_the_silence_of_the_reference_can_be_had(client: Client, peer: Peer):
    peer.objects |= {"b/a": b"1", "b/c": b"2"}
    peer.faults = [short]
    assert payloads(client.batch(["a", "c"], client.bucket("b")).get(strict=False)) == [b"1"]
    assert len(peer.received) == 1


CUT_OBJECTS = {"a": b"A" * 1000, "b": b"B" * 5000, "c": b"C" * 300_000, "d": b"", "e": b"E" * 700}


@pytest.mark.parametrize("zero_copy", [False, True])
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@pytest.mark.parametrize(
    "cut_at", [0, 100, 511, 512, 800, 1512, 1536, 1537, 2048, 3000, 7168, 7500, 200_000, 307_000, 308_224, 308_800]
)
def test_86_cut_answers_are_completed_without_repeating_anything(
    client: Client, peer: Peer, cut_at, framing, zero_copy
):
    peer.objects |= {f"b/{name}": data for name, data in CUT_OBJECTS.items()}

    def cut(reply: Reply) -> Reply:
        options = {"chunked": {"chunk_bytes": 1 << 30}, "length": {"chunk_bytes": 0}}.get(framing, {})
        if framing == "close":
            return replace(reply, chunk_bytes=0, until_close=True, body=reply.body[:cut_at])
        # The first chunk header takes some bytes of its own.
        return replace(reply, cut_at=cut_at + (7 if framing == "chunked" else 0), **options)

    peer.faults = [cut]
    result = client.batch(list(CUT_OBJECTS), client.bucket("b")).get(zero_copy=zero_copy)
    assert [(out.obj_name, bytes(data)) for out, data in result] == list(CUT_OBJECTS.items())
    sent_again = sum(row.get("length") or len(CUT_OBJECTS[row["objname"]]) for row in peer.received[-1].json["in"])
    received = sum(max(0, min(len(d), cut_at - at)) for at, d in offsets())
    total = sum(map(len, CUT_OBJECTS.values()))
    assert len(peer.received) == 2
    assert sent_again == total - received


def offsets():
    """Where each payload of CUT_OBJECTS begins in the archive."""
    at = 0
    for data in CUT_OBJECTS.values():
        at += 512
        yield at, data
        at += -(-len(data) // 512) * 512


def test_a_cut_entry_with_a_range_is_continued_inside_it(client: Client, peer: Peer):
    peer.objects["b/o"] = bytes(range(256)) * 40
    peer.faults = [lambda reply: replace(reply, chunk_bytes=0, cut_at=512 + 1000)]
    batch = client.batch(bucket=client.bucket("b")).add("o", start=100, length=5000)
    assert payloads(batch.get()) == [peer.objects["b/o"][100:5100]]
    assert peer.received[-1].json["in"][0] == {
        "objname": "o", "bucket": "b", "provider": "ais", "start": 1100, "length": 4000
    }  # fmt: skip


def test_a_cut_member_of_an_archive_is_asked_for_again(client: Client, peer: Peer):
    peer.objects["b/s.tar/m"] = b"x" * 5000
    peer.faults = [lambda reply: replace(reply, chunk_bytes=0, cut_at=512 + 1000)]
    batch = client.batch(bucket=client.bucket("b")).add("s.tar", "m")
    assert payloads(batch.get()) == [b"x" * 5000]
    assert "start" not in peer.received[-1].json["in"][0]


def test_several_cuts_in_one_entry(client: Client, peer: Peer):
    peer.objects["b/o"] = random.Random(3).randbytes(50_000)
    peer.faults = [lambda reply, at=at: replace(reply, chunk_bytes=0, cut_at=512 + at) for at in (20_000, 0, 7_000)]
    assert payloads(client.batch(["o"], client.bucket("b")).get()) == [peer.objects["b/o"]]
    assert [r.json["in"][0].get("start") for r in peer.received] == [None, 20_000, 20_000, 27_000]


@pytest.mark.parametrize("output_format", [".tgz", ".tar.lz4", ".zip"])
@pytest.mark.parametrize("streaming", [True, False])
def test_86_cut_answers_of_other_formats(client: Client, peer: Peer, names, output_format, streaming):
    peer.faults = [lambda reply: replace(reply, chunk_bytes=0, cut_at=len(reply.body) // 2)]
    batch = client.batch(names, client.bucket("b"), output_format=output_format, streaming_get=streaming)
    result = list(batch.get())
    assert [out.obj_name for out, _ in result] == names
    assert payloads(result) == expected(peer, names)
    assert [out.size for out, _ in result] == [len(data) for _, data in result]


def test_cuts_without_resume_are_errors(client: Client, peer: Peer, names):
    peer.faults = [lambda reply: replace(reply, chunk_bytes=0, cut_at=len(reply.body) // 2)]
    got = []
    with pytest.raises(BatchIncompleteError) as caught:
        for out, _ in client.batch(names, client.bucket("b")).get(resume=0):
            got.append(out.obj_name)
    assert got == names[: len(got)] and caught.value.received == len(got)
    assert [entry.obj_name for entry in caught.value.missing_entries] == names[len(got) :]
    assert caught.value.__cause__ is not None


def test_the_number_of_resumes_is_limited(client: Client, peer: Peer):
    peer.objects["b/o"] = bytes(10_000)
    peer.faults = [lambda reply: replace(reply, chunk_bytes=0, cut_at=600)] * 10
    with pytest.raises(BatchIncompleteError):
        list(client.batch(["o"], client.bucket("b")).get(resume=2))
    assert len(peer.received) == 3


def test_an_object_that_changed_in_between_is_not_glued_together(client: Client, peer: Peer):
    peer.objects["b/o"] = b"old" * 1000
    peer.faults = [lambda reply: replace(reply, chunk_bytes=0, cut_at=2000)]
    peer.scripted = [peer.handle, lambda request: Reply(body=build_tar([("b/o", b"new")]))]
    with pytest.raises(BatchError, match="changed"):
        list(client.batch(["o"], client.bucket("b")).get())


def test_a_lost_last_byte_matters_only_when_an_entry_is_missing(client: Client, peer: Peer):
    peer.objects["b/o"] = b"1"
    peer.faults = [lambda reply: replace(reply, chunk_bytes=0, cut_at=len(reply.body) - 1)]
    assert payloads(client.batch(["o"], client.bucket("b")).get()) == [b"1"]
    assert len(peer.received) == 1


def test_87_a_wrong_name_is_an_error(client: Client, peer: Peer):
    peer.scripted = [Reply(body=build_tar([("b/x", b"1")]))] * 2
    with pytest.raises(BatchMismatchError):
        list(client.batch(["a"], client.bucket("b")).get())
    assert payloads(client.batch(["a"], client.bucket("b")).get(strict=False)) == [b"1"]


@pytest.mark.parametrize("output_format", [".tar", ".tgz", ".tar.lz4", ".zip"])
@pytest.mark.parametrize("body", [b"", b"garbage" * 1000])
def test_nonsense_is_a_runtime_error(client: Client, peer: Peer, body, output_format):
    peer.scripted = [Reply(body=body)] * 10
    with pytest.raises(RuntimeError):
        list(client.batch(["a"], client.bucket("b"), output_format=output_format).get(resume=1))


# --- connections ---


def test_88_a_batch_that_nobody_reads_gives_its_connection_up(client: Client, peer: Peer):
    peer.objects["b/o"] = bytes(20_000_000)
    gc.disable()
    try:
        stream = client.batch(["o"], client.bucket("b")).get()
        response = stream._run.response
        del stream
        assert response._connection is None
        for _ in client.batch(["o"], client.bucket("b")).get():
            break
        with client.batch(["o"], client.bucket("b")).get() as stream:
            response = stream._run.response
        assert response._connection is None
        stream = client.batch(["o"], client.bucket("b")).get()
        assert next(stream)[0].size == 20_000_000
    finally:
        gc.enable()


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("streaming", [True, False])
def test_89_consumed_batches_share_one_connection(client: Client, peer: Peer, output_format, streaming):
    peer.objects["b/o"] = b"x" * 5000
    for _ in range(20):
        batch = client.batch(["o"], client.bucket("b"), output_format=output_format, streaming_get=streaming)
        assert payloads(batch.get()) == [b"x" * 5000]
    assert peer.connections == 1


def test_94_threads_share_a_client(client: Client, peer: Peer, names):
    wrong = []

    def work():
        for _ in range(5):
            if payloads(client.batch(names, client.bucket("b")).get(zero_copy=True)) != expected(peer, names):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and not any(thread.is_alive() for thread in threads)


def test_no_threads_are_started(client: Client, peer: Peer, names):
    before = threading.active_count()
    assert payloads(client.batch(names, client.bucket("b")).get()) == expected(peer, names)
    assert threading.active_count() <= before + 1  # the peer's own


# --- buffered answers ---


@pytest.mark.parametrize(
    "tail", [b"\r\n", b" \t", b"\r\n--" + BOUNDARY.encode(), b"\r\n--" + BOUNDARY.encode() + b"--\r\n"]
)
@pytest.mark.parametrize("output_format", [".tar", ".tgz", ".zip"])
@pytest.mark.parametrize("chunk_bytes", [1, 100_000])
def test_90_payloads_may_look_like_delimiters(client: Client, peer: Peer, tail, output_format, chunk_bytes):
    peer.objects |= {"b/a": tail + b"x" + tail, "b/c": tail}
    peer.chunk_bytes = chunk_bytes
    batch = client.batch(["a", "c"], client.bucket("b"), output_format=output_format, streaming_get=False)
    assert payloads(batch.get()) == [tail + b"x" + tail, tail]


def test_multipart_answers_must_be_multipart(client: Client, peer: Peer):
    def get(reply: Reply):
        peer.scripted = [reply]
        return list(client.batch(["a"], client.bucket("b"), streaming_get=False).get(resume=0))

    kind = {"Content-Type": f"multipart/mixed; boundary={BOUNDARY}"}
    with pytest.raises(MultipartDecodeError):
        get(Reply(headers={"Content-Type": "application/x-tar"}, body=b"x"))
    with pytest.raises(ValueError):
        get(Reply(headers={"Content-Type": "multipart/mixed"}, body=b"x"))
    with pytest.raises(MultipartDecodeError):
        get(Reply(headers=kind, body=b"no delimiter" * 100))
    with pytest.raises(MultipartDecodeError):
        get(Reply(headers=kind, body=multipart(b"no json", build_tar([("b/a", b"1")]))))
    with pytest.raises(BatchError, match="metadata"):
        get(Reply(headers=kind, body=multipart(b'{"uuid":"x","out":[]}', build_tar([("b/a", b"1")]))))


# --- what only our server sends ---


def test_reasons_come_with_the_stream(client: Client, peer: Peer):
    reason = "t[x]: ais://b/gone does not exist"
    body = build_tar([("b/a", b"1"), ("__404__/b/gone", b"")], {1: {"MOSS.index": "1", "MOSS.error": reason}})
    peer.scripted = [Reply(headers={"Moss-Batch-Status": "1"}, body=body)]
    result = list(client.batch(["a", "gone"], client.bucket("b")).get())
    assert [out.err_msg for out, _ in result] == [None, reason]
    assert peer.received[-1].headers["moss-batch-status"] == "1"
    assert "moss-batch-checksum" not in peer.received[-1].headers


@pytest.mark.parametrize("zero_copy", [False, True])
def test_checksums_are_verified_when_asked_for(client: Client, peer: Peer, zero_copy):
    members = [("b/a", b"1" * 3000), ("b/c", b"2" * 100)]
    pax = {
        i: {"MOSS.index": str(i), "MOSS.xxh3": xxhash.xxh3_64_hexdigest(data)} for i, (_, data) in enumerate(members)
    }
    good = build_tar(members, pax)
    bad = good.replace(b"2" * 100, b"2" * 99 + b"3")
    confirmed = {"Moss-Batch-Checksum": "1"}

    def get(body, headers=confirmed):
        peer.scripted = [Reply(headers=headers, body=body)]
        return payloads(client.batch(["a", "c"], client.bucket("b")).get(checksum=True, zero_copy=zero_copy))

    assert get(good) == [data for _, data in members]
    assert peer.received[-1].headers["moss-batch-checksum"] == "1"
    with pytest.raises(BatchChecksumError) as caught:
        get(bad)
    assert (caught.value.index, caught.value.name) == (1, "b/c")
    assert get(bad, {})[0] == members[0][1]


def test_btr_20_a_reader_may_pause_until_the_server_gives_up(client: Client, peer: Peer):
    peer.objects = {f"b/o{i}": bytes([i]) * 500_000 for i in range(60)}
    stream = client.batch([f"o{i}" for i in range(60)], client.bucket("b")).get()
    got = [next(stream)[1]]
    for sock in list(peer._open):
        sock.shutdown(socket.SHUT_RDWR)
    got += [data for _, data in stream]
    assert got == list(peer.objects.values())
    assert len(peer.received) == 2


def test_btr_22_metadata_name_the_entry_as_it_was_asked_for(client: Client, peer: Peer):
    """The reference glues the member to the object's name and drops the provider (line 22)."""
    rows = [
        {"objname": "s.tar/m", "bucket": "b", "provider": "", "size": 3},
        {"objname": "s.tar", "archpath": "m", "bucket": "b", "provider": "ais", "size": 3},
    ]
    body = multipart(json.dumps({"uuid": "j", "out": rows}).encode(), build_tar([("b/s.tar/m", b"123")] * 2))
    peer.scripted = [Reply(headers={"Content-Type": f"multipart/mixed; boundary={BOUNDARY}"}, body=body)]
    batch = client.batch([("s.tar", "m")] * 2, client.bucket("b"), streaming_get=False)
    for out, data in batch.get():
        assert (out.obj_name, out.archpath, out.bucket, out.provider, data) == ("s.tar", "m", "b", "ais", b"123")


def test_a_wrong_index_is_an_error(client: Client, peer: Peer):
    peer.scripted = [Reply(body=build_tar([("b/a", b"1")], {0: {"MOSS.index": "5"}}))]
    with pytest.raises(BatchMismatchError):
        list(client.batch(["a"], client.bucket("b")).get())


# --- refusals ---


def test_99_throttled_batches_are_sent_again(client: Client, peer: Peer):
    peer.objects["b/a"] = b"1"
    peer.scripted = [error_reply(429, "busy", "ErrTooManyRequests", Retry_After="0")] * 2
    assert payloads(client.batch(["a"], client.bucket("b")).get()) == [b"1"]
    assert len(peer.received) == 3


def test_98_lasting_refusals_keep_the_words_of_the_server(client: Client, peer: Peer):
    import requests

    peer.scripted = [error_reply(503, "disk on fire")] * 6
    with pytest.raises(AISError, match="disk on fire") as caught:
        client.batch(["a"], client.bucket("b")).get()
    assert isinstance(caught.value, requests.exceptions.RetryError)
    assert len(caught.value.attempts) == 6 and caught.value.status_code == 503
