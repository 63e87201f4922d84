"""Kind `archive`: many objects into one archive object. Source: spec/rest-data.md 7.4."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from moss.archive.formats import Format
from moss.errors import CorruptData, NotFound, ObjectChanged, ObjectNotFound, SegmentGone
from moss.naming.bucket import Bucket
from moss.node.archiving import ArchiveUpload, existing_archive, grow
from moss.node.delivery import verified_pieces
from moss.node.jobs.job import Job
from moss.node.jobs.selection import Selection
from moss.node.storage.objects import NO_ATTRIBUTES, ObjectAttributes


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """What to archive, and how.

    Attributes:
        name: the archive object in `destination`.
        has_bucket_names: members are called `<source bucket>/<name>`.
        has_base_names: members are called by the last part of their name only.
        appends: an archive that exists keeps its members.
        skips_missing: objects that are missing or unreadable are left out.
        attributes: of the archive object.
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
    attributes: ObjectAttributes = NO_ATTRIBUTES

    def member_name(self, name: str) -> str:
        if self.has_base_names:
            name = name.rsplit("/", 1)[-1]
        return f"{self.source.name}/{name}" if self.has_bucket_names else name


def make_archive(plan: ArchivePlan, engine: Any) -> Callable[[Job], None]:
    """Return the work of one archive job. The object appears whole or not at all.

    An archive that is to grow and is changed by somebody else meanwhile is made again from what it is then.
    """

    def work(job: Job) -> None:
        def make_once() -> None:
            counted = _Counted(job)
            try:
                _make_once(plan, engine, counted)
            except (ObjectChanged, SegmentGone):
                counted.take_back()
                raise

        grow(plan.destination, plan.name, make_once)

    return work


class _Counted:
    """What one try has counted in a job."""

    def __init__(self, job: Job) -> None:
        self.job, self.objects, self._bytes = job, 0, 0

    def add(self, size: int) -> None:
        self.objects += 1
        self._bytes += size
        self.job.count(1, size)

    def take_back(self) -> None:
        self.job.count(-self.objects, -self._bytes)


def _make_once(plan: ArchivePlan, engine: Any, counted: _Counted) -> None:
    existing = existing_archive(engine, plan.destination, plan.name)
    attributes = plan.attributes
    if existing is not None:
        # The version string of what is replaced stays (spec/rest-data.md 7.3, recorded).
        attributes = replace(attributes, versioning=False)
    if plan.appends:
        attributes = replace(attributes, replaces=existing.serial if existing else 0)
    with ArchiveUpload(engine, plan.destination, plan.name, plan.format, attributes) as archive:
        if plan.appends and existing is not None:
            archive.keep(existing)
        for name in plan.selection.iterate(engine, plan.source, is_recursive=plan.is_recursive):
            counted.job.check()
            _add_object(plan, engine, name, archive, counted)
        if not counted.objects and not (plan.appends and existing is not None):
            raise NotFound(f"nothing to archive: no matching objects in {plan.source.cname} do exist")
        archive.commit().result()


def _add_object(plan: ArchivePlan, engine: Any, name: str, archive: ArchiveUpload, counted: _Counted) -> None:
    """Add one object, if it is there and can be read."""
    try:
        record = engine.head(plan.source, name)
    except ObjectNotFound as error:
        if plan.selection.is_list and not plan.skips_missing:
            raise
        if plan.selection.is_list:
            counted.job.add_error(error.message)
        return
    cname = plan.source.cname_of(name)
    if plan.skips_missing:
        # Once its header is written an object cannot be left out any more: read it through before.
        try:
            for _ in verified_pieces(engine, record.extent, cname):
                pass
        except CorruptData as error:
            counted.job.add_error(error.message)
            return
    archive.add(plan.member_name(name), record.size, verified_pieces(engine, record.extent, cname))
    counted.add(record.size)
