"""Errors of data sets. Their text alone makes them, so that they pass from worker processes as they are."""

from moss.errors import MossError

__all__ = ["DecodeError", "MissingSample"]


class MissingSample(MossError, RuntimeError):
    """A sample could not be had: its object or member is not there, or cannot be read. The text says which and why."""

    code = "missing-sample"


class DecodeError(MossError, RuntimeError):
    """A decoder failed; the text names the sample, `__cause__` is the decoder's own error."""

    code = "decode"
