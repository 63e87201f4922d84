"""Objects: the uses of the official client's own tests (contract of the data plane, section 10)."""

import io
import random
import tarfile
from pathlib import Path
from typing import Any

import pytest

from moss.testing import start_node
from tests.compat.conftest import WAIT_S, Library, names, put, read

MISSING = "nobody-has-this-bucket"


def test_65_66_put_head_get(library: Library, bucket: Any):
    item = put(bucket, "d/o", b"first")
    assert item.props.obj_version == "1"
    assert (item.props.size, item.props.checksum_type, len(item.props.checksum_value)) == (5, "xxhash2", 16)
    put(bucket, "d/o", b"second one")
    assert (item.props.obj_version, item.props.size, item.props.present) == ("2", 10, True)
    assert read(bucket, "d/o") == b"second one"
    item.delete()
    with pytest.raises(library.ErrObjNotFound):
        item.get_reader().read_all()
    with pytest.raises(library.AISError) as caught:
        item.head()
    assert caught.value.status_code == 404


@pytest.mark.parametrize("data", [b"", b"x", b"0123456789" * 10_000])
def test_69_70_objects_of_any_size(bucket: Any, data: bytes, tmp_path: Path):
    item = put(bucket, "o", data)
    reader = item.get_reader(chunk_size=1000)
    assert reader.read_all() == data
    assert b"".join(reader) == data
    assert item.get_reader().raw().read() == data
    target = io.BytesIO()
    item.get_reader(writer=target)
    assert target.getvalue() == data
    assert reader.head().size == reader.attributes.size == len(data)
    (tmp_path / "f").write_bytes(data)
    bucket.object("f").get_writer().put_file(tmp_path / "f")
    assert read(bucket, "f") == data
    with pytest.raises(ValueError):
        bucket.object("f").get_writer().put_file(tmp_path / "none")


@pytest.mark.parametrize(
    "asked, wanted",
    [("bytes=5-100", b"56789ab"), ("bytes=2-4", b"234"), ("bytes=4-", b"456789ab"), ("bytes=-3", b"9ab")],
)
def test_71_72_ranges(bucket: Any, asked: str, wanted: bytes):
    assert put(bucket, "o", b"0123456789ab").get_reader(byte_range=asked).read_all() == wanted


@pytest.mark.parametrize("asked", ["bytes=12-", "bytes=-0", "bytes=0-1,4-5"])
def test_72_ranges_that_nothing_satisfies(library: Library, bucket: Any, asked: str):
    item = put(bucket, "o", b"0123456789ab")
    with pytest.raises((library.AISError, ValueError)) as caught:
        item.get_reader(byte_range=asked).read_all()
    assert getattr(caught.value, "status_code", 416) == 416


def test_73_custom_properties_are_merged_or_replaced(bucket: Any):
    item = put(bucket, "o", b"x")
    writer = item.get_writer()
    writer.set_custom_props({"a": "1", "b": "2=3"})
    assert item.props.custom_metadata == {"a": "1", "b": "2=3"}
    writer.set_custom_props({"c": "4"})
    assert item.props.custom_metadata == {"a": "1", "b": "2=3", "c": "4"}
    writer.set_custom_props({"d": "5"}, replace_existing=True)
    assert item.props.custom_metadata == {"d": "5"}


def test_77_appending_shows_when_it_is_flushed(bucket: Any):
    item = put(bucket, "o", b"old ")
    writer, handle = item.get_writer(), ""
    for piece in (b"one ", b"two ", b"three"):
        handle = writer.append_content(piece, handle)
        assert handle
    assert read(bucket, "o") == b"old "
    assert writer.append_content(b"", handle, flush=True) == ""
    assert read(bucket, "o") == b"old one two three"


def test_77_what_is_not_flushed_is_not_there(library: Library, bucket: Any):
    bucket.object("never").get_writer().append_content(b"x")
    with pytest.raises(library.ErrObjNotFound):
        bucket.object("never").get_reader().read_all()
    assert names(bucket) == []


def make_shard() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("a.jpg", "a.cls", "b.jpg", "b.cls", "sub/c.jpg", "sub/c.cls", "readme"):
            info = tarfile.TarInfo(name)
            info.size = len(name)
            archive.addfile(info, io.BytesIO(name.encode()))
    return packed.getvalue()


def test_62_99_100_members_of_a_shard(library: Library, bucket: Any):
    item = put(bucket, "s.tar", make_shard())
    assert len(bucket.list_archive("s.tar", include_archive_obj=False)) == 7
    config = library.ArchiveConfig
    assert item.get_reader(archive_config=config(archpath="sub/c.jpg")).read_all() == b"sub/c.jpg"
    for mode, regex, wanted in [
        ("PREFIX", "sub/", ["sub/c.jpg", "sub/c.cls"]),
        ("SUFFIX", ".cls", ["a.cls", "b.cls", "sub/c.cls"]),
        ("SUBSTR", "b.", ["b.jpg", "b.cls"]),
        ("REGEXP", "^[ab]\\.jpg$", ["a.jpg", "b.jpg"]),
        ("WDSKEY", "a", ["a.jpg", "a.cls"]),
    ]:
        selected = config(regex=regex, mode=library.ArchiveMode[mode])
        with tarfile.open(fileobj=io.BytesIO(item.get_reader(archive_config=selected).read_all())) as archive:
            assert archive.getnames() == wanted, mode


@pytest.mark.parametrize("wrong", [{"archpath": "none"}, {"regex": "^none$", "mode": "REGEXP"}])
def test_99_100_members_that_are_not_there(library: Library, bucket: Any, wrong: dict[str, str]):
    item = put(bucket, "s.tar", make_shard())
    if "mode" in wrong:
        wrong = {**wrong, "mode": library.ArchiveMode[wrong["mode"]]}
    with pytest.raises(library.AISError) as caught:
        item.get_reader(archive_config=library.ArchiveConfig(**wrong)).read_all()
    assert caught.value.status_code == 404


def test_107_direct_reads_find_the_owner(client: Any, bucket: Any):
    for number in range(20):
        put(bucket, f"d/{number}", f"content {number}".encode())
    for number in range(20):
        assert bucket.object(f"d/{number}").get_reader(direct=True).read_all() == f"content {number}".encode()
    assert bucket.object("d/7").get_reader(direct=True, byte_range="bytes=0-2").read_all() == b"con"


def test_107_direct_reads_from_any_target(library: Library, client: Any, bucket: Any):
    put(bucket, "o", b"from a target")
    for target in client.cluster().get_info().tmap.values():
        rooted = library.Client(target.public_net.direct_url)
        assert rooted.bucket(bucket.name).object("o").get_reader(direct=True).read_all() == b"from a target"


@pytest.mark.parametrize(
    "name",
    [
        "%",
        "%25",
        "a%3Db",
        "yHvMJM(s\\(0hR\\3\\)",
        "file_#@!$%^&*()_+.mp3",
        "track?name=lofi&v=1",
        "a name with spaces",
        "中文/名字",
        "-leading",
        ".leading",
        "a+b&c=d",
        "a//b",
        "x" * 300,
        "q\"uo'te",
    ],
)
def test_19_32_btr_12_names_are_kept_as_given(bucket: Any, name: str):
    put(bucket, name, name.encode())
    assert read(bucket, name) == name.encode()
    assert names(bucket, prefix=name) == [name] == names(bucket)
    bucket.object(name).delete()
    assert names(bucket) == []


def test_84_copies_of_objects(library: Library, client: Any, bucket: Any, other: Any):
    item = put(bucket, "o", b"content")
    for target in (other.object("o"), other.object("d/p"), bucket.object("q"), bucket.object("o")):
        item.copy(target)
        assert target.get_reader().read_all() == b"content"
    bucket.object("q").copy(bucket.object("r"))
    bucket.object("r").copy(other.object("r"))
    assert read(other, "r") == b"content"
    with pytest.raises(library.AISError) as caught:
        item.copy(client.bucket(MISSING).object("o"))
    assert "bucket" in str(caught.value) and "does not exist" in str(caught.value)
    with pytest.raises(library.ErrObjNotFound):
        bucket.object("none").copy(other.object("none"))


def test_74_75_heads_hold_what_was_asked_for(library: Library, bucket: Any):
    item = put(bucket, "o", b"content")
    plain = item.head()
    assert plain.size == 7
    assert item.head("size,chunked").chunks is None
    dated = item.head("size,last-modified,etag")
    assert dated.last_modified and dated.etag
    if library.is_official:
        assert not plain.last_modified and not plain.etag
    with pytest.raises(library.AISError) as caught:
        item.head("bogus")
    assert caught.value.status_code == 400


def test_82_the_head_of_an_upload_in_parts(bucket: Any):
    upload = bucket.object("o").multipart_upload().create()
    for number in (1, 2, 3):
        upload.add_part(number).put_content(bytes(5 << 20))
    upload.complete()
    head = bucket.object("o").head("size,chunked")
    assert (head.size, head.chunks.chunk_count, head.chunks.max_chunk_size) == (15 << 20, 3, 5 << 20)


@pytest.mark.parametrize("workers", [2, 4, 8])
def test_parallel_reads_hold_the_content(bucket: Any, workers: int):
    data = random.Random(workers).randbytes(100 << 10)
    with put(bucket, "o", data).get_reader(num_workers=workers).read_all() as buffer:
        assert buffer.tobytes() == data
        assert len(buffer) == len(data)


def test_89_blob_downloads_are_for_remote_buckets(library: Library, bucket: Any):
    item = put(bucket, "o", b"x")
    with pytest.raises(library.AISError) as caught:
        item.blob_download()
    assert caught.value.status_code == 400
    config = library.BlobDownloadConfig(chunk_size="1kb", num_workers="2")
    with pytest.raises(library.AISError) as caught:
        item.get_reader(blob_download_config=config).read_all()
    assert caught.value.status_code == 400


def test_87_promotion_stays_below_the_root(library: Library, bucket: Any, tmp_path: Path):
    with pytest.raises(library.AISError) as caught:
        bucket.object("p/").promote(str(tmp_path))
    assert caught.value.status_code == 400


def test_87_88_files_of_the_server_are_promoted(library: Library, tmp_path: Path):
    root = tmp_path / "files"
    (root / "inner").mkdir(parents=True)
    (root / "top.txt").write_text("top")
    (root / "inner" / "deep.txt").write_text("deep")
    with start_node(tmp_path / "data", promote_roots=[str(root)]) as own:
        client = library.Client(own.url)
        bucket = client.bucket("promoted").create()
        for options, wanted in (
            ({}, ["obj/top.txt"]),
            ({"recursive": True, "delete_source": True, "overwrite_dest": True}, ["obj/inner/deep.txt", "obj/top.txt"]),
        ):
            job = bucket.object("obj/").promote(str(root), **options)
            if job:
                assert client.job(job).wait(timeout=WAIT_S).success
            assert names(bucket) == wanted
        assert not (root / "top.txt").exists() and not (root / "inner" / "deep.txt").exists()


def test_urls_name_objects(library: Library, client: Any, bucket: Any):
    put(bucket, "d/o", b"by url")
    item = client.get_object_from_url(f"ais://{bucket.name}/d/o")
    assert item.get_reader().read_all() == b"by url"
    assert item.get_semantic_url() == f"ais://{bucket.name}/d/o"
    for wrong in ("ais://b", "nothing", "ais:///o"):
        with pytest.raises(library.InvalidURLException):
            client.get_object_from_url(wrong)
