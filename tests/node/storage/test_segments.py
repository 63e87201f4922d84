"""The data directory is a set of ordinary TAR files."""

import io
import subprocess
import tarfile

import pytest

NAMES = ["a", "dir/b", "n" * 200, "caf\u00e9", "p/" * 60 + "q", "bytes-\udcff", "a b\tc"]


@pytest.fixture
def filled(engine, bucket, root):
    for number, name in enumerate(NAMES):
        engine.put(bucket, name, name.encode("utf-8", "surrogateescape") * number).result()
    engine.put(bucket, "gone", b"x").result()
    engine.delete(bucket, "gone").result()
    engine.update_custom(bucket, "a", {"k": "v"}).result()
    engine.put(bucket, "large", b"L" * 2_000_000).result()
    return engine


def segments(root):
    return sorted(root.glob("segments/*/*.tar"))


def test_gnu_tar_lists_and_extracts_active_and_sealed_segments(filled, root, tmp_path):
    for is_closed in (False, True):
        if is_closed:
            filled._committer.seal(filled._committer.active_number)
        target = tmp_path / f"out{is_closed}"
        target.mkdir()
        for path in segments(root):
            done = subprocess.run(
                ["tar", "--warning=no-unknown-keyword", "-xf", str(path), "-C", str(target)],
                capture_output=True,
                check=True,
            )
            assert done.stderr == b""
        for number, name in enumerate(NAMES):
            raw = name.encode("utf-8", "surrogateescape")
            assert (target / "b" / name).read_bytes() == raw * number
        assert (target / "b" / "large").stat().st_size == 2_000_000
        assert {path.name for path in target.iterdir()} == {"b"}


def test_python_tarfile_reads_names_data_and_metadata(filled, root):
    found = {}
    for path in segments(root):
        with tarfile.open(path) as archive:
            for member in filter(tarfile.TarInfo.isreg, archive):
                found[member.name] = archive.extractfile(member).read(), member.pax_headers
    assert found["b/" + "n" * 200][0] == b"n" * 400
    assert found["b/large"][0] == b"L" * 2_000_000
    headers = found["b/caf\u00e9"][1]
    assert (headers["MOSS.kind"], headers["MOSS.bucket"], headers["MOSS.version"]) == ("object", "ais/@#/b/", "1")
    assert headers["MOSS.checksum"].startswith("xxhash2:")


def test_a_segment_stored_as_an_object_is_not_taken_for_records(engine, bucket, open_store, root):
    """Damage in front of it makes recovery look for the next record; what is inside a payload is not one."""
    engine.put(bucket, "inner", b"inner data" * 10).result()
    engine.put(bucket, "inner", b"newer").result()
    active = engine._committer._active
    copy = bytes(engine.segment(active.number).view[: active.end])
    extent = engine.put(bucket, "outer", copy * 3).result().extent
    engine.put(bucket, "behind", b"behind").result()
    engine._committer.seal(active.number)
    engine.close()
    with open(root / "segments/000000/0000000001.tar", "r+b") as file:
        file.seek(extent[1] - 1000)
        file.write(b"\xff" * 100)
    for path in (root / "index").iterdir():
        path.unlink()
    again = open_store()
    assert [record.name for record in again.list_objects(bucket)] == ["behind", "inner"]
    assert again.read(bucket, "inner") == b"newer"
    assert again.stats()["lost_records"] == 1


def test_what_is_read_and_sent_as_it_is_stored_is_an_archive(filled, bucket):
    """Header, data and padding of finished entries, one behind the other, and two zero blocks."""
    out = io.BytesIO()
    for number, offset, size, *_ in filled.locate(bucket, ["a", "dir/b", "a b\tc"]):
        out.write(filled.segment(number).view[offset - 512 : offset + size + (-size & 511)])
    out.write(bytes(1024))
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        assert archive.getnames() == ["b/a", "b/dir/b", "b/a b\tc"]
