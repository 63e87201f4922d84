"""Buckets: the uses of the official client's own tests (contract of the data plane, section 10)."""

import io
import json
import re
import tarfile
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.compat.conftest import WAIT_S, Library, names, put, read


def fill(bucket: Any, count: int = 10, prefix: str = "obj-") -> list[str]:
    made = [f"{prefix}{number:02}" for number in range(count)]
    for name in made:
        put(bucket, name, name.encode())
    return made


def test_34_36_a_bucket_is_created_listed_and_destroyed(library: Library, client: Any, bucket: Any):
    assert bucket.name in [found.name for found in client.cluster().list_buckets()]
    bucket.create(exist_ok=True)
    with pytest.raises(library.ErrBckAlreadyExists):
        bucket.create()
    bucket.delete()
    assert bucket.name not in [found.name for found in client.cluster().list_buckets()]
    with pytest.raises(library.ErrBckNotFound):
        bucket.delete()
    bucket.delete(missing_ok=True)


@pytest.mark.parametrize("name", ["a..b", ".x", "a b", "a/b", "*", "#x", "x" * 65, "@ns", "a\nb"])
def test_26_27_names_that_no_bucket_can_have(library: Library, client: Any, name: str):
    with pytest.raises(library.AISError):
        client.bucket(name).create()


def test_28_a_bucket_of_a_valid_name_that_is_not_there(library: Library, client: Any):
    missing = client.bucket("INVALID_BCK_NAME")
    for use in (missing.list_objects, missing.list_all_objects, lambda: put(missing, "o", b"")):
        with pytest.raises(library.ErrBckNotFound):
            use()
    with pytest.raises(library.AISError):
        missing.head()


def test_104_a_cloud_bucket_that_nothing_serves(library: Library, client: Any):
    cloud = client.bucket("no-such-bucket", provider="aws")
    for use in (cloud.head, cloud.list_objects, lambda: cloud.object("o").get_reader().read_all()):
        with pytest.raises(library.AISError) as caught:
            use()
        assert caught.value.status_code == 404


def test_42_evicting_is_for_cloud_buckets(library: Library, client: Any, bucket: Any):
    with pytest.raises(library.InvalidBckProvider):
        bucket.evict()
    client.bucket("nothing-there", provider="aws").evict(keep_md=True)


def test_38_a_bucket_says_its_properties(bucket: Any):
    props = json.loads(bucket.head()["Ais-Bucket-Props"])
    assert props["provider"] == "ais"
    assert all(isinstance(props[key], str) for key in ("access", "features", "bid", "created"))


def test_47_renaming_moves_the_objects(library: Library, client: Any, bucket: Any):
    fill(bucket, 3)
    old, new = bucket.name, f"renamed{uuid.uuid4().hex[:8]}"
    job = bucket.rename(to_bck_name=new)
    assert client.job(job).wait(timeout=WAIT_S).success
    try:
        assert bucket.name == new
        with pytest.raises(library.AISError):
            client.bucket(old).head()
        client.bucket(new).head()
        assert names(client.bucket(new)) == ["obj-00", "obj-01", "obj-02"]
        assert read(client.bucket(new), "obj-01") == b"obj-01"
    finally:
        client.bucket(new).delete(missing_ok=True)


def test_47_renaming_onto_another_bucket_is_refused(library: Library, bucket: Any, other: Any):
    with pytest.raises(library.AISError) as caught:
        bucket.make_request("post", "move-bck", params={**bucket.qparam, "bck_to": other.get_path()})
    assert caught.value.status_code == 400


def test_48_copying_selects_changes_extensions_and_prepends(client: Any, bucket: Any, other: Any):
    for name in ("prefix-obj.old-ext", "prefix-obj.other", "obj.old-ext"):
        put(bucket, name, name.encode())
    job = bucket.copy(other, prefix_filter="prefix-", prepend="new-", ext={"old-ext": "new-ext"}, num_workers=10)
    assert client.job(job).wait_for_idle(timeout=WAIT_S).success
    assert names(other) == ["new-prefix-obj.new-ext", "new-prefix-obj.other"]
    assert read(other, "new-prefix-obj.new-ext") == b"prefix-obj.old-ext"
    assert client.job(job).get_details().get_num_workers() == 10


def test_48_copying_makes_the_destination(client: Any, bucket: Any):
    fill(bucket, 2)
    target = client.bucket(f"{bucket.name}-made")
    try:
        assert client.job(bucket.copy(target)).wait(timeout=WAIT_S).success
        assert names(target) == ["obj-00", "obj-01"]
    finally:
        target.delete(missing_ok=True)


def test_49_a_dry_run_copies_nothing(client: Any, bucket: Any, other: Any):
    fill(bucket, 2)
    job = bucket.copy(other, dry_run=True)
    assert job
    assert client.job(job).wait(timeout=WAIT_S).success
    assert names(other) == []


def test_btr_11_two_copies_between_the_same_buckets_each_do_what_they_say(client: Any, bucket: Any, other: Any):
    fill(bucket, 2)
    jobs = [bucket.copy(other, prefix_filter="obj-00", prepend="a/"), bucket.copy(other, prepend="b/", dry_run=True)]
    jobs.append(bucket.copy(other, prefix_filter="obj-01", prepend="c/"))
    assert all(client.job(job).wait(timeout=WAIT_S).success for job in jobs)
    assert names(other) == ["a/obj-00", "c/obj-01"]


def test_files_of_a_folder_are_put(library: Library, bucket: Any, tmp_path: Path):
    (tmp_path / "inner").mkdir()
    for name in ("a.txt", "b.bin", "inner/c.txt"):
        (tmp_path / name).write_text(name)
    bucket.put_files(tmp_path, recursive=False, verbose=False)
    assert names(bucket) == ["a.txt", "b.bin"]
    stored = bucket.put_files(tmp_path, pattern="*.txt", recursive=True, prepend="x/", basename=True, verbose=False)
    assert sorted(stored) == ["x/a.txt", "x/c.txt"]
    assert read(bucket, "x/c.txt") == b"inner/c.txt"
    bucket.put_files(tmp_path, prepend="dry/", dry_run=True)
    assert not names(bucket, prefix="dry/")
    with pytest.raises(ValueError):
        bucket.put_files(tmp_path / "a.txt")
    with pytest.raises(library.AISError):
        bucket.object("inner/c.txt").get_reader().read_all()


@pytest.mark.parametrize("page_size", [0, 7, 10, 17, 20])
def test_55_57_listings_of_any_page_size_hold_every_object_once(bucket: Any, page_size: int):
    made = fill(bucket)
    assert names(bucket, page_size=page_size) == made
    assert [entry.name for entry in bucket.list_objects_iter(page_size=page_size)] == made
    page = bucket.list_objects(page_size=page_size)
    assert len(page.entries) == (min(page_size, 10) or 10)
    assert page.uuid
    assert bool(page.continuation_token) == (0 < page_size <= 10)


def test_33_52_listings_by_prefix(bucket: Any):
    made = fill(bucket, 3, "p/") + fill(bucket, 2, "q/")
    assert names(bucket, prefix="p/") == names(bucket, prefix="p/*") == made[:3]
    empty = bucket.list_objects(prefix="nothing")
    assert list(empty.entries) == [] and empty.uuid
    assert list(bucket.list_objects_iter(prefix="nothing")) == []


def test_58_listings_after_a_name(bucket: Any):
    made = fill(bucket)
    assert names(bucket, start_after="obj-04") == made[5:]
    assert [entry.name for entry in bucket.list_objects_iter(start_after="obj-04", page_size=3)] == made[5:]
    assert names(bucket, start_after="obj-045") == made[5:]


def test_59_flags_that_exclude_each_other(library: Library, bucket: Any):
    fill(bucket, 3)
    flags = library.ListObjectFlag
    assert all(entry.size > 0 for entry in bucket.list_all_objects(flags=[flags.NAME_SIZE]))
    assert all(entry.size == 0 for entry in bucket.list_all_objects(flags=[flags.NAME_ONLY, flags.CACHED]))


def test_43_44_a_summary_counts(library: Library, bucket: Any):
    assert bucket.summary()["ObjCount"]["obj_count_present"] == "0"
    fill(bucket, 4)
    fill(bucket, 2, "other-")
    summary = bucket.summary()
    assert (summary["name"], summary["provider"]) == (bucket.name, "ais")
    assert summary["ObjCount"] == {"obj_count_present": "6", "obj_count_remote": "0"}
    assert summary["TotalSize"]["size_all_present_objs"] == str(4 * 6 + 2 * 8)
    assert summary["used_pct"] == 0
    assert bucket.summary(prefix="other-")["ObjCount"]["obj_count_present"] == "2"
    bucket.delete()
    with pytest.raises(library.ErrBckNotFound):
        bucket.summary()


def test_45_information_with_and_without_prefix(library: Library, bucket: Any):
    fill(bucket, 3)
    fill(bucket, 2, "other-")
    props, summary = bucket.info(prefix="other-")
    assert json.loads(props)["provider"] == "ais"
    assert summary["ObjCount"]["obj_count_present"] == "2"
    assert summary["is_present"] is True
    with pytest.raises(ValueError):
        bucket.info(flt_presence=99)


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_62_a_shard_is_listed_with_its_members(library: Library, bucket: Any, tmp_path: Path, kind: str):
    packed = tmp_path / f"s.{kind}"
    with tarfile.open(packed, "w:gz" if kind.endswith("gz") else "w") as archive:
        for name in ("a.txt", "d/b.txt"):
            (tmp_path / "m").write_text(name * 100)
            archive.add(tmp_path / "m", name)
    bucket.object(packed.name).get_writer().put_file(packed)
    members = bucket.list_archive(packed.name)
    assert [entry.name for entry in members] == [f"{packed.name}/a.txt", f"{packed.name}/d/b.txt"]
    assert [entry.size for entry in members] == [500, 700]
    assert bucket.list_archive(packed.name, include_archive_obj=True)[0].name == packed.name


def test_urls_of_objects(bucket: Any, client: Any):
    fill(bucket, 2)
    urls = list(bucket.list_urls(prefix="obj-"))
    assert len(urls) == 2
    assert all(re.match(r"http://.+/v1/objects/.+/obj-0\d\?", url) for url in urls)


def test_objects_of_a_listing_know_their_size(bucket: Any):
    fill(bucket, 2)
    assert [(item.name, item.props_cached.size) for item in bucket.list_all_objects_iter()] == [
        ("obj-00", 6),
        ("obj-01", 6),
    ]


def test_inventories_are_for_remote_buckets(library: Library, bucket: Any):
    with pytest.raises(library.AISError) as caught:
        bucket.create_inventory()
    assert caught.value.status_code == 400
    assert bucket.show_inventory() == {}


def test_a_data_set_is_written_as_shards(
    library: Library, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Pictures with their labels; the official client writes files below the working folder first."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    for number in range(5):
        (tmp_path / "pictures" / f"p{number}.jpg").write_bytes(f"picture {number}".encode())
    pictures = library.DataAttribute(path=tmp_path / "pictures", name="image", file_type="jpg")
    labels = library.LabelAttribute(name="cls", label_identifier=lambda stem: f"label of {stem}")
    config = library.DatasetConfig(primary_attribute=pictures, secondary_attributes=[labels])
    bucket.write_dataset(config, pattern="set", maxcount=10)
    assert names(bucket) == ["set-00.tar"]
    assert bucket.object("set-00.tar").head().size > 5 * 1024
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(read(bucket, "set-00.tar"))) as shard:
        for member in shard:
            stem, _, kind = member.name.partition(".")
            found.setdefault(stem, {})[kind] = shard.extractfile(member).read()
    assert sorted(tuple(sorted(sample.items())) for sample in found.values()) == [
        (("cls", f"label of p{number}".encode()), ("image.jpg", f"picture {number}".encode())) for number in range(5)
    ]
