"""Flags and properties of listings: the uses of the official client's own tests (data plane, section 10)."""

from typing import Any

import pytest

from tests.compat.conftest import Library, names, put

TREE = ["a", "d1/a", "d1/b", "d1/d2/c", "d3/x", "z"]


@pytest.fixture
def tree(bucket: Any) -> Any:
    for name in TREE:
        put(bucket, name, name.encode())
    return bucket


def test_60_objects_are_present(tree: Any):
    for entry in tree.list_all_objects(props="name,cached,status"):
        assert entry.flags == 64
        assert entry.is_cached() and entry.is_ok()


@pytest.mark.parametrize("page_size", [0, 2, 3])
@pytest.mark.parametrize(
    "prefix, wanted",
    [
        ("", ["a", "d1/", "d3/", "z"]),
        ("d1/", ["d1/a", "d1/b", "d1/d2/"]),
        ("d1/d2/", ["d1/d2/c"]),
        ("none/", []),
    ],
)
def test_61_listings_of_one_level(library: Library, tree: Any, prefix: str, wanted: list[str], page_size: int):
    flags = library.ListObjectFlag
    for chosen in ([flags.NO_RECURSION], [flags.NO_RECURSION, flags.NO_DIRS]):
        options = {"prefix": prefix, "flags": chosen, "page_size": page_size}
        assert sorted(names(tree, **options)) == wanted
        assert sorted(entry.name for entry in tree.list_objects_iter(**options)) == wanted
    for entry in tree.list_all_objects(prefix=prefix, flags=[flags.NO_RECURSION]):
        assert bool(entry.flags & 256) == entry.name.endswith("/")


def test_59_properties_are_those_asked_for(tree: Any):
    for entry in tree.list_all_objects(props="name,size,checksum,version,atime,location,copies"):
        assert (entry.size, len(entry.checksum), entry.version) == (len(entry.name), 16, "1")
        assert entry.atime and entry.location
    for entry in tree.list_all_objects(props="name"):
        assert (entry.size, entry.checksum or "") == (0, "")


def test_names_and_sizes_alone(library: Library, tree: Any):
    flags = library.ListObjectFlag
    assert [entry.size for entry in tree.list_all_objects(flags=[flags.NAME_ONLY])] == [0] * len(TREE)
    sized = tree.list_all_objects(flags=[flags.NAME_SIZE], page_size=2)
    assert {entry.name: entry.size for entry in sized} == {name: len(name) for name in TREE}


def test_64_listings_follow_puts_and_deletes(tree: Any):
    put(tree, "new", b"")
    assert "new" in names(tree)
    tree.object("new").delete()
    assert names(tree) == TREE


def test_flags_of_old_clients_are_known(library: Library, tree: Any):
    flags = library.ListObjectFlag
    assert names(tree, flags=[flags.CACHED]) == TREE
    assert names(tree, flags=[flags.DONT_HEAD_REMOTE, flags.DONT_ADD_REMOTE]) == TREE
