"""Lines of the checklist about clients, processes, buckets and groups that no other file covers."""

import builtins
import importlib
import os
import pickle
import subprocess
import sys
import threading

import pytest

import moss.sdk
from moss.sdk import Client, RetryConfig, WaitResult
from moss.sdk.errors import (
    ErrBckAlreadyExists,
    ErrGETConflict,
    InvalidBckProvider,
    InvalidObjectRangeIndex,
    JobInfoNotFound,
    Timeout,
    UnexpectedHTTPStatusCode,
)
from moss.sdk.multiobj import ObjectGroup, ObjectNames, ObjectRange, ObjectTemplate
from tests.sdk.peer import Peer, Reply, error_reply, json_reply
from tests.sdk.test_bucket import page

OPTIONAL = ("torch", "webdataset", "wrapt", "fastapi", "flask", "fsspec", "requests", "urllib3", "aiohttp")


def test_01_nothing_optional_is_imported():
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ImportError("not installed: " + name)
refused = ["lz4", *{OPTIONAL!r}]
sys.meta_path.insert(0, Refuse())
import moss, moss.sdk
refused.remove("lz4")  # a client has it from the start: what a batch is decoded with is no option here
from moss.sdk import Client, Batch, Job, DataShard, WaitResult
from moss.sdk.multiobj import ObjectGroup
from moss.sdk.dataset.dataset_config import DatasetConfig
Client("http://127.0.0.1:1").bucket("b").objects(obj_names=["x"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_02_everything_that_is_exported_can_be_used():
    names = {}
    exec("from moss.sdk import *", names)
    assert {name for name in names if name != "__builtins__"} == set(moss.sdk.__all__)
    assert all(isinstance(names[name], type) for name in moss.sdk.__all__)


@pytest.mark.parametrize(
    "module",
    [
        "errors", "types", "enums", "const", "utils", "provider", "namespace", "list_object_flag", "archive_config",
        "blob_download_config", "retry_config", "wait_result", "xact_const", "request_client", "client", "cluster",
        "bucket", "job", "ais_source", "batch.batch", "batch.types", "batch.errors", "obj.object", "obj.object_reader",
        "obj.object_writer", "obj.object_props", "obj.object_attributes", "obj.object_iterator", "multiobj",
        "multiobj.object_group", "multiobj.object_names", "multiobj.object_range", "multiobj.object_template",
        "multiobj.object_collection", "dataset.dataset_config", "dataset.data_attribute", "dataset.label_attribute",
        "dataset.config_attribute", "dataset.data_shard",
    ],
)  # fmt: skip
def test_02_public_names_of_the_official_modules_are_found_in_ours(module: str):
    """Classes, functions and constants that the official module defines itself, but for its helpers with `_`."""
    official = importlib.import_module(f"aistore.sdk.{module}")
    ours = importlib.import_module(f"moss.sdk.{module}")
    own = {
        name
        for name, value in vars(official).items()
        if name.isidentifier()
        and len(name) > 1
        and name[0] != "_"
        and getattr(value, "__module__", None) == official.__name__
    }
    assert own - set(dir(ours)) <= LEFT_OUT.get(module, set())


LEFT_OUT = {
    # Models of request bodies, which users never see: `moss.sdk.job_messages` and `moss.sdk.operations` write them.
    "types": {
        "ActionMsg", "ArchiveMultiObj", "BlobMsg", "BsummCtrlMsg", "CopyBckMsg", "CreateNBIMsg", "ETLRuntimeSpec",
        "ETLSpecMsg", "EnvVar", "InitETLArgs", "JobArgs", "JobQuery", "ListObjectsMsg", "MptCompletedPart",
        "PrefetchMsg", "PromoteAPIArgs", "TCBckMsg", "TCMultiObj", "TransformBckMsg",
    },
    # The bucket of an object stands in its place.
    "obj.object": {"BucketDetails"},
    # They take or return objects of `requests`, which this SDK does without.
    "utils": {
        "decode_response", "get_object_url_components", "get_provider_from_request", "is_read_timeout",
        "parse_request_url", "HttpError",
    },
}  # fmt: skip


def test_11_a_forked_child_has_connections_of_its_own(client: Client, peer: Peer):
    peer.objects["b/o"] = b"content"
    reader = client.bucket("b").object("o").get_reader()
    assert reader.read_all() == b"content"
    receiving, sending = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(sending, reader.read_all())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(receiving, 100) == b"content" == reader.read_all()
    assert peer.connections == 2
    assert [r.connection for r in peer.received] == [1, 2, 1]
    os.close(receiving), os.close(sending)


def test_11_jobs_and_groups_can_be_pickled(client: Client, peer: Peer):
    job, group = pickle.loads(pickle.dumps((client.job("id1", "lru"), client.bucket("b").objects(obj_names=["x"]))))
    peer.scripted = [json_reply({"uuid": "id1", "end_time": 7}), Reply(body=b"job1")]
    assert job.wait() and group.delete() == "job1"
    assert pickle.loads(pickle.dumps(WaitResult("x", True))) == WaitResult("x", True)
    for error in (InvalidObjectRangeIndex("m"), JobInfoNotFound("m")):
        assert isinstance(pickle.loads(pickle.dumps(error)), type(error))


def test_19_cloud_buckets_alone_are_evicted(client: Client, peer: Peer):
    bucket, cloud = client.bucket("b"), client.bucket("c", "gs")
    for call in (bucket.evict, bucket.objects(obj_names=["x"]).evict, bucket.objects(obj_names=["x"]).prefetch):
        with pytest.raises(InvalidBckProvider):
            call()
    with pytest.raises(InvalidBckProvider):
        cloud.rename("d")
    assert peer.received == []


def test_20_a_renamed_bucket_has_its_new_name_at_once(client: Client, peer: Peer):
    bucket = client.bucket("b")
    peer.scripted = [Reply(body=b"job1\n"), error_reply(409, 'bucket "ais://d" already exists')]
    assert bucket.rename("new") == "job1" and bucket.name == "new"
    assert peer.received[-1].query["bck_to"] == "ais/@#/new/"
    with pytest.raises(ErrBckAlreadyExists):
        bucket.rename("d")
    assert bucket.name == "new"


def test_21_both_orders_of_the_arguments_of_copy(client: Client, peer: Peer):
    source, target = client.bucket("b"), client.bucket("d")
    peer.handle = lambda request: Reply(body=b"job1")
    source.copy(target, "p", "q", True)
    assert peer.received[-1].json["value"]["dry_run"] is True and "ext" not in peer.received[-1].json["value"]
    source.copy(target, "p", "q", True, True)
    value = peer.received[-1].json["value"]
    assert value["dry_run"] is True and value["force"] is True
    source.copy(target, "p", "q", False, True)
    value = peer.received[-1].json["value"]
    assert value["dry_run"] is False and value["force"] is True
    source.copy(target, "p", "q", {"jpg": "txt"})
    assert peer.received[-1].json["value"]["ext"] == {"jpg": "txt"}
    assert peer.received[-1].json["value"]["dry_run"] is False


def test_25_listings_are_iterated_directly(client: Client, peer: Peer):
    peer.scripted = [page(["a", "bb"])]
    listed = client.bucket("b").list_objects()
    assert (
        [entry.name for entry in listed] == ["a", "bb"] and len(listed) == 2 and listed.get_entries() == listed.entries
    )


def test_28_a_summary_must_be_promised_first(client: Client, peer: Peer):
    peer.scripted = [json_reply([{"name": "b"}]), Reply(headers={"Ais-Bucket-Props": "{}"})]
    with pytest.raises(UnexpectedHTTPStatusCode, match="202"):
        client.bucket("b").summary()
    with pytest.raises(UnexpectedHTTPStatusCode):
        client.bucket("b").info()


def test_28_info_keeps_the_properties_of_either_answer(client: Client, peer: Peer):
    props = {"Ais-Bucket-Props": '{"a":1}', "Ais-Xaction-Id": "x1"}
    peer.scripted = [Reply(202, props), Reply(206), Reply(200, {"Ais-Bucket-Summ": '{"b":2}'})]
    assert client.bucket("b").info() == ('{"a":1}', {"b": 2})
    assert peer.received[-1].query["uuid"] == "x1"


def test_28_a_summary_that_never_comes_ends_with_the_clients_deadline(peer: Peer):
    peer.handle = lambda request: Reply(202, {"Ais-Xaction-Id": "x1"}, b'"x1"')
    with Client(peer.url, retry_config=RetryConfig(deadline_s=0.05)) as client:
        for call in (client.bucket("b").summary, client.bucket("b").info):
            with pytest.raises(Timeout, match="summary of bucket b"):
                call()


@pytest.mark.parametrize("body", [b"no json", b"[]", b'{"a":1}'])
def test_28_a_summary_that_is_none_is_an_error(client: Client, peer: Peer, body: bytes):
    peer.scripted = [Reply(202, body=b'"x1"'), Reply(200, body=body)]
    with pytest.raises(moss.errors.MalformedAnswer):
        client.bucket("b").summary()


def test_29_unknown_presence_is_refused(client: Client, peer: Peer):
    with pytest.raises(ValueError, match="flt_presence"):
        client.bucket("b").info(flt_presence=99)
    assert peer.received == []


@pytest.mark.parametrize(
    "selectors",
    [{}, {"obj_names": []}, {"obj_template": ""}, {"obj_names": ["a"], "obj_template": "t"}, {"obj_names": iter(())}],
)
def test_31_exactly_one_selection(client: Client, selectors: dict):
    with pytest.raises(ValueError):
        client.bucket("b").objects(**selectors)


def test_31_a_range_must_be_one(client: Client):
    with pytest.raises(TypeError):
        client.bucket("b").objects(obj_range="p-{1..3}")
    assert client.bucket("b").objects(obj_names=(name for name in "ab")).list_names() == ["a", "b"]


def test_32_selections_say_what_they_are():
    assert repr(ObjectRange("p", 1, 3)) == "ObjectRange('p{1..3..1}')" and len(ObjectNames(["a", "b"])) == 2
    assert repr(ObjectTemplate("t")) == "ObjectTemplate('t')" and list(ObjectNames("abc")) == ["abc"]
    for arguments in (("p", 1, 3, 0, -1),):
        with pytest.raises(ValueError):
            ObjectRange(*arguments)
    with pytest.raises(ValueError):
        ObjectRange.from_string("no range")


def test_34_both_orders_of_the_arguments_of_transform(client: Client, peer: Peer):
    peer.handle = lambda request: Reply(body=b"job1")
    group, target = client.bucket("b").objects(obj_names=["x"]), client.bucket("d")
    group.transform(target, "my-etl", "5m", "", True)
    assert peer.received[-1].json["value"]["coer"] is True and "ext" not in peer.received[-1].json["value"]
    group.transform(target, "my-etl", "5m", "", False, True, False, True, False)
    value = peer.received[-1].json["value"]
    assert (value["coer"], value["dry_run"], value["force"], value["latest-ver"], value["synchronize"]) == (
        False, True, False, True, False,
    )  # fmt: skip
    group.transform(target, "my-etl", ext={"a": "b"}, continue_on_error=True)
    value = peer.received[-1].json["value"]
    assert value["ext"] == {"a": "b"} and value["coer"] is True


def test_35_urls_of_a_group_follow_the_prefix(client: Client, peer: Peer):
    group = client.bucket("b").objects(obj_names=["a1", "b1", "a2"])
    assert [url.rpartition("/")[2] for url in group.list_urls(prefix="a")] == ["a1?provider=ais", "a2?provider=ais"]
    assert [obj.name for obj in group.list_all_objects_iter("b", props=None)] == ["b1"]
    assert peer.received == []


def test_a_group_asks_for_many_objects_and_keeps_their_order(client: Client, peer: Peer):
    names = [f"o{number:03}" for number in range(600)]
    peer.objects = {f"b/{name}": name.encode() for name in names}
    group = client.bucket("b").objects(obj_template="o{000..599}")
    found = list(group.list_all_objects_iter())
    assert [obj.name for obj in found] == names and {obj.props_cached.size for obj in found} == {4}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("moss-sdk")]


def test_a_groups_client_is_its_buckets(client: Client, peer: Peer):
    group = ObjectGroup(client.bucket("b"), obj_names=["x"])
    with Client(peer.url, token="other") as other:
        group.client = other.request_client
        assert group.bck.client is group.client is other.request_client
    assert len({group, client.bucket("b").objects(obj_names=["x"])}) == 2  # by identity


def test_96_conflicts(client: Client, peer: Peer):
    peer.scripted = [error_reply(409, "ais://b/o is busy"), error_reply(409, 'bucket "ais://b" already exists')]
    with pytest.raises(ErrGETConflict):
        client.bucket("b").object("o").get_reader().read_all()
    with pytest.raises(ErrBckAlreadyExists):
        client.bucket("b").create()


def test_97_what_an_error_says(client: Client, peer: Peer):
    peer.scripted = [error_reply(400, "bad name")]
    with pytest.raises(moss.sdk.errors.AISError) as caught:
        client.bucket("b").create()
    error = caught.value
    assert str(error).startswith("STATUS:400, MESSAGE:bad name")
    assert (error.status_code, error.message) == (400, "bad name") and error.req_url.startswith(peer.url)
    assert isinstance(error, builtins.Exception)
