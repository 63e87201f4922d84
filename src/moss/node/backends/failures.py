"""What went wrong at a store, as an error of ours: backend, bucket and cause; never a header, a key or a signature."""

import errno
import re
import ssl

import aiohttp

from moss.errors import (
    BackendDenied,
    BackendUnavailable,
    BucketNotFound,
    InvalidName,
    MossError,
    ObjectChanged,
    ObjectNotFound,
)
from moss.naming.bucket import Bucket

__all__ = ["code_in", "failure", "failure_of", "plain", "reading", "reason_of", "status_in"]

_STATUS = re.compile(r"status code: (\d{3})|HTTP status (?:server|client) error \((\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9_.-]{1,64})</Code>")
_CHOSEN = re.compile(r'https?://[^\s,]+|(?:path|location|key|host): "(?:[^"\\]|\\.)*"')
_CONNECTION = (
    ("dns error", "its address cannot be resolved"),
    ("onnection refused", "connection refused"),
    ("InvalidCertificate", "its certificate is not trusted"),
    ("operation timed out", "no answer in time"),
    ("TimedOut", "no answer in time"),
    ("no credentials", "no credentials"),
    ("redential", "its credentials cannot be had"),
    ("response body", "the answer broke off"),
    ("Body", "the answer broke off"),
    ("error sending request", "cannot be reached"),
)
# Stores tell with other statuses, too, that they do not know whoever asks.
_DENIED_CODES = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "ExpiredTokenException"}
    | {"AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation", "InvalidSecurity"}
)
# Causes with which a request did not reach its store.
_UNSENT = frozenset({"its address cannot be resolved", "connection refused", "cannot be reached"})
_NO_BUCKET_CODES = frozenset({"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted", "InvalidBucketName"})
# Containers whose names no such store can have; objects may have such names, too.
_BAD_NAME_CODES = frozenset({"InvalidResourceName", "OutOfRangeInput", "InvalidUri"})


def plain(error: BaseException) -> str:
    """Return a client library's message without what others chose: addresses and names."""
    return _CHOSEN.sub("", str(error))


def status_in(text: str) -> int:
    """Return the HTTP status that a client library's message tells, 0 for none."""
    return next((int(group) for match in _STATUS.finditer(text) for group in match.groups() if group), 0)


def code_in(text: str) -> str:
    """Return the store's own word for a failure from its XML answer, "" for none."""
    return match[1] if (match := _CODE.search(text)) else ""


def failure_of(error: BaseException, bucket: Bucket, name: str = "") -> MossError:
    """Translate what a client library raised.

    Args:
        name: of the object that it was about, "" for a bucket.
    """
    if isinstance(error, MossError):
        return error
    text = str(error)
    return failure(bucket, name, status=status_in(text), code=code_in(text), reason=reason_of(error))


def reading(error: MossError, bucket: Bucket, name: str) -> MossError:
    """Return what a failure means to whoever reads: an object whose name the store cannot have is not there."""
    return ObjectNotFound(bucket.cname_of(name)) if isinstance(error, InvalidName) else error


def failure(bucket: Bucket, name: str, *, status: int, code: str, reason: str = "") -> MossError:
    """Build the error for what a store answered.

    Args:
        bucket: that it was about; one without a name stands for the list of all buckets.
        status: HTTP status, 0 where there was no answer.
        code: the store's own word for it, "" if it said none.
        reason: why there was no answer.
    """
    place = bucket.cname_of(name) if name else bucket.cname
    is_lost = code in _NO_BUCKET_CODES or (not name and (status == 404 or code in _BAD_NAME_CODES))
    if bucket.name and is_lost:
        text = f'{bucket.provider.value} bucket "{bucket.cname}" does not exist'
        return BucketNotFound(bucket.cname, is_remote=True, message=text)
    if status == 404:
        return ObjectNotFound(place)
    if code in _BAD_NAME_CODES:
        return InvalidName(f"{place!a}: {bucket.provider.display_name} has no such names: {code}")
    if status == 412:
        return ObjectChanged(place)
    word = f"{bucket.provider.display_name} backend"
    said = " ".join(filter(None, (str(status or ""), code))) or reason or "failed"
    if status in (401, 403) or code in _DENIED_CODES or "credentials" in reason:
        return BackendDenied(f"{word} refused access to {place}: {said}")
    return BackendUnavailable(f"{word} failed on {place}: {said}", is_open=not status and reason not in _UNSENT)


def reason_of(error: BaseException) -> str:
    """Return in a few words why there was no answer, or no whole one; "" where that is not known."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its address cannot be resolved"
    if isinstance(error, (ssl.SSLError, aiohttp.ClientSSLError)):
        return "its certificate is not trusted"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer broke off"
    if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
        return "connection refused"
    text = plain(error)
    return next((words for mark, words in _CONNECTION if mark in text), "")
