"""The bucket table."""

import shutil

import pytest

from moss.errors import BucketExists, BucketNotFound, ObjectNotFound
from moss.naming.bucket import Bucket, Namespace, Provider


def test_create_get_list(engine, bucket):
    remote = Bucket("b", Provider.AWS)
    scoped = Bucket("b", namespace=Namespace(name="ns"))
    engine.create_bucket(remote, {"a": 1})
    engine.create_bucket(scoped, b"\xff\x00 raw")
    assert [record.bucket for record in engine.list_buckets()] == [bucket, scoped, remote]
    assert engine.get_bucket(remote).props == b'{"a": 1}'
    assert engine.get_bucket(scoped).props == b"\xff\x00 raw"
    with pytest.raises(BucketExists):
        engine.create_bucket(bucket)
    with pytest.raises(BucketNotFound):
        engine.get_bucket(Bucket("nope"))


def test_buckets_of_one_name_are_apart(engine, bucket):
    remote = Bucket("b", Provider.AWS)
    engine.create_bucket(remote)
    engine.put(bucket, "o", b"ours").result()
    engine.put(remote, "o", b"theirs").result()
    assert (engine.read(bucket, "o"), engine.read(remote, "o")) == (b"ours", b"theirs")


def test_set_props(engine, bucket):
    before = engine.get_bucket(bucket)
    engine.set_bucket_props(bucket, b"new")
    after = engine.get_bucket(bucket)
    assert (after.props, after.id, after.created_ns) == (b"new", before.id, before.created_ns)
    with pytest.raises(BucketNotFound):
        engine.set_bucket_props(Bucket("nope"), b"")


def test_dropped_bucket_comes_back_empty(engine, bucket, root):
    old = engine.get_bucket(bucket).id
    for n in range(30):
        engine.put(bucket, f"{n}", b"x").result()
    engine.put(bucket, "large", bytes(2 << 20)).result()
    engine.drop_bucket(bucket)
    for attempt in (lambda: engine.head(bucket, "1"), lambda: engine.put(bucket, "1", b"").result()):
        with pytest.raises(BucketNotFound):
            attempt()
    assert engine.stats()["objects"] == 0
    assert engine.create_bucket(bucket).id != old
    assert engine.list_objects(bucket) == []
    assert len(list(root.glob("segments/*/*.tar"))) == 1


@pytest.mark.parametrize("lose_index", [False, True])
def test_table_and_drops_survive_restart(engine, bucket, open_store, root, lose_index):
    engine.put(bucket, "o", b"old").result()
    engine.put(bucket, "gone", b"old").result()
    engine.drop_bucket(bucket)
    engine.create_bucket(bucket, b"props")
    engine.create_bucket(Bucket("other"), b"others")
    engine.put(bucket, "o", b"new").result()
    before = engine.list_buckets()
    engine.close()
    if lose_index:
        shutil.rmtree(root / "index")
    again = open_store()
    assert again.list_buckets() == before
    assert again.read(bucket, "o") == b"new"
    with pytest.raises(ObjectNotFound):
        again.head(bucket, "gone")
    assert again.create_bucket(Bucket("third")).id > max(record.id for record in before)


def test_unfinished_drop_is_finished_later(bucket, open_store):
    """A crash between dropping a bucket and removing its objects from the index."""
    first = open_store()
    first.create_bucket(bucket)
    first.put(bucket, "o", b"x").result()
    with first._changing() as change:
        first._buckets.drop(change.txn, bucket)
    first.close()
    again = open_store()
    assert again.stats()["objects"] == 1
    again._purge_dropped()
    assert again.stats()["objects"] == 0
