"""Archives that grow: what was there stays, what comes is behind it, and other programs read the result."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import lz4.frame
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moss.archive.formats import Format
from moss.errors import BadArchive, ChecksumMismatch, ObjectChanged
from moss.naming.bucket import Bucket
from moss.node.archiving import ArchiveUpload, existing_archive
from moss.node.storage.engine import Engine, EngineOptions
from moss.node.storage.objects import ObjectAttributes
from tests.archive.making import foreign, ours, packed, read_by_others, tar_of

BUCKET = Bucket("b")
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/\\"), min_size=1, max_size=120).filter(
    lambda name: name not in (".", "..")
)
ENTRIES = st.lists(st.tuples(NAMES, st.binary(max_size=2000)), max_size=5)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    options = EngineOptions(sync=False, compact_in_background=False, segment_bytes_max=4 << 20)
    with Engine.open(tmp_path_factory.mktemp("archiving"), options=options) as opened:
        opened.create_bucket(BUCKET)
        yield opened


def grow(
    engine: Engine, name: str, archive_format: Format, added: list[tuple[str, bytes]], **attributes: object
) -> None:
    existing = existing_archive(engine, BUCKET, name)
    with ArchiveUpload(engine, BUCKET, name, archive_format, ObjectAttributes(**attributes)) as archive:
        if existing is not None:
            archive.keep(existing)
        for member, data in added:
            archive.add(member, len(data), [data[:7], data[7:]])
        archive.commit().result()


@pytest.mark.parametrize("archive_format", Format)
@pytest.mark.parametrize("make", [foreign, ours])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=ENTRIES, second=ENTRIES)
def test_members_stay_and_new_ones_come_behind_them(engine: Engine, archive_format: Format, make, first, second):
    engine.put(BUCKET, "grow", make(first, archive_format)).result()
    grow(engine, "grow", archive_format, second)
    assert read_by_others(engine.read(BUCKET, "grow"), archive_format) == [*first, *second]


@pytest.mark.parametrize("archive_format", Format)
def test_an_archive_grows_again_and_again(engine: Engine, archive_format: Format):
    members = [(f"d/{number}", b"x" * number * 300) for number in range(12)]
    name = f"again{archive_format.value}"
    for member in members:
        grow(engine, name, archive_format, [member])
    assert read_by_others(engine.read(BUCKET, name), archive_format) == members


def test_an_object_without_a_byte_is_an_archive_without_members(engine: Engine):
    for archive_format in Format:
        engine.put(BUCKET, "empty", b"").result()
        grow(engine, "empty", archive_format, [("m", b"1")])
        assert read_by_others(engine.read(BUCKET, "empty"), archive_format) == [("m", b"1")]


@pytest.mark.parametrize("archive_format", [Format.TAR, Format.TGZ, Format.TAR_LZ4])
def test_folders_links_modes_and_long_names_are_carried_over_as_they_are(engine: Engine, archive_format: Format):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind in (("d", tarfile.DIRTYPE), ("d/l", tarfile.SYMTYPE), ("x" * 200, tarfile.REGTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.mtime, member.uname = kind, 0o640, 1_700_000_000, "somebody"
            member.linkname = "../x" if kind == tarfile.SYMTYPE else ""
            tar.addfile(member)
    engine.put(BUCKET, "kinds", packed(out.getvalue(), archive_format)).result()
    grow(engine, "kinds", archive_format, [("new", b"1")])
    grown = engine.read(BUCKET, "kinds")
    if archive_format is Format.TGZ:
        grown = gzip.decompress(grown)
    elif archive_format is Format.TAR_LZ4:
        grown = lz4.frame.decompress(grown)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as before, tarfile.open(fileobj=io.BytesIO(grown)) as after:
        assert [m.get_info() for m in after][:-1] == [m.get_info() for m in before]


def test_a_zip_behind_a_program_stays_readable(engine: Engine):
    engine.put(BUCKET, "prefixed", b"#!/bin/sh\n" * 50 + foreign([("a", b"1")], Format.ZIP)).result()
    grow(engine, "prefixed", Format.ZIP, [("b", b"22")])
    with zipfile.ZipFile(io.BytesIO(engine.read(BUCKET, "prefixed"))) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == {"a": b"1", "b": b"22"}


@pytest.mark.parametrize("archive_format", Format)
def test_what_is_broken_does_not_grow_and_stays(engine: Engine, archive_format: Format):
    whole = foreign([("a", b"1" * 5000), ("b", b"2" * 5000)], archive_format)
    for broken in (whole[: len(whole) * 2 // 5], b"no archive at all" * 60):
        engine.put(BUCKET, "broken", broken).result()
        with pytest.raises(BadArchive):
            grow(engine, "broken", archive_format, [("c", b"3")])
        assert engine.read(BUCKET, "broken") == broken


def test_a_version_that_appeared_meanwhile_is_not_overwritten(engine: Engine):
    engine.put(BUCKET, "race", tar_of([("a", b"1")])).result()
    stale = engine.head(BUCKET, "race").serial
    engine.put(BUCKET, "race", tar_of([("other", b"2")])).result()
    with pytest.raises(ObjectChanged):
        grow(engine, "race", Format.TAR, [("c", b"3")], replaces=stale)
    with pytest.raises(ObjectChanged):
        grow(engine, "race", Format.TAR, [("c", b"3")], replaces=0)
    with pytest.raises(ObjectChanged):
        grow(engine, "never", Format.TAR, [("c", b"3")], replaces=stale)
    assert read_by_others(engine.read(BUCKET, "race"), Format.TAR) == [("other", b"2")]
    assert existing_archive(engine, BUCKET, "never") is None


def test_large_members_and_large_archives(engine: Engine, tmp_path: Path):
    first = [("big", bytes(range(256)) * 8192)]
    for archive_format in Format:
        engine.put(BUCKET, "large", foreign(first, archive_format)).result()
        grow(engine, "large", archive_format, [("second", b"z" * 1_500_000)])
        found = read_by_others(engine.read(BUCKET, "large"), archive_format)
        assert found == [*first, ("second", b"z" * 1_500_000)]


def test_a_damaged_archive_is_not_carried_over(tmp_path: Path):
    options = EngineOptions(sync=False, compact_in_background=False, segment_bytes_max=4 << 20)
    payload = foreign([("a", b"needle" * 1000)], Format.TAR)
    with Engine.open(tmp_path / "s", options=options) as engine:
        engine.create_bucket(BUCKET)
        engine.put(BUCKET, "s.tar", payload).result()
    flipped = 0
    for path in (tmp_path / "s").rglob("*.tar"):
        data = bytearray(path.read_bytes())
        at = data.find(b"needleneedle")
        if at >= 0:
            data[at + 100] ^= 1
            path.write_bytes(data)
            flipped += 1
    assert flipped == 1
    with Engine.open(tmp_path / "s", options=options) as engine, pytest.raises(ChecksumMismatch):
        grow(engine, "s.tar", Format.TAR, [("b", b"1")])
