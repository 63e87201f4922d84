"""What the cluster says about jobs. Source: spec/python-sdk.md 1.9, spec/rest-control.md 9.4 and 9.5."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from moss.errors import MalformedAnswer
from moss.sdk.bucket_model import BucketModel

__all__ = [
    "AggregatedJobSnap",
    "JobSnap",
    "JobStats",
    "JobStatus",
    "decode_names",
    "decode_snaps",
    "decode_status",
    "decode_statuses",
    "parse_time",
]

_ZERO_YEAR = "0001-"


def parse_time(text: str) -> datetime | None:
    """A moment of a snapshot, with its zone; None for the zero time, which stands for "not yet".

    Raises:
        MalformedAnswer: not an RFC 3339 time.
    """
    if not text or text.startswith(_ZERO_YEAR):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise MalformedAnswer(f"not a time: {text!r}") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


class JobStats(msgspec.Struct, frozen=True):
    """What a job did on one target: objects and bytes handled here, sent to and received from other targets."""

    objects: int = msgspec.field(default=0, name="loc-objs")
    bytes: int = msgspec.field(default=0, name="loc-bytes")
    out_objects: int = msgspec.field(default=0, name="out-objs")
    out_bytes: int = msgspec.field(default=0, name="out-bytes")
    in_objects: int = msgspec.field(default=0, name="in-objs")
    in_bytes: int = msgspec.field(default=0, name="in-bytes")


class JobSnap(msgspec.Struct, frozen=True, kw_only=True):
    """One job on one target.

    Attributes:
        start_time, end_time: RFC 3339 text; an end in the year 1 means that the job runs.
        packed: three counts in one number, see `unpack_glob_id`.
        err: what went wrong in a job that went on after errors.
        ext: further statistics that some kinds have, as they came.
    """

    id: str = ""
    kind: str = ""
    start_time: str = msgspec.field(default="", name="start-time")
    end_time: str = msgspec.field(default="", name="end-time")
    bucket: BucketModel | None = msgspec.field(default=None, name="bck")
    source_bck: BucketModel | None = msgspec.field(default=None, name="src-bck")
    destination_bck: BucketModel | None = msgspec.field(default=None, name="dst-bck")
    stats: JobStats | None = None
    aborted: bool = False
    is_idle: bool = False
    abort_err: str = msgspec.field(default="", name="abort-err")
    err: str = ""
    ctlmsg: str = ""
    packed: int = msgspec.field(default=0, name="glob.id")
    ext: Any = None

    @property
    def is_finished(self) -> bool:
        """Whether the job ended here, in whatever way."""
        return parse_time(self.end_time) is not None

    def unpack_glob_id(self) -> tuple[int, int, int]:
        """Numbers of joggers and of workers, and how often a channel was full."""
        return self.packed & 0x3FF, self.packed >> 10 & 0x3FF, self.packed >> 20


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A job in short, of the whole cluster.

    Attributes:
        end_time: nanoseconds since 1970; 0 while it runs.
    """

    uuid: str = ""
    kind: str = ""
    err: str = ""
    end_time: int = 0
    aborted: bool = False
    is_idle: bool = False


class AggregatedJobSnap:
    """The snapshots of a job on all targets.

    Attributes:
        root: snapshots by id of the target.
    """

    __slots__ = ("root",)

    def __init__(self, root: dict[str, list[JobSnap]]) -> None:
        self.root = root

    def list_snapshots(self) -> list[JobSnap]:
        """The snapshots of all targets."""
        return [snap for snaps in self.root.values() for snap in snaps]

    def get_num_workers(self) -> int:
        """Number of workers for each target, as the first target with a snapshot reports it; 0 without any."""
        return next((snap.unpack_glob_id()[1] for snap in self.list_snapshots()), 0)

    def all_idle(self) -> bool:
        """Whether no target has work left: each snapshot is idle, aborted or finished."""
        return all(snap.is_idle or snap.aborted or snap.is_finished for snap in self.list_snapshots())

    def all_finished(self) -> bool:
        """Whether there are snapshots and all of them ended."""
        snaps = self.list_snapshots()
        return bool(snaps) and all(snap.is_finished or snap.aborted for snap in snaps)

    def any_aborted(self) -> bool:
        return any(snap.aborted for snap in self.list_snapshots())

    def idle_or_aborted(self) -> bool:
        return self.any_aborted() or self.all_idle()

    def any_finished(self) -> bool:
        """Whether the job ended on some target."""
        return any(snap.is_finished or snap.aborted for snap in self.list_snapshots())

    def __repr__(self) -> str:
        return f"AggregatedJobSnap({self.root!r})"


# Counts are decimal text on the wire, hence not strict.
_snaps_decoder = msgspec.json.Decoder(dict[str, list[JobSnap] | None] | None, strict=False)
_status_decoder = msgspec.json.Decoder(JobStatus, strict=False)
_names_decoder = msgspec.json.Decoder(list[str] | None)
_statuses_decoder = msgspec.json.Decoder(list[JobStatus] | None, strict=False)


def _decode(decoder: Any, body: bytes, what: str) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"not {what}: {error}") from None


def decode_snaps(body: bytes) -> AggregatedJobSnap:
    """Read the snapshots of all targets; null stands for none.

    Raises:
        MalformedAnswer: not such a document.
    """
    found = _decode(_snaps_decoder, body, "a document of job snapshots") or {}
    return AggregatedJobSnap({target: snaps or [] for target, snaps in found.items()})


def decode_status(body: bytes) -> JobStatus:
    """Read the status of one job. Raises MalformedAnswer."""
    status: JobStatus = _decode(_status_decoder, body, "the status of a job")
    return status


def decode_statuses(body: bytes) -> list[JobStatus]:
    """Read a list of statuses; null stands for an empty one. Raises MalformedAnswer."""
    return _decode(_statuses_decoder, body, "a list of job statuses") or []


def decode_names(body: bytes) -> list[str]:
    """Read a list of jobs as `kind[id]`; null stands for an empty one. Raises MalformedAnswer."""
    return _decode(_names_decoder, body, "a list of jobs") or []
