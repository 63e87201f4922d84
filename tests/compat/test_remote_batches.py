"""Batches over S3 buckets with both clients; and the same calls through both give equal results."""

import io
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from moss.testing import NodeProcess
from tests.compat.conftest import Cloud, Library, put
from tests.compat.test_same_results import attributes, plain

MEMBERS = {"one.txt": b"first", "d/two.txt": b"second file", "void": b""}
OBJECTS = {"a.txt": b"alpha", "b/b.bin": bytes(range(256)) * 50, "empty": b"", "ü 1.txt": "größe".encode()}


def shard(mode: str = "w") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, data in MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


@pytest.fixture
def filled(cloud: Cloud) -> Cloud:
    for name, data in OBJECTS.items():
        cloud.put(name, data)
    cloud.put("s.tar", shard())
    cloud.put("s.tgz", shard("w:gz"))
    return cloud


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("mime", [".tar", ".tgz", ".zip"])
def test_btr_30_every_kind_of_entry_cold_and_then_cached(
    cloud_client: Any, remote: Any, filled: Cloud, local: Any, mime: str, streaming: bool
):
    put(local, "z", b"of the node's own bucket")
    wanted = [
        (remote.object("a.txt"), {}, OBJECTS["a.txt"]),
        (remote.object("s.tar"), {"archpath": "d/two.txt"}, MEMBERS["d/two.txt"]),
        (remote.object("b/b.bin"), {"start": 300, "length": 40}, OBJECTS["b/b.bin"][300:340]),
        (local.object("z"), {"opaque": b"\xfb\xff note"}, b"of the node's own bucket"),
        (remote.object("b/b.bin"), {"start": 12_790, "length": -1}, OBJECTS["b/b.bin"][12_790:]),
        (remote.object("s.tgz"), {"archpath": "one.txt", "start": 1, "length": 3}, b"irs"),
        (remote.object("empty"), {}, b""),
        (remote.object("ü 1.txt"), {}, OBJECTS["ü 1.txt"]),
        (remote.object("nothing"), {}, None),
        (remote.object("s.tar"), {"archpath": "nothing"}, None),
        (remote.object("a.txt"), {}, OBJECTS["a.txt"]),
    ]
    for _ in range(2):
        batch = cloud_client.batch(output_format=mime, streaming_get=streaming)
        for item, options, _ in wanted:
            batch.add(item, **options)
        found = list(batch.get())
        assert [content for _, content in found] == [data or b"" for _, _, data in wanted]
        for (item, options, data), (info, content) in zip(wanted, found, strict=True):
            assert (info.obj_name, info.bucket) == (item.name, item.bucket_name)
            assert info.provider == ("ais" if item.bucket_name == local.name else "aws")
            assert (info.size, info.opaque) == (len(content), options.get("opaque"))
            assert (info.err_msg is not None) == (data is None)


@pytest.mark.parametrize("streaming", [True, False])
def test_strict_batches_fail_only_for_what_the_store_lacks(
    library: Library, cloud_client: Any, remote: Any, filled: Cloud, streaming: bool
):
    options = {"bucket": remote, "cont_on_err": False, "streaming_get": streaming}
    names = list(OBJECTS)
    assert [data for _, data in cloud_client.batch(names, **options).get()] == list(OBJECTS.values())
    with pytest.raises(library.ErrObjNotFound):
        list(cloud_client.batch([*names, "nothing"], **options).get())
    nobody = cloud_client.bucket("nobody-has-it", provider="aws")
    with pytest.raises(library.AISError) as caught:
        list(cloud_client.batch(["a"], bucket=nobody, streaming_get=streaming).get())
    assert caught.value.status_code == 404


def test_many_cold_entries(cloud_client: Any, remote: Any, cloud: Cloud):
    objects = {f"o{number:03}": f"content {number}".encode() * number for number in range(60)}
    for name, data in objects.items():
        cloud.put(name, data)
    names = sorted(objects, key=lambda name: name[::-1])
    for _ in range(2):
        found = cloud_client.batch(names, bucket=remote).get()
        assert [(info.obj_name, data) for info, data in found] == [(name, objects[name]) for name in names]


def undated(found: Any) -> dict[str, Any]:
    """What an object's properties say but for a date, which the official client takes for two at its comma."""
    said = attributes(found)
    return said | {"custom_metadata": {k: v for k, v in said["custom_metadata"].items() if k != "Last-Modified"}}


Use = Callable[[Library, Any, Any], Any]
USES: dict[str, Use] = {
    "bucket": lambda lib, client, bck: bck.name in [b.name for b in client.cluster().list_buckets("aws")],
    "props": lambda lib, client, bck: bck.head()["Ais-Bucket-Props"],
    "entries": lambda lib, client, bck: bck.list_all_objects(props="name,size,checksum,cached,custom"),
    "entries by page": lambda lib, client, bck: list(bck.list_objects_iter(page_size=2)),
    "one level": lambda lib, client, bck: bck.list_all_objects(flags=[lib.ListObjectFlag.NO_RECURSION]),
    "cached": lambda lib, client, bck: bck.list_all_objects(flags=[lib.ListObjectFlag.CACHED], props="name,size"),
    "members": lambda lib, client, bck: bck.list_archive("s.tar"),
    "attributes of what is not here": lambda lib, client, bck: undated(bck.object("b/b.bin").props),
    "attributes of what is": lambda lib, client, bck: undated(bck.object("a.txt").props),
    "content": lambda lib, client, bck: bck.object("a.txt").get_reader().read_all(),
    "range": lambda lib, client, bck: bck.object("a.txt").get_reader(byte_range="bytes=1-2").read_all(),
    "summary": lambda lib, client, bck: bck.summary(cached=False)["ObjCount"],
    "url": lambda lib, client, bck: (bck.object("ü 1.txt").get_url(), bck.object("a.txt").get_semantic_url()),
    "path": lambda lib, client, bck: (bck.get_path(), bck.qparam, bck.as_model().as_dict()),
    "batch": lambda lib, client, bck: [
        (out.obj_name, out.bucket, out.provider, out.size, data)
        for out, data in client.batch(["a.txt", "no"], bucket=bck).get()
    ],
    "missing object": lambda lib, client, bck: bck.object("none").get_reader().read_all(),
    "missing object's head": lambda lib, client, bck: bck.object("none").head(),
    "missing bucket": lambda lib, client, bck: client.bucket("nobody-has-it", provider="aws").list_objects(),
    "missing bucket's head": lambda lib, client, bck: client.bucket("nobody-has-it", provider="aws").head(),
    "making one": lambda lib, client, bck: bck.create(),
    "destroying one": lambda lib, client, bck: bck.delete(),
    "no store": lambda lib, client, bck: client.bucket("b", provider="azure").list_objects(),
    "strict batch": lambda lib, client, bck: list(client.batch(["a.txt", "no"], bucket=bck, cont_on_err=False).get()),
}


@pytest.mark.parametrize("use", USES)
def test_results_are_equal(cloud_node: NodeProcess, filled_once: str, use: str):
    """Equal results; or the same status, and the same class by name or one below it: ours knows more at times."""
    found = []
    for library in (Library("aistore"), Library("moss")):
        client = library.Client(cloud_node.url)
        try:
            found.append(plain(USES[use](library, client, client.bucket(filled_once, provider="aws"))))
        except Exception as error:
            kinds = [kind.__name__ for kind in type(error).__mro__]
            found.append((kinds, getattr(error, "status_code", None)))
    official, ours = found
    if isinstance(official, tuple):
        assert isinstance(ours, tuple) and ours[1] == official[1]
        assert official[0][0] in ours[0]
    else:
        assert ours == official


@pytest.fixture(scope="module")
def filled_once(rgw: Any, cloud_node: NodeProcess) -> str:
    made = Cloud(rgw)
    for name, data in OBJECTS.items():
        made.put(name, data, colour="blue")
    made.put("s.tar", shard())
    client = Library("moss").Client(cloud_node.url)
    assert client.bucket(made.name, provider="aws").object("a.txt").get_reader().read_all() == OBJECTS["a.txt"]
    return made.name
