import json

import msgspec
import pytest

from moss.errors import MalformedAnswer
from moss.sdk import Bucket, Client, ListObjectFlag
from moss.sdk.errors import ErrBckAlreadyExists, ErrBckNotFound, InvalidBckProvider
from tests.sdk.peer import Peer, Reply, error_reply, json_reply


def page(names, token="", uuid="listing-1", packed=True) -> Reply:
    if packed:
        entries = [{"n": name, "s": len(name), "f": 64} for name in names]
        value = {"UUID": uuid, "ContinuationToken": token, "Entries": entries, "Flags": 0}
        return Reply(headers={"Content-Type": "application/msgpack"}, body=msgspec.msgpack.encode(value))
    entries = [{"name": name, "size": str(len(name)), "flags": 64} for name in names] or None
    return json_reply({"uuid": uuid, "continuation_token": token, "entries": entries, "flags": 0})


def test_18_creating(client: Client, peer: Peer):
    bucket = client.bucket("b")
    exists = error_reply(409, 'bucket "ais://b" already exists', "ErrBucketAlreadyExists")
    peer.scripted = [Reply(), exists, exists]
    assert bucket.create() is bucket
    request = peer.received[-1]
    assert (request.method, request.path, request.query) == ("POST", "/v1/buckets/b", {"provider": "ais"})
    assert request.json == {"action": "create-bck", "name": "", "value": None}
    assert bucket.create(exist_ok=True) is bucket
    with pytest.raises(ErrBckAlreadyExists):
        bucket.create()


def test_deleting(client: Client, peer: Peer):
    missing = error_reply(404, 'bucket "ais://b" does not exist', "ErrBckNotFound")
    peer.scripted = [Reply(), missing, missing]
    client.bucket("b").delete()
    assert peer.received[-1].json["action"] == "destroy-bck" and peer.received[-1].method == "DELETE"
    client.bucket("b").delete(missing_ok=True)
    with pytest.raises(ErrBckNotFound):
        client.bucket("b").delete()


def test_19_buckets_of_clouds_are_neither_created_nor_destroyed(client: Client, peer: Peer):
    for call in (client.bucket("b", "aws").create, client.bucket("b", "aws").delete):
        with pytest.raises(InvalidBckProvider):
            call()
    with pytest.raises(InvalidBckProvider):
        client.bucket("b").verify_cloud_bucket()
    assert peer.received == []


def test_existence(client: Client, peer: Peer):
    gone = {"Hdr-Error": json.dumps({"tcode": "ErrBckNotFound", "message": 'bucket "ais://b" does not exist'})}
    peer.scripted = [Reply(headers={"Ais-Bucket-Props": "{}"}), Reply(404, gone), Reply(404, gone)]
    assert client.bucket("b").head()["ais-bucket-props"] == "{}"
    assert not client.bucket("b").exists()
    with pytest.raises(ErrBckNotFound):
        client.bucket("b").head()


@pytest.mark.parametrize("packed", [True, False])
def test_22_listing_one_page(client: Client, peer: Peer, packed):
    peer.scripted = [page(["a", "bb"], "bb", packed=packed)]
    flags = [ListObjectFlag.CACHED, ListObjectFlag.NAME_ONLY]
    listed = client.bucket("b").list_objects("p", "name,size", 2, flags=flags, start_after="0")
    assert [(e.name, e.size, e.is_cached()) for e in listed] == [("a", 1, True), ("bb", 2, True)]
    assert listed.entries[0].object.get_semantic_url() == "ais://b/a"
    assert (listed.uuid, listed.continuation_token) == ("listing-1", "bb")
    request = peer.received[-1]
    assert request.headers["accept"] == "application/msgpack"
    assert request.json == {
        "action": "list",
        "name": "",
        "value": {
            "prefix": "p", "pagesize": 2, "uuid": "", "props": "name,size", "continuation_token": "", "flags": "17",
            "target": "", "start_after": "0",
        },
    }  # fmt: skip


def test_23_24_listing_many_pages(client: Client, peer: Peer):
    pages = [page(["a", "b"], "b"), page([], "b2"), page(["c"], "")]
    peer.scripted = list(pages)
    assert [e.name for e in client.bucket("b").list_objects_iter(start_after="0")] == ["a", "b", "c"]
    values = [request.json["value"] for request in peer.received]
    assert [v.get("start_after") for v in values] == ["0", None, None]
    assert [v["continuation_token"] for v in values] == ["", "b", "b2"]
    assert [v["uuid"] for v in values] == ["", "listing-1", "listing-1"]
    peer.scripted = list(pages)
    assert [e.name for e in client.bucket("b").list_all_objects()] == ["a", "b", "c"]


def test_23_an_empty_listing_without_id_ends(client: Client, peer: Peer):
    peer.scripted = [page([], "", uuid="")]
    assert client.bucket("b").list_all_objects() == [] and len(peer.received) == 1


def test_23_a_listing_that_does_not_go_on_is_an_error(client: Client, peer: Peer):
    peer.handle = lambda request: page(["a"], "a")
    for call in (client.bucket("b").list_all_objects, lambda: list(client.bucket("b").list_objects_iter())):
        with pytest.raises(MalformedAnswer, match="go on"):
            call()


def test_23_the_rest_of_a_listing(client: Client, peer: Peer):
    peer.scripted = [page(["a", "b"], "b"), page(["c"])]
    entries = client.bucket("b").list_objects_iter()
    assert next(entries).name == "a" and [entry.name for entry in entries.read_all()] == ["b", "c"]
    assert entries.read_all() == [] and next(entries, None) is None


def test_24_start_after_needs_an_ais_bucket(client: Client, peer: Peer):
    for call in (client.bucket("b", "aws").list_objects, client.bucket("b", "aws").list_objects_iter):
        with pytest.raises(NotImplementedError):
            call(start_after="x")
    assert peer.received == []


def test_26_listed_objects_know_their_size(client: Client, peer: Peer):
    peer.scripted = [page(["abc"])]
    [obj] = client.bucket("b").list_all_objects_iter()
    assert obj.props_cached.size == 3 and len(peer.received) == 1


def test_27_listing_an_archive(client: Client, peer: Peer):
    peer.scripted = [page(["s.tar", "s.tar/m"])] * 2
    assert [e.name for e in client.bucket("b").list_archive("s.tar")] == ["s.tar/m"]
    assert peer.received[-1].json["value"]["flags"] == "8"
    assert len(client.bucket("b").list_archive("s.tar", include_archive_obj=True)) == 2


def test_urls(client: Client, peer: Peer):
    peer.scripted = [page(["a b"])]
    assert list(client.bucket("b").list_urls()) == [f"{peer.url}/v1/objects/b/a%20b?provider=ais"]


def test_30_uploading_a_folder(client: Client, peer: Peer, tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.txt", "b.txt", "c.jpg", "sub/d.txt"):
        (tmp_path / name).write_text(name)
    bucket = client.bucket("b")
    assert bucket.put_files(tmp_path, pattern="*.txt", dry_run=True) == ["a.txt", "b.txt"]
    assert peer.received == []
    names = bucket.put_files(tmp_path, pattern="*.txt", recursive=True, basename=True, prepend="x/")
    assert names == ["x/a.txt", "x/b.txt", "x/d.txt"]
    assert peer.objects == {"b/x/a.txt": b"a.txt", "b/x/b.txt": b"b.txt", "b/x/d.txt": b"sub/d.txt"}
    assert bucket.put_files(str(tmp_path), prefix_filter="c") == ["c.jpg"]
    assert bucket.put_files(tmp_path, recursive=True)[-1] == "sub/d.txt"
    with pytest.raises(ValueError):
        bucket.put_files(tmp_path / "a.txt")


def test_a_bucket_without_a_client_says_so():
    with pytest.raises(ValueError, match="client"):
        Bucket("b").create()


def test_what_a_bucket_says_of_itself(client: Client):
    bucket = client.bucket("b")
    assert bucket.get_path() == "ais/@#/b/" and bucket.qparam == {"provider": "ais"}
    assert len({bucket, client.bucket("b")}) == 2  # by identity


def test_14_listing_buckets(client: Client, peer: Peer):
    rows = [{"name": "b", "provider": "ais", "namespace": {"uuid": "", "name": ""}}]
    peer.scripted = [json_reply(rows), json_reply([]), json_reply(None)]
    assert [model.as_dict() for model in client.cluster().list_buckets()] == [{"name": "b", "provider": "ais"}]
    assert client.cluster().list_buckets("") == [] and client.cluster().list_buckets("s3") == []
    assert [r.query["provider"] for r in peer.received] == ["ais", "", "aws"]
    with pytest.raises(InvalidBckProvider):
        client.cluster().list_buckets("x")


def test_16_readiness(client: Client, peer: Peer):
    peer.scripted = [peer.handle, Reply()]
    assert client.cluster().is_ready()
    assert peer.received[-1].path == "/v1/health" and peer.received[-1].query == {"prr": "true"}
    peer.scripted = [peer.handle, error_reply(400, "starting")]
    assert not client.cluster().is_aistore_running()
    peer.scripted = [Reply(body=b"no map")]
    assert not client.cluster().is_ready()
    url = peer.url
    peer.close()
    assert not Client(url, retry_config=client.retry_config).cluster().is_ready()


def test_the_cluster_map(client: Client, peer: Peer):
    peer.smap_urls = ["http://127.0.0.1:9"]
    cluster = client.cluster()
    assert cluster.get_primary_url() == peer.url and cluster.get_uuid() == "u"
    assert list(cluster.get_info().tmap) == ["t0"]
