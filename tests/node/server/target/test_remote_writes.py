"""Changing single objects of a cloud's bucket: the store has each change before it is acknowledged. Real S3 behind a
proxy. Source: rest-data.md 5.2, 5.5–5.9, 5.11, 7.3, 8."""

import concurrent.futures
import hashlib
import http.client
import io
import random
import tarfile
import threading
import urllib.parse
from typing import Any

import pytest
import xxhash

from moss.testing import NodeProcess
from tests.node.server.target.conftest import Cloud, custom
from tests.support.proxy import Trouble
from tests.support.wire import Answer, Wire

MIB = 1 << 20


def content_of(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def is_refused(answer: Answer) -> bool:
    assert (answer.status, answer.error["tcode"]) == (503, "ErrFailedTo")
    return answer.error["message"].startswith("AWS backend failed on s3://")


# -- PUT ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 5, 900_000, 20 * MIB])
def test_a_put_object_is_in_the_store_and_cached(cloud: Cloud, size: int):
    content = content_of(size)
    answer = cloud.send("PUT", "a/b", content)
    assert answer.status == 200
    assert cloud.stored("a/b") == content
    assert cloud.is_present("a/b")
    cloud.proxy.reset()
    assert cloud.send("GET", "a/b").body == content
    assert cloud.proxy.received == 0
    assert answer.headers["ais-checksum-value"] == xxhash.xxh64(content).hexdigest()
    assert custom(answer)["ETag"] == cloud.s3.head_object(Bucket=cloud.name, Key="a/b")["ETag"].strip('"')


def test_a_body_of_unknown_length(cloud: Cloud):
    content = content_of(3 * MIB)
    location = cloud.wire.send("PUT", cloud.url("o"), b"", follow=False).headers["location"]
    parts = urllib.parse.urlsplit(location)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    pieces = (content[at : at + 100_000] for at in range(0, len(content), 100_000))
    connection.request(
        "PUT", f"{parts.path}?{parts.query}", body=pieces, encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert connection.getresponse().status == 200
    connection.close()
    assert cloud.stored("o") == content


def test_an_object_that_a_node_wrote_keeps_its_checksum_in_the_store(cloud: Cloud):
    cloud.send("PUT", "o", b"hello")
    digest = xxhash.xxh64(b"hello").hexdigest()
    assert cloud.metadata("o") == {"x-amz-meta-ais-cksum-type": "xxhash2", "x-amz-meta-ais-cksum-val": digest}
    cloud.evict("o")
    for answer in (cloud.send("HEAD", "o"), cloud.send("GET", "o"), cloud.send("HEAD", "o")):
        assert (answer.headers["ais-checksum-type"], answer.headers["ais-checksum-value"]) == ("xxhash2", digest)
        assert not [key for key in custom(answer) if "cksum" in key.lower()]


def test_a_checksum_that_somebody_else_left_on_new_content_is_not_believed(cloud: Cloud):
    cloud.send("PUT", "o", b"old")
    cloud.store("o", b"new", Metadata=cloud.metadata("o"))
    cloud.evict("o")
    answer = cloud.send("GET", "o")
    assert (answer.status, answer.body) == (200, b"new")
    assert (answer.headers["ais-checksum-type"], answer.headers["ais-checksum-value"]) == (
        "md5",
        hashlib.md5(b"new").hexdigest(),
    )


@pytest.mark.parametrize("size", [5, 3 * MIB])
def test_a_body_that_is_not_what_was_announced_is_stored_nowhere(cloud: Cloud, size: int):
    cloud.send("PUT", "o", b"old")
    wrong = {"Ais-Checksum-Type": "xxhash2", "Ais-Checksum-Value": "0123456789abcdef"}
    answer = cloud.send("PUT", "o", content_of(size), wrong)
    assert answer.status == 500
    assert "BAD DATA CHECKSUM" in answer.error["message"]
    assert cloud.stored("o") == cloud.send("GET", "o").body == b"old"


@pytest.mark.parametrize("size", [100, 3 * MIB])
def test_a_body_that_breaks_off_is_stored_nowhere(cloud: Cloud, size: int):
    cloud.send("PUT", "o", b"old")
    location = cloud.wire.send("PUT", cloud.url("o"), b"", follow=False).headers["location"]
    parts = urllib.parse.urlsplit(location)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.putrequest("PUT", f"{parts.path}?{parts.query}")
    connection.putheader("Content-Length", str(size))
    connection.endheaders(bytes(size - 1))
    connection.close()
    assert cloud.send("GET", "o").body == b"old"
    assert cloud.stored("o") == b"old"


def test_writing_what_is_cached_already_writes_it_nevertheless(cloud: Cloud):
    """The cache says nothing of what the store has now."""
    cloud.send("PUT", "o", b"same")
    cloud.s3.delete_object(Bucket=cloud.name, Key="o")
    headers = {"Ais-Checksum-Type": "xxhash2", "Ais-Checksum-Value": xxhash.xxh64(b"same").hexdigest()}
    assert cloud.send("PUT", "o", b"same", headers).status == 200
    assert cloud.stored("o") == b"same"


@pytest.mark.parametrize("size", [5, 20 * MIB])
def test_btr_34_a_put_that_the_store_refuses_leaves_what_was_there(cloud: Cloud, size: int):
    cloud.send("PUT", "o", b"old")
    cloud.break_down()
    assert is_refused(cloud.send("PUT", "o", content_of(size)))
    assert is_refused(cloud.send("PUT", "another", content_of(size)))
    assert cloud.send("GET", "o").body == b"old"
    cloud.proxy.trouble = Trouble()
    assert cloud.stored("o") == b"old"
    assert cloud.send("GET", "another").status == 404


def test_writers_and_readers_of_one_object_never_leave_the_cache_behind_the_store(cloud: Cloud):
    cloud.send("PUT", "o", b"start")
    written = [b"%03d" % number * 1000 for number in range(24)]
    seen: list[bytes] = []

    def change(number: int) -> None:
        if number % 3 == 0:
            cloud.evict("o")
        if number % 3 == 1:
            seen.append(cloud.send("GET", "o").body)
        assert cloud.send("PUT", "o", written[number]).status == 200

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(24)))
    assert cloud.stored("o") == cloud.send("GET", "o").body
    assert set(seen) <= {*written, b"start"}


def test_a_client_that_goes_away_leaves_store_and_cache_equal(cloud: Cloud):
    cloud.send("PUT", "o", b"old")
    location = cloud.wire.send("PUT", cloud.url("o"), b"", follow=False).headers["location"]
    parts = urllib.parse.urlsplit(location)
    cloud.proxy.trouble.delay_s = 0.2
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request("PUT", f"{parts.path}?{parts.query}", body=b"new")
    connection.close()
    cloud.proxy.trouble = Trouble()
    # A later change takes its turn behind that one.
    assert cloud.send("PATCH", "o", {"action": "", "value": {"k": "v"}}).status == 200
    assert cloud.stored("o") == cloud.send("GET", "o").body


# -- custom metadata ----------------------------------------------------------------------------------------


def patch(cloud: Cloud, name: str, value: dict[str, Any], **query: Any) -> Answer:
    return cloud.send("PATCH", name, {"action": "", "name": "", "value": value}, **query)


def own(answer: Answer) -> dict[str, str]:
    told = {"source", "version", "ETag", "md5", "LastModified", "Last-Modified", "Content-Type"}
    return {key: value for key, value in custom(answer).items() if key not in told}


def test_custom_metadata_lies_in_the_store_and_survives_eviction(cloud: Cloud):
    cloud.send("PUT", "o", b"hello", {"Ais-Custom-Md": "label=cat"})
    assert cloud.metadata("o")["label"] == "cat"
    assert patch(cloud, "o", {"Split": "train", "note": "a b"}).status == 200
    expected = {"label": "cat", "Split": "train", "note": "a b"}
    assert own(cloud.send("HEAD", "o")) == expected
    assert cloud.metadata("o").items() >= {"label": "cat", "note": "a b"}.items()
    assert cloud.evict("o").status == 200
    assert own(cloud.send("HEAD", "o")) == expected
    answer = cloud.send("GET", "o")
    assert (answer.body, own(answer)) == (b"hello", expected)


def test_metadata_can_be_replaced_and_that_of_others_stays_readable(cloud: Cloud):
    cloud.store("o", b"hello", Metadata={"foreign": "1"}, ContentType="text/plain", CacheControl="no-store")
    assert patch(cloud, "o", {"mine": "2"}).status == 200  # it is not cached
    assert own(cloud.send("HEAD", "o")) == {"X-Amz-Meta-Foreign": "1", "mine": "2"}
    head = cloud.s3.head_object(Bucket=cloud.name, Key="o")
    assert (head["ContentType"], head["CacheControl"]) == ("text/plain", "no-store")
    cloud.send("GET", "o")
    assert patch(cloud, "o", {"other": "3"}, **{"set-new-custom": "true"}).status == 200
    assert own(cloud.send("HEAD", "o")) == {"other": "3"}
    cloud.proxy.reset()
    assert cloud.send("GET", "o").body == b"hello"
    assert cloud.proxy.received == 0
    assert cloud.stored("o") == b"hello"


def test_metadata_of_a_cached_object_survives_an_overwrite(cloud: Cloud):
    cloud.send("PUT", "o", b"one", {"Ais-Custom-Md": "label=cat"})
    cloud.send("PUT", "o", b"two", {"Ais-Custom-Md": "k=v"})
    assert own(cloud.send("HEAD", "o")) == {"label": "cat", "k": "v"}
    cloud.send("PUT", "o", b"three", skip_vc="true")
    assert own(cloud.send("HEAD", "o")) == {}


def test_metadata_that_the_store_refuses_is_not_shown(cloud: Cloud):
    cloud.send("PUT", "o", b"hello")
    assert patch(cloud, "none", {"k": "v"}).status == 404
    assert patch(cloud, "o", {"k": "v" * 3000}).status == 400
    cloud.break_down()
    assert is_refused(patch(cloud, "o", {"k": "v"}))
    assert own(cloud.send("HEAD", "o")) == {}


# -- DELETE, evict --------------------------------------------------------------------------------------------


def test_delete_is_in_both_places(cloud: Cloud):
    cloud.send("PUT", "o", b"hello")
    assert cloud.send("DELETE", "o").status == 200
    assert cloud.names() == []
    assert cloud.send("GET", "o").status == 404
    assert cloud.send("DELETE", "o").status == 200  # what is nowhere can be deleted


def test_btr_34_a_delete_that_fails_leaves_the_cached_object(cloud: Cloud):
    cloud.send("PUT", "o", b"hello")
    cloud.break_down()
    assert is_refused(cloud.send("DELETE", "o"))
    assert cloud.send("GET", "o").body == b"hello"


def test_evict_is_local_and_knows_what_is_cached(cloud: Cloud):
    cloud.store("o", b"hello")
    assert "doesn't exist" in cloud.evict("o").error["message"]
    cloud.send("GET", "o")
    assert cloud.evict("o").status == 200
    assert cloud.stored("o") == b"hello"
    assert cloud.send("HEAD", "o").headers["ais-present"] == "false"


# -- copy, rename -----------------------------------------------------------------------------------------------


def copy(wire: Wire, source: str, destination: str, **query: Any) -> Answer:
    text = urllib.parse.urlencode({"object_to": destination, **query})
    return wire.send("PUT", f"{source}{'&' if '?' in source else '?'}{text}")


@pytest.mark.parametrize("size", [7, 3 * MIB])
def test_btr_32_a_copy_from_here_to_a_store_is_there_when_it_is_acknowledged(cloud: Cloud, size: int):
    local, content = cloud.wire.new_bucket(), content_of(size)
    headers = {"Ais-Custom-Md": "label=cat"}
    cloud.wire.send("PUT", f"/v1/objects/{local}/o", content, headers)
    assert copy(cloud.wire, f"/v1/objects/{local}/o", f"aws/@#/{cloud.name}/copied").status == 200
    assert cloud.stored("copied") == content
    assert cloud.metadata("copied")["label"] == "cat"
    assert cloud.is_present("copied")
    cloud.evict("copied")
    assert cloud.send("GET", "copied").body == content
    cloud.break_down()
    assert is_refused(copy(cloud.wire, f"/v1/objects/{local}/o", f"aws/@#/{cloud.name}/again"))


def test_a_copy_of_a_cold_object_to_here_and_inside_the_store(cloud: Cloud):
    local = cloud.wire.new_bucket()
    cloud.store("cold", b"cold")
    assert copy(cloud.wire, cloud.url("cold"), f"ais/@#/{local}/o").status == 200
    assert cloud.wire.send("GET", f"/v1/objects/{local}/o").body == b"cold"
    cloud.store("cold2", b"cold2")
    assert copy(cloud.wire, cloud.url("cold2"), f"aws/@#/{cloud.name}/copied").status == 200
    assert cloud.stored("copied") == b"cold2"
    assert copy(cloud.wire, cloud.url("none"), f"aws/@#/{cloud.name}/copied").status == 404


def test_a_copy_may_want_the_latest(cloud: Cloud):
    local = cloud.wire.new_bucket()
    cloud.store("o", b"old")
    cloud.send("GET", "o")
    cloud.store("o", b"new")
    assert copy(cloud.wire, cloud.url("o"), f"ais/@#/{local}/stale").status == 200
    assert cloud.wire.send("GET", f"/v1/objects/{local}/stale").body == b"old"
    assert copy(cloud.wire, cloud.url("o"), f"ais/@#/{local}/o", **{"latest-ver": "true"}).status == 200
    assert cloud.wire.send("GET", f"/v1/objects/{local}/o").body == b"new"
    cloud.s3.delete_object(Bucket=cloud.name, Key="o")
    assert copy(cloud.wire, cloud.url("o"), f"ais/@#/{local}/o", **{"latest-ver": "true"}).status == 404
    assert cloud.is_present("o")
    assert copy(cloud.wire, cloud.url("o"), f"ais/@#/{local}/o", synchronize="true").status == 404
    assert cloud.send("HEAD", "o").status == 404


def test_rename_is_refused(cloud: Cloud):
    cloud.send("PUT", "o", b"hello")
    answer = cloud.send("POST", "o", {"action": "rename-obj", "name": "new"})
    assert answer.status == 501
    assert 'invalid action "rename-obj": not supported for remote buckets' in answer.error["message"]


# -- append, parts, archives ---------------------------------------------------------------------------------------


def append(cloud: Cloud, name: str, *pieces: bytes) -> Answer:
    handle = ""
    for piece in pieces:
        answer = cloud.send("PUT", name, piece, append_type="append", append_handle=handle)
        assert answer.status == 200, answer.body
        handle = answer.headers["ais-append-handle"]
    return cloud.send("PUT", name, b"", append_type="flush", append_handle=handle)


def test_appended_bytes_reach_the_store_with_the_flush(cloud: Cloud):
    cloud.store("o", b"one")
    assert append(cloud, "o", b", two", b", three").status == 200
    assert cloud.stored("o") == cloud.send("GET", "o").body == b"one, two, three"
    cloud.store("o", b"anew")  # the cached version is old by now
    assert append(cloud, "o", b"!").status == 200
    assert cloud.stored("o") == b"anew!"
    cloud.break_down()
    assert cloud.send("PUT", "o", b"?", append_type="append", append_handle="").status == 503


def test_an_upload_in_parts_reaches_the_store_at_its_end(cloud: Cloud):
    parts = [content_of(MIB, 1), content_of(MIB + 1, 2), b"end"]
    upload = cloud.send("POST", "o", {"action": "mpt-upload"}).body.decode()
    for number, part in enumerate(parts, 1):
        assert cloud.send("PUT", "o", part, uploadId=upload, partNumber=number).status == 200
    assert cloud.names() == []
    end = {"action": "mpt-complete", "value": [{"part-number": number} for number in (1, 2, 3)]}
    cloud.break_down()
    assert is_refused(cloud.send("POST", "o", end, uploadId=upload))
    cloud.proxy.trouble = Trouble()
    assert cloud.send("POST", "o", end, uploadId=upload).status == 200
    assert cloud.stored("o") == cloud.send("GET", "o").body == b"".join(parts)
    assert cloud.send("HEAD", "o", props="chunked").headers["ais-chunks-count"] == "3"


def test_a_file_that_is_added_to_an_archive_is_in_the_stores_archive(cloud: Cloud):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("first"))
    cloud.store("s.tar", out.getvalue())
    for name, flags in (("second", "1"), ("third", "2")):
        assert cloud.send("PUT", "s.tar", b"content", {"Ais-Pine": flags}, archpath=name).status == 200
    assert cloud.send("PUT", "new.tar", b"content", {"Ais-Pine": "1"}, archpath="a").status == 404
    assert cloud.send("PUT", "new.tar", b"content", {"Ais-Pine": "2"}, archpath="a").status == 200
    with tarfile.open(fileobj=io.BytesIO(cloud.stored("s.tar"))) as tar:
        assert tar.getnames() == ["first", "second", "third"]
    assert cloud.send("GET", "s.tar", archpath="third").body == b"content"
    assert cloud.names() == ["new.tar", "s.tar"]


# -- a process that is killed ------------------------------------------------------------------------------------------


def test_a_node_that_is_killed_while_it_writes_serves_what_the_store_has(cloud: Cloud, store_node: NodeProcess):
    cloud.send("PUT", "o", b"old")
    cloud.proxy.trouble.is_stalling = True  # the store gets the request, and its answer does not come
    writer = threading.Thread(target=_ignore_errors, args=(cloud,))
    writer.start()
    while cloud.stored("o") != b"new":
        pass
    store_node.kill()
    cloud.proxy.trouble = Trouble()
    cloud.proxy.cut()
    writer.join()
    store_node.start()
    cloud.wire = Wire(store_node.url)
    assert cloud.send("GET", "o").body == b"new"


def _ignore_errors(cloud: Cloud) -> None:
    try:
        cloud.send("PUT", "o", b"new")
    except (OSError, http.client.HTTPException):
        pass
