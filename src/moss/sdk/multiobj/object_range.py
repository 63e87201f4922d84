"""A selection by a range of numbers. Source: spec/python-sdk.md 1.8."""

import re
from collections.abc import Iterator
from typing import Any

from moss.sdk.errors import InvalidObjectRangeIndex
from moss.sdk.multiobj.object_collection import ObjectCollection

__all__ = ["ObjectRange"]

_FORM = re.compile(r"(.*)\{(-?\d+)\.\.(-?\d+)(?:\.\.(\d+))?\}([^{}]*)", re.DOTALL)


class ObjectRange(ObjectCollection):
    """Names made of a prefix, a number and a suffix; without indices, every name with the prefix.

    Args:
        min_index, max_index: first and last number, inclusive; both or neither.
        pad_width: numbers are padded with zeros to so many digits.
        step: distance between numbers; 0 counts as 1.

    Raises:
        InvalidObjectRangeIndex: only one index, `min_index` not below `max_index`, or wider than `pad_width`.
        ValueError: a suffix without indices, or a negative step.
    """

    def __init__(
        self,
        prefix: str,
        min_index: int | None = None,
        max_index: int | None = None,
        pad_width: int = 0,
        step: int = 1,
        suffix: str = "",
    ) -> None:
        if (min_index is None) != (max_index is None):
            raise InvalidObjectRangeIndex("Provide both min_index and max_index or neither")
        if min_index is not None and max_index is not None:
            if min_index >= max_index:
                raise InvalidObjectRangeIndex(f"{min_index} must be less than {max_index}")
            if pad_width and len(str(min_index)) > pad_width:
                text = f"Number of digits in min index {min_index} must not be greater than pad width {pad_width}"
                raise InvalidObjectRangeIndex(text)
        elif suffix:
            raise ValueError("Suffix cannot be used without indices")
        if step < 0:
            raise ValueError(f"step must not be negative, found {step}")
        self._prefix, self._suffix, self._pad_width, self._step = prefix, suffix, pad_width, step
        self._min_index, self._max_index = min_index, max_index

    @classmethod
    def from_string(cls, range_string: str) -> "ObjectRange":
        """Read `input-{00..99..1}.txt`; zeros in front of the first number give the width.

        Raises:
            ValueError: not of this form.
            InvalidObjectRangeIndex: as for the constructor.
        """
        found = _FORM.fullmatch(range_string)
        if found is None:
            raise ValueError(f"Invalid range string format: {range_string}")
        prefix, first, last, step, suffix = found.groups()
        pad_width = len(first) if first.lstrip("-").startswith("0") and len(first.lstrip("-")) > 1 else 0
        return cls(prefix, int(first), int(last), pad_width, int(step or 1), suffix)

    def get_value(self) -> dict[str, Any]:
        return {"template": str(self)}

    def _number(self, index: int) -> str:
        return f"{index:0{self._pad_width}d}"

    def __str__(self) -> str:
        if self._min_index is None or self._max_index is None:
            return self._prefix
        first, last = self._number(self._min_index), self._number(self._max_index)
        return f"{self._prefix}{{{first}..{last}..{self._step}}}{self._suffix}"

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names.

        Raises:
            RuntimeError: there are no indices, so that only the cluster knows the names.
        """
        if self._min_index is None or self._max_index is None:
            raise RuntimeError("Cannot iterate over object range with no indices")
        for index in range(self._min_index, self._max_index + 1, self._step or 1):
            yield f"{self._prefix}{self._number(index)}{self._suffix}"

    def __repr__(self) -> str:
        return f"ObjectRange({str(self)!r})"
