"""Objects of a real node through the SDK."""

import uuid

import pytest

from moss.sdk import Client
from moss.sdk.errors import AISError, ErrBckNotFound, ErrObjNotFound
from moss.testing import NodeProcess


@pytest.fixture
def bucket(node: NodeProcess):
    with Client(node.url) as client:
        bucket = client.bucket(f"objects-{uuid.uuid4().hex[:12]}").create()
        yield bucket
        bucket.delete(missing_ok=True)


@pytest.mark.parametrize("name", ["a b#c?d%e", "a+b&c=d", "a//b", "üñ/日本", "-", "%41", "a" * 900])
def test_41_names_survive(bucket, name):
    obj = bucket.object(name)
    obj.put_content(name.encode())
    assert obj.get_reader().read_all() == name.encode() and obj.head().size == len(name.encode())
    assert [entry.name for entry in bucket.list_objects_iter()] == [name]
    assert bucket.object(name).get_reader(num_workers=2, chunk_size=3).read_all() == name.encode()
    obj.delete()
    with pytest.raises(ErrObjNotFound):
        obj.get()


def test_59_appending_step_by_step(bucket):
    writer = bucket.object("o").get_writer()
    handle = writer.append_content(b"one ")
    handle = writer.append_content(b"two ", handle)
    assert handle and writer.append_content(b"three", handle, flush=True) == ""
    assert bucket.object("o").get_reader().read_all() == b"one two three"
    handle = writer.append_content(b"!")
    writer.append_content(b"", handle, flush=True)
    assert bucket.object("o").get_reader().read_all() == b"one two three!"


def test_63_custom_metadata_is_visible(bucket):
    obj = bucket.object("o")
    obj.put_content(b"x")
    writer = obj.get_writer()
    writer.set_custom_props({"k": "a=b", "other": "1"})
    writer.set_custom_props({"more": "2"})
    assert {"k": "a=b", "other": "1", "more": "2"}.items() <= obj.head().custom_metadata.items()
    writer.set_custom_props({"k": "v"}, replace_existing=True)
    found = obj.head().custom_metadata
    assert found["k"] == "v" and "other" not in found and "more" not in found


def test_64_parts_come_in_any_order(bucket):
    obj = bucket.object("o")
    obj.put_content(b"before")
    upload = obj.multipart_upload().create()
    for number in (3, 1, 2):
        upload.add_part(number).put_content(bytes([64 + number]) * 1000)
    upload.add_part(2).put_content(b"again")
    assert obj.get_reader().read_all() == b"before"
    upload.complete()
    assert obj.get_reader().read_all() == b"A" * 1000 + b"again" + b"C" * 1000
    upload = obj.multipart_upload().create()
    upload.add_part(1).put_content(b"x")
    upload.abort()
    with pytest.raises(AISError):
        upload.complete()
    assert len(obj.get_reader().read_all()) == 2005


def test_64_parts_are_written_like_files(bucket):
    upload = bucket.object("o").multipart_upload().create()
    for number in (2, 1):
        with upload.add_part(number).as_file() as file:
            file.write(bytes([64 + number]) * 5_000_000)
            file.flush()
            file.write(b"!" * 5_000_000)
    upload.complete()
    content = bucket.object("o").get_reader().read_all()
    assert content == b"A" * 5_000_000 + b"!" * 5_000_000 + b"B" * 5_000_000 + b"!" * 5_000_000


def test_65_copying(bucket, node: NodeProcess):
    obj = bucket.object("a/b ü")
    obj.put_content(b"content")
    copy = bucket.object("copy of ü")
    obj.copy(copy)
    assert copy.get_reader().read_all() == b"content"
    with pytest.raises(ErrObjNotFound):
        bucket.object("gone").copy(copy)
    with Client(node.url) as client, pytest.raises(ErrBckNotFound):
        obj.copy(client.bucket("no-such-bucket").object("x"))
    assert copy.get_reader().read_all() == b"content"


def test_56_57_parallel_reading(bucket):
    for size in (0, 1, 999, 1000, 1001, 10_000):
        content = bytes(i % 251 for i in range(size))
        bucket.object("o").put_content(content)
        for direct in (False, True):
            reader = bucket.object("o").get_reader(num_workers=4, chunk_size=1000, direct=direct)
            assert reader.read_all(verify_checksum=True) == content and b"".join(reader) == content


def test_57_parallel_reading_works_in_a_spawned_process(bucket):
    import multiprocessing

    bucket.object("o").put_content(b"abc" * 1000)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_read_in_parallel, (bucket.object("o"),)) == b"abc" * 1000


def _read_in_parallel(obj) -> bytes:
    return bytes(obj.get_reader(num_workers=3, chunk_size=500).read_all())
