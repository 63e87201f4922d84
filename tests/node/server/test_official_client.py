"""The unmodified official Python client works against a node."""

import uuid

import pytest
from aistore import sdk
from aistore.sdk import errors

from moss.testing import NodeProcess


@pytest.fixture(scope="module")
def client(node: NodeProcess):
    return sdk.Client(node.url)


@pytest.fixture
def bucket(client):
    bucket = client.bucket(f"off{uuid.uuid4().hex[:10]}")
    bucket.create()
    yield bucket
    bucket.delete(missing_ok=True)


def test_cluster_is_ready_and_known(client):
    assert client.cluster().is_ready()
    assert client.cluster().get_info().uuid
    assert len(client.cluster().get_performance()) == 1


def test_bucket_life(client, bucket):
    bucket.create(exist_ok=True)
    with pytest.raises(errors.ErrBckAlreadyExists):
        bucket.create()
    assert bucket.name in {found.name for found in client.cluster().list_buckets()}
    bucket.delete()
    with pytest.raises(errors.ErrBckNotFound):
        bucket.list_objects()


def test_object_life(bucket):
    item = bucket.object("d/o")
    item.get_writer().put_content(b"0123456789")
    assert item.get_reader().read_all() == b"0123456789"
    assert item.get_reader(byte_range="bytes=2-4").read_all() == b"234"
    assert (item.head().size, item.props.checksum_type, item.props.obj_version) == (10, "xxhash2", "1")
    item.get_writer().set_custom_props({"k": "v"})
    assert item.props.custom_metadata == {"k": "v"}
    item.delete()
    with pytest.raises(errors.ErrObjNotFound):
        item.get_reader().read_all()


def test_listing_pages_and_summaries(bucket):
    for number in range(7):
        bucket.object(f"o{number}").get_writer().put_content(b"x" * number)
    assert [entry.name for entry in bucket.list_all_objects(page_size=3)] == [f"o{number}" for number in range(7)]
    assert [entry.size for entry in bucket.list_objects_iter(page_size=2, props="name,size")] == list(range(7))
    assert bucket.summary()["ObjCount"]["obj_count_present"] == "7"
    assert bucket.info()[1]["TotalSize"]["size_all_present_objs"] == "21"


def test_archive_and_delete_jobs(client, bucket):
    for name in ("a", "b"):
        bucket.object(name).get_writer().put_content(name.encode())
    group = bucket.objects(obj_names=["a", "b"])
    for job_id in group.archive("x.tar"):
        assert client.job(job_id).wait_for_idle(timeout=20).success
    assert {entry.name for entry in bucket.list_archive("x.tar")} == {"x.tar/a", "x.tar/b"}
    assert client.job(group.delete()).wait(timeout=20).success
    assert [entry.name for entry in bucket.list_all_objects()] == ["x.tar"]


def test_upload_in_parts(bucket):
    upload = bucket.object("m").multipart_upload().create()
    for number in (1, 2):
        upload.add_part(number).put_content(b"%d" % number * 1000)
    upload.complete()
    assert bucket.object("m").get_reader().read_all() == b"1" * 1000 + b"2" * 1000


def test_batch(client, bucket):
    for name in ("a", "b"):
        bucket.object(name).get_writer().put_content(name.encode())
    found = list(client.batch(["b", "a"], bucket=bucket).get())
    assert [(info.obj_name, bytes(data)) for info, data in found] == [("b", b"b"), ("a", b"a")]
