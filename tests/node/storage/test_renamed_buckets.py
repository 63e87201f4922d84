"""A bucket gets another name: at once, with all that is in it, and so that a lost index is rebuilt with it."""

import os
import shutil
from random import Random

import pytest

from moss.errors import BucketExists, BucketNotFound
from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine
from moss.node.storage.objects import ObjectAttributes
from moss.node.storage.records import FLAG_FINISHED_HEADER
from tests.node.storage.test_recovery import fill, snapshot

NEW = Bucket("another-name")


def contents(engine: Engine, bucket: Bucket) -> dict[str, tuple]:
    """All of each object but the flag that is allowed to go, and the check that belongs to it."""
    found = snapshot(engine, bucket)
    return {
        name: (*facts[:4], (facts[4][0], facts[4][1] & 0xFFFFFFFF & ~FLAG_FINISHED_HEADER, facts[4][2]), *facts[5:])
        for name, facts in found.items()
    }


def finished_names(engine: Engine, bucket: Bucket) -> set[str]:
    """Names of the objects that are sent with the header that is stored with them, and what that header says."""
    names = [record.name for record in engine.list_objects(bucket)]
    number = engine.get_bucket(bucket).id
    found = set()
    for extents in (engine.locate(bucket, names), engine.locate_mixed([number] * len(names), names)):
        for name, (segment, offset, _, _, flags, _) in zip(names, extents, strict=True):
            if flags & FLAG_FINISHED_HEADER:
                header = bytes(engine.segment(segment).view[offset - 512 : offset])
                assert header.startswith(f"{bucket.name}/{name}".encode() + b"\0"), name
                found.add(name)
    return found


@pytest.mark.parametrize("how", ["running", "restarted", "index deleted"])
def test_everything_is_there_under_the_new_name(engine, bucket, open_store, root, how):
    fill(engine, bucket)
    before = contents(engine, bucket)
    old = engine.get_bucket(bucket)
    engine.rename_bucket(bucket, NEW)
    if how != "running":
        engine.close()
        if how == "index deleted":
            shutil.rmtree(root / "index")
        engine = open_store()
    assert contents(engine, NEW) == before
    assert (engine.get_bucket(NEW).id, engine.get_bucket(NEW).props) == (old.id, old.props)
    assert finished_names(engine, NEW) == set()
    with pytest.raises(BucketNotFound):
        engine.list_objects(bucket)
    assert engine.scrub().damaged == []


@pytest.mark.parametrize("how", ["running", "restarted", "index deleted"])
def test_old_name_is_free_and_shows_nothing_of_the_renamed_bucket(engine, bucket, open_store, root, how):
    engine.put(bucket, "a", b"old").result()
    engine.rename_bucket(bucket, NEW)
    engine.create_bucket(bucket)
    assert engine.list_objects(bucket) == []
    engine.put(bucket, "a", b"new").result()
    engine.put(NEW, "b", b"second").result()
    if how != "running":
        engine.close()
        if how == "index deleted":
            shutil.rmtree(root / "index")
        engine = open_store()
    assert (engine.read(bucket, "a"), engine.read(NEW, "a"), engine.read(NEW, "b")) == (b"new", b"old", b"second")
    assert finished_names(engine, bucket) == {"a"}
    assert finished_names(engine, NEW) == {"b"}, "what is written after the renaming has the right header"


@pytest.mark.parametrize("how", ["running", "index deleted"])
def test_compaction_writes_the_new_name(engine, bucket, open_store, root, how):
    for n in range(100):
        engine.put(
            bucket, f"o{n}", Random(n).randbytes(5000), attributes=ObjectAttributes(custom={"n": str(n)})
        ).result()
    engine.rename_bucket(bucket, NEW)
    for n in range(0, 100, 2):
        engine.delete(NEW, f"o{n}").result()
    before = snapshot(engine, NEW)
    assert engine.compact(0.01).segments
    if how != "running":
        engine.close()
        shutil.rmtree(root / "index")
        engine = open_store()
    after = snapshot(engine, NEW)
    assert {name: facts[5] for name, facts in after.items()} == {name: facts[5] for name, facts in before.items()}
    names = list(after)
    for number, offset, *_ in engine.locate(NEW, names):
        assert bytes(engine.segment(number).view[offset - 512 : offset]).startswith(b"another-name/o")
    assert engine.scrub().damaged == []


def test_renaming_again_and_back(engine, bucket, open_store, root):
    engine.put(bucket, "a", b"1").result()
    engine.rename_bucket(bucket, NEW)
    engine.put(NEW, "b", b"2").result()
    engine.rename_bucket(NEW, bucket)
    engine.put(bucket, "c", b"3").result()
    assert [engine.read(bucket, name) for name in "abc"] == [b"1", b"2", b"3"]
    assert finished_names(engine, bucket) == {"c"}
    engine.close()
    shutil.rmtree(root / "index")
    again = open_store()
    assert [again.read(bucket, name) for name in "abc"] == [b"1", b"2", b"3"]
    assert "c" in finished_names(again, bucket)


def test_impossible_renames_change_nothing(engine, bucket):
    engine.put(bucket, "a", b"x").result()
    engine.create_bucket(NEW)
    with pytest.raises(BucketExists):
        engine.rename_bucket(bucket, NEW)
    with pytest.raises(BucketNotFound):
        engine.rename_bucket(Bucket("nope"), Bucket("other"))
    assert engine.read(bucket, "a") == b"x"
    assert engine.list_objects(NEW) == []


def test_a_put_under_the_old_name_fails_and_one_under_the_new_name_is_stored(engine, bucket):
    upload = engine.begin_upload(bucket, "streamed")
    upload.write(os.urandom(3 << 20))
    engine.rename_bucket(bucket, NEW)
    with pytest.raises(BucketNotFound):
        upload.commit().result()
    with pytest.raises(BucketNotFound):
        engine.put(bucket, "late", b"x").result()
    engine.put(NEW, "late", b"x").result()
    assert [record.name for record in engine.list_objects(NEW)] == ["late"]


def test_changed_attributes_survive_a_rename_and_a_lost_index(engine, bucket, open_store, root):
    engine.put(bucket, "a", b"x").result()
    engine.update_custom(bucket, "a", {"k": "before"}).result()
    engine.put(bucket, "b", b"y").result()
    engine.rename_bucket(bucket, NEW)
    engine.update_custom(NEW, "b", {"k": "after"}).result()
    engine.close()
    shutil.rmtree(root / "index")
    again = open_store()
    assert again.head(NEW, "a").custom == {"k": "before"}
    assert again.head(NEW, "b").custom == {"k": "after"}
    assert finished_names(again, NEW) == set()


def test_a_rename_outlives_an_index_that_is_older(engine, bucket, open_store, root, tmp_path):
    """Power cut: the bucket table is on disk, the index is as it was one commit before."""
    engine.put(bucket, "a", b"1").result()
    engine.close()
    shutil.copytree(root / "index", tmp_path / "older")
    engine = open_store()
    engine.rename_bucket(bucket, NEW)
    engine.close()
    shutil.rmtree(root / "index")
    shutil.copytree(tmp_path / "older", root / "index")
    again = open_store()
    assert again.read(NEW, "a") == b"1"
    assert finished_names(again, NEW) == set()
    again.put(NEW, "b", b"2").result()
    assert finished_names(again, NEW) == {"b"}, "serials go on behind the renaming"
    with pytest.raises(BucketNotFound):
        again.get_bucket(bucket)
