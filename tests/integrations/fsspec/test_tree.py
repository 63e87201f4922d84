"""Directories: what listings, searches and questions about single paths say."""

import errno
from datetime import UTC, datetime, timedelta

import fsspec
import pytest

from moss.integrations.fsspec import MossFileSystem
from moss.integrations.fsspec.paths import Location, locate
from moss.sdk import Client, Namespace, RetryConfig
from moss.sdk.retry_config import HttpRetry, NetworkRetry

NAMES = ["a.txt", "d/b.txt", "d/e/c.txt", "d/e/f.txt", "d.txt"]


@pytest.fixture
def filled(fs: MossFileSystem, bucket: str) -> str:
    fs.pipe({f"{bucket}/{name}": name.encode() for name in NAMES})
    return bucket


def test_both_protocols_lead_here_by_their_names_alone(node, filled: str):
    for protocol in ("ais", "moss"):
        with fsspec.open(f"{protocol}://{filled}/a.txt", endpoint=node.url) as file:
            assert file.read() == b"a.txt"
    found, path = fsspec.core.url_to_fs(f"ais://{filled}/d/b.txt", endpoint=node.url)
    assert isinstance(found, MossFileSystem)
    assert path == f"{filled}/d/b.txt" and found.unstrip_protocol(path) == f"ais://{filled}/d/b.txt"


def test_the_endpoint_comes_from_the_environment(node, filled: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIS_ENDPOINT", node.url)
    assert fsspec.filesystem("ais", skip_instance_cache=True).cat(f"{filled}/a.txt") == b"a.txt"


def test_ls_shows_one_level_and_is_a_directory_for_the_top(fs: MossFileSystem, filled: str):
    assert [(info["name"], info["type"], info["size"]) for info in fs.ls(f"ais://{filled}")] == [
        (f"{filled}/a.txt", "file", 5),
        (f"{filled}/d.txt", "file", 5),
        (f"{filled}/d", "directory", 0),
    ]
    assert fs.ls(f"{filled}/d/", detail=False) == [f"{filled}/d/b.txt", f"{filled}/d/e"]
    assert fs.ls(f"{filled}/a.txt", detail=False) == [f"{filled}/a.txt"]
    assert filled in fs.ls("", detail=False) and filled in fs.ls("ais://", detail=False)


def test_a_bucket_that_is_not_there(fs: MossFileSystem):
    for call in (fs.ls, fs.info):
        with pytest.raises(FileNotFoundError, match="nothing"):
            call("nothing")
    assert not fs.exists("nothing") and fs.find("nothing") == []
    with pytest.raises(IsADirectoryError):
        fs.cat_file("nothing")


@pytest.mark.parametrize("path", ["nothing/a", "{bucket}/nothing", "{bucket}/d/nothing", "{bucket}/a.txt/b"])
def test_what_is_not_there_is_said_so(fs: MossFileSystem, filled: str, path: str):
    path = path.format(bucket=filled)
    for call in (fs.ls, fs.info, fs.cat_file, fs.modified, fs.ukey, fs.rm_file):
        with pytest.raises(FileNotFoundError):
            call(path)
    with pytest.raises(FileNotFoundError):
        fs.open(path)
    with pytest.raises(FileNotFoundError):
        fs.rm(path, recursive=True)
    assert not fs.exists(path) and not fs.isfile(path) and not fs.isdir(path)
    assert fs.find(path) == [] and fs.glob(f"{path}/*") == []


def test_find_lists_all_levels_or_some(fs: MossFileSystem, filled: str):
    files = sorted(f"{filled}/{name}" for name in NAMES)
    assert fs.find(filled) == files
    assert fs.find(filled, maxdepth=1) == [f"{filled}/a.txt", f"{filled}/d.txt"]
    assert fs.find(f"{filled}/d", withdirs=True) == [
        f"{filled}/d",
        f"{filled}/d/b.txt",
        f"{filled}/d/e",
        f"{filled}/d/e/c.txt",
        f"{filled}/d/e/f.txt",
    ]
    assert fs.find(f"{filled}/d", maxdepth=1, withdirs=True) == [f"{filled}/d", f"{filled}/d/b.txt", f"{filled}/d/e"]
    assert fs.find(f"{filled}/a.txt") == [f"{filled}/a.txt"]
    assert fs.find(filled, prefix="d") == files[1:]
    assert set(files) <= set(fs.find("", maxdepth=4))
    with pytest.raises(ValueError, match="maxdepth"):
        fs.find(filled, maxdepth=0)


def test_find_from_the_top_is_as_deep_as_asked(fs: MossFileSystem, filled: str):
    assert fs.find("", maxdepth=1) == []
    assert filled in fs.find("", maxdepth=1, withdirs=True)
    assert [path for path in fs.find("", maxdepth=2) if path.startswith(f"{filled}/")] == [
        f"{filled}/a.txt",
        f"{filled}/d.txt",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", ["a.txt", "d.txt"]),
        ("*", ["a.txt", "d", "d.txt"]),
        ("**/*.txt", ["a.txt", "d.txt", "d/b.txt", "d/e/c.txt", "d/e/f.txt"]),
        ("d/*", ["d/b.txt", "d/e"]),
        ("d/*/", ["d/e"]),
        ("d/e/[cd].txt", ["d/e/c.txt"]),
        ("d/?/f.txt", ["d/e/f.txt"]),
        ("a.txt", ["a.txt"]),
        ("x*", []),
    ],
)
def test_glob(fs: MossFileSystem, filled: str, pattern: str, expected: list[str]):
    found = [name.removeprefix(f"{filled}/").rstrip("/") for name in fs.glob(f"ais://{filled}/{pattern}")]
    assert found == expected


def test_glob_lists_only_what_begins_like_the_pattern(fs: MossFileSystem, filled: str, monkeypatch):
    asked = []
    find = fs.store.find
    monkeypatch.setattr(fs.store, "find", lambda *arguments: asked.append(arguments) or find(*arguments))
    assert fs.glob(f"{filled}/d/e/c*") == [f"{filled}/d/e/c.txt"]
    assert asked == [(f"{filled}/d/e/", 1, True, "c")]


def test_walk_and_du(fs: MossFileSystem, filled: str):
    assert [(path.removeprefix(filled), dirs, files) for path, dirs, files in fs.walk(filled)] == [
        ("", ["d"], ["a.txt", "d.txt"]),
        ("/d", ["e"], ["b.txt"]),
        ("/d/e", [], ["c.txt", "f.txt"]),
    ]
    assert fs.du(filled) == sum(map(len, NAMES))
    assert fs.du(f"{filled}/d", total=False) == {f"{filled}/{name}": len(name) for name in NAMES if "d/" in name}


def test_an_object_may_have_the_name_of_a_directory(fs: MossFileSystem, bucket: str):
    fs.pipe({f"{bucket}/x": b"file", f"{bucket}/x/y": b"below"})
    assert fs.cat(f"{bucket}/x") == b"file"
    assert fs.ls(f"{bucket}/x", detail=False) == [f"{bucket}/x/y"]
    assert fs.find(bucket) == [f"{bucket}/x", f"{bucket}/x/y"]
    fs.rm(f"{bucket}/x", recursive=True)
    assert fs.find(bucket) == []


def test_info_is_the_same_from_a_listing_and_from_a_question(fs: MossFileSystem, filled: str):
    listed = next(info for info in fs.ls(filled) if info["name"] == f"{filled}/a.txt")
    asked = fs.info(f"{filled}/a.txt")
    assert listed == {key: asked[key] for key in listed}
    assert listed["ETag"] and listed["checksum"] and listed["version"] == "1"
    assert fs.info("") == fs.info("ais://") == {"name": "", "size": 0, "type": "directory"}
    assert fs.info(f"{filled}/d/") == {"name": f"{filled}/d", "size": 0, "type": "directory"}
    assert fs.sizes([f"{filled}/a.txt", f"{filled}/d/b.txt"]) == [5, 7]


def test_the_key_of_a_version_changes_with_the_content_only(fs: MossFileSystem, filled: str):
    path = f"{filled}/a.txt"
    before = fs.ukey(path), fs.checksum(path), fs.info(path)["ETag"]
    fs.cat(path)
    assert (fs.ukey(path), fs.checksum(path), fs.info(path)["ETag"]) == before
    fs.pipe(path, b"other")
    after = fs.ukey(path), fs.checksum(path), fs.info(path)["ETag"]
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert fs.ukey(f"{filled}/d.txt") != after[0]


def test_created_and_modified(fs: MossFileSystem, filled: str):
    assert abs(datetime.now(UTC) - fs.modified(f"{filled}/a.txt")) < timedelta(minutes=1)
    assert fs.created(f"{filled}/a.txt") == fs.modified(f"{filled}/a.txt")


def test_custom_metadata_are_told(fs: MossFileSystem, client: Client, filled: str):
    client.bucket(filled).object("a.txt").get_writer().set_custom_props({"speaker": "7"})
    assert fs.info(f"{filled}/a.txt")["custom"]["speaker"] == "7"


def test_buckets_are_made_and_removed_as_directories(fs: MossFileSystem, bucket: str):
    path = f"{bucket}-new"
    fs.mkdir(path)
    with pytest.raises(FileExistsError):
        fs.mkdir(path)
    with pytest.raises(FileExistsError):
        fs.makedirs(path)
    fs.makedirs(path, exist_ok=True)
    fs.mkdir(f"{path}/a/b")
    assert fs.isdir(path) and not fs.exists(f"{path}/a")
    fs.pipe(f"{path}/a/b", b"x")
    with pytest.raises(OSError) as caught:
        fs.rmdir(path)
    assert caught.value.errno == errno.ENOTEMPTY
    fs.rm(f"{path}/a", recursive=True)
    fs.rmdir(f"{path}/a")
    fs.rmdir(path)
    assert not fs.exists(path)
    with pytest.raises(FileNotFoundError):
        fs.mkdir(f"{path}/a", create_parents=False)
    fs.makedirs(f"{path}/a/b")
    assert fs.isdir(path)
    fs.rm(path, recursive=True)
    assert not fs.exists(path)


def test_the_top_is_not_removed(fs: MossFileSystem, filled: str):
    for call in (lambda: fs.rm("", recursive=True), lambda: fs.rmdir("ais://")):
        with pytest.raises(PermissionError):
            call()
    assert fs.exists(filled)


def test_without_a_cache_nothing_is_stale(fs: MossFileSystem, client: Client, filled: str):
    fs.ls(filled)
    client.bucket(filled).object("new.txt").put_content(b"new")
    assert f"{filled}/new.txt" in fs.ls(filled, detail=False) and fs.exists(f"{filled}/new.txt")


def test_the_cache_is_used_refreshed_and_invalidated(make_fs, client: Client, filled: str):
    fs = make_fs(use_listings_cache=True)
    assert len(fs.ls(filled)) == 3
    client.bucket(filled).object("new.txt").put_content(b"new")
    assert len(fs.ls(filled)) == 3
    assert fs.exists(f"{filled}/new.txt"), "absence is never taken from the cache"
    assert len(fs.ls(filled, refresh=True)) == 4
    client.bucket(filled).object("newer.txt").put_content(b"new")
    fs.invalidate_cache(filled)
    assert len(fs.ls(filled)) == 5
    fs.pipe(f"{filled}/mine.txt", b"x")
    assert len(fs.ls(filled)) == 6, "what this file system writes is seen"
    fs.rm(f"{filled}/mine.txt")
    assert len(fs.ls(filled)) == 5
    client.bucket(filled).object("newest.txt").put_content(b"new")
    fs.invalidate_cache()
    assert len(fs.ls(filled)) == 6


def test_a_cluster_that_cannot_be_reached_is_no_missing_file():
    policy = RetryConfig(HttpRetry(total=0), NetworkRetry(attempts=1, wait_s_min=0.0, wait_s_max=0.0))
    fs = MossFileSystem("http://127.0.0.1:9", retry_config=policy, skip_instance_cache=True)
    for call in (fs.exists, fs.isfile, fs.isdir, fs.info, fs.cat_file, fs.ls):
        with pytest.raises(ConnectionError):
            call("bucket/object")


def test_bad_options_are_told_at_once():
    with pytest.raises(ValueError, match="endpoint"):
        MossFileSystem("nonsense")
    with pytest.raises(TypeError, match="endpont"):
        MossFileSystem(endpont="http://127.0.0.1:8080")


def test_names_that_cannot_be_objects(fs: MossFileSystem, bucket: str):
    with pytest.raises(ValueError, match="component"):
        fs.cat(f"{bucket}/a/../b")
    with pytest.raises(IsADirectoryError):
        fs.open(bucket)
    with pytest.raises(IsADirectoryError):
        fs.pipe(bucket, b"x")


def test_a_bucket_of_a_namespace(fs: MossFileSystem, client: Client, bucket: str):
    client.bucket(bucket, namespace=Namespace("", "ns")).create()
    path = f"@#ns/{bucket}"
    assert path in fs.ls("", detail=False)
    fs.pipe({f"ais://{path}/d/a": b"1", f"{path}/b": b"22"})
    assert fs.ls(path, detail=False) == [f"{path}/b", f"{path}/d"] and fs.ls(bucket) == []
    assert fs.glob(f"#ns/{bucket}/*/*") == [f"#ns/{bucket}/d/a"]
    assert fs.cat_ranges([f"{path}/d/a", f"{path}/b"], 0, 9) == [b"1", b"22"]
    fs.cp(f"{path}/b", f"{bucket}/copy")
    assert fs.cat(f"{bucket}/copy") == b"22"
    fs.rm(path, recursive=True)
    assert path not in fs.ls("", detail=False) and fs.isdir(bucket)


def test_paths_with_a_namespace():
    assert locate("@uuid#ns/b/o/p") == Location("@uuid#ns/b", "o/p")
    assert locate("#ns/b") == Location("#ns/b", "")
    assert (locate("#ns/b/o").namespace, locate("#ns/b/o").bucket) == ("#ns", "b")
    with pytest.raises(ValueError, match="bucket"):
        locate("@uuid#ns")
