"""Kind `archive`: many objects into one archive object. Source: spec/rest-data.md 7.4."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moss.archive.formats import Format
from moss.archive.reader import Kind, read_members
from moss.archive.writer import Framer, make_framer
from moss.errors import MossError, NotFound, ObjectNotFound
from moss.naming.bucket import Bucket
from moss.node.delivery import verified_pieces
from moss.node.jobs.job import Job
from moss.node.jobs.selection import Selection


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """What to archive, and how.

    Attributes:
        name: the archive object in `destination`.
        has_bucket_names: members are called `<source bucket>/<name>`.
        has_base_names: members are called by the last part of their name only.
        appends: an archive that exists keeps its members.
        skips_missing: objects that are missing or unreadable are left out.
    """

    source: Bucket
    destination: Bucket
    name: str
    format: Format
    selection: Selection
    has_bucket_names: bool = False
    has_base_names: bool = False
    appends: bool = False
    skips_missing: bool = False
    is_recursive: bool = True

    def member_name(self, name: str) -> str:
        if self.has_base_names:
            name = name.rsplit("/", 1)[-1]
        return f"{self.source.name}/{name}" if self.has_bucket_names else name


def make_archive(plan: ArchivePlan, engine: Any) -> Callable[[Job], None]:
    """Return the work of one archive job. The object appears whole or not at all."""

    def work(job: Job) -> None:
        upload = engine.begin_upload(plan.destination, plan.name)
        framer = make_framer(plan.format)
        try:
            if plan.appends:
                _keep_members(plan, engine, framer, upload)
            count = 0
            for name in plan.selection.iterate(engine, plan.source, is_recursive=plan.is_recursive):
                job.check()
                count += _add_object(plan, engine, name, framer, upload, job)
            if not count and not plan.appends:
                raise NotFound(f"nothing to archive: no matching objects in {plan.source.cname} do exist")
            _write(upload, framer.finish())
            upload.commit().result()
        except BaseException:
            upload.abort()
            raise

    return work


def _add_object(plan: ArchivePlan, engine: Any, name: str, framer: Framer, upload: Any, job: Job) -> int:
    """Add one object; returns how many members that gave."""
    try:
        record = engine.head(plan.source, name)
    except ObjectNotFound as error:
        if plan.selection.is_list and not plan.skips_missing:
            raise
        if plan.selection.is_list:
            job.add_error(error.message)
        return 0
    pieces = verified_pieces(engine, record.extent, plan.source.cname_of(name))
    try:
        first = next(pieces, None)
    except MossError as error:
        if not plan.skips_missing:
            raise
        job.add_error(error.message)
        return 0
    _write(upload, framer.begin(plan.member_name(name), record.size))
    while first is not None:
        _write(upload, framer.data(first))
        first = next(pieces, None)
    _write(upload, framer.end())
    job.count(1, record.size)
    return 1


def _keep_members(plan: ArchivePlan, engine: Any, framer: Framer, upload: Any) -> None:
    """Carry the regular files of the existing archive over."""
    try:
        shard = engine.read(plan.destination, plan.name)
    except ObjectNotFound:
        return
    for member, payload in read_members(shard, plan.format):
        if member.kind is Kind.FILE:
            _write(upload, framer.begin(member.name, member.size))
            _write(upload, framer.data(payload))
            _write(upload, framer.end())


def _write(upload: Any, buffers: list[Any]) -> None:
    for buffer in buffers:
        upload.write(buffer)
