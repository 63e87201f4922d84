"""Reading, writing, copying and deleting, single files and many."""

import io
import os
from pathlib import Path

import pytest
from fsspec.callbacks import Callback

from moss.integrations.fsspec import MossFileSystem
from moss.integrations.fsspec.bulk import download_files
from moss.sdk import Client

CONTENT = bytes(range(256)) * 40
LIMITS = [None, 0, 1, 100, len(CONTENT) - 1, len(CONTENT), len(CONTENT) + 5, -1, -100, -len(CONTENT), -len(CONTENT) - 9]


@pytest.fixture
def path(fs: MossFileSystem, bucket: str) -> str:
    fs.pipe(f"{bucket}/content", CONTENT)
    return f"{bucket}/content"


def count_requests(fs: MossFileSystem, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that a file system sends from now on."""
    session = fs.store.client.request_client
    sent: list[str] = []
    send = session.open
    monkeypatch.setattr(
        session, "open", lambda request: sent.append(f"{request.method} {request.path}") or send(request)
    )
    return sent


@pytest.mark.parametrize("start", LIMITS)
def test_ranges_are_slices(fs: MossFileSystem, path: str, start: int | None):
    expected = [CONTENT[start:end] for end in LIMITS]
    assert [fs.cat_file(path, start, end) for end in LIMITS] == expected
    assert fs.cat_ranges([path] * len(LIMITS), start, LIMITS) == expected
    assert fs.read_bytes(path, start, 7) == CONTENT[start:7]


def test_ranges_of_an_empty_file(fs: MossFileSystem, bucket: str):
    fs.touch(f"{bucket}/empty")
    for start in (None, 0, 5, -5):
        assert fs.cat_file(f"{bucket}/empty", start) == b""
    assert fs.cat_ranges([f"{bucket}/empty"] * 2, [0, 3], [5, None]) == [b"", b""]
    assert fs.head(f"{bucket}/empty") == fs.tail(f"{bucket}/empty") == b""


def test_head_tail_and_blocks(fs: MossFileSystem, path: str):
    assert fs.head(path, 10) == CONTENT[:10]
    assert fs.tail(path, 10) == CONTENT[-10:] and fs.tail(path, 0) == b""
    assert fs.read_block(path, 5, 10) == CONTENT[5:15]


def test_cat_ranges_sends_one_request_for_a_bucket(fs: MossFileSystem, bucket: str, monkeypatch: pytest.MonkeyPatch):
    names = [f"{bucket}/{number}" for number in range(300)]
    fs.pipe({name: name.encode() * 10 for name in names})
    sent = count_requests(fs, monkeypatch)
    found = fs.cat_ranges(names, 3, 20)
    assert found == [(name.encode() * 10)[3:20] for name in names]
    assert sent == [f"GET /ml/moss/{bucket}"]


def test_cat_ranges_of_two_buckets(fs: MossFileSystem, bucket: str, client: Client):
    other = client.bucket(f"{bucket}-other").create()
    other.object("o").put_content(b"other")
    fs.pipe(f"{bucket}/o", b"mine")
    assert fs.cat_ranges([f"{bucket}/o", f"{bucket}-other/o"] * 2, 0, [2, None, 3, 1]) == [
        b"mi",
        b"other",
        b"min",
        b"o",
    ]
    other.delete()


def test_cat_ranges_puts_errors_in_their_places_or_raises(fs: MossFileSystem, path: str, bucket: str):
    paths = [path, f"{bucket}/missing", path, "no-such-bucket/x", "no-such-bucket/y", bucket]
    found = fs.cat_ranges(paths, 0, 4)
    assert [type(value) for value in found] == [
        bytes, FileNotFoundError, bytes, FileNotFoundError, FileNotFoundError, IsADirectoryError
    ]  # fmt: skip
    assert found[0] == found[2] == CONTENT[:4]
    with pytest.raises(FileNotFoundError, match="missing"):
        fs.cat_ranges(paths, 0, 4, on_error="raise")
    with pytest.raises(TypeError, match="list"):
        fs.cat_ranges(path, 0, 4)
    with pytest.raises(ValueError, match="limits"):
        fs.cat_ranges([path], [0, 1], 4)
    assert fs.cat_ranges([], [], []) == []


def test_more_ranges_than_one_batch_holds(fs: MossFileSystem, path: str):
    starts = [number % len(CONTENT) for number in range(5000)]
    assert fs.cat_ranges([path] * 5000, starts, [start + 2 for start in starts]) == [
        CONTENT[start : start + 2] for start in starts
    ]


def test_cat_takes_lists_patterns_and_trees(fs: MossFileSystem, bucket: str):
    fs.pipe({f"{bucket}/{name}": name.encode() for name in ("a", "d/b", "d/e/c")})
    assert fs.cat(f"ais://{bucket}/a") == b"a"
    assert fs.cat([f"{bucket}/a"]) == {f"{bucket}/a": b"a"}
    assert fs.cat(f"{bucket}/d/*") == {f"{bucket}/d/b": b"d/b"}
    assert fs.cat(bucket, recursive=True) == {f"{bucket}/{name}": name.encode() for name in ("a", "d/b", "d/e/c")}
    paths = [f"{bucket}/a", f"{bucket}/x"]
    with pytest.raises(FileNotFoundError):
        fs.cat(paths)
    assert fs.cat(paths, on_error="omit") == {f"{bucket}/a": b"a"}
    assert isinstance(fs.cat(paths, on_error="return")[f"{bucket}/x"], FileNotFoundError)


def test_pipe_refuses_to_replace_when_told(fs: MossFileSystem, path: str):
    with pytest.raises(FileExistsError):
        fs.pipe_file(path, b"x", mode="create")
    assert fs.cat(path) == CONTENT
    with pytest.raises(FileNotFoundError):
        fs.pipe("no-such-bucket/x", b"x")


def test_a_mapping_of_the_bucket(fs: MossFileSystem, bucket: str):
    mapper = fs.get_mapper(bucket)
    mapper["a/b"] = b"1"
    mapper.setitems({"a/c": b"2", "d": b"3"})
    assert dict(mapper) == {"a/b": b"1", "a/c": b"2", "d": b"3"}
    assert mapper.getitems(["a/b", "d", "x"], on_error="omit") == {"a/b": b"1", "d": b"3"}
    del mapper["d"]
    assert "d" not in mapper and len(mapper) == 2


class Counted(Callback):
    """Counts files and bytes."""

    def __init__(self, counts: list["Counted"]) -> None:
        super().__init__()
        self.counts = counts

    def branched(self, path_1: str, path_2: str, **kwargs: object) -> "Counted":
        child = Counted([])
        self.counts.append(child)
        return child


def test_trees_go_to_the_disk_and_back(
    fs: MossFileSystem, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    contents = {f"d{number % 3}/{number}": os.urandom(number * 7) for number in range(200)}
    contents["large"] = os.urandom(3_000_000)
    for name, content in contents.items():
        place = tmp_path / "from" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    up = Counted([])
    fs.put(f"{tmp_path}/from/", f"{bucket}/tree", recursive=True, callback=up)
    assert up.size == up.value == 201 and sum(child.value for child in up.counts) == sum(map(len, contents.values()))
    assert fs.cat(f"{bucket}/tree", recursive=True) == {
        f"{bucket}/tree/{name}": data for name, data in contents.items()
    }
    sent = count_requests(fs, monkeypatch)
    down = Counted([])
    fs.get(f"{bucket}/tree", f"{tmp_path}/to", recursive=True, callback=down)
    assert {
        str(p.relative_to(tmp_path / "to")): p.read_bytes() for p in (tmp_path / "to").rglob("*") if p.is_file()
    } == contents
    assert len(sent) < 10, "small files come in batches"
    assert down.size == down.value == 201 and [child.value for child in down.counts] == [3_000_000]


def test_a_download_that_fails_leaves_what_was_there(fs: MossFileSystem, path: str, bucket: str, tmp_path: Path):
    (tmp_path / "kept").write_bytes(b"kept")
    with pytest.raises(FileNotFoundError):
        fs.get(f"{bucket}/missing", f"{tmp_path}/kept")
    with pytest.raises(FileNotFoundError):
        fs.get([path, f"{bucket}/missing"], [f"{tmp_path}/new", f"{tmp_path}/kept"])
    assert (tmp_path / "kept").read_bytes() == b"kept"
    assert {place.name for place in tmp_path.iterdir()} <= {"kept", "new"}


def test_paths_of_the_disk_may_be_objects(fs: MossFileSystem, bucket: str, tmp_path: Path):
    (tmp_path / "f").write_bytes(b"1")
    fs.put(tmp_path / "f", f"{bucket}/f")
    fs.get(f"{bucket}/f", tmp_path / "g")
    assert (tmp_path / "g").read_bytes() == b"1"


def test_names_that_lead_out_of_the_folder_are_refused(fs: MossFileSystem, bucket: str, tmp_path: Path):
    pairs = [(f"{bucket}/../x", str(tmp_path / "in" / ".." / "x"), None)]
    with pytest.raises(ValueError, match="component"):
        download_files(fs.store, pairs, Callback())
    assert list(tmp_path.iterdir()) == []


def test_a_file_object_receives_a_download(fs: MossFileSystem, path: str, tmp_path: Path):
    target = io.BytesIO()
    fs.get_file(path, outfile=target)
    assert target.getvalue() == CONTENT
    with (tmp_path / "f").open("wb") as file:
        fs.get_file(path, file)
    fs.get_file(path, tmp_path / "g" / "h")
    assert (tmp_path / "f").read_bytes() == (tmp_path / "g" / "h").read_bytes() == CONTENT


def test_put_file(fs: MossFileSystem, path: str, bucket: str, tmp_path: Path):
    (tmp_path / "f").write_bytes(b"1234")
    fs.put_file(str(tmp_path / "f"), f"ais://{bucket}/f")
    assert fs.cat(f"{bucket}/f") == b"1234"
    with pytest.raises(FileExistsError):
        fs.put_file(str(tmp_path / "f"), path, mode="create")
    fs.put_file(str(tmp_path), f"{bucket}/folder")
    with pytest.raises(FileNotFoundError):
        fs.put(str(tmp_path / "nothing"), bucket)


def test_copies_and_moves(fs: MossFileSystem, bucket: str):
    fs.pipe({f"{bucket}/from/{number}": str(number).encode() for number in range(30)})
    fs.copy(f"{bucket}/from", f"{bucket}/to", recursive=True)
    assert fs.cat(f"{bucket}/to/7") == b"7" and len(fs.find(f"{bucket}/to")) == 30
    fs.mv(f"{bucket}/to", f"ais://{bucket}/moved", recursive=True)
    assert not fs.exists(f"{bucket}/to") and len(fs.find(f"{bucket}/moved")) == 30
    fs.mv(f"{bucket}/moved/7", f"{bucket}/seven")
    assert fs.cat(f"{bucket}/seven") == b"7" and not fs.exists(f"{bucket}/moved/7")
    fs.cp_file(f"{bucket}/seven", f"{bucket}/seven")
    assert fs.cat(f"{bucket}/seven") == b"7"
    with pytest.raises(FileNotFoundError):
        fs.cp_file(f"{bucket}/missing", f"{bucket}/x")
    with pytest.raises(FileNotFoundError):
        fs.mv(f"{bucket}/missing", f"{bucket}/x")


def test_few_and_many_are_removed(fs: MossFileSystem, bucket: str):
    names = [f"{bucket}/d/{number}" for number in range(60)]
    fs.pipe(dict.fromkeys([*names, f"{bucket}/other", f"{bucket}/d.txt"], b"x"))
    fs.rm(names[:2])
    fs.rm(f"{bucket}/d/1*")
    assert len(fs.find(f"{bucket}/d")) == 60 - 2 - 10
    with pytest.raises(FileNotFoundError):
        fs.rm(names[:40])
    fs.rm(f"{bucket}/d", recursive=True)
    assert fs.find(bucket) == [f"{bucket}/d.txt", f"{bucket}/other"]
    with pytest.raises(IsADirectoryError):
        fs.rm(bucket)
    with pytest.raises(FileNotFoundError):
        fs.rm(f"{bucket}/z*")
    fs.rm([f"{bucket}/d.txt", f"{bucket}/other"])
    assert fs.ls(bucket) == []
