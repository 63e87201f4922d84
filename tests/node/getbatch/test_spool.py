"""Buffered answers keep to a memory budget that they share, and give everything back."""

import mmap
import os
import tempfile
from pathlib import Path

import pytest

from moss.errors import OutOfSpace
from moss.node.getbatch.spool import Spool, SpoolBudget

KIB = 1 << 10


def contents(spool: Spool) -> bytes:
    spool.seal()
    return b"".join(bytes(buffer) for window in spool.windows() for buffer in window)


def test_what_fits_the_budget_stays_in_memory_in_order(tmp_path: Path):
    budget = SpoolBudget(64 * KIB)
    spool = Spool(tmp_path, budget)
    spool.add([b"a" * KIB, b"b"])
    spool.add([bytearray(b"c" * KIB)])
    assert budget.bytes_left < 62 * KIB
    assert spool.size == 2 * KIB + 1
    assert contents(spool) == b"a" * KIB + b"b" + b"c" * KIB
    spool.close()
    assert budget.bytes_left == 64 * KIB


def test_what_does_not_fit_goes_to_a_file_and_comes_back_in_order(tmp_path: Path):
    budget = SpoolBudget(8 * KIB)
    spool = Spool(tmp_path, budget)
    pieces = [os.urandom(3 * KIB) for _ in range(1000)]
    for piece in pieces:
        spool.add([piece[:KIB], memoryview(piece)[KIB:]])
    assert budget.bytes_left >= 0
    assert contents(spool) == b"".join(pieces)
    spool.close()
    spool.close()
    assert budget.bytes_left == 8 * KIB
    assert not list(tmp_path.iterdir())


def test_all_spools_share_one_budget(tmp_path: Path):
    budget = SpoolBudget(100 * KIB)
    spools = [Spool(tmp_path, budget) for _ in range(50)]
    for spool in spools:
        spool.add([bytes(30 * KIB)])
    assert 0 <= budget.bytes_left < 31 * KIB
    assert all(contents(spool) == bytes(30 * KIB) for spool in spools)
    for spool in spools:
        spool.close()
    assert budget.bytes_left == 100 * KIB


def test_slices_of_memory_maps_cost_next_to_nothing(tmp_path: Path):
    (tmp_path / "segment").write_bytes(bytes(1 << 20))
    with open(tmp_path / "segment", "rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
    budget = SpoolBudget(64 * KIB)
    spool = Spool(tmp_path, budget)
    spool.add([view[: 512 * KIB], view[512 * KIB :]])
    assert budget.bytes_left > 63 * KIB
    assert contents(spool) == bytes(1 << 20)


def test_a_full_disk_is_an_answer_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch):
    # A file whose every write fails with ENOSPC.
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **options: open("/dev/full", "w+b"))  # noqa: SIM115
    for size in (1, 1 << 20):
        spool = Spool(Path("/nowhere"), SpoolBudget(0))
        with pytest.raises(OutOfSpace):
            spool.add([bytes(size)])
            spool.seal()
        spool.close()
