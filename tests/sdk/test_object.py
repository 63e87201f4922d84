import io

import pytest

from moss.errors import ChecksumMismatch
from moss.sdk import ArchiveConfig, BlobDownloadConfig, Client
from moss.sdk.errors import AISError, ConnectionLost, ErrObjNotFound
from moss.sdk.obj.object_props import ObjectProps
from tests.sdk.peer import Peer, Reply


@pytest.fixture
def obj(client: Client, peer: Peer):
    peer.objects["b/o"] = bytes(range(100))
    return client.bucket("b").object("o")


def test_36_three_ways_to_ask_for_a_member(obj, peer: Peer):
    config = ArchiveConfig(archpath="m")
    peer.scripted = [Reply(body=b"x")] * 3
    assert obj.get("m").read_all() == obj.get(config).read_all() == b"x"
    assert obj.get_reader(archive_config=config).read_all() == b"x"
    queries = [request.query for request in peer.received]
    assert queries == [{"provider": "ais", "archpath": "m", "archregx": ""}] * 3


def test_37_missing_objects(client: Client):
    gone = client.bucket("b").object("gone")
    with pytest.raises(ErrObjNotFound):
        gone.get()
    reader = gone.get_reader()
    with pytest.raises(ErrObjNotFound):
        reader.read_all()
    with pytest.raises(AISError) as caught:
        gone.head()
    assert caught.value.status_code == 404


def test_38_writing(client: Client, peer: Peer, tmp_path):
    bucket = client.bucket("b")
    file = tmp_path / "f"
    file.write_bytes(b"file")
    assert bucket.object("1").put_content(b"x").status_code == 200
    assert bucket.object("2").get_writer().put_content(bytearray(b"x"))["ais-version"] == "1"
    bucket.object("3").put_file(file)
    bucket.object("4").put_content("text é")
    bucket.object("5").put_content([b"a", b"b"])
    bucket.object("6").put_content(io.BytesIO(b"stream"))
    bucket.object("7").put_content(b"")
    assert [peer.objects[f"b/{i}"] for i in range(1, 8)] == [
        b"x", b"x", b"file", "text é".encode(), b"ab", b"stream", b""
    ]  # fmt: skip
    for path in ("/nope", tmp_path):
        with pytest.raises(ValueError):
            bucket.object("8").put_file(path)


def test_39_head_is_a_mapping_and_has_attributes(obj, peer: Peer):
    head = obj.head()
    assert head["ais-version"] == head.obj_version == "7" and ObjectProps(head).size == head.size == 100
    assert head.present and head.custom_metadata == {"a": "b"}
    assert "checksum" in peer.received[-1].query["props"]
    obj.head("name,size")
    assert peer.received[-1].query["props"] == "name,size"


def test_40_props_ask_and_cached_props_do_not(obj, peer: Peer):
    assert obj.props_cached is None
    assert obj.props.size == obj.props.size == 100 and len(peer.received) == 2
    assert obj.props_cached.size == 100 and len(peer.received) == 2


@pytest.mark.parametrize("name", ["a b#c?d%e", "a+b&c=d", "é/ü", "a//b", "//y", "t/", "-", "~"])
def test_41_names_survive(client: Client, peer: Peer, name):
    obj = client.bucket("b").object(name)
    obj.put_content(b"1")
    assert list(peer.objects) == [f"b/{name}"]
    assert obj.get_reader().read_all() == b"1"


def test_42_names_with_dots_are_refused(client: Client, peer: Peer):
    with pytest.raises(ValueError):
        client.bucket("b").object("a/../b").put_content(b"x")
    assert peer.received == []


def test_43_short_answers_are_errors(obj, peer: Peer):
    peer.scripted = [Reply(body=b"12345", content_length=10, cut_at=5)] * 2
    with pytest.raises(ConnectionLost):
        obj.get_reader().read_all()
    with pytest.raises(ConnectionLost):
        list(obj.get_reader())


def test_44_attributes_come_with_the_content(obj, peer: Peer):
    reader = obj.get_reader()
    reader.read_all()
    assert reader.attributes.obj_version == "7" and len(peer.received) == 1
    assert obj.get_reader().attributes.size == 100 and peer.received[-1].method == "HEAD"


def test_45_readers_can_be_used_again(obj):
    reader = obj.get_reader(chunk_size=33)
    for _ in range(2):
        assert [len(piece) for piece in reader] == [33, 33, 33, 1]
        assert b"".join(reader) == bytes(range(100))


@pytest.mark.parametrize(
    ("text", "wanted"), [("bytes=2-4", [2, 3, 4]), ("bytes=97-", [97, 98, 99]), ("bytes=-2", [98, 99])]
)
def test_46_ranges(obj, text, wanted):
    assert list(obj.get_reader(byte_range=text).read_all()) == wanted


@pytest.mark.parametrize("text", ["2-4", "bytes=", "bytes=a-b", "bytes=5-2", "bytes=-", "items=1-2"])
def test_malformed_ranges_send_nothing(obj, peer: Peer, text):
    with pytest.raises(ValueError):
        obj.get_reader(byte_range=text)
    assert peer.received == []


def test_47_options_that_exclude_each_other(obj):
    with pytest.raises(ValueError):
        obj.get_reader(byte_range="bytes=0-1", blob_download_config=BlobDownloadConfig("1MiB", "4"))
    for arguments in ({"mode": "regexp"}, {"regex": "x"}, {"regex": "x", "mode": "prefix", "archpath": "m"}):
        with pytest.raises(ValueError):
            ArchiveConfig(**arguments)


def test_48_writers_receive_at_once(obj):
    for get in (obj.get_reader, obj.get):
        file = io.BytesIO()
        get(writer=file)
        assert file.getvalue() == bytes(range(100))


def test_what_options_send(obj, peer: Peer):
    peer.scripted = [Reply(body=b"x")]
    obj.get_reader(ArchiveConfig(regex="a", mode="prefix"), BlobDownloadConfig("1MiB", "4"), latest=True).read_all()
    request = peer.received[-1]
    assert request.query == {
        "provider": "ais", "archpath": "", "archregx": "a", "archmode": "prefix", "latest-ver": "true"
    }  # fmt: skip
    names = ("ais-blob-download", "ais-blob-chunk", "ais-blob-workers")
    assert [request.headers[name] for name in names] == ["true", "1MiB", "4"]


def test_eager_get_uses_its_answer_once(obj, peer: Peer):
    reader = obj.get()
    assert reader.attributes.size == 100 and len(peer.received) == 1
    assert reader.read_all() == bytes(range(100)) and len(peer.received) == 1
    assert reader.read_all() == bytes(range(100)) and len(peer.received) == 2


def test_reading_into_a_buffer(obj):
    buffer = bytearray(150)
    assert obj.get_reader().readinto(buffer) == 100 and buffer[:100] == bytes(range(100))
    with pytest.raises(ValueError, match="100 bytes"):
        obj.get_reader().readinto(bytearray(99))


def test_raw_streams(obj):
    with obj.get_reader().raw() as stream:
        assert stream.read(10) == bytes(range(10)) and stream.read() == bytes(range(10, 100)) and stream.read(5) == b""
        assert stream.headers["ais-version"] == "7" and stream.closed


def test_checksums_are_verified_on_request(obj, peer: Peer):
    good = {"Ais-Checksum-Type": "md5", "Ais-Checksum-Value": "9dd4e461268c8034f5c8564e155c67a6"}
    peer.scripted = [Reply(headers=good, body=b"x"), Reply(headers=good, body=b"y"), Reply(headers=good, body=b"y")]
    assert obj.get_reader().read_all(verify_checksum=True) == b"x"
    with pytest.raises(ChecksumMismatch):
        obj.get_reader().read_all(verify_checksum=True)
    assert obj.get_reader().read_all() == b"y"


def test_59_appending(client: Client, peer: Peer):
    writer = client.bucket("b").object("o").get_writer()
    peer.scripted = [Reply(headers={"Ais-Append-Handle": "h1"}), Reply()]
    handle = writer.append_content(b"x")
    assert handle == "h1" and writer.append_content(b"", handle, flush=True) == ""
    queries = [request.query for request in peer.received]
    assert queries == [
        {"provider": "ais", "append_type": "append", "append_handle": ""},
        {"provider": "ais", "append_type": "flush", "append_handle": "h1"},
    ]


def test_63_custom_metadata(client: Client, peer: Peer):
    peer.scripted = [Reply()] * 2
    writer = client.bucket("b").object("o").get_writer()
    writer.set_custom_props({"k": "v=w"}, replace_existing=True)
    request = peer.received[-1]
    assert request.method == "PATCH" and request.query["set-new-custom"] == "true"
    assert request.json == {"action": "", "name": "", "value": {"k": "v=w"}}
    with pytest.deprecated_call():
        client.bucket("b").object("o").set_custom_props({"k": "v"})
    assert "set-new-custom" not in peer.received[-1].query


def test_urls(client: Client, peer: Peer):
    obj = client.bucket("b").object("a b")
    assert obj.get_url("m/x") == f"{peer.url}/v1/objects/b/a%20b?provider=ais&archpath=m%2Fx"
    assert obj.get_url(etl_name="e").endswith("&etl_name=e") and obj.get_semantic_url() == "ais://b/a b"


def test_64_parts_early_and_wrong(client: Client, peer: Peer):
    upload = client.bucket("b").object("o").multipart_upload()
    for call in (lambda: upload.add_part(1), upload.complete, upload.abort):
        with pytest.raises(ValueError, match="create"):
            call()
    assert peer.received == [] and upload.upload_id == ""
    peer.scripted = [Reply(body=b"up1")] + [Reply()] * 5
    assert upload.create() is upload and upload.upload_id == "up1"
    for number in (0, -1, True, "1"):
        with pytest.raises(ValueError):
            upload.add_part(number)
    for number in (2, 1, 2):
        upload.add_part(number).put_content(b"x")
    upload.complete()
    assert peer.received[0].json == {"action": "mpt-upload", "name": "", "value": None}
    assert [r.query.get("partNumber") for r in peer.received[1:4]] == ["2", "1", "2"]
    assert {r.query["uploadId"] for r in peer.received[1:]} == {"up1"}
    parts = [{"part-number": 2, "etag": ""}, {"part-number": 1, "etag": ""}]
    assert peer.received[4].json == {"action": "mpt-complete", "name": "", "value": parts}
    upload.abort()
    assert (peer.received[5].method, peer.received[5].json["action"]) == ("DELETE", "mpt-abort")


def test_65_promote_copy_and_blob_download(client: Client, peer: Peer):
    from moss.sdk.namespace import Namespace

    obj = client.bucket("b").object("a b")
    other = client.bucket("c", "s3", Namespace("u", "n")).object("/x")
    peer.scripted = [Reply(), Reply(body=b"job-1"), Reply(body=b"job-2\n")]
    obj.copy(other, latest=True)
    assert (peer.received[0].method, peer.received[0].path) == ("PUT", "/v1/objects/b/a b")
    assert peer.received[0].query == {
        "provider": "ais", "object_to": "aws/@u#n/c//x", "latest-ver": "true", "synchronize": "false"
    }  # fmt: skip
    assert obj.promote("/data/f", "t1", recursive=True, delete_source=True) == "job-1"
    value = {"tid": "t1", "src": "/data/f", "obj": "a b", "rcr": True, "ovw": False, "dls": True, "notshr": False}
    assert peer.received[1].json == {"action": "promote", "name": "/data/f", "value": value}
    assert other.blob_download(1 << 20, latest=True) == "job-2"
    request = peer.received[2]
    assert (request.path, request.query) == ("/v1/objects/c", {"provider": "aws", "namespace": "@u#n"})
    value = {"latest-ver": True, "chunk-size": 1 << 20}
    assert request.json == {"action": "blob-download", "name": "/x", "value": value}


def test_66_a_moved_object_is_looked_for_once_with_a_new_map(client: Client, peer: Peer):
    old, new = Peer(), Peer()
    try:
        new.objects["b/o"] = b"here"
        peer.smap_urls = [old.url]
        reader = client.bucket("b").object("o").get_reader(direct=True)
        assert peer.received == [], "nothing is sent before the first read"
        with pytest.raises(ErrObjNotFound):
            reader.read_all()
        assert len(old.received) == 2 and peer.paths() == ["/v1/daemon"] * 2
        peer.smap_urls = [new.url]
        assert reader.read_all() == b"here" and reader.head().size == 4
        assert len(old.received) == 3 and len(new.received) == 2 and peer.paths() == ["/v1/daemon"] * 3
    finally:
        old.close()
        new.close()
