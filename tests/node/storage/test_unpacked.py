"""Files that shards are unpacked to."""

import os
import time
from pathlib import Path

import pytest

from moss.node.storage.unpacked import TooLargeToKeep, UnpackedCache, spooled


def test_a_file_is_seen_when_it_is_published(tmp_path: Path) -> None:
    cache = UnpackedCache(tmp_path / "derived", bytes_max=1000, shard_bytes_max=500)
    path = tmp_path / "derived" / "01.segment"
    unfinished = cache.begin()
    unfinished.append(b"hello")
    unfinished.append(memoryview(b" world"))
    assert bytes(unfinished.map()) == b"hello world" and not path.exists()
    cache.publish(unfinished, path)
    view = cache.map(path, 11)
    assert view is not None and bytes(view) == b"hello world"
    assert cache.map(path, 12) is None and cache.map(tmp_path / "02.segment", 11) is None
    assert os.listdir(tmp_path / "derived") == ["01.segment"]


def test_an_empty_file_can_be_mapped(tmp_path: Path) -> None:
    cache = UnpackedCache(tmp_path, bytes_max=1000, shard_bytes_max=500)
    unfinished = cache.begin()
    assert bytes(unfinished.map()) == b""
    cache.publish(unfinished, tmp_path / "01.segment")
    assert cache.map(tmp_path / "01.segment", 0) is not None


def test_a_shard_above_the_bound_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    cache = UnpackedCache(tmp_path, bytes_max=1000, shard_bytes_max=500)
    unfinished = cache.begin()
    unfinished.append(bytes(500))
    with pytest.raises(TooLargeToKeep):
        unfinished.append(b"x")
    unfinished.discard()
    assert not os.listdir(tmp_path)


def test_a_file_can_be_cut_before_it_is_published(tmp_path: Path) -> None:
    unfinished = UnpackedCache(tmp_path, bytes_max=1000, shard_bytes_max=500).begin()
    unfinished.append(b"good bad")
    unfinished.cut(4)
    assert bytes(unfinished.map()) == b"good" and unfinished.size == 4


def test_eviction_leaves_other_files_and_the_new_one_alone(tmp_path: Path) -> None:
    cache = UnpackedCache(tmp_path, bytes_max=100, shard_bytes_max=500)
    (tmp_path / "01.members").write_bytes(bytes(1000))
    for number in range(3):
        unfinished = cache.begin()
        unfinished.append(bytes(200))
        cache.publish(unfinished, tmp_path / f"{number}.segment")
        assert set(os.listdir(tmp_path)) == {"01.members", f"{number}.segment"}


def test_leftovers_of_a_killed_process_are_removed_when_they_are_old(tmp_path: Path) -> None:
    for name, age_s in (("unpacking-old.tmp", 3600), ("unpacking-young.tmp", 1)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    UnpackedCache(tmp_path, bytes_max=100, shard_bytes_max=100)
    assert os.listdir(tmp_path) == ["unpacking-young.tmp"]


def test_spooled_pieces_are_one_view_and_no_file(tmp_path: Path) -> None:
    view = spooled(iter([b"hello", memoryview(b" world")]), tmp_path / "derived")
    assert bytes(view) == b"hello world" and not os.listdir(tmp_path / "derived")
    assert bytes(spooled(iter([]), tmp_path)) == b""
