"""Archives made of objects, and what listings show inside archives. Source: spec/rest-data.md 4.6, 7.4.

Numbers in names are those of the contract's checklist, section 11.
"""

import json
import threading
import time

import pytest

from moss.archive.formats import Format
from moss.testing import NodeProcess
from tests.archive.making import foreign, read_by_others
from tests.support.wire import Answer, Wire, make_tar

NAMES = {Format.TAR: "s.tar", Format.TGZ: "s.tgz", Format.ZIP: "s.zip", Format.TAR_LZ4: "s.tar.lz4"}


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    return wire.new_bucket()


def start(wire: Wire, bucket: str, name: str, *, destination: str = "", **value: object) -> Answer:
    to = {"name": destination or bucket, "provider": "ais", "namespace": None}
    return wire.send(
        "PUT", f"/v1/buckets/{bucket}", {"action": "archive", "value": {"archname": name, "tobck": to, **value}}
    )


def finish(wire: Wire, answer: Answer) -> dict:
    """Wait for a job; returns its snapshot."""
    assert answer.status == 200, answer.body
    deadline = time.monotonic() + 20
    while True:
        found = wire.send("GET", "/v1/cluster?what=qryxstats", {"id": answer.body.decode()})
        ((snapshot,),) = json.loads(found.body).values()
        if snapshot["is_idle"]:
            return snapshot
        assert time.monotonic() < deadline


def members(wire: Wire, bucket: str, name: str, archive_format: Format = Format.TAR) -> list[tuple[str, bytes]]:
    return read_by_others(wire.send("GET", f"/v1/objects/{bucket}/{name}").body, archive_format)


@pytest.mark.parametrize(
    ("value", "tcode", "text"),
    [
        ({"archname": "x.tar", "mime": "application/x-tar"}, None, 'mime mismatch "application/x-tar" vs ".tar"'),
        ({"archname": "x.tgz", "mime": ".tar.gz"}, None, 'mime mismatch ".tar.gz" vs ".tgz"'),
        ({"archname": "x.tar", "mime": "rar"}, "errUnknownMime", 'unknown mime type "rar"'),
        ({"archname": "x.rar"}, "errUnknownFileExt", 'unknown filename extension ("x.rar", ".rar")'),
        ({"archname": "../x.tar"}, "errInvalidPath", "invalid object name"),
        ({"archname": "x.tar", "tobck": None}, None, "bucket name is missing"),
        ({"archname": "x.tar", "aate": "yes"}, None, "must be booleans"),
    ],
)
def test_96_95_archives_that_cannot_be(wire: Wire, bucket: str, value: dict, tcode: str | None, text: str):
    answer = start(wire, bucket, value.pop("archname"), **value)
    assert answer.status == 400
    assert answer.error.get("tcode") == tcode
    assert text in answer.error["message"]


@pytest.mark.parametrize("archive_format", Format)
def test_97_98_members_names_and_growing(wire: Wire, bucket: str, archive_format: Format):
    other = wire.new_bucket()
    for name in ("d/a", "d/b", "c"):
        wire.put(bucket, name, name.encode())
    archive = NAMES[archive_format]
    finish(wire, start(wire, bucket, archive, destination=other, template="d/"))
    assert members(wire, other, archive, archive_format) == [("d/a", b"d/a"), ("d/b", b"d/b")]
    finish(wire, start(wire, bucket, archive, destination=other, objnames=["c"], aate=True, isbn=True))
    finish(wire, start(wire, bucket, archive, destination=other, objnames=["d/a"], aate=True, bnonly=True))
    grown = [("d/a", b"d/a"), ("d/b", b"d/b"), (f"{bucket}/c", b"c"), ("a", b"d/a")]
    assert members(wire, other, archive, archive_format) == grown
    finish(wire, start(wire, bucket, archive, destination=other, objnames=["c"]))
    assert members(wire, other, archive, archive_format) == [("c", b"c")]


def test_growing_an_archive_that_is_not_there_makes_it(wire: Wire, bucket: str):
    wire.put(bucket, "a", b"1")
    finish(wire, start(wire, bucket, "new.tar", objnames=["a"], aate=True))
    assert members(wire, bucket, "new.tar") == [("a", b"1")]


def test_what_is_no_archive_does_not_grow(wire: Wire, bucket: str):
    wire.put(bucket, "a", b"1")
    wire.put(bucket, "x.zip", b"no archive" * 50)
    assert finish(wire, start(wire, bucket, "x.zip", objnames=["a"], aate=True))["err"]
    assert wire.send("GET", f"/v1/objects/{bucket}/x.zip").body == b"no archive" * 50


def test_a_new_archive_has_version_1_and_a_replaced_one_keeps_its_own(wire: Wire, bucket: str):
    wire.put(bucket, "a", b"1")
    for number in range(3):
        wire.put(bucket, "old.tar", b"%d" % number)
    for name, version in (("new.tar", "1"), ("old.tar", "3")):
        finish(wire, start(wire, bucket, name, objnames=["a"]))
        assert wire.send("HEAD", f"/v1/objects/{bucket}/{name}").headers["ais-version"] == version


def test_the_archive_has_the_checksum_of_its_bucket(wire: Wire, bucket: str):
    props = {"action": "set-bprops", "value": {"checksum": {"type": "md5"}}}
    assert wire.send("PATCH", f"/v1/buckets/{bucket}", props).status == 200
    wire.put(bucket, "a", b"1")
    finish(wire, start(wire, bucket, "s.tar", objnames=["a"]))
    assert wire.send("HEAD", f"/v1/objects/{bucket}/s.tar").headers["ais-checksum-type"] == "md5"


def test_jobs_that_let_one_archive_grow_at_once_lose_nothing(wire: Wire, bucket: str):
    names = [f"o{number}" for number in range(12)]
    for name in names:
        wire.put(bucket, name, name.encode())
    started: list[Answer] = []
    threads = [
        threading.Thread(
            target=lambda name=name: started.append(start(wire, bucket, "s.tar", objnames=[name], aate=True))
        )
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in started:
        snapshot = finish(wire, answer)
        assert (snapshot["err"], snapshot["stats"]["loc-objs"]) == ("", "1")
    assert sorted(members(wire, bucket, "s.tar")) == sorted((name, name.encode()) for name in names)


# -- listings ---------------------------------------------------------------------------------------------


def listed(wire: Wire, bucket: str, **value: object) -> list[tuple[str, int, int]]:
    message = {"action": "list", "value": {"flags": "8", "props": "name", **value}}
    page = json.loads(wire.send("GET", f"/v1/buckets/{bucket}", message).body)
    return [(entry["name"], int(entry.get("size", 0)), entry["flags"]) for entry in page["entries"] or []]


@pytest.mark.parametrize("archive_format", Format)
def test_62_archives_are_listed_with_their_members(wire: Wire, bucket: str, archive_format: Format):
    name = NAMES[archive_format]
    wire.put(bucket, name, foreign([("z", b"123"), ("a/b", b""), ("z", b"again")], archive_format))
    inside = [(f"{name}/a/b", 0, 192), (f"{name}/z", 3, 192), (f"{name}/z", 5, 192)]
    assert listed(wire, bucket) == [(name, 0, 576), *inside]
    assert listed(wire, bucket, prefix=f"{name}/z") == inside[1:]
    assert listed(wire, bucket, start_after=f"{name}/a/b") == inside[1:]


def test_pages_may_end_anywhere(wire: Wire, bucket: str):
    """Between members, between members of one name, and where objects lie among the members of an archive."""
    for name in ("a", "s.tar!", "s.tar/m3", "s.tar/z", "s.tar0", "t"):
        wire.put(bucket, name, b"1")
    wire.put(bucket, "s.tar", make_tar([(name, b"x") for name in ("m9", "m1", "m3", "m5", "m1", "m1", "z/s.tar/x")]))
    wire.put(bucket, "s.tar.gz", make_tar({"inner": b"1", "z": b"2"}, "w:gz"))
    whole = [name for name, _, _ in listed(wire, bucket)]
    assert whole == sorted(whole)
    assert len(whole) == 17
    inside = [name for name in whole if name.startswith("s.tar/")]
    assert [name for name, _, _ in listed(wire, bucket, prefix="s.tar/")] == inside
    assert [name for name, _, _ in listed(wire, bucket, prefix="s.tar")] == whole[1:-1]
    for name in dict.fromkeys(whole):
        rest = [other for other in whole if other > name]
        assert [found for found, _, _ in listed(wire, bucket, start_after=name)] == rest, name
    for size in (1, 2, 3, 4):
        names, token, uuid = [], "", ""
        while True:
            value = {"flags": "8", "props": "name", "pagesize": size, "continuation_token": token, "uuid": uuid}
            page = json.loads(wire.send("GET", f"/v1/buckets/{bucket}", {"action": "list", "value": value}).body)
            names += [entry["name"] for entry in page["entries"] or []]
            token, uuid = page["continuation_token"], page["uuid"]
            if not token:
                break
        assert names == whole


def test_what_breaks_off_shows_what_stands_before(wire: Wire, bucket: str):
    tar = make_tar({"a": b"1" * 600, "b": b"2" * 600})
    wire.put(bucket, "cut.tar", tar[:1900])
    wire.put(bucket, "not.tar", b"no archive" * 99)
    wire.put(bucket, "not.zip", b"no archive" * 99)
    wire.put(bucket, "empty.tar", b"")
    assert listed(wire, bucket) == [
        ("cut.tar", 0, 576), ("cut.tar/a", 600, 192), ("empty.tar", 0, 576), ("not.tar", 0, 64), ("not.zip", 0, 64),
    ]  # fmt: skip


def test_an_archive_that_has_grown_is_listed_as_it_is(wire: Wire, bucket: str):
    wire.put(bucket, "s.tar", make_tar({"a": b"1"}))
    assert [name for name, _, _ in listed(wire, bucket)] == ["s.tar", "s.tar/a"]
    wire.send("PUT", f"/v1/objects/{bucket}/s.tar?archpath=b", b"22", {"Ais-Pine": "1"})
    assert listed(wire, bucket)[1:] == [("s.tar/a", 1, 192), ("s.tar/b", 2, 192)]
