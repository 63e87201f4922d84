"""Pairs the members of one answer with the entries of the batch. Pure; the shell around it is `_async/batch.py`.

Rules, source spec/python-sdk.md 2.6: members and entries agree by position, names are verified, every `__404__/` member
is a missing entry whatever its size, and a surplus member is an error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from moss.archive.tar_parse import Kind, Member, fast_header
from moss.errors import ArchiveLimit, BadArchive, TruncatedArchive
from moss.sdk.batch.errors import BatchChecksumError, BatchError, BatchMismatchError
from moss.sdk.batch.intake import ZipSpool
from moss.sdk.batch.plan import PLACEHOLDER_PREFIX
from moss.sdk.batch.tar import TarInput
from moss.sdk.batch.types import MossIn, MossOut
from moss.wire.headers import PAX_ERROR, PAX_INDEX, PAX_XXH3

__all__ = ["Assembly", "Delivery", "Pair"]

Pair = tuple[MossOut, bytes | memoryview]

_UNKNOWN_REASON = "entry is missing: the server gave no reason"


@dataclass
class Delivery:
    """How far a batch got; outlives the answers that a broken batch needs.

    Attributes:
        entries: what was asked for.
        names: the member name of each entry.
        bucket: name and provider of the default bucket.
        index: the first entry that was not delivered.
        head: bytes of that entry that an earlier answer brought, and that the next one does not repeat.
        head_member: what that answer said of the entry.
    """

    entries: Sequence[MossIn]
    names: Sequence[str]
    bucket: tuple[str, str]
    index: int = 0
    head: bytes = b""
    head_member: Member | None = field(default=None, repr=False)

    @property
    def is_complete(self) -> bool:
        return self.index == len(self.entries)


class Assembly:
    """Cuts one answer into `(MossOut, payload)` pairs, in request order.

    Args:
        delivery: updated before each pair is given out.
        tar: what the TAR is received into; unused for ZIP.
        spool: the ZIP.
        strict: verify member names.
        zero_copy: payloads are views of the receive buffer. A view stays valid as long as it is kept; its buffer is
            not used again before.
        verify_checksum: compare payloads with the checksums that come with them.
    """

    def __init__(
        self,
        delivery: Delivery,
        tar: TarInput,
        spool: ZipSpool | None = None,
        *,
        strict: bool = True,
        zero_copy: bool = False,
        verify_checksum: bool = False,
    ) -> None:
        self.delivery, self.tar = delivery, tar
        self._first = delivery.index
        self._spool = spool
        self._strict, self._zero_copy, self._verify_checksum = strict, zero_copy, verify_checksum
        self.metadata: Any = None

    @property
    def is_ended(self) -> bool:
        """Whether the archive's end mark was seen."""
        return self.tar.is_ended

    def pairs(self) -> Iterator[Pair]:
        """Give out the entries that are complete. Ends when more bytes are needed, and at the archive's end.

        Raises:
            BatchError: the archive is damaged, or is not the one that was asked for.
        """
        tar, delivery, names = self.tar, self.delivery, self.delivery.names
        outs = self.metadata.out if self.metadata is not None else None
        entries, bucket, count = delivery.entries, delivery.bucket, len(delivery.entries)
        make, copies = MossOut.of_entry, not self._zero_copy
        index = delivery.index
        while True:
            # The hot loop: plain headers of the expected entries, about 1.5 µs each. All else is in `_next_slowly`.
            view, position, end = tar.view, tar.position, tar.end
            if tar.is_plain and not delivery.head and outs is None:
                while position + 512 <= end:
                    start = position + 512
                    member = fast_header(view[position:start].tobytes(), start)
                    if member is None or index == count or member[0] != names[index]:
                        break
                    stop = start + member[1]
                    if stop > end:
                        break
                    payload = view[start:stop]
                    if copies:
                        payload = payload.tobytes()
                    tar.position = position = stop + (-member[1] & 511)
                    out = make(entries[index], bucket, member[1])
                    index += 1
                    delivery.index = index
                    yield out, payload
            pair = self._next_slowly()
            if pair is None:
                return
            index = delivery.index
            yield pair

    def _next_slowly(self) -> Pair | None:
        """The next pair, whatever its header looks like; None when there is none yet."""
        while True:
            try:
                member = self.tar.next_member()
            except (BadArchive, ArchiveLimit) as error:
                raise BatchError(f"Failed to read tar archive stream: {error}") from error
            if member is None:
                return None
            if member.kind not in (Kind.FOLDER, Kind.SPECIAL):
                break
        payload: Any = self.tar.view[member.data_offset : member.data_offset + member.size]
        if not self._zero_copy:
            payload = payload.tobytes()
        return self._paired(member, payload)

    def _paired(self, member: Member, payload: bytes | memoryview) -> Pair:
        delivery = self.delivery
        index, name = delivery.index, member.name
        if index == len(delivery.entries):
            raise BatchMismatchError(index, None, name)
        expected = delivery.names[index]
        pax = member.pax or {}
        self._check_index(pax, index, name)
        is_missing = name != expected and name.startswith(PLACEHOLDER_PREFIX)
        if is_missing:
            payload = b""
        elif name != expected and self._strict:
            raise BatchMismatchError(index, expected, name)
        else:
            payload = self._whole(member, payload, index)
        out = self._out(index, len(payload), (pax.get(PAX_ERROR) or _UNKNOWN_REASON) if is_missing else None)
        delivery.index, delivery.head, delivery.head_member = index + 1, b"", None
        return out, payload

    def _out(self, index: int, size: int, err_msg: str | None) -> MossOut:
        delivery = self.delivery
        if self.metadata is None:
            return MossOut.of_entry(delivery.entries[index], delivery.bucket, size, err_msg)
        position = index - self._first
        if position >= len(self.metadata.out):
            raise BatchError(f"the metadata of the answer describe {position} entries only")
        out = self.metadata.out[position]
        out.echo(delivery.entries[index])
        out.err_msg = err_msg if err_msg and not out.err_msg else out.err_msg
        if delivery.head:
            out.size = size
        return out

    def _whole(self, member: Member, payload: bytes | memoryview, index: int) -> bytes | memoryview:
        """Put the beginning that an earlier answer brought before the rest, and verify the checksum of the whole."""
        delivery, pax = self.delivery, member.pax or {}
        if delivery.head and delivery.head_member is not None:
            first = delivery.head_member
            if len(delivery.head) + member.size != first.size:
                raise BatchError(f"entry {index} ({member.name}) changed while the batch was resumed")
            payload = delivery.head + bytes(payload)
            pax = first.pax or {}
        if self._verify_checksum and PAX_XXH3 in pax:
            from xxhash import xxh3_64_hexdigest

            expected, found = pax[PAX_XXH3].lower(), xxh3_64_hexdigest(payload)
            if expected != found:
                raise BatchChecksumError(index, member.name, expected, found)
        return payload

    def _check_index(self, pax: dict[str, str], index: int, name: str) -> None:
        said = pax.get(PAX_INDEX)
        if self._strict and said is not None and said != str(index - self._first):
            raise BatchMismatchError(index, self.delivery.names[index], f"{name} (entry {said} of the answer)")

    def zip_pairs(self) -> Iterator[Pair]:
        """Give out the members of a ZIP, after its last byte was received.

        Raises:
            TruncatedArchive: the directory is missing: the answer was cut off.
            BatchError: as `pairs`.
        """
        assert self._spool is not None
        try:
            for name, payload in self._spool.members():
                kept = memoryview(payload) if self._zero_copy else payload
                yield self._paired(Member(name, len(payload), Kind.FILE, 0), kept)
        except TruncatedArchive:
            raise
        except BadArchive as error:
            raise BatchError(f"Failed to read zip archive: {error}") from error
        self.tar.is_ended = True

    def keep_cut_payload(self) -> None:
        """After the answer broke off: remember what was received of the entry that it broke off in."""
        delivery = self.delivery
        cut = self.tar.cut_payload()
        if cut is None or delivery.is_complete:
            return
        member, received = cut
        if member.name != delivery.names[delivery.index]:
            return
        if delivery.head and delivery.head_member is not None:
            received, member = delivery.head + received, delivery.head_member
        delivery.head, delivery.head_member = received, member
