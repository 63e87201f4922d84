"""What transformation servers receive and answer, whichever framework carries it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

__all__ = ["DIRECT_PUT_LENGTH", "NODE_URL", "RETRY_REASON", "RETRY_TRANSIENT", "Reply", "Task", "refusal"]

NODE_URL = "Ais-Node-Url"
DIRECT_PUT_LENGTH = "Ais-Direct-Put-Length"
RETRY_REASON = "Ais-Etl-Retry-Reason"
RETRY_TRANSIENT = "direct-put-transient"


@dataclass
class Task:
    """One object to transform.

    Attributes:
        path: of the object, not escaped, without a leading slash.
        body: binary file of its content; None when it has to be fetched from the target.
        etl_args: arguments of this request.
        etl_fqn: file of the target that holds the content, or empty.
        pipeline: where the result goes, `Ais-Node-Url`, or empty for back to the caller.
    """

    path: str
    body: Any = None
    etl_args: str = ""
    etl_fqn: str = ""
    pipeline: str = ""


@dataclass
class Reply:
    """An answer; the body is bytes, or an iterator of bytes that is not known to its end."""

    status: int = 200
    body: bytes | Iterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, detail: str, **headers: str) -> Reply:
    """An error in the form that the reference's servers have."""
    fields = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    return Reply(status, msgspec.json.encode({"detail": detail}), fields)
