"""What the node asks of a store behind a bucket, whatever kind it is. Pure.

All calls are asynchronous and may be made from the node's event loop only. Retries are the adapter's business: what
it raises is final.
"""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from moss.naming.bucket import Provider

__all__ = ["Backend", "Page", "RemoteBucket", "RemoteObject", "RemoteRead"]


@dataclass(frozen=True, slots=True)
class RemoteBucket:
    """A bucket as its store describes it.

    Attributes:
        is_versioned: whether the store keeps versions, and tells their ids.
        region: where it is, "" where the store knows no regions.
    """

    name: str
    is_versioned: bool = False
    region: str = ""


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """An object as its store describes it.

    Attributes:
        size: bytes.
        etag: entity tag without quotes, "" where the store has none. Changes with every write.
        version: version id, "" in a bucket that is not versioned.
        modified_ns: time of the last write, ns since 1970; stores tell whole seconds.
        content_type: as the store has it, "" unknown. Listings do not tell it.
        custom: user metadata, keys in lower case. Listings do not tell it.
    """

    name: str
    size: int
    etag: str = ""
    version: str = ""
    modified_ns: int = 0
    content_type: str = ""
    custom: Mapping[str, str] = field(default_factory=dict)

    @property
    def md5(self) -> str:
        """The MD5 of the content where the entity tag is one: 32 hex digits. Source: spec/rest-data.md 8."""
        tag = self.etag.lower()
        return tag if len(tag) == 32 and all(digit in "0123456789abcdef" for digit in tag) else ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, in the byte order of names.

    Attributes:
        folders: common prefixes up to the next slash, each with its slash; only of listings of one level.
        next_after: name to go on behind, "" at the end.
    """

    objects: list[RemoteObject]
    folders: list[str] = field(default_factory=list)
    next_after: str = ""


class RemoteRead(Protocol):
    """The answer to one read. All its bytes are of one version of the object.

    Attributes:
        about: the whole object.
        start, stop: the bytes that come, half-open.
    """

    about: RemoteObject
    start: int
    stop: int

    async def read(self) -> bytes:
        """Return all bytes.

        Raises:
            BackendUnavailable: the store broke off, or sent less than it had announced.
        """

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes piece by piece; raises as `read`."""


class Backend(Protocol):
    """One store. Every call may raise:

    Raises:
        BackendUnavailable: it cannot be reached or keeps failing; the text says what and why.
        BackendDenied: it refuses the credentials.
        BucketNotFound, ObjectNotFound: it does not have that.

    Attributes:
        provider: whose buckets it has.
    """

    provider: Provider

    async def list_buckets(self) -> list[str]:
        """Return the names of all buckets that the credentials may see."""

    async def head_bucket(self, bucket: str) -> RemoteBucket:
        """Look a bucket up."""

    async def list(
        self, bucket: str, prefix: str = "", start_after: str = "", limit: int = 1000, *, one_level: bool = False
    ) -> Page:
        """Return objects whose names begin with `prefix` and are larger than `start_after`, at most `limit`."""

    async def head(self, bucket: str, name: str) -> RemoteObject:
        """Look an object up, user metadata included."""

    async def get(self, bucket: str, name: str, start: int = 0, length: int = -1, *, etag: str = "") -> RemoteRead:
        """Begin to read; a length of -1 means up to the end.

        Args:
            etag: read this version only.

        Raises:
            ObjectChanged: the object has another entity tag.
            RangeOutOfBounds: it ends before `start`.
        """

    async def put(
        self, bucket: str, name: str, body: bytes | AsyncIterable[bytes], custom: Mapping[str, str], size: int = -1
    ) -> RemoteObject:
        """Store an object. When this returns the store has acknowledged it.

        Args:
            custom: user metadata; keys in lower case, as names of HTTP headers. Values that are not plain lie in the
                store as RFC 2047 writes them.
            size: of the body, -1 unknown; a body of another size is refused, and nothing is stored.

        Returns:
            The object; its time and its entity tag only where the store tells them.

        Raises:
            InvalidBody: of another size.
            InvalidName: the store has no such names.
        """

    async def set_custom(
        self, bucket: str, name: str, about: RemoteObject, custom: Mapping[str, str]
    ) -> RemoteObject | None:
        """Let an object have other user metadata; its content stays.

        Args:
            about: the version that is meant.

        Returns:
            The object as it is now; None if the store can do that only by getting the object again.

        Raises:
            ObjectChanged: it has another version.
        """

    async def delete(self, bucket: str, name: str) -> None:
        """Delete an object. One that is not there is no error."""

    async def close(self) -> None:
        """Let go of connections."""
