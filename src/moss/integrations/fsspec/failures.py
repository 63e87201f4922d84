"""Errors of the SDK as the `OSError`s that users of files know. The original is kept as the cause."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from moss.errors import MossError
from moss.sdk.errors import AISError, ConnectTimedOut, ErrBckAlreadyExists, ReadTimedOut, TransportError

__all__ = ["missing", "os_error_of", "os_errors"]

_ERRNO_OF_STATUS = {
    400: errno.EINVAL,
    401: errno.EACCES,
    403: errno.EACCES,
    404: errno.ENOENT,
    416: errno.EINVAL,
    429: errno.EBUSY,
    501: errno.EOPNOTSUPP,
    503: errno.EBUSY,
    507: errno.ENOSPC,
}


def missing(path: str) -> FileNotFoundError:
    """The error for a path that leads nowhere."""
    return FileNotFoundError(errno.ENOENT, "no such object or directory", path)


def os_error_of(error: MossError, path: str) -> OSError:
    """The `OSError` that says the same: `FileNotFoundError`, `PermissionError`, `TimeoutError`, `ConnectionError` …"""
    if isinstance(error, AISError):
        number = errno.EEXIST if isinstance(error, ErrBckAlreadyExists) else None
        return OSError(number or _ERRNO_OF_STATUS.get(error.status_code, errno.EIO), error.message, path)
    if isinstance(error, ReadTimedOut | ConnectTimedOut):
        return TimeoutError(errno.ETIMEDOUT, error.message, path)
    if isinstance(error, TransportError):
        return ConnectionError(f"{path}: {error.message}")
    return OSError(errno.EIO, error.message, path)


@contextmanager
def os_errors(path: str) -> Iterator[None]:
    """Raise the `OSError` for each error of the SDK that leaves the block.

    Raises:
        OSError: see `os_error_of`.
    """
    try:
        yield
    except MossError as error:
        raise os_error_of(error, path) from error
