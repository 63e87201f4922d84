"""Seconds to samples to bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lhotse.utils import compute_num_samples

from moss.cli.cuts.cut import Piece
from moss.cli.cuts.ranges import Clock, samples_of, span_of
from moss.cli.failures import CommandError


def piece(start: float, duration: float, rate: int | None = None, samples: int | None = None) -> Piece:
    return Piece("c", 7, "ais://b/x.wav", start, duration, rate, samples)


@given(st.floats(0, 1e5), st.sampled_from((8000, 11025, 16000, 22050, 24000, 44100, 48000)))
def test_samples_are_counted_as_lhotse_counts_them(seconds: float, rate: int) -> None:
    assert samples_of(seconds, rate) == compute_num_samples(seconds, rate)


@given(st.integers(0, 1 << 40), st.sampled_from((8000, 16000, 44100)))
def test_halves_go_up(samples: int, rate: int) -> None:
    seconds = (samples + 0.5) / rate
    assert samples_of(seconds, rate) == compute_num_samples(seconds, rate)


@pytest.mark.parametrize(
    ("start", "duration", "rate", "whole", "exact"),
    [
        (0, 5, 16000, (0, 80000), (0, 80000)),
        (3, 2, 16000, (48000, 32000), (48000, 32000)),
        (12.75, 3.2, 16000, (192000, 48000), (204000, 51200)),
        (3.7, 2.9, 16000, (48000, 32000), (59200, 46400)),
        (1.5, 0.9, 16000, None, (24000, 14400)),
        (0.4, 0.9, 8000, None, (3200, 7200)),
    ],
)
def test_81_82_the_table_of_the_contract(start: float, duration: float, rate: int, whole, exact) -> None:
    assert Clock(rate).range_of(piece(start, duration)) == exact
    truncated = Clock(rate, whole_seconds=True)
    if whole is None:
        with pytest.raises(CommandError, match=r'cut "c" \(line 7\): empty byte range'):
            truncated.range_of(piece(start, duration))
    else:
        assert truncated.range_of(piece(start, duration)) == whole


def test_samples_have_bytes_and_a_header_before_them() -> None:
    assert Clock(8000, bytes_per_sample=2, header_bytes=44).range_of(piece(1, 0.5)) == (16044, 8000)


def test_rounding_twice_does_not_reach_past_the_end() -> None:
    # Half a sample each: 4000.5 and 4000.5 are 8001, not 8002.
    half = piece(4000.5 / 8000, 4000.5 / 8000, 8000, 8001)
    assert Clock(8000).range_of(half) == (4001, 4000)
    assert Clock(8000).range_of(half._replace(num_samples=8003)) == (4001, 4001)
    assert Clock(16000).range_of(half) == (8001, 8001)


def test_times_that_no_recording_has() -> None:
    for start, duration in ((0, 0), (1, -1), (-1, 2), (1e300, 1)):
        with pytest.raises(CommandError, match=r'cut "c" \(line 7\): '):
            Clock(8000).range_of(piece(start, duration))


def test_spans_are_those_of_the_file() -> None:
    assert span_of(piece(0.5, 0.25), 8000, 8000, None) == (4000, 2000)
    assert span_of(piece(0.5, 0.51, 8000), 8000, 8000, None) == (4000, 4000)  # within Lhotse's tolerance
    assert span_of(piece(0.5, 0.5, 8000, 7990), 8000, None, None) == (4000, 3990)
    assert span_of(piece(0.5, 99), 8000, None, None) == (4000, 792000)  # nobody knows better
    for bad, expected in (
        (piece(0.5, 1), "ends at sample 12000"),
        (piece(0, 1, 16000), "has 8000 samples a second, not 16000"),
        (piece(0.5, 0), "no samples between"),
    ):
        with pytest.raises(CommandError, match=expected):
            span_of(bad, 8000, 8000, None)
    with pytest.raises(CommandError, match="not 44100"):
        span_of(piece(0, 1, 8000), 8000, 8000, 44100)
