"""Data computed from objects lives as long as the version that it was computed from."""

import pytest

from moss.errors import SegmentGone

SIZES = [0, 10, 100_000]


@pytest.mark.parametrize("size", SIZES)
def test_kept_across_restart(engine, bucket, open_store, size):
    serial = engine.put(bucket, "o", b"x").result().serial
    engine.put_derived(serial, "table", b"d" * size)
    assert engine.get_derived(serial, "table") == b"d" * size
    assert engine.get_derived(serial, "other") is None
    engine.close()
    assert open_store().get_derived(serial, "table") == b"d" * size


def test_replaced_by_smaller_and_larger(engine, bucket, root):
    serial = engine.put(bucket, "o", b"x").result().serial
    for size in (10, 100_000, 20, 200_000, 0):
        engine.put_derived(serial, "table", b"d" * size)
        assert engine.get_derived(serial, "table") == b"d" * size
    assert not list((root / "derived").iterdir())


@pytest.mark.parametrize("how", ["delete", "overwrite", "drop"])
def test_gone_with_the_version(engine, bucket, root, how):
    serial = engine.put(bucket, "o", b"x").result().serial
    for size in SIZES:
        engine.put_derived(serial, f"table{size}", b"d" * size)
    engine.derived_segment_path(serial).write_bytes(b"t" * 1000)
    assert bytes(engine.derived_segment(serial).view) == b"t" * 1000
    if how == "delete":
        engine.delete(bucket, "o").result()
    elif how == "overwrite":
        engine.put(bucket, "o", b"y").result()
    else:
        engine.drop_bucket(bucket)
    assert [engine.get_derived(serial, f"table{size}") for size in SIZES] == [None] * 3
    assert not list((root / "derived").iterdir())
    engine.put_derived(serial, "late", b"z" * 100_000)
    assert engine.get_derived(serial, "late") is None
    assert not list((root / "derived").iterdir())


def test_damaged_data_is_not_delivered(engine, bucket, root):
    serial = engine.put(bucket, "o", b"x").result().serial
    engine.put_derived(serial, "table", b"d" * 100_000)
    (path,) = (root / "derived").iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert engine.get_derived(serial, "table") is None
    path.unlink()
    assert engine.get_derived(serial, "table") is None


def test_missing_derived_segment(engine):
    with pytest.raises(SegmentGone):
        engine.derived_segment(77)
