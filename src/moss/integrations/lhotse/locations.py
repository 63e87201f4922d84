"""Where the data of a manifest is: URLs of Lhotse's manifests, as entries of a batch. Pure.

Source: spec/python-sdk.md 6.4 (the rules that are wanted) and 6.5 (pointers into Shar files).
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from moss.errors import InvalidName
from moss.naming.bucket import Bucket, parse_provider
from moss.naming.uri import ARCHIVE_EXTENSIONS, parse_uri

__all__ = ["Location", "is_store_url", "parse_location", "parse_pointer"]

_ARCHIVE = re.compile(f"(?:{'|'.join(map(re.escape, ARCHIVE_EXTENSIONS))})/(?=.)", re.DOTALL)
_POINTER = re.compile(r"(.+)\?o=(\d+)&e=(\d+)", re.DOTALL)
_SCHEME = "moss"
"""Another word for `ais` in URLs."""


@dataclass(frozen=True, slots=True)
class Location:
    """An object, a member of an archive, or a range of bytes of either. Equal locations hold equal bytes.

    Attributes:
        bucket: with provider and namespace.
        name: the object, as it was written: nothing is unescaped or cut off.
        member: path inside the archive that the object is; empty for the object itself.
        start, length: bytes; a length of -1 goes to the end.
        is_shar_pointer: the range is one entry of a TAR, header and padding included.
    """

    bucket: Bucket
    name: str
    member: str = ""
    start: int = 0
    length: int = -1
    is_shar_pointer: bool = False

    @property
    def is_range(self) -> bool:
        """Whether it is less than the whole object or member."""
        return self.start > 0 or self.length >= 0

    def __hash__(self) -> int:
        # Without the bucket, whose hash takes longer than all others together: minibatches have one or two.
        return hash((self.name, self.member, self.start, self.length))

    def __str__(self) -> str:
        text = self.bucket.cname_of(f"{self.name}/{self.member}" if self.member else self.name)
        if not self.is_range:
            return text
        return f"{text} [{self.start}:{'' if self.length < 0 else self.start + self.length}]"


def is_store_url(text: object) -> bool:
    """Whether a text is the URL of something in a store: `ais://…`, `moss://…` or that of a cloud bucket."""
    if not isinstance(text, str):
        return False
    scheme, separator, rest = text.partition("://")
    return bool(separator and rest) and _is_scheme(scheme)


@lru_cache(maxsize=64)
def _is_scheme(word: str) -> bool:
    try:
        return word == _SCHEME or bool(word and parse_provider(word))
    except InvalidName:
        return False


def parse_location(url: str) -> Location:
    """Parse the URL of an object or of a member of an archive.

    A path leads into an archive where one of the extensions `.tar`, `.tgz`, `.tar.gz`, `.zip` and `.tar.lz4` is
    followed by a slash and more; the leftmost such place counts.

    Raises:
        InvalidName: no such URL, or one without bucket or object.
    """
    bucket, name = _split(url)
    if not name:
        raise InvalidName(f"no object in {url!r} (expected ais://BUCKET/OBJECT)")
    found = _ARCHIVE.search(name)
    if found is None:
        return Location(bucket, name)
    return Location(bucket, name[: found.end() - 1], name[found.end() :].lstrip("/"))


def parse_pointer(text: str) -> Location:
    """Parse `URL?o=FIRST&e=END`: an entry of a TAR by the bytes that it has there, from its header on.

    Raises:
        InvalidName: something else.
    """
    found = _POINTER.fullmatch(text)
    if found is None or int(found[3]) <= int(found[2]):
        raise InvalidName(f"no pointer into a Shar file: {text!r} (expected URL?o=FIRST&e=END)")
    bucket, name = _split(found[1])
    start, end = int(found[2]), int(found[3])
    return Location(bucket, name, "", start, end - start, is_shar_pointer=True)


def _split(url: str) -> tuple[Bucket, str]:
    """Bucket and object name, which may be empty."""
    scheme, _, rest = url.partition("://")
    bucket, _, name = rest.partition("/")
    if bucket.startswith(("@", "#")):
        inner, _, name = name.partition("/")
        bucket = f"{bucket}/{inner}"
    return _bucket(f"{'ais' if scheme == _SCHEME else scheme}://{bucket}"), name.lstrip("/")


@lru_cache(maxsize=1024)  # Minibatches name the same few buckets again and again. Exceptions are not cached.
def _bucket(url: str) -> Bucket:
    return parse_uri(url)[0]
