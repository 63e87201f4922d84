"""Batches as columns, and how they are cut into windows and runs."""

import pytest

from moss.archive.formats import Format
from moss.naming.bucket import Bucket
from moss.node.getbatch.plan import (
    FIRST_WINDOW_ENTRIES_MAX,
    RUN_BYTES_MAX,
    RUN_SEGMENTS_MAX,
    WINDOW_ENTRIES_MAX,
    Batch,
    Options,
    build_batch,
    cut_runs,
)
from moss.wire.batch import decode_request

MIB = 1 << 20


def extent(segment: int, size: int) -> tuple[int, int, int, int, int, int]:
    return segment, 512, size, 0, 0, 1


def make(names: list[str], **columns) -> Batch:
    omit = columns.pop("omit_bucket", False)
    return Batch(Options(Format.TAR, True, omit, True), names, columns.pop("buckets", [Bucket("b")]), **columns)


@pytest.mark.parametrize("entries", [1, FIRST_WINDOW_ENTRIES_MAX, FIRST_WINDOW_ENTRIES_MAX + 1, 10_000])
def test_windows_cover_every_entry_once_and_the_first_is_small(entries: int):
    windows = list(make(["o"] * entries).windows())
    assert [i for start, stop in windows for i in range(start, stop)] == list(range(entries))
    assert all(stop - start <= WINDOW_ENTRIES_MAX for start, stop in windows)
    assert windows[0][1] <= FIRST_WINDOW_ENTRIES_MAX


@pytest.mark.parametrize(
    ("extents", "members", "runs"),
    [
        ([], None, [(0, 0)]),
        ([None, None], None, [(0, 2)]),
        ([extent(1, 10)] * 512, None, [(0, 512)]),
        ([extent(1, MIB)] * 20, None, [(0, 8), (8, 16), (16, 20)]),
        # An entry larger than a run is one of its own, whatever stands beside it.
        ([extent(1, 5), extent(2, RUN_BYTES_MAX + 1), None, extent(1, 5)], None, [(0, 1), (1, 3), (3, 4)]),
        ([extent(i, 1) for i in range(RUN_SEGMENTS_MAX + 2)], None, [(0, RUN_SEGMENTS_MAX), (RUN_SEGMENTS_MAX, 130)]),
        # Of a shard only members are delivered.
        ([extent(1, RUN_BYTES_MAX)] * 3, ["a", "b", "c"], [(0, 3)]),
        ([extent(1, RUN_BYTES_MAX)] * 3, ["a", "", ""], [(0, 2), (2, 3)]),
    ],
)
def test_runs(extents, members, runs):
    assert list(cut_runs(extents, members)) == runs


def test_names_in_the_answer():
    names, members = ["o", "s.tar", "s.tar"], ["", "/m", "d//n"]
    assert make(names, members=members).output_names(0, 3) == ["b/o", "b/s.tar/m", "b/s.tar/d//n"]
    assert make(names, members=members, omit_bucket=True).output_names(1, 3) == ["s.tar/m", "s.tar/d//n"]
    mixed = make(names, buckets=[Bucket("b"), Bucket("c")], bucket_of=[1, 0, 1])
    assert mixed.output_names(0, 3) == ["c/o", "b/s.tar", "c/s.tar"]
    assert mixed.bucket(0) == Bucket("c")


def test_columns_that_no_entry_uses_are_not_there():
    plain = build_batch(decode_request(b'{"in":[{"objname":"a"},{"objname":"b"}],"strm":true}', Bucket("b")))
    assert plain.is_plain
    assert (plain.members, plain.starts, plain.lengths, plain.opaques) == (None, None, None, None)
    ranged = build_batch(decode_request(b'{"in":[{"objname":"a"},{"objname":"b","start":1,"length":2}]}', Bucket("b")))
    assert (ranged.starts, ranged.lengths) == ([0, 1], [0, 2])
    assert not ranged.is_plain


def test_records_in_the_stream_are_for_streamed_tars_only():
    for options, reports in ((b'"strm":true', True), (b'"strm":false', False), (b'"strm":true,"mime":"zip"', False)):
        request = decode_request(b'{"in":[{"objname":"a"}],' + options + b"}", Bucket("b"))
        assert build_batch(request, report_status=True).options.report_status is reports
