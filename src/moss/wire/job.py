"""Jobs in messages: snapshots of each target, the short status, and the query that selects them.

Source: spec/rest-control.md 9.4, 9.5, spec/getbatch.md 13.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from moss.errors import InvalidBody, MalformedAnswer
from moss.wire.bucket import BucketModel

__all__ = [
    "TIME_ZERO",
    "JobQuery",
    "JobSnapshot",
    "JobStats",
    "JobStatus",
    "decode_job_query",
    "decode_snapshots",
    "format_time",
    "pack_workers",
]

TIME_ZERO = "0001-01-01T00:00:00Z"
"""A time that is not there yet; clients compare this very text."""

_NS = 1_000_000_000


def format_time(ns: int) -> str:
    """Write nanoseconds since 1970 as RFC 3339 UTC with all nine digits; 0 is `TIME_ZERO`."""
    if ns == 0:
        return TIME_ZERO
    seconds, rest = divmod(ns, _NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def pack_workers(*, joggers: int = 0, workers: int = 0, channel_full: int = 0) -> str:
    """Pack the three counts of `glob.id`: bits 0-9, 10-19 and from 20 on, as decimal text."""
    return str(min(joggers, 1023) | min(workers, 1023) << 10 | channel_full << 20)


class JobStats(msgspec.Struct, rename="kebab"):
    """Counts of objects and bytes, decimal text: handled here, sent to and received from other targets."""

    loc_objs: str = "0"
    loc_bytes: str = "0"
    out_objs: str = "0"
    out_bytes: str = "0"
    in_objs: str = "0"
    in_bytes: str = "0"


class JobSnapshot(msgspec.Struct, kw_only=True, rename="kebab"):
    """One job on one target."""

    id: str
    kind: str
    start_time: str = TIME_ZERO
    end_time: str = TIME_ZERO
    """`TIME_ZERO` while it runs."""
    bck: BucketModel | None = BucketModel()
    src_bck: BucketModel | None = BucketModel()
    dst_bck: BucketModel | None = BucketModel()
    ctlmsg: str | msgspec.UnsetType = msgspec.UNSET
    """Status text; not sent when there is none."""
    abort_err: str = ""
    err: str = ""
    workers: str = msgspec.field(default="0", name="glob.id")
    ext: Any = None
    aborted: bool = False
    is_idle: bool = msgspec.field(default=False, name="is_idle")
    stats: JobStats = msgspec.field(default_factory=JobStats)

    @property
    def is_finished(self) -> bool:
        return self.end_time != TIME_ZERO


class JobStatus(msgspec.Struct, kw_only=True):
    """The short form, of the whole cluster."""

    kind: str
    uuid: str
    err: str = ""
    end_time: int = 0
    """Nanoseconds since 1970; 0 while it runs."""
    aborted: bool = False


class JobQuery(msgspec.Struct, kw_only=True):
    """Which jobs are meant; empty parts select all."""

    id: str = ""
    kind: str = ""
    node: str = ""
    bucket: BucketModel | None = None
    show_active: bool | None = None

    @property
    def ids(self) -> list[str]:
        """The ids of a comma-separated list of alternatives."""
        return [part for part in self.id.split(",") if part]


class _JobMessage(msgspec.Struct):
    id: str | None = None
    kind: str | None = None
    node: str | None = None
    daemonid: str | None = None
    bck: BucketModel | None = None
    show_active: bool | None = None


def decode_job_query(message: object) -> JobQuery:
    """Read a query in either spelling (`ID` or `id`, `DaemonID` or `node`); null and None are an empty one.

    Args:
        message: decoded JSON.

    Raises:
        InvalidBody: not an object, or a value of the wrong type.
    """
    if message is None:
        return JobQuery()
    if not isinstance(message, dict):
        raise InvalidBody("invalid job query: expecting a JSON object")
    lowered = {key.lower(): value for key, value in message.items()}
    bucket = lowered.get("bck")
    if isinstance(bucket, dict):
        lowered["bck"] = {key.lower(): value for key, value in bucket.items() if value is not None}
    try:
        found = msgspec.convert(lowered, _JobMessage)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidBody(f"invalid job query: {error}") from None
    return JobQuery(
        id=found.id or "",
        kind=found.kind or "",
        node=found.node or found.daemonid or "",
        bucket=found.bck if found.bck is not None and found.bck.name else None,
        show_active=found.show_active,
    )


_snapshots_decoder = msgspec.json.Decoder(dict[str, list[JobSnapshot] | None])


def decode_snapshots(body: bytes | bytearray | memoryview) -> dict[str, list[JobSnapshot]]:
    """Read the snapshots of all targets by target id.

    Raises:
        MalformedAnswer: not such a document.
    """
    try:
        return {target: snapshots or [] for target, snapshots in _snapshots_decoder.decode(body).items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"not a document of job snapshots: {error}") from None
