"""The buffer that a streamed TAR is received into, and its members. Pure: the caller fills, this cuts.

The fast half of the parser is the loop in `moss.sdk.batch.assembly`; here is what happens between two fills, and every
header that is not a plain one. The rules of the format are in `moss.archive.tar_parse`.
"""

from moss.archive.limits import DEFAULT_LIMITS
from moss.archive.tar_parse import Extensions, Kind, Member, fast_header, parse_header
from moss.errors import BadArchive
from moss.sdk.batch.buffers import BufferPool

__all__ = ["TarInput"]

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_GROWTH_FREE_BYTES = 32 * 1024 * 1024
"""Up to this size a member gets its room at once; a larger one only as its bytes really arrive."""

_ROOM_BYTES_MIN = 16 * 1024
"""With less room than this at the buffer's end, receiving goes on in another one."""


class TarInput:
    """Bytes of a TAR that were received and not yet used up.

    Attributes:
        view: the whole buffer.
        position: where the next header begins; beyond `end` while padding is still to come.
        end: where the received bytes end.
        is_ended: the end mark was seen; all that follows is ignored.
        pending: the member whose header was read and whose payload is not complete, starting at `payload_start`.
    """

    def __init__(self, pool: BufferPool) -> None:
        self._pool = pool
        self.view = memoryview(pool.take())
        self.position = self.end = 0
        self.is_ended = False
        self.pending: Member | None = None
        self.payload_start = 0
        self._wanted = 0
        self._room_min = min(_ROOM_BYTES_MIN, len(self.view) // 8)
        self._extensions = Extensions(DEFAULT_LIMITS)
        self._has_extensions = False

    def space(self) -> memoryview:
        """Room for more bytes, never empty. What it is filled with must be declared with `received`."""
        if self.position >= self.end:
            self._renew(self.position - self.end, 0)
        elif self._wanted > len(self.view) or (len(self.view) - self.end < self._room_min and self.position):
            self._renew(0, self.end - self.position)
        return self.view[self.end :]

    def _renew(self, skip: int, kept: int) -> None:
        """Move what is left to the front of a buffer that nobody looks at; the same one when it is free."""
        wanted = self._wanted - self.position if self._wanted else 0
        if wanted > _GROWTH_FREE_BYTES:
            wanted = min(wanted, max(_GROWTH_FREE_BYTES, 4 * kept))
        old, start = self.view, self.position
        rest = old[start : start + kept].tobytes() if kept < _BLOCK else old[start : start + kept]
        if kept < _BLOCK:
            old.release()  # Else this view itself would keep the buffer from being used again.
        self.view = memoryview(self._pool.take(max(wanted, kept + _BLOCK)))
        self.view[:kept] = rest
        self._wanted = max(self._wanted - start, 0)
        self.payload_start -= start
        self.position, self.end = skip, kept

    def received(self, count: int) -> None:
        """Declare that the first `count` bytes of the last `space` were filled."""
        self.end += count

    def feed(self, data: bytes | memoryview) -> None:
        """Copy bytes in, for sources that have buffers of their own."""
        while len(data):
            room = self.space()
            count = min(len(room), len(data))
            room[:count] = data[:count]
            room.release()
            self.received(count)
            data = data[count:]

    def next_member(self) -> Member | None:
        """Read the next header of whatever kind, with its extensions.

        Returns:
            The member; its payload lies complete at `data_offset` of the view and `position` is behind it. None when
            more bytes are needed, or when the archive is at its end (`is_ended`).

        Raises:
            BadArchive: a header is broken, or the kind cannot be delivered.
        """
        while not self.is_ended:
            member = self.pending or self._next_header()
            if member is None:
                return None
            stop = self.payload_start + member.size
            if stop > self.end:
                self.pending, self._wanted = member, stop
                return None
            self.pending, self._wanted = None, 0
            start, self.position = self.payload_start, stop + (-member.size & 511)
            if member.header_type in Extensions.TYPES:
                self._extensions.add(member.header_type, self.view[start:stop].tobytes())
                self._has_extensions = True
            else:
                return member._replace(data_offset=start)
        return None

    def _next_header(self) -> Member | None:
        start = self.position
        if start + _BLOCK > self.end:
            return None
        block = self.view[start : start + _BLOCK].tobytes()
        self.payload_start = start + _BLOCK
        if not self._has_extensions:
            member = fast_header(block, 0)
            if member is not None:
                return member
        if block == _ZEROS:
            if start + 2 * _BLOCK > self.end:
                return None
            if self.view[start + _BLOCK : start + 2 * _BLOCK] != _ZEROS:
                raise BadArchive("archive/tar: invalid tar header")
            self.is_ended = True
            return None
        header = parse_header(block)
        if header.type in Extensions.TYPES:
            self._extensions.check_size(header.size)
            return Member("", header.size, Kind.FILE, 0, None, header.type)
        self._has_extensions = False
        member = self._extensions.applied(header, 0)
        if member.kind is Kind.SPARSE:
            raise BadArchive(f"archive/tar: sparse member {member.name!r} is not supported")
        return member

    def cut_payload(self) -> tuple[Member, bytes] | None:
        """The member that the received bytes break off in, and what there is of its payload; None between members."""
        member = self.pending
        if member is None or member.header_type in Extensions.TYPES:
            return None
        return member, self.view[self.payload_start : self.end].tobytes()

    @property
    def is_plain(self) -> bool:
        """Whether the next header can be read without regard to what came before it."""
        return self.pending is None and not self._has_extensions and not self.is_ended

    @property
    def is_at_boundary(self) -> bool:
        """Whether nothing but complete members was received."""
        return self.position >= self.end and self.pending is None and not self._has_extensions
