"""The same calls through the official client and through ours give equal results."""

import dataclasses
import uuid
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any

import pytest

from moss.testing import NodeProcess
from tests.compat.conftest import Library, put

LIBRARIES = (Library("aistore"), Library("moss"))
Use = Callable[[Library, Any, Any], Any]
USES: dict[str, Use] = {
    "bucket names": lambda lib, client, bck: {found.name for found in client.cluster().list_buckets()} >= {bck.name},
    "entries": lambda lib, client, bck: bck.list_all_objects(props="name,size,version,checksum,copies,atime,location"),
    "entries by default": lambda lib, client, bck: bck.list_all_objects(),
    "entries by page": lambda lib, client, bck: list(bck.list_objects_iter(page_size=2)),
    "page": lambda lib, client, bck: bck.list_objects(page_size=2).entries,
    "token": lambda lib, client, bck: bck.list_objects(page_size=2).continuation_token,
    "one level": lambda lib, client, bck: bck.list_all_objects(flags=[lib.ListObjectFlag.NO_RECURSION]),
    "bucket headers": lambda lib, client, bck: bck.head()["Ais-Bucket-Props"],
    "summary": lambda lib, client, bck: bck.summary(),
    "path": lambda lib, client, bck: (bck.get_path(), bck.qparam, bck.as_model().as_dict()),
    "urls": lambda lib, client, bck: list(bck.list_urls(prefix="d/")),
    "url": lambda lib, client, bck: bck.object("d/ü 1").get_url(),
    "archive url": lambda lib, client, bck: bck.object("d/a").get_url(archpath="x/y"),
    "semantic url": lambda lib, client, bck: bck.object("d/ü 1").get_semantic_url(),
    "uname": lambda lib, client, bck: bck.object("d/a").uname,
    "content": lambda lib, client, bck: bck.object("d/a").get_reader().read_all(),
    "range": lambda lib, client, bck: bck.object("d/a").get_reader(byte_range="bytes=2-5").read_all(),
    "chunks": lambda lib, client, bck: list(bck.object("d/a").get_reader(chunk_size=4)),
    "properties": lambda lib, client, bck: attributes(bck.object("d/a").props),
    "reader's attributes": lambda lib, client, bck: attributes(bck.object("d/a").get_reader().attributes),
    "names of a range": lambda lib, client, bck: list(
        bck.objects(obj_range=lib.ObjectRange("d/o-", 8, 12, pad_width=2, step=2, suffix=".x")).list_names()
    ),
    "names of a template": lambda lib, client, bck: list(bck.objects(obj_template="d/{a..c}-{1..2}").list_names()),
    "text of a range": lambda lib, client, bck: str(lib.ObjectRange("p", 1, 9, pad_width=3, step=2, suffix=".s")),
    "map": lambda lib, client, bck: {
        key: (node.daemon_id, node.daemon_type, node.public_net.direct_url, node.id_digest, int(node.flags))
        for key, node in client.cluster().get_info().tmap.items()
    },
    "cluster id": lambda lib, client, bck: (client.cluster().get_uuid(), client.cluster().get_primary_url()),
    "node status": lambda lib, client, bck: {key: sorted(v) for key, v in client.cluster().get_performance().items()},
    "no jobs": lambda lib, client, bck: client.cluster().list_running_jobs("copy-bck"),
    "batch": lambda lib, client, bck: [
        (out.obj_name, out.bucket, out.size, data) for out, data in client.batch(["d/a", "z", "no"], bucket=bck).get()
    ],
}
FAILURES: dict[str, Use] = {
    "missing bucket": lambda lib, client, bck: client.bucket("nobody-has-it").list_objects(),
    "missing bucket's head": lambda lib, client, bck: client.bucket("nobody-has-it").head(),
    "bucket that exists": lambda lib, client, bck: bck.create(),
    "missing object": lambda lib, client, bck: bck.object("none").get_reader().read_all(),
    "missing object's head": lambda lib, client, bck: bck.object("none").head(),
    "missing object's removal": lambda lib, client, bck: bck.object("none").delete(),
    "invalid object name": lambda lib, client, bck: bck.object("a/").get_writer().put_content(b""),
    "invalid bucket name": lambda lib, client, bck: client.bucket("a..b").create(),
    "remote bucket": lambda lib, client, bck: client.bucket("nobody-has-it", provider="aws").list_objects(),
    "range": lambda lib, client, bck: bck.object("z").get_reader(byte_range="bytes=99-").read_all(),
    "evict": lambda lib, client, bck: bck.evict(),
    "prefetch": lambda lib, client, bck: bck.objects(obj_names=["z"]).prefetch(),
    "no selector": lambda lib, client, bck: bck.objects(),
    "provider": lambda lib, client, bck: client.bucket("b", provider="nothing"),
    "url": lambda lib, client, bck: client.get_object_from_url("ais://b"),
    "job": lambda lib, client, bck: client.job("Nobody00k").wait(timeout=1),
    "kind": lambda lib, client, bck: client.job(job_kind="get-batch").start(),
    "member": lambda lib, client, bck: (
        bck.object("z").get_reader(archive_config=lib.ArchiveConfig(archpath="m")).read_all()
    ),
    "mode without regex": lambda lib, client, bck: lib.ArchiveConfig(mode=lib.ArchiveMode.PREFIX),
    "backwards": lambda lib, client, bck: lib.ObjectRange("p", 5, 2),
}


def attributes(found: Any) -> dict[str, Any]:
    names = ("size", "checksum_type", "checksum_value", "obj_version", "custom_metadata", "present", "location")
    return {name: getattr(found, name) for name in names}


def plain(value: Any) -> Any:
    """A result without the classes of the library that gave it; of entries, what they say."""
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str | bytes | int | float | None):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "is_cached"):
        said = ("name", "size", "checksum", "version", "location", "copies", "flags", "atime")
        return {name: getattr(value, name) or None for name in said} | {"cached": value.is_cached()}
    if dataclasses.is_dataclass(value):
        return plain(dataclasses.asdict(value))
    return [plain(item) for item in value]


@pytest.fixture(scope="module")
def bucket_name(node: NodeProcess) -> Iterator[str]:
    bucket = LIBRARIES[0].Client(node.url).bucket(f"same{uuid.uuid4().hex[:10]}").create()
    for name in ("d/a", "d/b", "d/ü 1", "z"):
        put(bucket, name, f"content of {name}".encode())
    bucket.object("d/a").get_writer().set_custom_props({"key": "value"})
    yield bucket.name
    bucket.delete()


def results(node: NodeProcess, name: str, use: Use) -> list[Any]:
    found = []
    for library in LIBRARIES:
        client = library.Client(node.url)
        try:
            found.append(plain(use(library, client, client.bucket(name))))
        except Exception as error:
            found.append(([kind.__name__ for kind in type(error).__mro__], getattr(error, "status_code", None)))
    return found


@pytest.mark.parametrize("use", USES)
def test_results_are_equal(node: NodeProcess, bucket_name: str, use: str):
    official, ours = results(node, bucket_name, USES[use])
    assert ours == official
    assert not isinstance(official, tuple)


@pytest.mark.parametrize("use", FAILURES)
def test_errors_are_equal(node: NodeProcess, bucket_name: str, use: str):
    """The same status, and the same class by name, or one below it: after a HEAD ours knows more."""
    official, ours = results(node, bucket_name, FAILURES[use])
    assert isinstance(official, tuple) and isinstance(ours, tuple), (official, ours)
    assert ours[1] == official[1]
    assert official[0][0] in ours[0]
