"""Uses a node through the official `aistore` package alone, as its users do; the program of `test_official_client.py`.

    python official_client.py URL

Nothing of this project is imported. Prints one line for each use that worked; the first that does not raises.
"""

import io
import itertools
import sys
import tarfile
import uuid
import zipfile
from pathlib import Path

from aistore import Client
from aistore.sdk.archive_config import ArchiveConfig
from aistore.sdk.enums import Colocation
from aistore.sdk.errors import AISError, ErrBckNotFound, ErrObjNotFound

OBJECTS = {"a.txt": b"alpha", "b/b.bin": bytes(range(256)) * 50, "empty": b"", "ü 1.txt": "größe".encode()}
MEMBERS = {"one.txt": b"first", "d/two.txt": b"second file", "void": b""}


def main() -> None:
    client = Client(sys.argv[1])
    assert "moss" not in sys.modules
    bucket, other = (client.bucket(f"compat{uuid.uuid4().hex[:10]}").create() for _ in range(2))
    use_buckets_and_objects(client, bucket)
    put_shards(bucket, other)
    for streaming, mime in itertools.product((True, False), (".tar", ".tgz", ".tar.gz", ".zip")):
        read_batches(client, bucket, other, mime, streaming)
        print(f"batches: {mime} {'streaming' if streaming else 'buffered'}")
    use_batch_options(client, bucket)
    fail(client, bucket)
    bucket.delete()
    other.delete()
    print("done")


# -- the store ------------------------------------------------------------------------------------------------


def use_buckets_and_objects(client: Client, bucket) -> None:
    assert bucket.name in [found.name for found in client.cluster().list_buckets("ais")]
    assert client.cluster().is_ready()
    bucket.head()
    for name, data in OBJECTS.items():
        bucket.object(name).get_writer().put_content(data)
    for name, data in OBJECTS.items():
        reader = bucket.object(name).get_reader()
        assert reader.read_all() == data
        assert b"".join(bucket.object(name).get_reader(chunk_size=100)) == data
        assert bucket.object(name).head().size == len(data)
    assert bucket.object("b/b.bin").get_reader(byte_range="bytes=10-19").read_all() == OBJECTS["b/b.bin"][10:20]
    print("objects: put, get, head, ranges")

    assert sorted(entry.name for entry in bucket.list_all_objects()) == sorted(OBJECTS)
    assert [entry.name for entry in bucket.list_objects(prefix="b/").entries] == ["b/b.bin"]
    assert len(list(bucket.list_objects_iter(page_size=1))) == len(OBJECTS)
    sizes = {entry.name: entry.size for entry in bucket.list_all_objects(props="name,size")}
    assert sizes == {name: len(data) for name, data in OBJECTS.items()}
    print("listings: all, prefix, pages, sizes")

    upload = bucket.object("gone").multipart_upload().create()
    for number, part in enumerate((b"first ", b"second ", b"third"), 1):
        upload.add_part(number).put_content(part)
    upload.complete()
    assert bucket.object("gone").get_reader().read_all() == b"first second third"
    print("objects: upload in parts")

    bucket.object("gone").get_writer().put_content(b"x")
    bucket.object("gone").delete()
    try:
        bucket.object("gone").head()
    except AISError as error:
        assert "does not exist" in str(error) or error.status_code == 404
    else:
        raise AssertionError("a deleted object is still there")
    print("objects: delete")


def put_shards(bucket, other) -> None:
    packed = {"s.tar": io.BytesIO(), "s.tgz": io.BytesIO(), "s.zip": io.BytesIO()}
    for name, mode in (("s.tar", "w"), ("s.tgz", "w:gz")):
        with tarfile.open(fileobj=packed[name], mode=mode) as archive:
            for member, data in MEMBERS.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    with zipfile.ZipFile(packed["s.zip"], "w") as archive:
        for member, data in MEMBERS.items():
            archive.writestr(member, data)
    for name, data in packed.items():
        bucket.object(name).get_writer().put_content(data.getvalue())
        config = ArchiveConfig(archpath="d/two.txt")
        assert bucket.object(name).get_reader(archive_config=config).read_all() == MEMBERS["d/two.txt"]
    other.object("z").get_writer().put_content(b"of the other bucket")
    print("shards: put, member of each kind")


# -- batches --------------------------------------------------------------------------------------------------


def read_batches(client: Client, bucket, other, mime: str, streaming: bool) -> None:
    """Every kind of entry in one batch, in one format and one mode."""
    for default in (bucket, None):
        batch = client.batch(bucket=default, output_format=mime, streaming_get=streaming)
        wanted = [
            (bucket.object("a.txt"), {}, OBJECTS["a.txt"]),
            (bucket.object("s.tar"), {"archpath": "d/two.txt"}, MEMBERS["d/two.txt"]),
            (bucket.object("b/b.bin"), {"start": 300, "length": 40}, OBJECTS["b/b.bin"][300:340]),
            (bucket.object("b/b.bin"), {"start": 12_790, "length": -1}, OBJECTS["b/b.bin"][12_790:]),
            (bucket.object("s.tgz"), {"archpath": "one.txt", "start": 1, "length": 3}, b"irs"),
            (other.object("z"), {"opaque": b"\xfb\xff note"}, b"of the other bucket"),
            (bucket.object("s.zip"), {"archpath": "one.txt"}, MEMBERS["one.txt"]),
            (bucket.object("empty"), {}, b""),
            (bucket.object("ü 1.txt"), {}, OBJECTS["ü 1.txt"]),
            (bucket.object("nothing"), {}, None),
            (bucket.object("s.tar"), {"archpath": "nothing"}, None),
            (bucket.object("a.txt"), {}, OBJECTS["a.txt"]),
        ]
        for item, options, _ in wanted:
            batch.add(item, **options)
        found = list(batch.get())
        assert len(found) == len(wanted)
        for (item, options, data), (info, content) in zip(wanted, found, strict=True):
            assert (info.obj_name, info.bucket, info.provider) == (item.name, item.bucket_name, "ais"), info
            assert (info.archpath or "") == options.get("archpath", "")
            assert content == (data or b"")
            assert (info.size, info.opaque) == (len(content), options.get("opaque")), info
            assert (info.err_msg is not None) == (data is None), info
            # The client itself has no more to say about a placeholder of a streamed answer.
            assert data is not None or ("failed" if streaming else "does not exist") in info.err_msg


def use_batch_options(client: Client, bucket) -> None:
    names = list(OBJECTS)
    for streaming in (True, False):
        found = list(client.batch(names, bucket=bucket, streaming_get=streaming).get())
        assert [(info.obj_name, content) for info, content in found] == list(OBJECTS.items())
        single = list(client.batch("a.txt", bucket=bucket, streaming_get=streaming, only_obj_name=True).get())
        assert single[0][1] == OBJECTS["a.txt"]
        near = client.batch(names, bucket=bucket, streaming_get=streaming, colocation=Colocation.TARGET_AWARE)
        assert [content for _, content in near.get()] == list(OBJECTS.values())
        stream = client.batch(names, bucket=bucket, streaming_get=streaming)
        assert [content for _, content in stream.get(decode_as_stream=True)] == list(OBJECTS.values())
    print("batches: names, only_obj_name, colocation, decode_as_stream")

    raw = client.batch(names, bucket=bucket, only_obj_name=True).get(raw=True)
    with tarfile.open(fileobj=io.BytesIO(raw.read())) as archive:
        assert archive.getnames() == names
    print("batches: raw")

    batch = client.batch(["a.txt"], bucket=bucket)
    assert [len(list(batch.get(clear_batch=False))) for _ in range(3)] == [1, 1, 1]
    many = client.batch(["a.txt", "b/b.bin"] * 1500, bucket=bucket)
    assert [len(content) for _, content in many.get()] == [5, 12_800] * 1500
    print("batches: repeated, many entries")


def fail(client: Client, bucket) -> None:
    for streaming in (True, False):
        try:
            list(client.batch(["a.txt", "nothing"], bucket=bucket, cont_on_err=False, streaming_get=streaming).get())
        except ErrObjNotFound as error:
            assert error.status_code == 404
        else:
            raise AssertionError("a strict batch with a missing object must fail")
        try:
            list(client.batch(["a"], bucket=client.bucket("nobody"), streaming_get=streaming).get())
        except ErrBckNotFound:
            pass
        else:
            raise AssertionError("a batch from an unknown bucket must fail")
    print("batches: errors")


if __name__ == "__main__":
    main()
    print(f"with aistore from {Path(sys.modules['aistore'].__file__).parent}")
