"""Reading single objects of a cloud's bucket. Real S3 behind a proxy that counts bytes. Source: rest-data.md 5.3, 8."""

import hashlib
import http.client
import io
import random
import tarfile
import threading
import urllib.parse
from typing import Any

import pytest

from moss.sdk import Client
from tests.node.server.target.conftest import Cloud, custom
from tests.support.proxy import Trouble

MIB = 1 << 20


def content_of(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


# -- cold GET -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 5, 70_000, 9 * MIB])
def test_a_cold_object_is_fetched_once_and_is_here_afterwards(cloud: Cloud, size: int):
    content = content_of(size)
    cloud.store("o", content)
    assert not cloud.is_present("o")
    assert cloud.send("GET", "o").body == content
    assert cloud.is_present("o")
    cloud.proxy.reset()
    answer = cloud.send("GET", "o")
    assert (answer.body, cloud.proxy.received) == (content, 0)
    assert answer.headers["content-type"] == "application/octet-stream"


def test_a_fetched_object_says_what_the_store_says(cloud: Cloud):
    cloud.store("o", b"hello", Metadata={"speaker-id": "17"}, ContentType="text/plain")
    cold = cloud.send("HEAD", "o")
    digest = hashlib.md5(b"hello").hexdigest()
    expected = {"source": "aws", "ETag": digest, "md5": digest, "X-Amz-Meta-Speaker-Id": "17"}
    assert expected.items() <= custom(cold).items()
    assert custom(cold)["Content-Type"] == "text/plain"
    assert "ais-atime" not in cold.headers
    assert "ais-location" not in cold.headers
    assert cold.headers["content-length"] == "5"
    got = cloud.send("GET", "o")
    assert (got.headers["ais-checksum-type"], got.headers["ais-checksum-value"]) == ("md5", digest)
    assert expected.items() <= custom(got).items()
    assert got.headers["content-type"] == "application/octet-stream"
    warm = cloud.send("HEAD", "o")
    assert expected.items() <= custom(warm).items()
    assert "ais-atime" in warm.headers


def test_an_entity_tag_of_an_upload_in_parts_is_no_md5(cloud: Cloud):
    upload = cloud.s3.create_multipart_upload(Bucket=cloud.name, Key="o")["UploadId"]
    place = {"Bucket": cloud.name, "Key": "o", "UploadId": upload}
    tag = cloud.s3.upload_part(**place, PartNumber=1, Body=b"x" * 1000)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    cloud.s3.complete_multipart_upload(**place, MultipartUpload=parts)
    answer = cloud.send("GET", "o")
    assert (answer.body, answer.headers["ais-checksum-type"]) == (b"x" * 1000, "xxhash2")
    assert custom(answer)["ETag"].endswith("-1")
    assert "md5" not in custom(answer)


@pytest.mark.parametrize("name", ["a b", "50%", "a%25b", "plus+", "q?x#y", "back\\slash", "'\"", "ähm/日本"])
def test_odd_names(cloud: Cloud, name: str):
    cloud.store(name, b"content")
    assert cloud.send("GET", name).body == b"content"
    assert cloud.send("PUT", name, b"new").status == 200
    assert cloud.stored(name) == b"new"
    assert cloud.evict(name).status == 200
    assert cloud.send("GET", name).body == b"new"


def test_concurrent_readers_of_a_cold_object_fetch_it_once(cloud: Cloud):
    content = content_of(300_000)
    cloud.store("o", content)
    cloud.send("HEAD", "o")
    cloud.proxy.reset()
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(cloud.send("GET", "o").body)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [content] * 8
    assert cloud.proxy.received < 1.2 * len(content)


def test_what_the_store_does_not_have_is_missing(cloud: Cloud):
    answer = cloud.send("GET", "none")
    assert (answer.status, answer.error["tcode"]) == (404, "ErrNotFound")
    assert f"s3://{cloud.name}/none does not exist" in answer.error["message"]
    assert cloud.send("HEAD", "none").status == 404


# -- ranges ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "start", "stop"), [("100-199", 100, 200), ("-7", -7, None), ("12000000-", 12_000_000, None)]
)
def test_a_range_of_a_large_cold_object_moves_those_bytes_only(cloud: Cloud, given: str, start: int, stop: int | None):
    content = content_of(12 * MIB)
    cloud.store("large", content)
    cloud.send("HEAD", "large")
    cloud.proxy.reset()
    answer = cloud.send("GET", "large", headers={"Range": f"bytes={given}"})
    assert (answer.status, answer.body) == (206, content[start:stop])
    assert answer.headers["content-range"].endswith(f"/{len(content)}")
    assert cloud.proxy.received < len(answer.body) + 16_000
    assert not cloud.is_present("large")


def test_a_range_of_a_small_cold_object_brings_all_of_it(cloud: Cloud):
    cloud.store("o", b"0123456789")
    answer = cloud.send("GET", "o", headers={"Range": "bytes=2-4"})
    assert (answer.status, answer.body, answer.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert cloud.is_present("o")


@pytest.mark.parametrize("size", [10, 9 * MIB])
def test_a_range_beyond_a_cold_object(cloud: Cloud, size: int):
    cloud.store("o", bytes(size))
    answer = cloud.send("GET", "o", headers={"Range": f"bytes={size}-"})
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{size}")


# -- members of shards ------------------------------------------------------------------------------------


def shard(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_btr_33_one_member_of_a_shard_that_was_evicted_moves_its_bytes_only(cloud: Cloud):
    members = {f"m{i:03d}": content_of(10_000 + i, i) for i in range(300)}
    cloud.store("s.tar", shard(members))
    assert cloud.send("GET", "s.tar", archpath="m007").body == members["m007"]
    assert cloud.evict("s.tar").status == 200
    cloud.proxy.reset()
    assert cloud.send("GET", "s.tar", archpath="m123").body == members["m123"]
    assert cloud.send("GET", "s.tar", archpath="none").status == 404
    assert cloud.proxy.received < 1.2 * 10_000 + 2000
    assert not cloud.is_present("s.tar")
    cloud.store("s.tar", shard({"m123": b"another"}))
    assert cloud.send("GET", "s.tar", archpath="m123").body == b"another"


def test_many_members_of_a_cold_shard(cloud: Cloud):
    cloud.store("s.tar", shard({"a.txt": b"a", "b.txt": b"b", "a.cls": b"1"}))
    answer = cloud.send("GET", "s.tar", archregx="a", archmode="prefix")
    assert [name for name, _ in answer.members()] == ["a.txt", "a.cls"]


# -- what buckets may want ----------------------------------------------------------------------------------


def test_a_bucket_that_disables_cold_gets_still_shows_what_there_is(cloud: Cloud):
    cloud.store("here", b"here")
    cloud.store("there", b"there")
    cloud.send("GET", "here")
    cloud.set_props(features=str(1 << 11))
    assert cloud.send("GET", "here").body == b"here"
    answer = cloud.send("GET", "there")
    assert (answer.status, answer.error["tcode"]) == (404, "wrapError")
    assert answer.error["message"].endswith(f"s3://{cloud.name}/there does not exist (cold GET disabled)")
    assert not cloud.is_present("there")


def test_a_bucket_that_streams_cold_gets(cloud: Cloud):
    content = content_of(10 * MIB)
    cloud.store("o", content)
    cloud.send("HEAD", "o")
    cloud.set_props(features=str(1 << 12))
    answer = cloud.send("GET", "o")
    assert answer.body == content
    assert "ais-checksum-type" not in answer.headers
    assert cloud.is_present("o")
    cloud.proxy.reset()
    again = cloud.send("GET", "o")
    assert (again.body, cloud.proxy.received) == (content, 0)


@pytest.mark.parametrize("trouble", ["down", "changed"])
@pytest.mark.parametrize("features", [0, 1 << 12], ids=["range", "streamed"])
def test_an_answer_past_the_cache_that_cannot_go_on_is_broken_off_and_never_a_mixture(
    cloud: Cloud, trouble: str, features: int
):
    size = 24 * MIB
    cloud.store("o", b"a" * size)
    cloud.send("HEAD", "o")
    cloud.set_props(features=str(features))
    wanted = {} if features else {"Range": "bytes=0-"}
    location = cloud.wire.send("GET", cloud.url("o"), headers=wanted, follow=False).headers["location"]
    parts = urllib.parse.urlsplit(location)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request("GET", f"{parts.path}?{parts.query}", headers=wanted)
    response = connection.getresponse()
    received = response.read(MIB)
    if trouble == "down":
        cloud.break_down()
    else:
        cloud.store("o", b"b" * size)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        received += response.read()
    connection.close()
    assert set(received) == {ord("a")}
    cloud.proxy.trouble = Trouble()
    assert not cloud.is_present("o")


# -- by many ranges at once ---------------------------------------------------------------------------------


def test_a_blob_download_by_headers(cloud: Cloud):
    content = content_of(20 * MIB)
    cloud.store("large", content)
    cloud.store("small", b"small")
    headers = {"Ais-Blob-Download": "true", "Ais-Blob-Chunk": "1MiB", "Ais-Blob-Workers": "4"}
    assert cloud.send("GET", "large", headers=headers).body == content
    assert cloud.is_present("large")
    assert cloud.send("GET", "small", headers={"Ais-Blob-Threshold": "100"}).body == b"small"
    assert cloud.send("GET", "none", headers=headers).status == 404
    for bad in ({"Ais-Blob-Chunk": " "}, {"Ais-Blob-Workers": "129"}, {"Ais-Blob-Threshold": "much"}):
        assert cloud.send("GET", "large", headers=bad).status == 400
    assert cloud.send("GET", "large", headers={**headers, "Range": "bytes=5-9"}).body == content[5:10]


def test_a_blob_download_as_a_job(cloud: Cloud):
    content = content_of(9 * MIB)
    cloud.store("large", content)
    path = f"/v1/objects/{cloud.name}?provider=aws"
    start = {"action": "blob-download", "name": "large", "value": {"chunk-size": MIB, "num-workers": 3}}
    answer = cloud.wire.send("POST", path, start)
    assert answer.status == 200
    assert answer.body
    with Client(cloud.wire.url) as client:
        client.job(answer.body.decode()).wait(timeout=20)
    assert cloud.is_present("large")
    assert cloud.send("GET", "large").body == content
    again = cloud.wire.send("POST", path, start)
    assert (again.status, again.body) == (200, b"")
    missing = cloud.wire.send("POST", path, {**start, "name": "none"})
    assert (missing.status, missing.error["tcode"]) == (404, "ErrNotFound")


# -- validation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["validate_warm_get", "synchronize", "request"])
def test_the_latest_version_is_served_where_that_is_wanted(cloud: Cloud, way: str):
    cloud.store("o", b"old")
    cloud.send("GET", "o")
    cloud.store("o", b"new")
    assert cloud.send("GET", "o").body == b"old"
    query: dict[str, Any] = {}
    if way == "request":
        query = {"latest-ver": "true"}
    else:
        cloud.set_props(versioning={way: True})
    assert cloud.send("GET", "o", **query).body == b"new"
    cloud.s3.delete_object(Bucket=cloud.name, Key="o")
    assert cloud.send("GET", "o", **query).status == 404
    if way != "request":
        cloud.set_props(versioning={way: False})
    assert cloud.send("GET", "o").status == (404 if way == "synchronize" else 200)


def test_what_has_not_changed_is_compared_and_not_fetched_again(cloud: Cloud):
    cloud.store("o", content_of(200_000))
    cloud.send("GET", "o")
    cloud.proxy.reset()
    assert cloud.send("GET", "o", **{"latest-ver": "true"}).body == content_of(200_000)
    assert 0 < cloud.proxy.received < 5000


def test_head_tells_how_a_cached_object_differs_from_the_store(cloud: Cloud):
    cloud.store("o", b"1234")
    cloud.send("GET", "o")
    latest = {"latest-ver": "true"}
    assert cloud.send("HEAD", "o", **latest).status == 200
    cloud.store("o", b"12345")
    answer = cloud.send("HEAD", "o", **latest)
    assert answer.status == 409
    assert "metadata mismatch: size 4 != 5 remote" in answer.headers["hdr-error"]
    assert "ErrRemoteMetadataMismatch" in answer.headers["hdr-error"]
    cloud.s3.delete_object(Bucket=cloud.name, Key="o")
    assert cloud.send("HEAD", "o", **latest).status == 410


def test_versions_of_a_versioned_bucket_are_shown(cloud: Cloud):
    cloud.s3.put_bucket_versioning(Bucket=cloud.name, VersioningConfiguration={"Status": "Enabled"})
    written = cloud.send("PUT", "o", b"one")
    assert written.headers["ais-version"] == cloud.s3.head_object(Bucket=cloud.name, Key="o")["VersionId"]
    assert custom(written)["version"] == written.headers["ais-version"]
    cloud.store("o", b"two")
    latest = cloud.send("GET", "o", **{"latest-ver": "true"})
    assert latest.body == b"two"
    assert latest.headers["ais-version"] != written.headers["ais-version"]
    cloud.evict("o")
    assert cloud.send("HEAD", "o").headers["ais-version"] == latest.headers["ais-version"]


# -- HEAD and presence ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("presence", "uncached", "cached"),
    [(0, 200, 200), (1, 200, 200), (2, 404, 200), (3, 404, 200), (4, 404, 200), (5, 200, 400)],
)
def test_head_with_presence(cloud: Cloud, presence: int, uncached: int, cached: int):
    cloud.store("o", b"o")
    cloud.send("HEAD", "o")
    cold = cloud.send("HEAD", "o", presence=presence)
    assert cold.status == uncached
    cloud.send("GET", "o")
    warm = cloud.send("HEAD", "o", presence=presence)
    assert warm.status == cached
    if presence in (1, 3):
        assert "ais-present" not in warm.headers
        assert "ais-checksum-type" not in cold.headers


def test_head_with_a_list_of_properties_of_an_uncached_object(cloud: Cloud):
    cloud.store("o", b"hello")
    answer = cloud.send("HEAD", "o", props="name,size,checksum,etag,last-modified,location,copies,atime,custom")
    digest = hashlib.md5(b"hello").hexdigest()
    assert answer.headers["ais-present"] == "false"
    assert answer.headers["ais-checksum-value"] == digest
    assert answer.headers["etag"] == f'"{digest}"'
    assert answer.headers["last-modified"].endswith("GMT")
    assert not {"ais-location", "ais-mirror-copies", "ais-atime"} & set(answer.headers)


# -- a store in trouble -----------------------------------------------------------------------------------------


def test_btr_34_a_store_that_is_down_is_the_reason_and_what_is_here_is_served(cloud: Cloud):
    cloud.store("here", b"here")
    cloud.store("there", b"there")
    cloud.send("GET", "here")
    cloud.break_down()
    assert cloud.send("GET", "here").body == b"here"
    assert cloud.send("HEAD", "here").status == 200
    for answer in (cloud.send("GET", "there"), cloud.send("GET", "here", **{"latest-ver": "true"})):
        assert (answer.status, answer.error["tcode"]) == (503, "ErrFailedTo")
        assert answer.error["message"].startswith("AWS backend failed on s3://")
        assert "does not exist" not in answer.error["message"]
    assert cloud.send("HEAD", "there").status == 503
