"""Objects of an S3 bucket: the uses of the official client's own tests that need one (data plane, 8 and 10)."""

import random
from typing import Any

import pytest

from tests.compat.conftest import WAIT_S, Cloud, Library, cached, names, put, read

MIB = 1 << 20


def custom(item: Any) -> dict[str, str]:
    return item.props.custom_metadata


def test_cold_reads_then_cached(remote: Any, cloud: Cloud):
    cloud.put("d/o", b"content", colour="blue")
    item = remote.object("d/o")
    assert item.props.size == 7 and not item.props.present
    assert custom(item)["X-Amz-Meta-Colour"] == "blue"
    assert item.get_reader().read_all() == b"content"
    assert item.props.present
    assert custom(item)["X-Amz-Meta-Colour"] == "blue"
    assert (custom(item)["source"], item.props.checksum_type) == ("aws", "md5")
    assert cached(remote) == ["d/o"]


@pytest.mark.parametrize("asked, wanted", [("bytes=5-100", b"56789ab"), ("bytes=2-4", b"234"), ("bytes=-3", b"9ab")])
def test_ranges_of_what_is_not_here(remote: Any, cloud: Cloud, asked: str, wanted: bytes):
    cloud.put("o", b"0123456789ab")
    for _ in range(2):
        assert remote.object("o").get_reader(byte_range=asked).read_all() == wanted


def test_a_range_that_nothing_satisfies(library: Library, remote: Any, cloud: Cloud):
    cloud.put("o", b"0123456789ab")
    with pytest.raises(library.AISError) as caught:
        remote.object("o").get_reader(byte_range="bytes=12-").read_all()
    assert caught.value.status_code == 416


def test_what_is_written_is_in_the_store(remote: Any, cloud: Cloud):
    large = random.Random(1).randbytes(9 * MIB)
    for name, data in (("empty", b""), ("small", b"x"), ("large", large)):
        item = put(remote, name, data)
        assert cloud.read(name) == data
        assert read(remote, name) == data
        assert item.props.present
    assert cloud.names() == ["empty", "large", "small"] == names(remote)


def test_deleted_in_both_places(library: Library, remote: Any, cloud: Cloud):
    put(remote, "o", b"content").delete()
    assert cloud.names() == []
    for use in (lambda: read(remote, "o"), lambda: remote.object("o").head()):
        with pytest.raises(library.AISError) as caught:
            use()
        assert caught.value.status_code == 404
    remote.object("o").delete()  # S3 does not mind


def test_missing_objects_and_buckets(library: Library, cloud_client: Any, remote: Any):
    with pytest.raises(library.ErrObjNotFound):
        read(remote, "none")
    nobody = cloud_client.bucket("nobody-has-it", provider="aws")
    for use in (nobody.head, nobody.list_objects, lambda: read(nobody, "o"), lambda: put(nobody, "o", b"x")):
        with pytest.raises(library.AISError) as caught:
            use()
        assert caught.value.status_code == 404


def test_custom_properties_are_kept_in_the_store(remote: Any, cloud: Cloud):
    item = put(remote, "o", b"x")
    writer = item.get_writer()
    writer.set_custom_props({"a": "1", "b": "2=3"})
    assert {"a": "1", "b": "2=3"}.items() <= custom(item).items()
    assert {"a": "1", "b": "2=3"}.items() <= cloud.metadata("o").items()
    remote.evict(keep_md=True)
    assert {"a": "1", "b": "2=3"}.items() <= custom(item).items()
    assert read(remote, "o") == b"x"
    writer.set_custom_props({"d": "5"}, replace_existing=True)
    remote.evict()
    for _ in range(2):
        assert custom(item)["d"] == "5" and "a" not in custom(item)
        assert read(remote, "o") == b"x"


def test_appending_and_parts_reach_the_store(remote: Any, cloud: Cloud):
    writer, handle = remote.object("appended").get_writer(), ""
    for piece in (b"one ", b"two"):
        handle = writer.append_content(piece, handle)
    assert cloud.names() == []
    writer.append_content(b"", handle, flush=True)
    assert cloud.read("appended") == b"one two" == read(remote, "appended")
    upload = remote.object("parts").multipart_upload().create()
    pieces = [random.Random(number).randbytes(5 * MIB) for number in range(2)] + [b"end"]
    for number, piece in enumerate(pieces, 1):
        upload.add_part(number).put_content(piece)
    upload.complete()
    assert cloud.read("parts") == b"".join(pieces) == read(remote, "parts")


def test_latest_reads_what_the_store_has_now(library: Library, remote: Any, cloud: Cloud):
    cloud.put("o", b"old")
    assert read(remote, "o") == b"old"
    cloud.put("o", b"NEW")
    assert read(remote, "o") == b"old"
    assert remote.object("o").get_reader(latest=True).read_all() == b"NEW"
    assert read(remote, "o") == b"NEW"
    cloud.delete("o")
    with pytest.raises(library.AISError) as caught:
        remote.object("o").get_reader(latest=True).read_all()
    assert caught.value.status_code == 404
    assert read(remote, "o") == b"NEW"


def test_copies_from_to_and_within_the_store(library: Library, remote: Any, local: Any, cloud: Cloud):
    cloud.put("o", b"first")
    remote.object("o").copy(local.object("o"))
    local.object("o").copy(remote.object("back"))
    remote.object("o").copy(remote.object("d/again"))
    assert read(local, "o") == b"first"
    assert cloud.read("back") == b"first" == cloud.read("d/again")
    cloud.put("o", b"second")
    remote.object("o").copy(local.object("old"))
    remote.object("o").copy(local.object("new"), latest=True)
    assert (read(local, "old"), read(local, "new")) == (b"first", b"second")
    cloud.delete("o")
    with pytest.raises(library.AISError):
        remote.object("o").copy(local.object("gone"), sync=True)
    with pytest.raises(library.AISError):
        read(remote, "o")


@pytest.mark.parametrize(
    "name", ["%25", "a%3Db", "file_#@!$%^&*()_+.mp3", "track?n=l&v=1", "a b", "中文/名", "a//b", "-x"]
)
def test_names_are_kept_as_given(remote: Any, cloud: Cloud, name: str):
    put(remote, name, b"by the node")
    assert cloud.names() == [name] == names(remote, prefix=name)
    assert cloud.read(name) == b"by the node"
    remote.objects(obj_names=[name]).evict()
    assert read(remote, name) == b"by the node"
    remote.object(name).delete()
    assert cloud.names() == []


@pytest.mark.parametrize("chunk_size", ["1mb", "1MiB", "1048576", "512k"])
def test_blob_downloads(library: Library, remote: Any, cloud: Cloud, chunk_size: str):
    data = random.Random(3).randbytes(3 * MIB + 17)
    cloud.put("large", data)
    config = library.BlobDownloadConfig(chunk_size=chunk_size, num_workers="4")
    assert remote.object("large").get_reader(blob_download_config=config).read_all() == data
    assert cached(remote) == ["large"]


def test_blob_downloads_as_jobs(library: Library, cloud_client: Any, remote: Any, cloud: Cloud):
    data = random.Random(4).randbytes(2 * MIB)
    cloud.put("large", data)
    job = remote.object("large").blob_download(chunk_size=1 << 20, num_workers=2)
    assert cloud_client.job(job).wait(timeout=WAIT_S).success
    assert cached(remote) == ["large"]
    assert read(remote, "large") == data
    with pytest.raises(library.AISError) as caught:
        remote.object("none").blob_download()
    assert caught.value.status_code == 404


@pytest.mark.parametrize("workers", [2, 8])
def test_parallel_reads_of_what_is_not_here(remote: Any, cloud: Cloud, workers: int):
    data = random.Random(workers).randbytes(300 << 10)
    cloud.put("o", data)
    with remote.object("o").get_reader(num_workers=workers).read_all() as buffer:
        assert buffer.tobytes() == data


def test_direct_reads_and_urls(cloud_client: Any, remote: Any, cloud: Cloud):
    cloud.put("d/o", b"content")
    assert remote.object("d/o").get_reader(direct=True).read_all() == b"content"
    item = cloud_client.get_object_from_url(f"s3://{cloud.name}/d/o")
    assert item.get_reader().read_all() == b"content"
    assert item.get_semantic_url() in (f"s3://{cloud.name}/d/o", f"aws://{cloud.name}/d/o")


def test_files_of_an_object(remote: Any, cloud: Cloud):
    with remote.object("f").get_writer().as_file("w") as file:
        file.write(b"line one\n")
        file.write(b"line two\n")
    assert cloud.read("f") == b"line one\nline two\n"
    remote.objects(obj_names=["f"]).evict()
    with remote.object("f").get_reader().as_file() as file:
        assert file.read() == b"line one\nline two\n"
