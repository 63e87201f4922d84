"""Errors of the SDK.

    MossError
    ├── APIRequestError                    the server answered with an error status
    │   └── AISError                       any other status >= 400
    │       ├── ErrBckNotFound, ErrRemoteBckNotFound, ErrBckAlreadyExists, ErrETLNotFound, ErrETLAlreadyExists
    │       ├── RetriesExhausted           the last answer after every retry the policy allows
    │       └── AISRetryableError
    │           └── ErrObjNotFound, ErrGETConflict
    ├── TransportError                     no (complete) answer at all
    │   ├── ConnectFailed
    │   │   └── ConnectTimedOut
    │   ├── ReadTimedOut
    │   └── ConnectionLost                 broken while sending, or before the answer's end
    └── InvalidBckProvider, InvalidURLException, InvalidObjectRangeIndex, JobInfoNotFound, Timeout …

The classes that wrap a broken connection, and `RetriesExhausted`, are also subclasses of the `requests` and `urllib3`
exceptions of the same meaning whenever those libraries are loaded, so that existing `except` clauses go on working;
neither library is needed. Source: spec/python-sdk.md 1.14 and 4.5.
"""

import copyreg
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from moss.errors import MossError, Unavailable

__all__ = [
    "AISError",
    "AISRetryableError",
    "APIRequestError",
    "ConnectFailed",
    "ConnectTimedOut",
    "ConnectionLost",
    "ETLDirectPutTransientError",
    "ErrBckAlreadyExists",
    "ErrBckNotFound",
    "ErrETLAlreadyExists",
    "ErrETLNotFound",
    "ErrGETConflict",
    "ErrObjNotFound",
    "ErrRemoteBckNotFound",
    "InvalidBckProvider",
    "InvalidObjectRangeIndex",
    "InvalidPipelineError",
    "InvalidURLException",
    "JobInfoNotFound",
    "NoTargetError",
    "ReadTimedOut",
    "RetriesExhausted",
    "Timeout",
    "TransportError",
    "UnexpectedHTTPStatusCode",
    "compatible",
]


class APIRequestError(MossError):
    """A server refused a request.

    Attributes:
        status_code: HTTP status.
        message: text of the answer.
        req_url: URL of the request that failed.
        req: the request; for logs only.
        tcode: type name that the server gave the error, or "".
    """

    code = "api-request"

    def __init__(self, status_code: int, message: str, req_url: str, req: Any = None, *, tcode: str = "") -> None:
        super().__init__(f"STATUS:{status_code}, MESSAGE:{message}, REQ_URL:{req_url}")
        self.status_code, self.message, self.req_url, self.req, self.tcode = status_code, message, req_url, req, tcode

    def __reduce__(self) -> tuple[Any, ...]:
        state = {"tcode": self.tcode}
        return _rebuild, (_library_class(type(self)), (self.status_code, self.message, self.req_url, None), state)


class AISError(APIRequestError):
    """The cluster refused a request."""


class AISRetryableError(AISError):
    """The cluster refused a request, and the same request may succeed later."""


class ErrBckNotFound(AISError):
    """A bucket does not exist."""


class ErrRemoteBckNotFound(AISError):
    """A bucket of a cloud or of another cluster does not exist, or cannot be reached."""


class ErrBckAlreadyExists(AISError):
    """A bucket of this name exists."""


class ErrETLNotFound(AISError):
    """An ETL does not exist."""


class ErrETLAlreadyExists(AISError):
    """An ETL of this name exists."""


class ErrObjNotFound(AISRetryableError):
    """An object does not exist."""


class ErrGETConflict(AISRetryableError):
    """An object cannot be read now because it is being written."""


class RetriesExhausted(AISError):
    """The server kept answering with a temporary error until the retry policy gave up.

    Attributes:
        attempts: one line for each attempt, `<status or error> after <seconds>s`.
    """

    attempts: Sequence[str] = ()


class TransportError(Unavailable):
    """A request got no answer, or not a whole one.

    Attributes:
        was_sent: whether the server may have acted on the request.
    """

    code = "transport"
    was_sent = True

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (_library_class(type(self)), (self.message,), {"was_sent": self.was_sent})


class ConnectFailed(TransportError):
    """No connection: refused, unreachable, unknown host, or a failed TLS handshake."""

    code = "connect-failed"
    was_sent = False


class ConnectTimedOut(ConnectFailed):
    code = "connect-timed-out"


class ReadTimedOut(TransportError):
    """The server was silent for longer than the read timeout."""

    code = "read-timed-out"


class ConnectionLost(TransportError):
    """The connection broke while sending, or before the end of the answer."""

    code = "connection-lost"


class _MadeOf(MossError):
    """An error whose text is made of its arguments; it can be pickled as those."""

    def __new__(cls, *arguments: Any, **_options: Any) -> "_MadeOf":
        error = super().__new__(cls)
        error._arguments, error._options = arguments, _options
        return error

    _arguments: tuple[Any, ...]
    _options: dict[str, Any]

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_again, (type(self), self._arguments, self._options)


def _make_again(error: type[Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    return error(*arguments, **options)


class InvalidBckProvider(_MadeOf):
    """The provider is unknown, or has no such operation."""

    def __init__(self, provider: object) -> None:
        super().__init__(f"Invalid bucket provider: '{provider}'")


class InvalidURLException(_MadeOf):
    """A URL does not have the form `provider://bucket/object`."""

    def __init__(self, url: str) -> None:
        super().__init__(f"Invalid URL: '{url}'. Ensure it follows the format 'provider://bucket/object'.")


class Timeout(_MadeOf):
    """An operation took longer than the caller allowed."""

    def __init__(self, action: str, message: str = "") -> None:
        super().__init__(f"Timed out while waiting for {action}. {message}")


class InvalidObjectRangeIndex(_MadeOf):
    """The indices of an `ObjectRange` contradict each other."""

    def __init__(self, message: str) -> None:
        super().__init__(f"Invalid argument provided for object range index: {message}")


class JobInfoNotFound(_MadeOf):
    """The cluster knows no job of this id, or none in this time."""

    def __init__(self, message: str) -> None:
        super().__init__(f"Job information not found on the cluster: {message}")


class InvalidPipelineError(MossError, ValueError):
    """Transformations cannot be chained like this."""


class ETLDirectPutTransientError(_MadeOf):
    """A transformation could not hand an object on; the cluster shall send it again.

    Attributes:
        url: where it was to be sent.
        cause: why it failed.
        bail_without_local_retry: whether trying again here is pointless.
    """

    def __init__(self, url: str, cause: Exception, bail_without_local_retry: bool = False) -> None:
        super().__init__(f"Transient failure of a direct put to {url}: {cause}")
        self.url, self.cause, self.bail_without_local_retry = url, cause, bail_without_local_retry


class UnexpectedHTTPStatusCode(_MadeOf):
    """The cluster answered with a status that has no meaning here."""

    def __init__(self, expected_status_codes: Sequence[int], received_status_code: int) -> None:
        expected = ", ".join(map(str, expected_status_codes))
        super().__init__(
            f"Unexpected status code received. Expected one of the following: {expected}, "
            f"but received: {received_status_code}"
        )


class NoTargetError(_MadeOf):
    """The cluster map holds no target that may serve an object."""

    def __init__(self, total_nodes: int) -> None:
        super().__init__(f"No available targets in the cluster map. Total nodes: {total_nodes}")


# --- classes that other libraries' except clauses know ---

_FOREIGN = {
    ConnectFailed: (("requests.exceptions", "ConnectionError"),),
    ConnectTimedOut: (("requests.exceptions", "ConnectTimeout"), ("urllib3.exceptions", "TimeoutError")),
    ReadTimedOut: (("requests.exceptions", "ReadTimeout"), ("urllib3.exceptions", "TimeoutError")),
    ConnectionLost: (
        ("requests.exceptions", "ChunkedEncodingError"),
        ("requests.exceptions", "ConnectionError"),
        ("urllib3.exceptions", "ProtocolError"),
    ),
    RetriesExhausted: (("requests.exceptions", "RetryError"),),
}


def compatible(error: type[Any]) -> type[Any]:
    """Return the class to raise for `error`: itself, or a subclass that is also the twin of loaded HTTP libraries."""
    names = tuple(name for name in _FOREIGN.get(error, ()) if name[0] in sys.modules)
    return _combine(error, names)  # type: ignore[arg-type]


@lru_cache
def _combine(error: type[Any], names: tuple[tuple[str, str], ...]) -> type[Any]:
    bases = [getattr(sys.modules[module], name) for module, name in names]
    bases = [base for base in bases if not any(other is not base and issubclass(other, base) for other in bases)]
    if not bases:
        return error
    return _Combined(error.__name__, (error, *bases), {"__module__": error.__module__, "_library_class": error})


class _Combined(type):
    """The type of combined classes: another process makes its own, for the libraries that are loaded there."""


copyreg.pickle(_Combined, lambda made: (compatible, (_library_class(made),)))  # type: ignore[arg-type]


def _library_class(error: type[Any]) -> type[Any]:
    return getattr(error, "_library_class", error)


def _rebuild(error: type[Any], arguments: tuple[Any, ...], state: dict[str, Any]) -> Any:
    rebuilt = compatible(error)(*arguments)
    rebuilt.__dict__.update(state)
    return rebuilt
