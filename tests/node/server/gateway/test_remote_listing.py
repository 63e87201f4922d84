"""Listings of buckets of an S3 service, joined with the cache. Source: spec/rest-data.md 4, 8."""

import re

import pytest

from moss.testing import NodeProcess
from tests.support.remote import CACHED, CHANGED, DIRECTORY, REMOVED, Cloud, list_all, list_page
from tests.support.rgw import Rgw
from tests.support.wire import Wire, make_tar

CACHED_ONLY, ARCHIVES, NAME_ONLY, NOT_CACHED, ONLY_REMOTE, ONE_LEVEL, DIFF, NO_DIRS = (
    str(1 << bit) for bit in (0, 3, 4, 9, 10, 11, 12, 13)
)


@pytest.fixture(scope="module")
def wire(cloud_node: NodeProcess) -> Wire:
    return Wire(cloud_node.url)


@pytest.fixture
def cloud(rgw: Rgw, wire: Wire) -> Cloud:
    return Cloud(rgw, wire, a=b"A", b=b"BB", c=b"CCC")


def flags_of(rows: list[dict]) -> dict[str, int]:
    return {row["n"]: row.get("f", 0) for row in rows}


def test_105_106_presence_is_shown_and_size_is_the_stores(cloud: Cloud):
    assert flags_of(cloud.entries()) == {"a": 0, "b": 0, "c": 0}
    assert cloud.get("b").body == b"BB"
    assert flags_of(cloud.entries()) == {"a": 0, "b": CACHED, "c": 0}
    assert [(row["n"], row["s"]) for row in cloud.entries()] == [("a", 1), ("b", 2), ("c", 3)]
    assert flags_of(cloud.entries(flags=CACHED_ONLY)) == {"b": CACHED}
    assert flags_of(cloud.entries(flags=NOT_CACHED)) == {"a": 0, "c": 0}
    assert cloud.run("DELETE", "evict-listrange", {"objnames": ["b"]})["err"] == ""
    assert flags_of(cloud.entries()) == {"a": 0, "b": 0, "c": 0}
    head = cloud.wire.send("HEAD", cloud.path("b"))
    assert (head.status, head.headers["ais-present"]) == (200, "false")


def test_what_is_written_or_deleted_is_listed_so_at_once(cloud: Cloud):
    assert cloud.wire.send("PUT", cloud.path("bb"), b"new").status == 200
    assert flags_of(cloud.entries()) == {"a": 0, "b": 0, "bb": CACHED, "c": 0}
    assert cloud.wire.send("DELETE", cloud.path("bb")).status == 200
    assert list(flags_of(cloud.entries())) == ["a", "b", "c"]
    # What others write and delete is listed too.
    cloud.store("d", b"DDDD")
    cloud.remove("a")
    assert list(flags_of(cloud.entries())) == ["b", "c", "d"]


def test_properties_of_the_store_and_of_the_cache(cloud: Cloud):
    cloud.get("a")
    rows = {row["n"]: row for row in cloud.entries(props="name,size,checksum,version,atime,custom,copies,location")}
    md5 = "7fc56270e7a70fa81a5935b72eacbe29"
    for row in rows.values():
        assert re.fullmatch(r"\[ETag:[0-9a-f]{32} LastModified:20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\]", row["m"])
    assert (rows["a"]["cs"], rows["a"]["m"][6:38]) == (md5, md5)
    assert {"a", "c", "t"} <= rows["a"].keys()
    assert not {"a", "c", "t"} & rows["b"].keys()
    names = cloud.entries(props="name")
    assert names == [{"n": "a", "f": CACHED}, {"n": "b"}, {"n": "c"}]
    assert cloud.entries(flags=NAME_ONLY) == names
    assert flags_of(cloud.entries(flags=ONLY_REMOTE)) == {"a": 0, "b": 0, "c": 0}


@pytest.mark.parametrize("parts", [1, 2])
def test_an_object_of_several_parts_has_no_md5(cloud: Cloud, parts: int):
    upload = cloud.s3.create_multipart_upload(Bucket=cloud.name, Key="p")["UploadId"]
    done = []
    for number in range(1, parts + 1):
        body = b"x" * (5 << 20) if number < parts else b"end"
        answer = cloud.s3.upload_part(Bucket=cloud.name, Key="p", UploadId=upload, PartNumber=number, Body=body)
        done.append({"ETag": answer["ETag"], "PartNumber": number})
    cloud.s3.complete_multipart_upload(
        Bucket=cloud.name, Key="p", UploadId=upload, MultipartUpload={"Parts": done}
    )  # fmt: skip
    (row,) = cloud.entries(prefix="p", props="name,size,checksum,custom")
    assert ("cs" in row, f"-{parts} " in row["m"]) == (False, True)


def test_pages_and_tokens(rgw: Rgw, wire: Wire):
    cloud = Cloud(rgw, wire, **{f"o{number:02d}": b"x" for number in range(7)})
    path = cloud.path()
    first = list_page(wire, path, pagesize=3)
    assert [row["n"] for row in first["Entries"]] == ["o00", "o01", "o02"]
    assert first["ContinuationToken"] == "o02"
    again = {"pagesize": 3, "uuid": first["UUID"], "continuation_token": "o02"}
    assert list_page(wire, path, **again) == list_page(wire, path, **again)
    for size in (1, 2, 3, 7, 8, 5000):
        assert [row["n"] for row in list_all(wire, path, pagesize=size)] == [f"o{number:02d}" for number in range(7)]
    beyond = list_page(wire, path, continuation_token="zzz")
    assert (beyond["Entries"], beyond["ContinuationToken"]) == ([], "")
    assert [row["n"] for row in list_all(wire, path, prefix="o0", pagesize=2)] == [f"o{n:02d}" for n in range(7)]
    assert list_all(wire, path, prefix="nothing") == []
    refused = wire.send("GET", path, {"action": "list", "value": {"start_after": "o03"}})
    assert refused.status == 400
    text = f"list-objects option --start_after (o03) not yet supported for remote buckets (s3://{cloud.name})"
    assert refused.error["message"] == text
    assert [row["n"] for row in list_all(wire, path, start_after="o03", flags=CACHED_ONLY)] == []


def test_a_buckets_own_page_size(rgw: Rgw, wire: Wire):
    cloud = Cloud(rgw, wire, **{f"o{number}": b"x" for number in range(5)})
    value = {"extra": {"aws": {"max_pagesize": 2}}}
    assert wire.send("PATCH", cloud.path(), {"action": "set-bprops", "value": value}).status == 200
    assert len(list_page(wire, cloud.path())["Entries"]) == 2
    assert len(list_all(wire, cloud.path())) == 5


def test_more_objects_than_a_page_of_the_store(rgw: Rgw, wire: Wire):
    cloud = Cloud(rgw, wire)
    names = [f"n{number:04d}" for number in range(1003)]
    cloud.store_many(names)
    first = list_page(wire, cloud.path())
    assert (len(first["Entries"]), bool(first["ContinuationToken"])) == (1000, True)
    assert [row["n"] for row in list_all(wire, cloud.path())] == names
    # A bucket of this cluster's own has pages as long as its clients know them.
    front = wire.new_bucket()
    value = {"backend_bck": {"name": cloud.name, "provider": "aws"}}
    assert wire.send("PATCH", f"/v1/buckets/{front}", {"action": "set-bprops", "value": value}).status == 200
    page = list_page(wire, f"/v1/buckets/{front}")
    assert (len(page["Entries"]), page["ContinuationToken"]) == (1003, "")
    page = list_page(wire, f"/v1/buckets/{front}", pagesize=1002)
    assert (len(page["Entries"]), page["ContinuationToken"]) == (1002, "n1001")


TREE = ["a", "ab.txt", "ab/1", "ab/2", "ab/c/3", "abc/4", "b/5", "z"]


@pytest.mark.parametrize("page_size", [1, 2, 3, 0])
@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", ["a", "ab.txt", "ab/", "abc/", "b/", "z"]),
        ("/", ["a", "ab.txt", "ab/", "abc/", "b/", "z"]),
        ("ab", ["ab.txt", "ab/", "abc/"]),
        ("ab/", ["ab/1", "ab/2", "ab/c/"]),
        ("ab/c/", ["ab/c/3"]),
        ("nothing/", []),
    ],
)
def test_one_level(tree: Cloud, prefix: str, expected: list[str], page_size: int):
    rows = tree.entries(prefix=prefix, flags=ONE_LEVEL, pagesize=page_size)
    assert [row["n"] for row in rows] == expected
    assert all((row.get("f", 0) & DIRECTORY != 0) == row["n"].endswith("/") for row in rows)
    if page_size != 1:
        return
    both = str(int(ONE_LEVEL) | int(NO_DIRS))
    assert [row["n"] for row in tree.entries(prefix=prefix, flags=both)] == [n for n in expected if n[-1] != "/"]


@pytest.fixture(scope="module")
def tree(rgw: Rgw, wire: Wire) -> Cloud:
    return Cloud(rgw, wire, **dict.fromkeys(TREE, b"x"))


def test_names_that_stand_for_folders_are_shown_as_such(rgw: Rgw, wire: Wire):
    cloud = Cloud(rgw, wire, **{"d/": b"", "d/x": b"x", "e/": b""})
    assert flags_of(cloud.entries()) == {"d/": DIRECTORY, "d/x": 0, "e/": DIRECTORY}
    assert flags_of(cloud.entries(flags=NO_DIRS)) == {"d/x": 0}
    assert flags_of(cloud.entries(prefix="d/", flags=ONE_LEVEL)) == {"d/x": 0}
    assert cloud.run("POST", "prefetch-listrange", {"template": ""})["err"] == ""
    assert cloud.cached() == ["d/x"]
    assert cloud.run("DELETE", "delete-listrange", {"template": "d/"})["err"] == ""
    assert list(cloud.stored()) == ["e/"]


def test_odd_names(rgw: Rgw, wire: Wire):
    names = ["a b", "a%25", "a%b", "a+b", "a?b#c", "back\\slash", "d/é/ü", "q\"uote'", "x//y", "&=;,<>"]
    cloud = Cloud(rgw, wire, **{name: name.encode() for name in names})
    for size in (1, 0):
        assert [row["n"] for row in cloud.entries(pagesize=size)] == sorted(names, key=str.encode)
    for name in names:
        assert cloud.get(name).body == name.encode()
    assert set(flags_of(cloud.entries()).values()) == {CACHED}
    for name in names:
        assert [row["n"] for row in cloud.entries(prefix=name)] == [name]


def test_members_of_cached_archives_are_listed(cloud: Cloud):
    cloud.store("s.tar", make_tar({"m1": b"1", "m2": b"22"}))
    assert cloud.entries(flags=ARCHIVES) == []
    cloud.get("s.tar")
    assert [row["n"] for row in cloud.entries(flags=ARCHIVES)] == ["s.tar", "s.tar/m1", "s.tar/m2"]


def test_differences_from_the_store_are_shown_when_asked_for(cloud: Cloud):
    for name in ("a", "b"):
        cloud.get(name)
    cloud.store("a", b"another")
    cloud.remove("b")
    assert flags_of(cloud.entries()) == {"a": CACHED, "c": 0}
    assert flags_of(cloud.entries(flags=DIFF)) == {"a": CACHED | CHANGED, "b": CACHED | REMOVED, "c": 0}
    assert flags_of(cloud.entries(flags=DIFF, pagesize=1)) == {"a": CACHED | CHANGED, "b": CACHED | REMOVED, "c": 0}
    # As the last names of a page, and behind the last one of all.
    for name in ("a", "c"):
        cloud.remove(name)
    cloud.get("a"), cloud.get("c")
    assert cloud.entries() == []
    assert flags_of(cloud.entries(flags=DIFF)) == {"a": CACHED | REMOVED, "b": CACHED | REMOVED}
