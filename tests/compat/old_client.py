"""Uses a node as programs written for the SDK of 2023 do; the program of `test_old_client.py`.

    python old_client.py PACKAGE URL FOLDER

PACKAGE is `aistore` (release 1.4, unmodified) or `moss`, whose SDK takes the same calls. FOLDER may be written to.
Prints one line for each use that worked; the first that does not raises.
"""

import importlib
import io
import sys
import tarfile
import uuid
from pathlib import Path
from typing import Any

PACKAGE = importlib.import_module(f"{sys.argv[1]}.sdk")
ERRORS = importlib.import_module(f"{sys.argv[1]}.sdk.errors")
FLAGS = importlib.import_module(f"{sys.argv[1]}.sdk.list_object_flag").ListObjectFlag
RANGES = importlib.import_module(f"{sys.argv[1]}.sdk.multiobj").ObjectRange
OBJECTS = {f"d/o-{number:02}.txt": f"content {number}".encode() for number in range(10)}
WAIT_S = 4


def main() -> None:
    client = PACKAGE.Client(sys.argv[2])
    bucket = client.bucket(f"old{uuid.uuid4().hex[:10]}")
    other = client.bucket(f"{bucket.name}-other")
    for use in (use_buckets, use_objects, use_listings, use_shards, use_groups, use_jobs, use_copies):
        use(client, bucket, other)
        print(use.__name__.removeprefix("use_"))
    for made in (bucket, other):
        made.delete(missing_ok=True)
    print("done")


def expect(kind: type[Exception], use: Any, *arguments: Any) -> Exception:
    try:
        use(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"{use} must raise {kind}")


def use_buckets(client: Any, bucket: Any, other: Any) -> None:
    assert client.cluster().is_aistore_running()
    assert client.cluster().get_info().tmap
    for made in (bucket, other):
        made.create()
        made.create(exist_ok=True)
    expect(ERRORS.ErrBckAlreadyExists, bucket.create)
    assert {bucket.name, other.name} <= {found.name for found in client.cluster().list_buckets()}
    assert bucket.head()["Ais-Bucket-Props"]
    expect(ERRORS.ErrBckNotFound, client.bucket("nobody-has-this").list_objects)
    expect(ERRORS.InvalidBckProvider, bucket.evict)
    expect(ERRORS.ErrBckNotFound, client.bucket("nobody-has-this").delete)


def use_objects(client: Any, bucket: Any, other: Any) -> None:
    for name, data in OBJECTS.items():
        bucket.object(obj_name=name).put_content(data)
    for name, data in OBJECTS.items():
        item = bucket.object(name)
        reader = item.get()
        assert (reader.attributes.size, reader.attributes.checksum_type) == (len(data), "xxhash2")
        assert reader.read_all() == data
        assert b"".join(item.get(chunk_size=3)) == data
        assert item.get().raw().read() == data
        assert int(item.head()["Content-Length"]) == len(data)
    path = Path(sys.argv[3], "file.bin")
    path.write_bytes(b"of a file")
    bucket.object("file").put_file(str(path))
    target = io.BytesIO()
    bucket.object("file").get(writer=target)
    assert target.getvalue() == b"of a file"
    expect(ValueError, bucket.object("file").put_file, str(path) + "-none")
    bucket.object("file").delete()
    error = expect(Exception, bucket.object("file").head)
    assert "404" in str(error)
    expect(ERRORS.AISError, bucket.object("file").get)
    bucket.put_files(sys.argv[3], prepend="files/", pattern="*.bin")
    assert bucket.object("files/file.bin").get().read_all() == b"of a file"
    bucket.object("files/file.bin").delete()


def use_listings(client: Any, bucket: Any, other: Any) -> None:
    names = list(OBJECTS)
    assert [entry.name for entry in bucket.list_objects().get_entries()] == names
    assert [entry.name for entry in bucket.list_objects(prefix="d/o-0", page_size=3).get_entries()] == names[:3]
    assert [entry.name for entry in bucket.list_all_objects(page_size=4)] == names
    assert [entry.name for entry in bucket.list_objects_iter(page_size=3)] == names
    assert list(bucket.list_objects(prefix="none").get_entries()) == []
    sized = bucket.list_all_objects(props="name,size", flags=[FLAGS.NAME_SIZE])
    assert {entry.name: entry.size for entry in sized} == {name: len(data) for name, data in OBJECTS.items()}
    assert all(entry.is_cached() and entry.is_ok() for entry in bucket.list_all_objects(props="name,cached"))
    assert len(bucket.list_all_objects(flags=[FLAGS.DONT_HEAD_REMOTE, FLAGS.CACHED])) == len(OBJECTS)
    summary = bucket.summary()
    assert summary["ObjCount"]["obj_count_present"] == str(len(OBJECTS))
    bucket.info()


def use_shards(client: Any, bucket: Any, other: Any) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo("m.txt")
        info.size = 6
        archive.addfile(info, io.BytesIO(b"member"))
    shard = bucket.object("s.tar")
    shard.put_content(packed.getvalue())
    assert shard.get(archpath="m.txt").read_all() == b"member"
    assert shard.get(archpath="").read_all() == packed.getvalue()
    expect(ERRORS.AISError, shard.get, "none")
    shard.delete()


def use_groups(client: Any, bucket: Any, other: Any) -> None:
    job = bucket.objects(obj_range=RANGES("d/o-", 2, 4, pad_width=2, suffix=".txt")).copy(other, "new/")
    client.job(one(job)).wait_for_idle(timeout=WAIT_S)
    assert [entry.name for entry in other.list_all_objects()] == [f"new/d/o-{number:02}.txt" for number in (2, 3, 4)]
    job = bucket.objects(obj_names=list(OBJECTS)[:3]).archive("packed.tar", to_bck=other)
    client.job(one(job)).wait_for_idle(timeout=WAIT_S)
    with tarfile.open(fileobj=io.BytesIO(other.object("packed.tar").get().read_all())) as archive:
        assert sorted(archive.getnames()) == list(OBJECTS)[:3]
    job = other.objects(obj_template="new/d/o-{02..04}.txt").delete()
    client.job(job).wait(timeout=WAIT_S)
    assert [entry.name for entry in other.list_all_objects()] == ["packed.tar"]
    other.object("packed.tar").delete()
    expect(ERRORS.InvalidBckProvider, bucket.objects(obj_names=["a"]).prefetch)


def one(job: Any) -> str:
    """The id of a group's job: this SDK's own is text, later ones give a list."""
    return job if isinstance(job, str) else next(iter(job))


def use_jobs(client: Any, bucket: Any, other: Any) -> None:
    job = client.job(job_kind="lru").start()
    client.job(job).wait(timeout=WAIT_S)
    assert client.job(job).status().end_time
    assert job in [status.uuid for status in client.cluster().list_jobs_status()]
    assert isinstance(client.cluster().list_running_jobs(), list)


def use_copies(client: Any, bucket: Any, other: Any) -> None:
    job = bucket.copy(other, "d/o-00", "dry/", True)
    client.job(job).wait(timeout=WAIT_S)
    assert other.list_all_objects() == []
    job = bucket.copy(other, prefix_filter="d/o-01", prepend="x/")
    client.job(job).wait(timeout=WAIT_S)
    assert [entry.name for entry in other.list_all_objects()] == ["x/d/o-01.txt"]
    old = bucket.name
    job = bucket.rename(to_bck_name=f"{old}-new")
    client.job(job).wait(timeout=WAIT_S)
    assert len(client.bucket(f"{old}-new").list_all_objects()) == len(OBJECTS)
    expect(Exception, client.bucket(old).head)


if __name__ == "__main__":
    if sys.argv[1] == "aistore":
        assert "moss" not in sys.modules
    main()
