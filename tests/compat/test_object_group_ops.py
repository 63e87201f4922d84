"""Jobs on many objects: the uses of the official client's own tests (contract of the data plane, section 10)."""

import io
import tarfile
import time
from typing import Any

import pytest

from tests.compat.conftest import WAIT_S, Library, names, put, read

COUNT = 10


@pytest.fixture
def full(bucket: Any) -> Any:
    for number in range(COUNT):
        put(bucket, f"o-{number:02}.txt", f"content {number}".encode())
    return bucket


def groups(library: Library, bucket: Any) -> list[Any]:
    """The same objects 2 to 5 in the three ways to say so."""
    return [
        bucket.objects(obj_names=[f"o-{number:02}.txt" for number in (2, 3, 4, 5)]),
        bucket.objects(obj_range=library.ObjectRange("o-", 2, 5, pad_width=2, suffix=".txt")),
        bucket.objects(obj_template="o-{02..05}.txt"),
    ]


@pytest.mark.parametrize("way", [0, 1, 2])
def test_90_91_objects_are_deleted_by_list_range_and_template(library: Library, client: Any, full: Any, way: int):
    job = groups(library, full)[way].delete()
    assert client.job(job).wait(timeout=WAIT_S).success
    assert names(full) == [f"o-{number:02}.txt" for number in (0, 1, 6, 7, 8, 9)]


@pytest.mark.parametrize("way", [0, 1, 2])
def test_50_94_objects_are_copied_by_list_range_and_template(
    library: Library, client: Any, full: Any, other: Any, way: int
):
    jobs = groups(library, full)[way].copy(other, prepend="new/", num_workers=4)
    assert jobs and all(job.startswith("tco-") for job in jobs)
    for job in jobs:
        assert client.job(job).wait_for_idle(timeout=WAIT_S).success
        assert client.job(job).get_details().get_num_workers() == 4
    assert names(other) == [f"new/o-{number:02}.txt" for number in (2, 3, 4, 5)]
    assert read(other, "new/o-03.txt") == b"content 3"


def test_btr_11_copies_between_the_same_buckets_keep_their_options(
    library: Library, client: Any, full: Any, other: Any
):
    first, second, third = groups(library, full)
    jobs = [*first.copy(other, prepend="a/"), *second.copy(other, prepend="b/", dry_run=True)]
    jobs += third.copy(other, prepend="c/")
    for job in jobs:
        assert client.job(job).wait_for_idle(timeout=WAIT_S).success
    assert names(other) == [f"{folder}/o-{number:02}.txt" for folder in "ac" for number in (2, 3, 4, 5)]


def test_93_missing_objects_of_a_range_are_no_errors(library: Library, client: Any, full: Any, other: Any):
    for job in full.objects(obj_template="o-{08..12}.txt").copy(other):
        assert client.job(job).wait_for_idle(timeout=WAIT_S).success
    assert names(other) == ["o-08.txt", "o-09.txt"]


def test_93_missing_objects_of_a_list_are_named(library: Library, client: Any, full: Any, other: Any):
    group = full.objects(obj_names=["o-01.txt", "none", "o-02.txt"])
    for job in group.copy(other, continue_on_error=True):
        client.job(job).wait_for_idle(timeout=WAIT_S)
        snapshots = client.job(job).get_details().list_snapshots()
        assert [snapshot.aborted for snapshot in snapshots] == [False]
    assert names(other) == ["o-01.txt", "o-02.txt"]


@pytest.mark.parametrize("to_other", [False, True])
def test_97_98_objects_are_packed_into_a_shard(library: Library, client: Any, full: Any, other: Any, to_other: bool):
    target = other if to_other else full
    options = {"to_bck": other} if to_other else {}

    def pack(group: Any, **more: Any) -> list[str]:
        jobs = group.archive("packed.tar", **options, **more)
        assert jobs
        for job in jobs:
            assert client.job(job).wait_for_idle(timeout=WAIT_S).success
        with tarfile.open(fileobj=io.BytesIO(read(target, "packed.tar"))) as archive:
            assert {archive.extractfile(name).read() for name in archive.getnames()}
            return archive.getnames()

    first = [f"o-{number:02}.txt" for number in (2, 3, 4, 5)]
    assert sorted(pack(groups(library, full)[0])) == first
    more = pack(full.objects(obj_names=["o-08.txt"]), allow_append=True)
    assert sorted(more) == [*first, "o-08.txt"]
    members = target.list_archive("packed.tar")
    assert sorted(entry.name for entry in members) == [f"packed.tar/{name}" for name in sorted(more)]
    named = pack(groups(library, full)[1], include_source_name=True)
    assert sorted(named) == [f"{full.name}/{name}" for name in first]


@pytest.mark.parametrize("mime", [".tar", ".tgz", ".tar.gz", ".zip", ".tar.lz4"])
def test_96_97_shards_of_every_kind(library: Library, client: Any, full: Any, mime: str):
    for job in groups(library, full)[2].archive(f"packed{mime}"):
        assert client.job(job).wait_for_idle(timeout=WAIT_S).success
    config = library.ArchiveConfig(archpath="o-04.txt")
    assert full.object(f"packed{mime}").get_reader(archive_config=config).read_all() == b"content 4"


def test_96_shards_of_no_kind(library: Library, full: Any):
    for options in ({"archive_name": "x.rar"}, {"archive_name": "x.tar", "mime": "application/x-tar"}):
        with pytest.raises(library.AISError) as caught:
            groups(library, full)[0].archive(**options)
        assert caught.value.status_code == 400


@pytest.mark.parametrize("action", ["evict-listrange", "prefetch-listrange"])
def test_103_evicting_and_prefetching_is_for_remote_buckets(library: Library, full: Any, action: str):
    group = groups(library, full)[0]
    with pytest.raises(library.InvalidBckProvider):
        group.evict() if action.startswith("evict") else group.prefetch()
    method = "delete" if action.startswith("evict") else "post"
    with pytest.raises(library.AISError) as caught:
        full.make_request(method, action, value={"objnames": ["o-01.txt"]}, params=full.qparam)
    assert caught.value.status_code == 400
    assert len(names(full)) == COUNT


@pytest.mark.parametrize("template", ["o-{5..2}.txt", "o-{a..c}.txt"])
def test_92_templates_that_cannot_be_expanded(library: Library, full: Any, template: str):
    with pytest.raises(library.AISError) as caught:
        full.make_request("delete", "delete-listrange", value={"template": template}, params=full.qparam)
    assert caught.value.status_code == 400
    assert len(names(full)) == COUNT


def test_groups_want_one_selector(full: Any):
    for wrong in ({}, {"obj_names": ["a"], "obj_template": "b"}):
        with pytest.raises(ValueError):
            full.objects(**wrong)


def test_groups_know_their_names(library: Library, full: Any):
    for group in groups(library, full):
        assert list(group.list_names()) == [f"o-{number:02}.txt" for number in (2, 3, 4, 5)]
    assert [item.props_cached.size for item in groups(library, full)[0].list_all_objects_iter()] == [9] * 4
    assert len(list(groups(library, full)[0].list_urls())) == 4


def test_btr_18_jobs_end_when_their_work_is_done(library: Library, client: Any, full: Any, other: Any):
    """Seconds from the request until the status says that the job has ended; the reference takes 7 to 14."""
    started = time.monotonic()
    jobs = [full.copy(other), full.objects(obj_template="o-{00..04}.txt").delete()]
    for job in jobs:
        while not client.job(job).status().end_time:
            assert time.monotonic() < started + 2
    assert len(names(other)) == COUNT and len(names(full)) == COUNT - 5
