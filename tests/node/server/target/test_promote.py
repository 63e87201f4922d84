"""Promotion: files of the node's machine become objects, from below the configured roots only.

Source: spec/rest-data.md 5.12.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from moss.testing import start_node
from tests.support.wire import Answer, Wire


@dataclass
class Place:
    """A node that may promote what is below `root`, and a bucket of it."""

    wire: Wire
    root: Path
    bucket: str = ""

    def promote(self, source: Path | str, **value: Any) -> Answer:
        message = {"action": "promote", "name": str(source), "value": {"src": str(source), **value}}
        return self.wire.send("POST", f"/v1/objects/{self.bucket}", message)

    def snapshot(self, answer: Answer) -> dict:
        assert answer.status == 200, answer.body
        found = self.wire.send("GET", "/v1/cluster?what=qryxstats", {"id": answer.body.decode()})
        ((snapshot,),) = json.loads(found.body).values()
        return snapshot

    def names(self) -> list[str]:
        answer = self.wire.send("GET", f"/v1/buckets/{self.bucket}", {"action": "list", "value": {"props": "name"}})
        return [entry["name"] for entry in json.loads(answer.body)["entries"] or []]

    def read(self, name: str) -> bytes:
        return self.wire.send("GET", f"/v1/objects/{self.bucket}/{name}").body


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("promote")
    roots = [folder / "root", folder / "second"]
    for root in roots:
        root.mkdir()
    with start_node(folder / "data", sync=False, promote_roots=[str(root) for root in roots]) as node:
        yield node.url, folder


@pytest.fixture
def place(running: tuple[str, Path], request: pytest.FixtureRequest) -> Place:
    url, folder = running
    wire = Wire(url)
    root = folder / "root" / str(abs(hash(request.node.name)))
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "top.txt").write_bytes(b"top")
    (root / "sub" / "inner.bin").write_bytes(b"inner" * 100)
    (root / "sub" / "deep" / "größe %25.txt").write_bytes(b"")
    return Place(wire, root, wire.new_bucket())


def test_a_folder_gives_its_own_files_and_with_recursion_all(place: Place):
    assert place.snapshot(place.promote(place.root, obj="p/"))["stats"]["loc-objs"] == "1"
    assert place.names() == ["p/top.txt"]
    snapshot = place.snapshot(place.promote(place.root, obj="p/", rcr=True))
    assert (snapshot["stats"]["loc-objs"], snapshot["err"]) == ("2", "")
    assert place.names() == ["p/sub/deep/größe %25.txt", "p/sub/inner.bin", "p/top.txt"]
    assert place.read("p/sub/inner.bin") == b"inner" * 100
    assert (place.root / "top.txt").exists()


def test_the_prefix_is_put_in_front_as_it_is(place: Place):
    place.promote(place.root, obj="img-")
    place.promote(place.root)
    assert place.names() == ["img-top.txt", "top.txt"]


@pytest.mark.parametrize(("given", "name"), [("", "top.txt"), ("d/", "d/top.txt"), ("d/new", "d/new"), ("/x", "x")])
def test_a_single_file_and_its_name(place: Place, given: str, name: str):
    assert place.promote(place.root / "top.txt", obj=given).status == 200
    assert place.names() == [name]
    assert place.read(name) == b"top"


def test_what_exists_stays_unless_it_is_to_be_overwritten(place: Place):
    place.wire.put(place.bucket, "top.txt", b"before")
    place.promote(place.root)
    assert place.read("top.txt") == b"before"
    place.promote(place.root, ovw=True)
    assert place.read("top.txt") == b"top"
    assert place.wire.send("HEAD", f"/v1/objects/{place.bucket}/top.txt").headers["ais-version"] == "2"


def test_files_are_deleted_after_they_are_stored_and_folders_stay(place: Place):
    (place.root / "kept.txt").write_bytes(b"1")
    place.wire.put(place.bucket, "kept.txt", b"an older one")
    place.promote(place.root, rcr=True, dls=True)
    left = sorted(path.name for path in place.root.rglob("*") if path.is_file())
    assert left == ["kept.txt"]  # it was not promoted, so it is not deleted either
    assert (place.root / "sub" / "deep").is_dir()
    assert place.read("sub/inner.bin") == b"inner" * 100


def test_large_files_and_many_files(place: Place):
    (place.root / "large").write_bytes(os.urandom(3 << 20))
    many = place.root / "many"
    many.mkdir()
    for number in range(300):
        (many / f"{number:03}").write_bytes(b"%d" % number)
    snapshot = place.snapshot(place.promote(place.root, rcr=True))
    assert (snapshot["stats"]["loc-objs"], snapshot["err"]) == ("304", "")
    assert place.read("large") == (place.root / "large").read_bytes()
    assert place.read("many/217") == b"217"


def test_a_second_root_counts_too(place: Place, running: tuple[str, Path]):
    (running[1] / "second" / "s").write_bytes(b"second")
    assert place.promote(running[1] / "second" / "s").status == 200
    assert place.read("s") == b"second"


def test_neither_links_nor_pipes_are_read_and_it_is_said(place: Place):
    secret = place.root.parents[1] / "secret"
    secret.write_bytes(b"secret")
    (place.root / "link").symlink_to(secret)
    (place.root / "dirlink").symlink_to("/etc")
    os.mkfifo(place.root / "pipe")
    snapshot = place.snapshot(place.promote(place.root, rcr=True))
    assert "symbolic links are not followed" in snapshot["err"]
    assert place.names() == ["sub/deep/größe %25.txt", "sub/inner.bin", "top.txt"]
    for source in (place.root / "link", place.root / "dirlink" / "hostname", place.root / "pipe"):
        answer = place.promote(source)
        assert (answer.status, answer.error["tcode"]) == (400, "errInvalidPromoteSource")


@pytest.mark.parametrize("name", ["no-such", "top.txt/below"])
def test_a_missing_source_is_404(place: Place, name: str):
    assert place.promote(place.root / name).status == 404


def test_outside_of_the_roots_nothing_is_read(place: Place, running: tuple[str, Path]):
    folder = running[1]
    (folder / "root-other").mkdir(exist_ok=True)
    (folder / "root-other" / "x").write_bytes(b"x")
    for source in ("/etc/hostname", folder / "root-other" / "x", folder, folder / "data" / "node.json"):
        answer = place.promote(source)
        assert (answer.status, answer.error["tcode"]) == (400, "errInvalidPromoteSource")
        assert answer.error["message"].endswith(f"must be under {folder / 'root'} or {folder / 'second'}")
    for source in (f"{place.root}/../x", f"{place.root}/./x", "relative/x", f"{place.root}/a\0b"):
        assert place.promote(source).status == 400
    assert place.names() == []


@pytest.mark.parametrize(
    "value",
    [{"rcr": "yes"}, {"obj": 7}, {"tid": []}, {"obj": "../up"}, {"obj": "a/../b"}, {"obj": "~/x"}, {"tid": "t"}],
)
def test_bad_values_are_refused(place: Place, value: dict):
    assert place.promote(place.root, **value).status == 400
    assert place.names() == []


def test_promotion_needs_its_own_permission(place: Place):
    props = {"action": "set-bprops", "value": {"access": str(2**64 - 1 - (1 << 6))}}
    assert place.wire.send("PATCH", f"/v1/buckets/{place.bucket}", props).status == 200
    answer = place.promote(place.root)
    assert (answer.status, "PROMOTE access denied" in answer.error["message"]) == (403, True)


def test_without_roots_it_is_turned_off(tmp_path: Path):
    (tmp_path / "f").write_bytes(b"1")
    with start_node(tmp_path / "data", sync=False, promote_roots=[]) as node:
        wire = Wire(node.url)
        answer = Place(wire, tmp_path, wire.new_bucket()).promote(tmp_path / "f")
        assert (answer.status, "turned off" in answer.error["message"]) == (400, True)
