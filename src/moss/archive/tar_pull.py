"""Reads a TAR that is too long to be held anywhere, from pieces that are pulled as they are needed. Pure.

The third way to read a TAR: `tar_parse.walk` has it all in memory, `tar_stream` is given pieces and keeps payloads;
this one keeps nothing that the caller does not take.
"""

from collections.abc import Iterator

from moss.archive.limits import DEFAULT_LIMITS, Limits
from moss.archive.tar_parse import Extensions, Member, check_end, parse_header
from moss.errors import ArchiveLimit, TruncatedArchive

__all__ = ["pull_entries", "pull_members"]

_BLOCK = 512
_ZEROS = bytes(_BLOCK)


class _Pull:
    """Takes exact amounts from an iterator of pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, memoryview(b"")

    def upto(self, size: int) -> Iterator[memoryview]:
        """Yield `size` bytes in pieces, fewer at the end of input."""
        while size > 0:
            if not self._rest:
                self._rest = memoryview(next(self._pieces, b""))
                if not self._rest:
                    return
            piece = self._rest[:size]
            self._rest = self._rest[size:]
            size -= len(piece)
            yield piece

    def block(self, size: int) -> bytes:
        return b"".join(self.upto(size))


class _Payload:
    """The payload of one member, to be taken or left."""

    def __init__(self, pull: _Pull, size: int) -> None:
        self._pull, self._left = pull, size

    def __iter__(self) -> Iterator[memoryview]:
        for piece in self._pull.upto(self._left):
            self._left -= len(piece)
            yield piece
        if self._left:
            raise TruncatedArchive


def pull_members(
    pieces: Iterator[bytes], limits: Limits = DEFAULT_LIMITS
) -> Iterator[tuple[Member, Iterator[memoryview]]]:
    """Yield each member with an iterator over its payload, which is good until the next member is asked for.

    Raises:
        TruncatedArchive: the input ends inside a header or a payload.
        BadArchive: a header is broken.
        ArchiveLimit: too many members, or a header too long.
    """
    for member, _, payload in pull_entries(pieces, limits):
        yield member, payload


def pull_entries(
    pieces: Iterator[bytes], limits: Limits = DEFAULT_LIMITS
) -> Iterator[tuple[Member, bytes, Iterator[memoryview]]]:
    """Yield each member, its header blocks as they are (extensions included), and its payload without padding.

    Raises as `pull_members`.
    """
    pull, extensions, at, count = _Pull(pieces), Extensions(limits), 0, 0
    head: list[bytes] = []
    while block := pull.block(_BLOCK):
        if len(block) < _BLOCK:
            raise TruncatedArchive
        at += _BLOCK
        if block == _ZEROS:
            check_end(pull.block(_BLOCK))
            return
        head.append(block)
        header = parse_header(block)
        if header.type in Extensions.TYPES:
            extensions.check_size(header.size)
            data = pull.block(header.size)
            if len(data) < header.size:
                raise TruncatedArchive
            extensions.add(header.type, data)
            head += data, pull.block(-header.size & 511)
            at += header.size + (-header.size & 511)
            continue
        if header.type == b"S":
            sparse_map = _sparse_map(pull, block)
            head.append(sparse_map)
            at += len(sparse_map)
        member = extensions.applied(header, at)
        count += 1
        if count > limits.members_max:
            raise ArchiveLimit(f"archive/tar: more than {limits.members_max} members")
        payload = _Payload(pull, member.size)
        yield member, b"".join(head), iter(payload)
        head.clear()
        for _ in payload:
            pass
        pull.block(-member.size & 511)
        at += member.size + (-member.size & 511)


def _sparse_map(pull: _Pull, block: bytes) -> bytes:
    """Return the further blocks of an old GNU sparse map."""
    blocks, is_continued = [], block[482]
    while is_continued:
        block = pull.block(_BLOCK)
        if len(block) < _BLOCK:
            raise TruncatedArchive
        blocks.append(block)
        is_continued = block[504]
    return b"".join(blocks)
