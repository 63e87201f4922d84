"""From seconds to samples to bytes. Pure. Source: spec/cli.md 3.5; the rounding is that of Lhotse's own readers."""

import math
from typing import NamedTuple

from moss.cli.cuts.cut import Piece

__all__ = ["Clock", "samples_of", "span_of"]

_DIGITS = 8
"""Decimal places that a number of samples is rounded to first: 0.29 s at 50 Hz are 14.5, and not 14.4999999999."""
TOLERANCE_S = 0.025
"""What a cut may reach past the end of its recording: Lhotse's own tolerance of durations."""
_BYTES_MAX = (1 << 63) - 1


def samples_of(seconds: float, rate: int) -> int:
    """The number of samples in a time: the nearest whole number, halves upwards, as Lhotse counts them."""
    exact = round(seconds * rate, _DIGITS)
    whole = math.floor(exact)
    return whole + (exact - whole >= 0.5)


def span_of(piece: Piece, rate: int, frames: int | None, expected: int | None) -> tuple[int, int]:
    """First sample and number of samples of a piece in its file, as Lhotse reads it.

    Args:
        rate: samples a second of the file.
        frames: how many the file has, in each channel; None when it does not say.
        expected: samples a second that the user expects; None for what the manifest says.

    Raises:
        CommandError: the file does not have what the cut says.
    """
    expected = expected or piece.sampling_rate
    if expected and expected != rate:
        piece.fail(f'"{piece.source}" has {rate} samples a second, not {expected}')
    start, length = samples_of(piece.start, rate), samples_of(piece.duration, rate)
    frames = piece.num_samples if frames is None else frames
    if frames is not None and start + length > frames:
        if start + length - frames > TOLERANCE_S * rate:
            piece.fail(f'ends at sample {start + length} of "{piece.source}", which has {frames}')
        length = frames - start
    if start < 0 or length <= 0:
        piece.fail(f"no samples between {piece.start} s and {piece.start + piece.duration} s")
    return start, length


class Clock(NamedTuple):
    """How times become byte ranges of raw recordings.

    Attributes:
        rate: samples a second.
        bytes_per_sample: of all channels together.
        header_bytes: before the first sample.
        whole_seconds: cut times to whole seconds first, as the reference does.
    """

    rate: int
    bytes_per_sample: int = 1
    header_bytes: int = 0
    whole_seconds: bool = False

    def range_of(self, piece: Piece) -> tuple[int, int]:
        """First byte and number of bytes of a piece.

        Raises:
            CommandError: the range is empty, or begins before the recording.
        """
        if self.whole_seconds:
            start, length = int(piece.start) * self.rate, int(piece.duration) * self.rate
        else:
            start, length = samples_of(piece.start, self.rate), samples_of(piece.duration, self.rate)
            # Start and duration are rounded each for itself: together they may reach one sample past the end.
            if self.rate == piece.sampling_rate and start + length - 1 == piece.num_samples:
                length -= 1
        if start < 0:
            piece.fail(f"starts at {piece.start} s, before its recording")
        if length <= 0:
            piece.fail("empty byte range")
        first, count = self.header_bytes + start * self.bytes_per_sample, length * self.bytes_per_sample
        if first + count > _BYTES_MAX:
            piece.fail(f"{piece.start} s and {piece.duration} s are no times of a recording")
        return first, count
