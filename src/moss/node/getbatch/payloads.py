"""What an entry delivers: bytes that are there, or something too large for that, which comes piece by piece."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xxhash import xxh3_64_intdigest

from moss.errors import ChecksumMismatch, MossError
from moss.node.getbatch import warmup
from moss.node.storage.records import BLOCK_BYTES
from moss.node.storage.segments import Segment

__all__ = ["LargePayload", "Payload", "StreamedPayload"]

# Large objects that are not in memory are read ahead by so much.
_LARGE_AHEAD_BYTES = 2 << 20


class StreamedPayload(ABC):
    """A payload that is never in memory as a whole.

    Attributes:
        size: bytes that the entry delivers.
    """

    size: int

    @abstractmethod
    def pieces(self) -> Iterator[memoryview | bytes]:
        """Yield the payload in pieces of a few MiB at most.

        Raises:
            MossError: what comes is not what was promised; some of it may have been yielded.
        """


Payload = memoryview | bytes | StreamedPayload | MossError


@dataclass(slots=True)
class LargePayload(StreamedPayload):
    """A payload in the store that is too large to be checked at once: sent block by block."""

    name: str
    segment: Segment
    object_offset: int
    object_size: int
    blocks: Sequence[int]
    start: int
    size: int

    def pieces(self) -> Iterator[memoryview]:
        """Yield the payload in verified pieces of at most one block.

        Raises:
            ChecksumMismatch: a block differs from what was stored.
        """
        view, base = self.segment.view, self.object_offset
        stop = self.start + self.size
        for number in range(self.start // BLOCK_BYTES, -(-stop // BLOCK_BYTES)):
            begin, end = number * BLOCK_BYTES, min((number + 1) * BLOCK_BYTES, self.object_size)
            ahead = min(_LARGE_AHEAD_BYTES, self.object_size - end)
            warmup.bring_in(self.segment, base + begin, end - begin, ahead)
            block = view[base + begin : base + end]
            found = xxh3_64_intdigest(block)
            if found != self.blocks[number]:
                raise ChecksumMismatch(self.name, expected=f"{self.blocks[number]:016x}", found=f"{found:016x}")
            yield block[max(self.start - begin, 0) : min(stop, end) - begin]
