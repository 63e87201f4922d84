"""Errors of objects that are read as files. Source: spec/python-sdk.md 1.14 and 3.3."""

from moss.errors import MossError

__all__ = [
    "ObjectChanged",
    "ObjectFileReaderMaxResumeError",
    "ObjectFileReaderStreamError",
    "ObjectFileReaderUnexpectedEOF",
]


class ObjectFileReaderMaxResumeError(MossError):
    """Reading broke off more often than was allowed.

    Attributes:
        original_error: what broke the last attempt.
        max_retries: how often reading was resumed.
    """

    code = "max-resume"

    def __init__(self, err: BaseException, max_retries: int) -> None:
        super().__init__(f"Object file reader exceeded max_resume ({max_retries}) attempts. Last error: {err}")
        self.original_error, self.max_retries = err, max_retries


class ObjectFileReaderStreamError(MossError):
    """The stream of an object cannot be continued."""

    code = "object-stream"

    def __init__(self, err: object) -> None:
        super().__init__(f"Object file reader stream failed: {err}")
        self.original_error = err


class ObjectFileReaderUnexpectedEOF(MossError):
    """An object ended before the length that was announced."""

    code = "unexpected-eof"

    def __init__(self, actual: int, expected: int) -> None:
        super().__init__(f"Unexpected end of the object: received {actual} of {expected} bytes")
        self.actual, self.expected = actual, expected


class ObjectChanged(ObjectFileReaderStreamError):
    """The object was replaced while it was read in several requests: what was read so far is of another content."""

    code = "object-changed"
