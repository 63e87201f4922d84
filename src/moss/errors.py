"""Every error that Moss raises on purpose.

    MossError
    ├── InvalidRequest           the caller must change what it sends
    │   ├── InvalidName          bucket, object, member, provider, uname
    │   │   └── InvalidProvider
    │   ├── InvalidRange
    │   │   └── RangeOutOfBounds
    │   ├── InvalidTemplate
    │   ├── InvalidQuery         URL parameters
    │   ├── InvalidBody          what should be JSON of a known shape, and is not
    │   ├── InvalidConfig
    │   ├── UnknownMime
    │   └── TooLarge
    ├── NotFound                 it is not there; asking again gives the same answer
    │   ├── BucketNotFound
    │   ├── ObjectNotFound
    │   ├── MemberNotFound
    │   ├── WorkItemNotFound
    │   └── JobNotFound
    ├── Conflict                 the state forbids it now
    │   ├── BucketExists
    │   ├── JobConflict
    │   ├── JobNotActive
    │   ├── ObjectChanged
    │   └── Aborted
    ├── CorruptData              stored or received bytes are not what they should be
    │   ├── ChecksumMismatch
    │   ├── BadArchive
    │   │   ├── UnknownArchive
    │   │   ├── TruncatedArchive
    │   │   └── ArchiveLimit
    │   ├── BadShardIndex
    │   ├── BadRecord
    │   └── MalformedAnswer      a server answered with something that the protocol does not know
    ├── Unavailable              try again later, or elsewhere
    │   ├── TooManyRequests
    │   ├── BackendUnavailable   the store behind a bucket
    │   ├── OutOfSpace
    │   ├── SegmentGone
    │   └── StoreClosed
    ├── AccessDenied
    │   └── BackendDenied        by the store behind a bucket
    └── Unsupported

Leaves name the fact and keep it in fields; branches tell what a caller can do about it.
`code` is stable and meant for programs; the text is meant for people.
How errors become HTTP answers is said in one place, `moss.node.server.errors`.
"""


class MossError(Exception):
    """Base of all errors of Moss.

    Attributes:
        code: stable identifier, lower case with dashes.
        message: the text for people, without the class name.
    """

    code = "error"

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class InvalidRequest(MossError):
    code = "invalid-request"


class InvalidName(InvalidRequest):
    code = "invalid-name"


class InvalidProvider(InvalidName):
    code = "invalid-provider"


class InvalidRange(InvalidRequest):
    """A byte range that no object could satisfy (negative start, zero length behind a start …)."""

    code = "invalid-range"


class RangeOutOfBounds(InvalidRange):
    """A byte range that ends behind the object or member it was asked of.

    Source: spec/getbatch.md 8.4 for the text.
    """

    code = "range-out-of-bounds"

    def __init__(self, *, size: int, start: int, length: int) -> None:
        self.size, self.start, self.length = size, start, length
        span = f"start={start}" if length < 0 else f"start={start},length={length}"
        super().__init__(f"size={size}: not satisfiable range [{span}]")


class InvalidTemplate(InvalidRequest):
    code = "invalid-template"


class InvalidQuery(InvalidRequest):
    """URL parameters that cannot be read: too many, a broken escape, a value that is no number."""

    code = "invalid-query"


class InvalidBody(InvalidRequest):
    """A request body that is not JSON, has a value of the wrong type, or asks for nothing."""

    code = "invalid-body"


class InvalidConfig(InvalidRequest):
    """A configuration key or value that is refused.

    Attributes:
        tcode: error type name on the wire when the reference gives one (`NumError`, `parseDurationError`), else "".
    """

    code = "invalid-config"

    def __init__(self, message: str, *, tcode: str = "") -> None:
        self.tcode = tcode
        super().__init__(message)


class UnknownMime(InvalidRequest):
    code = "unknown-mime"

    def __init__(self, mime: str) -> None:
        self.mime = mime
        super().__init__(f'unknown mime type "{mime}"')


class TooLarge(InvalidRequest):
    code = "too-large"


class NotFound(MossError):
    code = "not-found"


class BucketNotFound(NotFound):
    """A bucket does not exist (or, for cloud buckets, its backend is not configured).

    Attributes:
        cname: printable bucket name, `ais://b`.
        is_remote: True for cloud and remote-cluster buckets, which have a type name of their own on the wire.
    """

    code = "bucket-not-found"

    def __init__(self, cname: str, *, is_remote: bool = False, message: str = "") -> None:
        self.cname, self.is_remote = cname, is_remote
        super().__init__(message or f'bucket "{cname}" does not exist')


class ObjectNotFound(NotFound):
    code = "object-not-found"

    def __init__(self, cname: str, *, node: str = "") -> None:
        self.cname, self.node = cname, node
        super().__init__(f"{node + ': ' if node else ''}{cname} does not exist")


class MemberNotFound(NotFound):
    code = "member-not-found"

    def __init__(self, member: str, cname: str, *, node: str = "") -> None:
        self.member, self.cname, self.node = member, cname, node
        super().__init__(f"{node + ': ' if node else ''}{member} in {cname} does not exist")


class WorkItemNotFound(NotFound):
    code = "work-item-not-found"


class JobNotFound(NotFound):
    code = "job-not-found"


class Conflict(MossError):
    code = "conflict"


class BucketExists(Conflict):
    code = "bucket-exists"

    def __init__(self, cname: str) -> None:
        self.cname = cname
        super().__init__(f'bucket "{cname}" already exists')


class JobConflict(Conflict):
    code = "job-conflict"


class JobNotActive(Conflict):
    code = "job-not-active"


class ObjectChanged(Conflict):
    """An object was replaced or deleted while its next version was being made from it."""

    code = "object-changed"

    def __init__(self, cname: str) -> None:
        self.cname = cname
        super().__init__(f"{cname} was changed meanwhile")


class Aborted(Conflict):
    """A job or one of its work items was stopped before it was done."""

    code = "aborted"


class CorruptData(MossError):
    code = "corrupt-data"


class ChecksumMismatch(CorruptData):
    """Bytes differ from their recorded checksum."""

    code = "checksum-mismatch"

    def __init__(self, name: str, *, expected: str, found: str) -> None:
        self.name, self.expected, self.found = name, expected, found
        super().__init__(f"{name}: expected checksum {expected}, found {found}")


class BadArchive(CorruptData):
    code = "bad-archive"


class UnknownArchive(BadArchive):
    code = "unknown-archive"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f'unrecognized or unsupported file format: "{name}"')


class TruncatedArchive(BadArchive):
    code = "truncated-archive"

    def __init__(self, message: str = "unexpected EOF") -> None:
        super().__init__(message)


class ArchiveLimit(BadArchive):
    """An archive that is larger, deeper or denser than the declared limits."""

    code = "archive-limit"


class BadShardIndex(CorruptData):
    code = "bad-shard-index"


class BadRecord(CorruptData):
    code = "bad-record"


class MalformedAnswer(CorruptData):
    """An answer that breaks the protocol: no multipart where one was promised, metadata that do not match …"""

    code = "malformed-answer"


class Unavailable(MossError):
    code = "unavailable"


class TooManyRequests(Unavailable):
    """Refused by admission; `retry_after_s` is what the client should wait, in whole seconds."""

    code = "too-many-requests"

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class BackendUnavailable(Unavailable):
    """The store behind a bucket cannot be reached, is overloaded, or failed, after the retries that are allowed.

    The text names backend, bucket and cause, and holds no secret.

    Attributes:
        is_open: the store may have done what it was asked for: its answer was lost.
    """

    code = "backend-unavailable"

    def __init__(self, message: str, *, is_open: bool = False) -> None:
        self.is_open = is_open
        super().__init__(message)


class OutOfSpace(Unavailable):
    code = "out-of-space"


class SegmentGone(Unavailable):
    """A segment was compacted away between looking an object up and opening its segment: look it up again."""

    code = "segment-gone"

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"segment {number} is gone")


class StoreClosed(Unavailable):
    code = "store-closed"


class AccessDenied(MossError):
    code = "access-denied"


class BackendDenied(AccessDenied):
    """The store behind a bucket refuses the node's credentials; the text names backend, bucket and cause."""

    code = "backend-denied"


class Unsupported(MossError):
    code = "unsupported"
