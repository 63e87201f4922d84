import pytest

from moss.cli.buckets.object_table import ALL_PROPS, by_shard, fields, line, parse_props, status
from moss.cli.failures import UsageError
from moss.wire.object import EntryFlag, ObjectEntry

HERE = EntryFlag.CACHED


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (HERE, "ok"),
        (0, "n/a"),
        (HERE | 1, "misplaced(cluster)"),
        (HERE | 2, "misplaced(mountpath)"),
        (HERE | 3, "replica"),
        (HERE | 4, "replica(object-is-missing)"),
        (HERE | EntryFlag.VERSION_CHANGED, "version-changed"),
        (EntryFlag.VERSION_REMOVED, "deleted"),
        (EntryFlag.HEAD_FAILED, "remote-error"),
        (HERE | 17, "n/a"),
    ],
)
def test_status(flags: int, text: str) -> None:
    assert status(ObjectEntry("o", flags=flags)) == text


def test_props() -> None:
    assert parse_props("name,size, checksum,size") == ["size", "checksum"]
    assert parse_props("all") == list(ALL_PROPS)
    assert parse_props("cached,all")[0] == "cached"
    with pytest.raises(UsageError, match='unknown object property "foo"'):
        parse_props("size,foo")


def test_cells_and_fields() -> None:
    entry = ObjectEntry("dir/o\n", size=2560, custom="[k:v]", copies=1, flags=HERE | EntryFlag.CHUNKED)
    assert line(entry, ["size", "copies", "chunked", "cached"], "iec") == ["dir/o\\n", "2.50KiB", "1", "yes", "yes"]
    exact = {"name": "dir/o\n", "size": 2560, "custom-md": "[k:v]", "chunked": True, "status": "ok"}
    assert fields(entry, ["size", "custom", "chunked", "status"]) == exact
    folder = ObjectEntry("dir/", flags=EntryFlag.IS_DIRECTORY)
    assert line(folder, ["size"], "iec") == ["dir/", ""]
    assert fields(folder, [])["is_directory"] is True


def test_files_stand_under_their_own_shard() -> None:
    def shard(name: str) -> ObjectEntry:
        return ObjectEntry(name, flags=HERE | EntryFlag.IS_ARCHIVE)

    def member(name: str) -> ObjectEntry:
        return ObjectEntry(name, flags=HERE | EntryFlag.IN_ARCHIVE)

    entries = [
        shard("a.tar"), shard("a.tar.lz4"), member("a.tar.lz4/x"), member("a.tar/x"), member("a.tar/y/z"),
        ObjectEntry("b", flags=HERE), member("lost.tar/x"),
    ]  # fmt: skip
    assert [entry.name for entry in by_shard(entries)] == [
        "a.tar", "a.tar/x", "a.tar/y/z", "a.tar.lz4", "a.tar.lz4/x", "b", "lost.tar/x",
    ]  # fmt: skip
