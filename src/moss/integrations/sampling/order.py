"""The order of an epoch: a permutation that any part of can be had at once. Pure.

Small sets are shuffled exactly (Fisher and Yates). For large ones a table would cost every worker of every rank memory
and seconds at each epoch, so that positions are mapped to indices by a keyed bijection (a Feistel network over a grid
hardly larger than the set, as in Black and Rogaway, "Ciphers with arbitrary finite domains", 2002): no table, no time
to start, and the order goes on from any position as fast as from the first.

Both depend on nothing but their numbers: the same on every machine and with every Python.
"""

import hashlib
import random
from array import array
from collections.abc import Sequence
from functools import lru_cache
from math import isqrt

__all__ = ["EpochOrder"]

_TABLE_MAX = 1 << 16
_ROUNDS = 6
_MASK = (1 << 64) - 1
_MULTIPLIER = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio, odd: its product mixes upwards.


class EpochOrder:
    """The indices of one epoch in the order in which they are used.

    Args:
        length: samples of the set.
        seed, epoch: choose the permutation; each epoch has another.
        shuffle: False keeps the order of the set.
    """

    def __init__(self, length: int, seed: int = 0, epoch: int = 0, *, shuffle: bool = True) -> None:
        self._length = length
        self._table: array[int] | None = None
        self._keys: tuple[int, ...] = ()
        if shuffle and length <= _TABLE_MAX:
            self._table = _shuffled(length, seed, epoch)
        elif shuffle:
            self._keys = _keys(length, seed, epoch, _ROUNDS)

    def __len__(self) -> int:
        return self._length

    def indices(self, positions: Sequence[int]) -> list[int]:
        """The indices that stand at these positions, each in `range(length)`."""
        if self._table is not None:
            return [self._table[position] for position in positions]
        if not self._keys:
            return list(positions)
        return _permuted(positions, self._length, self._keys)


def _keys(length: int, seed: int, epoch: int, count: int) -> tuple[int, ...]:
    """64-bit numbers that depend on all bits of all arguments."""
    digest = hashlib.blake2b(f"moss epoch order {length} {seed} {epoch}".encode(), digest_size=8 * count).digest()
    return tuple(int.from_bytes(digest[at : at + 8], "little") for at in range(0, len(digest), 8))


@lru_cache(maxsize=8)
def _shuffled(length: int, seed: int, epoch: int) -> "array[int]":
    # Only `random()` is promised to stay the same from one Python to the next; `shuffle` and `sample` are not.
    draw = random.Random(_keys(length, seed, epoch, 1)[0]).random
    table = array("I", range(length))
    for last in range(length - 1, 0, -1):
        other = int(draw() * (last + 1))
        table[last], table[other] = table[other], table[last]
    return table


def _permuted(positions: Sequence[int], length: int, keys: Sequence[int]) -> list[int]:
    rows = isqrt(length - 1) + 1
    columns = -(-length // rows)  # rows * columns is at least the length, and less than a row larger.
    found = list(positions)
    todo: Sequence[int] = range(len(found))
    while todo:
        lefts = [found[at] // columns for at in todo]
        rights = [found[at] % columns for at in todo]
        for number, key in enumerate(keys):
            if number & 1:
                rights = _added(rights, lefts, key, columns)
            else:
                lefts = _added(lefts, rights, key, rows)
        for at, left, right in zip(todo, lefts, rights, strict=True):
            found[at] = left * columns + right
        todo = [at for at in todo if found[at] >= length]  # Outside the set: go on until inside.
    return found


def _added(values: list[int], others: list[int], key: int, modulus: int) -> list[int]:
    """Each value plus a keyed hash of the other one: the upper half of a product depends on all bits of its factors."""
    return [
        (value + (((other ^ key) * _MULTIPLIER & _MASK) >> 32)) % modulus
        for value, other in zip(values, others, strict=True)
    ]
