"""The cluster and its jobs: the uses of the official client's own tests (contract of the control plane, section 16)."""

import io
import tarfile
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from tenacity import Retrying, stop_after_attempt
from urllib3 import Retry

from tests.compat.conftest import WAIT_S, Library, names, put


def test_23_24_health(library: Library, client: Any):
    assert client.cluster().is_ready()
    # The official client's own policy repeats a refused connection for 40 s.
    once = {"network_retry": Retrying(stop=stop_after_attempt(1)), "http_retry": Retry(total=0)}
    policy = {"retry_config": library.RetryConfig(**once)} if library.is_official else {}
    assert not library.Client("http://127.0.0.1:9", timeout=1, **policy).cluster().is_ready()


def test_14_20_the_map(client: Any):
    found = client.cluster().get_info()
    assert found.pmap and found.tmap
    assert int(found.version) > 0 and found.uuid == client.cluster().get_uuid()
    assert found.creation_time
    assert found.proxy_si.public_net.direct_url == client.cluster().get_primary_url()
    for node in (*found.pmap.values(), *found.tmap.values()):
        for net in (node.public_net, node.intra_control_net, node.intra_data_net):
            assert net.direct_url.startswith("http") and int(net.daemon_port)


def test_42_52_two_runs_of_a_job_are_two(client: Any):
    cluster = client.cluster()
    started = [client.job(job_kind=kind).start() for kind in ("lru", "lru", "cleanup")]
    assert len(set(started)) == 3
    everything = {status.uuid for status in cluster.list_jobs_status()}
    assert set(started[:2]) <= everything
    by_kind = {status.uuid for status in cluster.list_jobs_status(job_kind="lru")}
    assert set(started[:2]) <= by_kind and started[2] not in by_kind


def test_43_a_kind_has_a_display_name(client: Any):
    job = client.job(client.job(job_kind="cleanup").start())
    assert job.wait(timeout=WAIT_S).success
    assert {snapshot.kind for snapshot in job.get_details().list_snapshots()} == {"cleanup-store"}


def test_51_running_jobs_are_listed_by_kind_and_id(library: Library, client: Any, bucket: Any, other: Any):
    put(bucket, "o", b"x")
    jobs = bucket.objects(obj_names=["o"]).copy(other)
    listed = client.cluster().list_running_jobs()
    assert {f"copy-listrange[{job}]" for job in jobs} <= set(listed)
    assert {f"copy-listrange[{job}]" for job in jobs} <= set(client.cluster().list_running_jobs("copy-listrange"))
    assert not [entry for entry in client.cluster().list_running_jobs("lru") if entry.startswith("copy-listrange")]


def test_26_performance_of_every_target(client: Any):
    found = client.cluster().get_performance()
    assert set(found) == set(client.cluster().get_info().tmap)
    for status in found.values():
        assert {"snode", "tracker", "capacity", "sys_info", "smap_version"} <= set(status)


def test_28_logs(library: Library, client: Any):
    cluster = client.cluster()
    for node in cluster.get_info().tmap:
        assert cluster.get_node_log(node)
        assert isinstance(cluster.get_node_log(node, severity=library.LogSeverity.ERROR), str)
        with tarfile.open(fileobj=io.BytesIO(cluster.get_node_log_archive(node)), mode="r:gz") as archive:
            assert archive.getnames()
    assert set(cluster.get_cluster_logs()) == set(cluster.get_info().tmap)
    assert set(cluster.get_cluster_logs(role=library.NodeFilter.ALL)) >= set(cluster.get_info().pmap)


def test_27_nodes_that_are_not_there(library: Library, client: Any):
    with pytest.raises(library.AISError) as caught:
        client.cluster().get_node_log("nobody")
    assert caught.value.status_code == 404


def test_44_a_job_that_ended_keeps_its_status(library: Library, client: Any):
    job = client.job(client.job(job_kind="lru").start())
    result = job.wait(timeout=WAIT_S)
    assert result.success and bool(result) and not result.error
    status = job.status()
    assert status.end_time > 0 and not status.err and not status.aborted


def test_45_jobs_that_are_not_there(library: Library, client: Any):
    for use in (client.job("Nobody00k").status, client.job("Nobody00k").get_details):
        with pytest.raises(library.AISError) as caught:
            use()
        assert caught.value.status_code == 404


def test_waiting_by_id_alone(client: Any, bucket: Any):
    for number in range(5):
        put(bucket, f"o{number}", b"x")
    job = bucket.objects(obj_names=[f"o{number}" for number in range(5)]).delete()
    assert client.job(job).wait(timeout=WAIT_S).success
    assert client.job(job).wait_for_idle(timeout=WAIT_S).success
    assert names(bucket) == []


def test_50_an_idle_kind_is_idle_when_the_work_is_done(client: Any, bucket: Any, other: Any):
    for number in range(20):
        put(bucket, f"o{number:02}", b"x" * 1000)
    for job in bucket.objects(obj_template="o{00..19}").copy(other):
        assert client.job(job).wait(timeout=WAIT_S).success
    assert len(names(other)) == 20


def known_batches(client: Any) -> set[str]:
    return {snapshot.id for snapshot in client.job(job_kind="get-batch").get_details().list_snapshots()}


def test_46_59_a_batch_is_a_job(client: Any, make_bucket: Any):
    before = known_batches(client)
    bucket = make_bucket()
    put(bucket, "o", b"x")
    assert [content for _, content in client.batch(["o"], bucket=bucket).get()] == [b"x"]
    new = known_batches(client) - before
    assert len(new) == 1
    job = client.job(new.pop(), "get-batch")
    job.abort()
    snapshots = job.get_details().list_snapshots()
    assert snapshots and all(snapshot.aborted for snapshot in snapshots)
    assert not job.wait(timeout=WAIT_S).success
    assert [content for _, content in client.batch(["o"], bucket=bucket).get()] == [b"x"]
    assert len(known_batches(client) - before) == 2


def test_aborting_under_a_stream_ends_it(library: Library, client: Any, make_bucket: Any):
    """The official client sees the stream break; ours asks again for what is missing, which is another job."""
    before = known_batches(client)
    bucket = make_bucket()
    put(bucket, "o", bytes(1 << 20))
    answer = client.batch(["o"] * 200, bucket=bucket).get()
    next(answer)
    started = time.monotonic()
    for job in known_batches(client) - before:
        client.job(job, "get-batch").abort()
    if library.is_official:
        with pytest.raises(Exception):  # noqa: B017 - whatever its archive reader makes of it
            list(answer)
    else:
        assert [len(content) for _, content in answer] == [1 << 20] * 199
    assert time.monotonic() < started + 20


def test_47_the_times_of_a_job(client: Any):
    start = datetime.now(timezone.utc) - timedelta(seconds=1)  # noqa: UP017 - as users write it
    job = client.job(client.job(job_kind="lru").start(), "lru")
    assert job.wait(timeout=WAIT_S).success
    end = datetime.now(timezone.utc) + timedelta(seconds=1)  # noqa: UP017
    assert job.job_id in {snapshot.id for snapshot in job.get_within_timeframe(start, end)}
    assert timedelta(0) <= job.get_total_time() < timedelta(seconds=WAIT_S)


def test_55_kinds_that_nobody_can_start(library: Library, client: Any):
    for kind, status in (("get-batch", 501), ("copy-bck", 501), ("download", 400), ("nothing", 400)):
        with pytest.raises(library.AISError) as caught:
            client.job(job_kind=kind).start()
        assert caught.value.status_code == status, kind


def test_buckets_of_every_provider(library: Library, client: Any, bucket: Any):
    for provider in ("", "ais"):
        assert bucket.name in [found.name for found in client.cluster().list_buckets(provider)]
    with pytest.raises(library.AISError) as caught:
        client.cluster().list_buckets("aws")
    assert caught.value.status_code == 400


def test_bucket_properties_can_be_set(client: Any, bucket: Any):
    value = {"versioning": {"enabled": False}}
    bucket.make_request("patch", "set-bprops", value=value, params=bucket.qparam)
    put(bucket, "o", b"x")
    put(bucket, "o", b"y")
    assert bucket.object("o").props.obj_version in ("", "1")
