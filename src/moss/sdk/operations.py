"""Builds requests and interprets answers. Pure: the blocking and the asynchronous client share every decision here.

Source: spec/python-sdk.md 1 for the operations, spec/rest-data.md for their encoding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from moss.sdk.errors import (
    AISError,
    ErrBckAlreadyExists,
    ErrBckNotFound,
    ErrETLAlreadyExists,
    ErrETLNotFound,
    ErrGETConflict,
    ErrObjNotFound,
    ErrRemoteBckNotFound,
)
from moss.sdk.namespace import Namespace
from moss.sdk.utils import extract_and_parse_url
from moss.wire import headers as names
from moss.wire.errors import decode_error

__all__ = [
    "DIRECT",
    "IDEMPOTENT_METHODS",
    "Request",
    "action",
    "bucket_path",
    "bucket_query",
    "error_of",
    "object_path",
]

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
DIRECT = {names.MOSS_DIRECT: "1"}

Query = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Request:
    """One request, relative to the cluster.

    Attributes:
        path: below `/v1`, escaped.
        query: pairs, not escaped.
        body: bytes, a binary file, an iterator of bytes, or None.
        length: size of a file or iterator, when known.
        is_idempotent: whether sending it twice does the same as sending it once; None takes it from the method.
        base: URL of a node to ask instead of the gateway.
    """

    method: str
    path: str
    query: Query = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    length: int | None = None
    is_idempotent: bool | None = None
    base: str | None = None

    @property
    def may_repeat(self) -> bool:
        return self.method in IDEMPOTENT_METHODS if self.is_idempotent is None else self.is_idempotent

    def url(self, base: str) -> str:
        """Absolute URL at a node whose base URL ends with `/v1`."""
        query = f"?{urlencode(self.query, quote_via=quote)}" if self.query else ""
        return f"{base}{self.path}{query}"


def action(name: str, *, target: str = "", value: Any = None) -> bytes:
    """JSON body of a control request; all three keys are always there."""
    return msgspec.json.encode({"action": name, "name": target, "value": value})


def bucket_path(bucket: str) -> str:
    return f"/buckets/{quote(bucket, safe='')}"


def object_path(bucket: str, name: str) -> str:
    """Path of an object.

    Raises:
        ValueError: the name has a component `.` or `..`; HTTP stacks would rewrite it to another object's.
    """
    if "." in name and any(part in (".", "..") for part in name.split("/")):
        raise ValueError(f"object name {name!r} has a component '.' or '..'")
    return f"/objects/{quote(bucket, safe='')}/{quote(name, safe='/')}"


def bucket_query(provider: str, namespace: Namespace | None) -> list[tuple[str, str]]:
    """Query parameters that name the provider and the namespace of the bucket in the path."""
    pairs = [("provider", str(provider))]
    if namespace is not None and (namespace.uuid or namespace.name):
        pairs.append(("namespace", namespace.get_path()))
    return pairs


def error_of(status: int, method: str, url: str, body: bytes, hdr_error: str = "") -> AISError:
    """The exception for an answer with an error status.

    A type name in the answer decides when there is one; otherwise the wording does, as it does for the reference.
    """
    document = decode_error(body or hdr_error.encode("utf-8", "surrogateescape"), status=status)
    message = document.message or (body.decode("utf-8", "replace").strip() if body else "")
    error = _error_class(status, method, document.tcode, message)
    return error(status, message, url, f"{method} {url}", tcode=document.tcode)


def _error_class(status: int, method: str, tcode: str, message: str) -> type[AISError]:
    found = extract_and_parse_url(message)
    if status == 404:
        if "etl job" in message:
            return ErrETLNotFound
        if tcode == "ErrBckNotFound":
            return ErrBckNotFound
        if tcode == "ErrRemoteBckNotFound":
            return ErrRemoteBckNotFound
        if found is not None:
            provider, bucket, has_object = found
            if has_object and not _is_namespaced_bucket(message, bucket):
                return ErrObjNotFound
            return ErrRemoteBckNotFound if provider != "ais" or "@" in bucket else ErrBckNotFound
    if status == 409:
        if method == "GET":
            return ErrGETConflict
        if "etl job" in message:
            return ErrETLAlreadyExists
        if tcode == "ErrBucketAlreadyExists" or (found is not None and not found[2]):
            return ErrBckAlreadyExists
    return AISError


def _is_namespaced_bucket(message: str, bucket: str) -> bool:
    """Whether `ais://@uuid#ns/b` was found, where the namespace looks like a bucket and the bucket like an object."""
    if bucket[:1] not in ("@", "#"):
        return False
    rest = message.partition(f"://{bucket}/")[2]
    word = rest.split('"')[0].split(" ")[0]
    return "/" not in word
