"""Asking the cluster about jobs, and putting together what its nodes say. Source: spec/rest-control.md 9.5."""

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from msgspec import to_builtins

from moss.cli.failures import CommandError
from moss.cli.jobs.arguments import JobArguments
from moss.cli.output import printable
from moss.cli.transport import ServerError, Transport, path_of, without_node
from moss.naming.bucket import GLOBAL, Bucket, Namespace, parse_provider
from moss.sdk.job_types import JobSnap, decode_snaps, parse_time
from moss.wire.bucket import BucketModel
from moss.wire.headers import CONTENT_TYPE, JSON
from moss.wire.job_kinds import display_name

COLUMNS = ("NODE", "ID", "KIND", "BUCKET", "STATE")
"""What rows can be filtered by."""


class Part(NamedTuple):
    """What one node says about a job."""

    node: str
    snap: JobSnap
    document: dict[str, Any]

    @property
    def state(self) -> str:
        """`Running`, `Idle`, `Finished`, `Aborted by user`, with errors if there are any."""
        snap = self.snap
        if snap.aborted:
            reason = printable(without_node(snap.abort_err))
            if reason == "user abort":
                return "Aborted by user"
            return f'Aborted: "{reason}"' if reason else "Aborted"
        errors = f' with errors: "{printable(without_node(snap.err))}"' if snap.err else ""
        if snap.is_finished:
            return "Finished" + errors
        return ("Idle" if snap.is_idle else "Running") + errors

    @property
    def buckets(self) -> list[str]:
        """Names of the bucket that it works in, or of source and destination."""
        snap = self.snap
        names = map(bucket_name, (snap.bucket, snap.source_bck, snap.destination_bck))
        return [name for name in names if name]

    def cell(self, column: str) -> str:
        """The text of a column of `COLUMNS`."""
        match column:
            case "NODE":
                return self.node
            case "ID":
                return self.snap.id
            case "KIND":
                return display_name(self.snap.kind)
            case "BUCKET":
                return " ".join(self.buckets)
            case _:
                return self.state


class JobView(NamedTuple):
    """One job, as all of its nodes see it; parts in the order of their ids."""

    kind: str
    job_id: str
    parts: list[Part]

    @property
    def name(self) -> str:
        return display_name(self.kind)

    @property
    def started(self) -> float:
        """When it started first, in seconds since 1970."""
        starts = [moment.timestamp() for part in self.parts if (moment := parse_time(part.snap.start_time))]
        return min(starts, default=0.0)

    @property
    def is_active(self) -> bool:
        """Whether it runs or is idle somewhere."""
        return any(not part.snap.is_finished and not part.snap.aborted for part in self.parts)

    @property
    def is_busy(self) -> bool:
        """Whether it has work left somewhere; an idle job has none."""
        return any(not (part.snap.is_finished or part.snap.aborted or part.snap.is_idle) for part in self.parts)

    @property
    def was_aborted(self) -> bool:
        return any(part.snap.aborted for part in self.parts)

    @property
    def errors(self) -> list[str]:
        """What went wrong, each text once."""
        texts = [part.snap.abort_err if part.snap.aborted else part.snap.err for part in self.parts]
        told = dict.fromkeys(printable(without_node(text)) for text in texts if text)
        return list(told) or ["aborted"] * self.was_aborted

    @property
    def done(self) -> tuple[int, int]:
        """Objects and bytes so far, over all nodes."""
        stats = [part.snap.stats for part in self.parts if part.snap.stats]
        return sum(one.objects for one in stats), sum(one.bytes for one in stats)


def bucket_name(model: Any) -> str:
    """`ais://#namespace/name` of a bucket in a message; empty for none."""
    if model is None or not model.name:
        return ""
    space = model.namespace
    return Bucket(
        model.name, parse_provider(model.provider), Namespace(space.uuid, space.name) if space else GLOBAL
    ).cname


def fetch_jobs(transport: Transport, wanted: JobArguments, *, active_only: bool) -> list[JobView]:
    """Ask for jobs; those of families are asked for together.

    Args:
        active_only: running and idle ones; does not count when an id is given.

    Raises:
        CommandError: there is no job of this id, or no such bucket.
    """
    kind = wanted.kinds[0] if len(wanted.kinds) == 1 else ""
    message: dict[str, Any] = {"ID": wanted.job_id, "Kind": kind, "show_active": active_only and not wanted.job_id}
    if wanted.bucket is not None:
        message["Bck"] = to_builtins(BucketModel.of(wanted.bucket))
    body = json.dumps(message).encode()
    try:
        with transport.request(
            "GET", path_of("cluster"), query={"what": "qryxstats"}, headers={CONTENT_TYPE: JSON}, body=body
        ) as answer:
            content = answer.read_all()
    except ServerError as error:
        if error.code == 404 and wanted.job_id and wanted.bucket is None:
            raise CommandError(f'job "{wanted.job_id}" does not exist', "See 'ais show job --all'.") from None
        raise
    jobs = group(decode_parts(content))
    return [job for job in jobs if not wanted.kinds or job.kind in wanted.kinds]


def decode_parts(content: bytes) -> list[Part]:
    """Read the snapshots of all nodes."""
    snaps = decode_snaps(content).root
    documents = json.loads(content) or {}
    return [
        Part(node, snap, document)
        for node, found in snaps.items()
        for snap, document in zip(found, documents[node] or [], strict=True)
    ]


def group(parts: Iterable[Part]) -> list[JobView]:
    """Put the parts of each job together, by display name of the kind, then by start."""
    jobs: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        jobs.setdefault((part.snap.kind, part.snap.id), []).append(part)
    views = [JobView(kind, job_id, sorted(found, key=_order)) for (kind, job_id), found in jobs.items()]
    return sorted(views, key=lambda job: (job.name, job.started, job.job_id))


def _order(part: Part) -> tuple[str, str]:
    return part.node, part.snap.start_time


def filtered(jobs: Iterable[JobView], keep: Callable[[Part], bool]) -> list[JobView]:
    """The jobs with those parts only that are to be kept; jobs without any are left out."""
    kept = (job._replace(parts=[part for part in job.parts if keep(part)]) for job in jobs)
    return [job for job in kept if job.parts]


def as_document(job: JobView) -> dict[str, Any]:
    """A job for programs: what it is, sums, and what each node says as it said it."""
    objects, size = job.done
    return {
        "id": job.job_id,
        "kind": job.kind,
        "name": job.name,
        "active": job.is_active,
        "objects": objects,
        "bytes": size,
        "errors": job.errors,
        "nodes": [{"node": part.node, **part.document} for part in job.parts],
    }
