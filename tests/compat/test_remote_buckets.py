"""S3 buckets as a whole, and jobs on their objects: the uses of the official client's own tests (data plane, 8, 10)."""

import io
import json
import tarfile
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.compat.conftest import WAIT_S, Cloud, Library, cached, names, put, read

COUNT = 8
ALL = [f"o-{number:02}.txt" for number in range(COUNT)]


@pytest.fixture
def full(remote: Any, cloud: Cloud) -> Any:
    """A bucket of objects that the node has not seen."""
    for name in ALL:
        cloud.put(name, f"content of {name}".encode())
    return remote


@pytest.fixture
def second(cloud_client: Any, rgw: Any) -> Iterator[tuple[Any, Cloud]]:
    other = Cloud(rgw)
    yield cloud_client.bucket(other.name, provider="aws"), other


def wait(client: Any, job: str | list[str]) -> None:
    for each in [job] if isinstance(job, str) else job:
        assert client.job(each).wait_for_idle(timeout=WAIT_S).success


def test_buckets_of_the_account_are_listed_and_known_at_first_use(cloud_client: Any, remote: Any, cloud: Cloud):
    assert cloud.name in [found.name for found in cloud_client.cluster().list_buckets(provider="aws")]
    props = json.loads(remote.head()["Ais-Bucket-Props"])
    assert props["provider"] == "aws"


def test_buckets_of_a_cloud_are_not_made_or_destroyed_here(library: Library, remote: Any):
    for use in (remote.create, remote.delete, lambda: remote.rename(f"r{uuid.uuid4().hex[:8]}")):
        with pytest.raises(library.InvalidBckProvider):
            use()


@pytest.mark.parametrize("page_size", [0, 3, COUNT, 100])
def test_listings_tell_what_is_cached(full: Any, page_size: int):
    assert names(full, page_size=page_size) == ALL
    assert cached(full) == []
    for name in ALL[2:5]:
        read(full, name)
    assert cached(full) == ALL[2:5]
    assert [entry.name for entry in full.list_objects_iter(page_size=page_size)] == ALL


def test_flags_choose_by_what_is_cached(library: Library, full: Any):
    flags = library.ListObjectFlag
    read(full, ALL[1])
    assert names(full, flags=[flags.CACHED]) == [ALL[1]]
    assert names(full, flags=[flags.NOT_CACHED]) == [name for name in ALL if name != ALL[1]]
    sizes = {entry.name: entry.size for entry in full.list_all_objects(flags=[flags.NAME_SIZE])}
    assert sizes == {name: len(f"content of {name}") for name in ALL}
    with pytest.raises(NotImplementedError):
        full.list_objects(start_after=ALL[1])


def test_listings_of_one_level(library: Library, remote: Any, cloud: Cloud):
    for name in ("a", "d/a", "d/e/f", "z"):
        cloud.put(name, b"x")
    flags = [library.ListObjectFlag.NO_RECURSION]
    assert sorted(names(remote, flags=flags)) == ["a", "d/", "z"]
    assert sorted(names(remote, prefix="d/", flags=flags)) == ["d/a", "d/e/"]


@pytest.mark.parametrize("keep_md", [True, False])
def test_evicting_a_bucket_leaves_the_store_alone(full: Any, cloud: Cloud, keep_md: bool):
    for name in ALL:
        read(full, name)
    assert cached(full) == ALL
    full.evict(keep_md=keep_md)
    assert cached(full) == []
    assert cloud.names() == ALL == names(full)
    assert read(full, ALL[0]) == f"content of {ALL[0]}".encode()


def test_a_summary_counts_both(full: Any, library: Library):
    for name in ALL[:3]:
        read(full, name)
    summary = full.summary(cached=False)
    assert summary["ObjCount"] == {"obj_count_present": "3", "obj_count_remote": str(COUNT)}
    assert full.summary()["ObjCount"]["obj_count_present"] == "3"
    props, summary = full.info(flt_presence=1)
    assert json.loads(props)["provider"] == "aws"
    assert summary["ObjCount"]["obj_count_present"] == "3"


def groups(library: Library, bucket: Any) -> list[Any]:
    """The objects 2 to 5 in the three ways to say so."""
    return [
        bucket.objects(obj_names=ALL[2:6]),
        bucket.objects(obj_range=library.ObjectRange("o-", 2, 5, pad_width=2, suffix=".txt")),
        bucket.objects(obj_template="o-{02..05}.txt"),
    ]


def test_prefetched_evicted_and_deleted(library: Library, cloud_client: Any, full: Any, cloud: Cloud):
    by_list, by_range, by_template = groups(library, full)
    wait(cloud_client, by_list.prefetch())
    assert cached(full) == ALL[2:6]
    wait(cloud_client, by_range.evict())
    assert cached(full) == []
    assert cloud.names() == ALL
    wait(cloud_client, by_template.prefetch(num_workers=2, blob_threshold=1 << 20))
    assert cached(full) == ALL[2:6]
    wait(cloud_client, by_range.delete())
    assert cloud.names() == ALL[:2] + ALL[6:] == names(full)


def test_prefetching_the_latest(cloud_client: Any, full: Any, cloud: Cloud):
    group = full.objects(obj_names=ALL[:2])
    wait(cloud_client, group.prefetch())
    cloud.put(ALL[0], b"changed")
    wait(cloud_client, group.prefetch())
    assert read(full, ALL[0]) == f"content of {ALL[0]}".encode()
    wait(cloud_client, group.prefetch(latest=True))
    assert read(full, ALL[0]) == b"changed"


def test_copied_out_of_the_store(library: Library, cloud_client: Any, full: Any, local: Any):
    wait(cloud_client, groups(library, full)[0].copy(local, prepend="new/"))
    assert names(local) == [f"new/{name}" for name in ALL[2:6]]
    assert read(local, f"new/{ALL[3]}") == f"content of {ALL[3]}".encode()


def test_btr_32_copied_into_the_store(cloud_client: Any, local: Any, remote: Any, cloud: Cloud):
    for name in ALL:
        put(local, name, name.encode())
    wait(cloud_client, local.copy(remote, prepend="all/"))
    wait(cloud_client, local.objects(obj_names=ALL[:2]).copy(remote, prepend="some/"))
    assert cloud.names() == [f"all/{name}" for name in ALL] + [f"some/{name}" for name in ALL[:2]]
    assert cloud.read(f"some/{ALL[1]}") == ALL[1].encode()


def test_copied_from_store_to_store(cloud_client: Any, full: Any, second: tuple[Any, Cloud]):
    target, other = second
    wait(cloud_client, full.copy(target, latest=True))
    wait(cloud_client, full.objects(obj_names=ALL[:1]).copy(target, prepend="one/"))
    assert f"one/{ALL[0]}" in other.names()
    assert read(target, f"one/{ALL[0]}") == f"content of {ALL[0]}".encode()


def test_packed_into_a_shard_there(library: Library, cloud_client: Any, full: Any, cloud: Cloud):
    wait(cloud_client, groups(library, full)[2].archive("packed.tar"))
    with tarfile.open(fileobj=io.BytesIO(cloud.read("packed.tar"))) as shard:
        assert sorted(shard.getnames()) == ALL[2:6]
    assert [entry.name for entry in full.list_archive("packed.tar")] == [f"packed.tar/{name}" for name in ALL[2:6]]
    config = library.ArchiveConfig(archpath=ALL[3])
    full.objects(obj_names=["packed.tar"]).evict()
    content = full.object("packed.tar").get_reader(archive_config=config).read_all()
    assert content == f"content of {ALL[3]}".encode()


def test_inventories_are_not_made(library: Library, full: Any):
    with pytest.raises(library.AISError) as caught:
        full.create_inventory(name="inv")
    assert caught.value.status_code == 501
    assert full.show_inventory() == {}
