"""What went wrong at a store, as an error of ours: backend, bucket and cause; never a header, a key or a signature."""

import re

from moss.errors import BackendDenied, BackendUnavailable, BucketNotFound, MossError, ObjectChanged, ObjectNotFound
from moss.naming.bucket import Bucket

_STATUS = re.compile(r"status code: (\d{3})|HTTP status (?:server|client) error \((\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9_.-]{1,64})</Code>")
_CONNECTION = (
    ("dns error", "its address cannot be resolved"),
    ("Connection refused", "connection refused"),
    ("connection refused", "connection refused"),
    ("operation timed out", "no answer in time"),
    ("TimedOut", "no answer in time"),
    ("response body", "the answer broke off"),
    ("Body", "the answer broke off"),
    ("error sending request", "cannot be reached"),
)


def failure_of(error: BaseException, bucket: Bucket, name: str = "") -> MossError:
    """Translate what a client library raised.

    Args:
        name: of the object that it was about, "" for a bucket.
    """
    text = str(error)
    status = next((int(group) for match in _STATUS.finditer(text) for group in match.groups() if group), 0)
    code = match[1] if (match := _CODE.search(text)) else ""
    return failure(bucket, name, status=status, code=code, reason=_reason(text))


def failure(bucket: Bucket, name: str, *, status: int, code: str, reason: str = "") -> MossError:
    """Build the error for what a store answered.

    Args:
        status: HTTP status, 0 where there was no answer.
        code: the store's own word for it, "" if it said none.
        reason: why there was no answer.
    """
    place = bucket.cname_of(name) if name else bucket.cname
    if code == "NoSuchBucket" or (status == 404 and not name):
        text = f'{bucket.provider.value} bucket "{bucket.cname}" does not exist'
        return BucketNotFound(bucket.cname, is_remote=True, message=text)
    if status == 404:
        return ObjectNotFound(place)
    if status == 412:
        return ObjectChanged(place)
    word = f"{bucket.provider.display_name} backend"
    said = " ".join(filter(None, (str(status or ""), code))) or reason or "failed"
    if status in (401, 403):
        return BackendDenied(f"{word} refused access to {place}: {said}")
    return BackendUnavailable(f"{word} failed on {place}: {said}")


def _reason(text: str) -> str:
    return next((words for mark, words in _CONNECTION if mark in text), "")
