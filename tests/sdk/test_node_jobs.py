"""The same calls on buckets, groups, jobs and the cluster through the official client and through ours, at a real node.

Every scenario runs with each client in buckets of its own; what it returns must be equal.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import aistore.sdk
import aistore.sdk.errors
import aistore.sdk.multiobj
import pytest

import moss.sdk.errors
import moss.sdk.multiobj
from moss.sdk import Client
from moss.testing import NodeProcess

OBJECTS = {f"d/o{number:02}.bin": bytes([number]) * (number * 100 + 1) for number in range(12)}


class World:
    """One client with two buckets: `b` holds the objects, `c` is empty. Names are given without the random part."""

    def __init__(self, client: Any, library: Any) -> None:
        self.client, self.library, self._salt = client, library, uuid.uuid4().hex[:8]
        self._buckets: list[str] = []
        self.b, self.c = self.bucket("b").create(), self.bucket("c").create()
        for name, data in OBJECTS.items():
            self.b.object(name).get_writer().put_content(data)

    def name(self, short: str) -> str:
        self._buckets.append(f"same-{short}-{self._salt}")
        return self._buckets[-1]

    def bucket(self, short: str) -> Any:
        return self.client.bucket(self.name(short))

    def wait(self, job_id: Any, kind: str = "") -> tuple[bool, Any]:
        [one] = job_id if isinstance(job_id, list) else [job_id]
        result = self.client.job(one, kind).wait(timeout=20, verbose=False)
        return bool(result), result.error or None

    def listed(self, bucket: Any, **options: Any) -> list[tuple[str, int]]:
        return [(entry.name, entry.size) for entry in bucket.list_all_objects(**options)]

    def error(self, call: Callable[[], Any]) -> tuple[str, Any]:
        try:
            return "returned", call()
        except Exception as error:
            return type(error).__name__, getattr(error, "status_code", None)

    def close(self) -> None:
        for name in set(self._buckets):
            self.client.bucket(name).delete(missing_ok=True)


def copy_bucket(w: World) -> Any:
    done = w.wait(w.b.copy(w.c, "d/o0", "x/"))
    return done, w.listed(w.c)


def copy_bucket_to_new_one(w: World) -> Any:
    new = w.bucket("new")
    done = w.wait(w.b.copy(new, ext={"bin": "dat"}), "copy-bck")
    return done, w.listed(new)


def copy_bucket_dry(w: World) -> Any:
    return w.wait(w.b.copy(w.c, dry_run=True)), w.listed(w.c)


def rename_bucket(w: World) -> Any:
    old, new = w.b.name, w.name("renamed")
    done = w.wait(w.b.rename(new), "move-bck")
    gone = w.error(lambda: w.client.bucket(old).head())[1]  # the class: as in `group_of_objects`
    return done, w.b.name == new, w.listed(w.b), gone


def summary(w: World) -> Any:
    found = w.b.summary()
    return found["name"] == w.b.name, found["ObjCount"], found["TotalSize"], w.error(lambda: w.bucket("no").summary())


def info(w: World) -> Any:
    props, found = w.b.info(prefix="d/o1")
    return bool(props), found["ObjCount"], w.error(lambda: w.b.info(flt_presence=99))


def evict(w: World) -> Any:
    return w.error(w.b.evict)[0], w.error(w.b.objects(obj_names=["x"]).evict)[0]


def group_delete(w: World) -> Any:
    job_id = w.b.objects(obj_range=w.library.multiobj.ObjectRange("d/o", 2, 8, 2, 3, ".bin")).delete()
    done = w.wait(job_id)
    return done, w.listed(w.b), w.wait(w.b.objects(obj_names=["never-there"]).delete())[0]


def group_copy(w: World) -> Any:
    ids = w.b.objects(obj_template="d/o{00..04}.bin").copy(w.c, prepend="p-")
    return len(ids), w.wait(ids), w.listed(w.c)


def group_archive(w: World) -> Any:
    group = w.b.objects(obj_names=["d/o01.bin", "d/o02.bin"])
    first = w.wait(group.archive("a.tar", to_bck=w.c))
    listed = [(entry.name.partition("/")[2], entry.size) for entry in w.c.list_archive("a.tar")]
    return first, listed


def group_of_objects(w: World) -> Any:
    group = w.b.objects(obj_template="d/o{00..02}.bin")
    objects = [(obj.name, obj.props_cached.size) for obj in group.list_all_objects_iter()]
    # Ours says ErrObjNotFound: it reads the error of an answer without a body in its header.
    missing = w.error(lambda: list(w.b.objects(obj_names=["no"]).list_all_objects_iter()))[1]
    return objects, missing, [url.partition("?")[2] for url in group.list_urls()], group.list_names()


def start_and_ask(w: World) -> Any:
    job_id = w.client.job(job_kind="lru").start()
    done = w.wait(job_id)
    job = w.client.job(job_id, "lru")
    statuses = [status.uuid for status in w.client.cluster().list_jobs_status("lru")]
    snaps = job.get_details().list_snapshots()
    return done, job_id in statuses, {snap.kind for snap in snaps}, job.status().end_time > 0, job.abort()


def unknown_jobs(w: World) -> Any:
    job = w.client.job("nosuchjob1")
    kind = w.client.job(job_kind="no-such-kind")
    return w.error(job.status), w.error(job.wait), w.error(kind.start), w.error(w.client.job().abort)


def the_cluster(w: World) -> Any:
    cluster = w.client.cluster()
    smap = cluster.get_info()
    performance = cluster.get_performance()
    return (
        cluster.is_ready(), cluster.get_uuid() == smap.uuid,
        cluster.get_primary_url() == smap.proxy_si.public_net.direct_url,
        sorted(smap.tmap), sorted(smap.pmap), sorted(performance) == sorted(smap.tmap),
        {key for found in performance.values() for key in found},
        w.b.name in {model.name for model in cluster.list_buckets()}, w.error(lambda: cluster.list_buckets("nope"))[0],
    )  # fmt: skip


def logs(w: World) -> Any:
    cluster = w.client.cluster()
    target = sorted(cluster.get_info().tmap)[0]
    archive = cluster.get_node_log_archive(target)
    return (
        type(cluster.get_node_log(target)), archive[:2], sorted(cluster.get_cluster_logs()) == [target],
        w.error(lambda: cluster.get_node_log("nobody")),
    )  # fmt: skip


def listings(w: World) -> Any:
    flag = w.library.ListObjectFlag
    return (
        w.listed(w.b, prefix="d/o1", props="name,size"),
        [entry.name for entry in w.b.list_objects_iter(page_size=5)],
        [entry.name for entry in w.b.list_objects(page_size=3, start_after="d/o05.bin").entries],
        [obj.props_cached.size for obj in w.b.list_all_objects_iter("d/o0")],
        [(entry.name, entry.is_cached(), entry.is_ok()) for entry in w.b.list_all_objects(flags=[flag.NO_RECURSION])],
        w.error(lambda: w.bucket("no").list_all_objects()),
        len(w.b.list_all_objects(props="name,size,checksum,version,atime,copies,custom,status,location")[0].checksum),
    )


SCENARIOS = [
    copy_bucket, copy_bucket_to_new_one, copy_bucket_dry, rename_bucket, summary, info, evict, group_delete, group_copy,
    group_archive, group_of_objects, start_and_ask, unknown_jobs, the_cluster, logs, listings,
]  # fmt: skip


@pytest.fixture
def worlds(node: NodeProcess) -> Iterator[list[World]]:
    with Client(node.url) as client:
        worlds = [World(client, moss.sdk), World(aistore.sdk.Client(node.url), aistore.sdk)]
        yield worlds
        for world in worlds:
            world.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_both_clients_see_the_same(worlds: list[World], scenario: Callable[[World], Any]):
    ours, official = (scenario(world) for world in worlds)
    assert ours == official


def test_btr_18_waiting_for_jobs_of_ten_objects_takes_milliseconds(worlds: list[World]):
    w = worlds[0]
    ten = w.b.objects(obj_template="d/o{00..09}.bin")
    target = w.bucket("target").create()
    work: dict[str, Callable[[], Any]] = {
        "copy of objects": lambda: ten.copy(w.c, prepend="p/"),
        "copy of a bucket": lambda: w.b.copy(target),
        "archive": lambda: ten.archive("a.tar", to_bck=w.c),
        "delete": ten.delete,
        "rename": lambda: w.b.rename(w.name("renamed")),
    }
    took = {}
    for name, start in work.items():
        started_s = time.monotonic()
        assert w.wait(start()) == (True, None), name
        took[name] = time.monotonic() - started_s
    # Usually 5 to 40 ms each; the bound leaves room for a busy machine. The reference takes 7 to 14 s.
    assert max(took.values()) < 1, took
