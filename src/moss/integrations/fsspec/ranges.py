"""Which byte ranges go into one batch. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from moss.integrations.fsspec.paths import Location, locate

__all__ = ["Range", "as_list", "split_batches"]

_ENTRIES_MAX = 4096
_BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of one file, with the limits of a Python slice.

    Attributes:
        index: place of the answer.
        start, end: negative ones count from the end, None is the respective end.
    """

    index: int
    path: str
    location: Location
    start: int | None
    end: int | None

    @classmethod
    def of(cls, index: int, path: str, start: int | None, end: int | None) -> "Range":
        return cls(index, path, locate(path), start, end)

    @property
    def is_empty(self) -> bool:
        """Whether it holds no byte, whatever the size of the file."""
        start = self.start or 0
        return self.end is not None and (start < 0) == (self.end < 0) and self.end <= start

    @property
    def fits_batch(self) -> bool:
        """Whether an entry of a batch can ask for it: entries count from the beginning, and not to nothing."""
        return (
            bool(self.location.name)
            and (self.start or 0) >= 0
            and (self.end is None or self.end >= 0)
            and not self.is_empty
        )

    @property
    def length(self) -> int:
        """Bytes; -1 up to the end of the file."""
        return -1 if self.end is None else self.end - (self.start or 0)


def as_list(limits: int | Iterable[int | None] | None, count: int) -> list[int | None]:
    """One limit for each path: of a list, or the same for all.

    Raises:
        ValueError: a list of another length.
    """
    found = list(limits) if isinstance(limits, Iterable) else [limits] * count
    if len(found) != count:
        raise ValueError(f"expected as many limits as paths, {count}; found {len(found)}")
    return found


def split_batches(ranges: Sequence[Range]) -> Iterator[list[Range]]:
    """Batches of one bucket each, in the order of the ranges, none of them too large to begin again."""
    batches: dict[str, list[Range]] = {}
    sizes: dict[str, int] = {}
    for part in ranges:
        root = part.location.root
        batch = batches.setdefault(root, [])
        batch.append(part)
        sizes[root] = sizes.get(root, 0) + max(part.length, 0)
        if len(batch) >= _ENTRIES_MAX or sizes[root] >= _BYTES_MAX:
            yield batches.pop(root)
            sizes.pop(root)
    yield from batches.values()
