"""The four archive formats: how they are asked for, named, labelled and recognised. Pure."""

from enum import StrEnum

from moss.archive.buffers import Buffer
from moss.errors import UnknownMime

__all__ = ["MAGIC_BYTES", "Format", "format_of_magic", "format_of_name", "parse_mime"]

# As much of an object's beginning as `format_of_magic` looks at: the magic of a TAR stands at its byte 257.
MAGIC_BYTES = 512


class Format(StrEnum):
    """An archive format; the value is its canonical file extension."""

    TAR = ".tar"
    TGZ = ".tgz"
    ZIP = ".zip"
    TAR_LZ4 = ".tar.lz4"

    @property
    def content_type(self) -> str:
        """The label of a streamed answer. Source: spec/getbatch.md 4.1."""
        return _CONTENT_TYPES[self]

    @property
    def is_tar_family(self) -> bool:
        """Whether the format is a TAR, compressed or not."""
        return self is not Format.ZIP


_CONTENT_TYPES = {
    Format.TAR: "application/x-tar",
    Format.TGZ: "application/gzip",
    Format.ZIP: "application/zip",
    Format.TAR_LZ4: "application/x-lz4",
}

# The order matters: "tar.gz" contains "tar". The official names of gzip stand before "zip", which they contain.
_WORDS = (
    ("tar.gz", Format.TGZ),
    ("tar.lz4", Format.TAR_LZ4),
    ("tar", Format.TAR),
    ("tgz", Format.TGZ),
    ("application/gzip", Format.TGZ),
    ("application/x-gzip", Format.TGZ),
    ("zip", Format.ZIP),
)

_EXTENSIONS = (
    (".tar", Format.TAR),
    (".tgz", Format.TGZ),
    (".tar.gz", Format.TGZ),
    (".zip", Format.ZIP),
    (".tar.lz4", Format.TAR_LZ4),
)


def parse_mime(text: str) -> Format:
    """Return the format that a request's `mime` asks for; nothing asked is TAR.

    The search is for a word anywhere inside, and case counts.

    Raises:
        UnknownMime: no known word is in it.

    Source: spec/getbatch.md 3.2.
    """
    if not text:
        return Format.TAR
    for word, found in _WORDS:
        if word in text:
            return found
    raise UnknownMime(text)


def format_of_name(name: str) -> Format | None:
    """Return the format that an object's extension promises (case counts), None without a known one."""
    for extension, found in _EXTENSIONS:
        if name.endswith(extension):
            return found
    return None


def format_of_magic(head: Buffer) -> Format | None:
    """Return the format that an object's first `MAGIC_BYTES` bytes show, None when they show none.

    A TAR from before POSIX has no magic and can be known by its extension only.

    Source: spec/getbatch.md 7.
    """
    head = bytes(memoryview(head)[:MAGIC_BYTES])
    if head[257:262] == b"ustar":
        return Format.TAR
    if head.startswith(b"\x1f\x8b"):
        return Format.TGZ
    if head.startswith(b"PK"):
        return Format.ZIP
    if head.startswith(b"\x04\x22\x4d\x18"):
        return Format.TAR_LZ4
    return None
