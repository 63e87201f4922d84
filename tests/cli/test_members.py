import gzip
import io
import random
import tarfile

import lz4.frame
import pytest

from moss.cli.members import CompressedTarWatcher, TarWatcher, make_watcher
from moss.errors import BadArchive


def build(members: list[tuple[str, bytes, dict[str, str]]], format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for name, data, pax in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.pax_headers = pax
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def pass_through(watcher, data: bytes, pieces: list[int]) -> bytes:
    kept = io.BytesIO()
    at = 0
    for size in [*pieces, len(data)]:
        for piece in watcher.feed(data[at : at + size]):
            kept.write(piece)
        at += size
    return kept.getvalue()


MEMBERS = [
    ("b/a", b"x" * 700, {}),
    ("b/" + "long/" * 60 + "name", b"", {}),
    ("b/größe", b"y" * 512, {}),
    ("b/empty", b"", {}),
]


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("seed", range(5))
def test_members_are_seen_and_bytes_kept_however_they_arrive(format: int, seed: int) -> None:
    data = build(MEMBERS, format)
    sizes = [random.Random(seed).randint(1, 900) for _ in range(40)]
    watcher = TarWatcher()
    assert pass_through(watcher, data, sizes) == data
    assert watcher.complete
    assert [(seen.name, seen.size) for seen in watcher.members] == [(name, len(body)) for name, body, _ in MEMBERS]


def test_status_records_are_read_and_taken_out_again() -> None:
    plain = [("__404__/b/gone", b"", {}), ("b/a", b"x" * 700, {})]
    told = [("__404__/b/gone", b"", {"MOSS.index": "0", "MOSS.error": "does not exist"}), ("b/a", b"x" * 700, {})]
    watcher = TarWatcher()
    # The standard library fills the last record with zeros; how many differs by what was taken out.
    assert pass_through(watcher, build(told), [100] * 30).rstrip(b"\0") == build(plain).rstrip(b"\0")
    assert [seen.error for seen in watcher.members] == ["does not exist", ""]


def test_other_records_beside_status_stay() -> None:
    name = "__404__/" + "long/" * 60 + "name"
    watcher = TarWatcher()
    kept = pass_through(watcher, build([(name, b"", {"MOSS.index": "0", "MOSS.error": "gone"})]), [])
    with tarfile.open(fileobj=io.BytesIO(kept)) as tar:
        member = tar.next()
    assert member is not None and member.name == name
    assert "MOSS.error" not in member.pax_headers


@pytest.mark.parametrize(
    ("extension", "compress"), [(".tgz", gzip.compress), (".tar.gz", gzip.compress), (".tar.lz4", lz4.frame.compress)]
)
def test_compressed_archives_are_looked_into_and_kept(extension: str, compress) -> None:
    data = compress(build(MEMBERS))
    watcher = make_watcher(extension)
    assert pass_through(watcher, data, [7] * 50) == data
    assert watcher.complete and len(watcher.members) == len(MEMBERS)


def test_several_gzip_members_are_one_archive() -> None:
    data = build(MEMBERS)
    watcher = make_watcher(".tgz")
    pass_through(watcher, gzip.compress(data[:600]) + gzip.compress(data[600:]), [40] * 5)
    assert watcher.complete and len(watcher.members) == len(MEMBERS)


def test_every_cut_is_noticed() -> None:
    data = build([("b/a", b"x" * 700, {}), ("b/c", b"z" * 100, {})])
    whole = {at: _watched(data[:at]) for at in range(0, 3584, 64)}
    assert not any(watcher.complete for watcher in whole.values())
    assert whole[512].whole_members == 0
    assert whole[1536].whole_members == 1
    assert whole[2560].whole_members == 2


def _watched(data: bytes) -> TarWatcher:
    watcher = TarWatcher()
    watcher.feed(data)
    return watcher


def test_cut_compressed_archives_are_noticed() -> None:
    data = gzip.compress(build(MEMBERS))
    watcher = make_watcher(".tgz")
    watcher.feed(data[:-4])
    assert isinstance(watcher, CompressedTarWatcher) and not watcher.complete


def test_what_is_no_archive_is_refused() -> None:
    with pytest.raises(BadArchive):
        TarWatcher().feed(b"<html>" * 200)
