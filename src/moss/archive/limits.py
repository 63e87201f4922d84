"""How much an archive may ask of its reader. Archives come from anybody."""

from dataclasses import dataclass

__all__ = ["DEFAULT_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what is read from one archive. Exceeding one is `ArchiveLimit`.

    Attributes:
        members_max: members of one archive; the bound of the shard index format (spec/getbatch.md 10.3).
        extension_bytes_max: one pax header or GNU long name; the reference's bound.
        unpacked_bytes_max: all that a compressed archive unpacks to.
        ratio_max: unpacked bytes for each packed byte, counted once `ratio_free_bytes` have come out. Deflate cannot
            pack better than 1,032 to 1, text and images never come near this.
        decoded_bytes_max: one member that has to be decoded to be read (deflated in a ZIP).
    """

    members_max: int = 1 << 20
    extension_bytes_max: int = 1 << 20
    unpacked_bytes_max: int = 64 << 30
    ratio_max: int = 250
    ratio_free_bytes: int = 64 << 20
    decoded_bytes_max: int = 1 << 30


DEFAULT_LIMITS = Limits()
