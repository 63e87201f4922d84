"""Kind `archive`: many objects into one archive object. Source: spec/rest-data.md 7.4."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from moss.archive.formats import Format
from moss.errors import CorruptData, NotFound, ObjectChanged, ObjectNotFound, SegmentGone
from moss.naming.bucket import Bucket
from moss.node.archiving import ArchiveUpload, existing_archive, grow
from moss.node.jobs.job import Job
from moss.node.jobs.payloads import Payload, Source, fresh, open_source
from moss.node.jobs.selection import Selection
from moss.node.jobs.stores import Stores
from moss.node.storage.objects import NO_ATTRIBUTES, ObjectAttributes, ObjectRecord


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


def make_archive(plan: ArchivePlan, stores: Stores) -> Callable[[Job], None]:
    """Return the work of one archive job. The object appears whole or not at all.

    An archive that is to grow and is changed by somebody else meanwhile is made again from what it is then.
    """

    def work(job: Job) -> None:
        source = open_source(stores, plan.source, plan.selection, job, is_recursive=plan.is_recursive)

        def make_once() -> None:
            counted = _Counted(job)
            try:
                _make_once(plan, stores, source, counted)
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


def _make_once(plan: ArchivePlan, stores: Stores, source: Source, counted: _Counted) -> None:
    existing = _existing(plan, stores, counted.job)
    attributes = plan.attributes
    if existing is not None:
        # The version string of what is replaced stays (spec/rest-data.md 7.3, recorded).
        attributes = replace(attributes, versioning=False)
    if plan.appends:
        attributes = replace(attributes, replaces=existing.serial if existing else 0)
    with ArchiveUpload(stores.writes, plan.destination, plan.name, plan.format, attributes) as archive:
        if plan.appends and existing is not None:
            archive.keep(existing)
        for payload in source.payloads():
            counted.job.check()
            _add_object(plan, payload, archive, counted)
        if not counted.objects and not (plan.appends and existing is not None):
            raise NotFound(f"nothing to archive: no matching objects in {plan.source.cname} do exist")
        archive.commit().result()


def _existing(plan: ArchivePlan, stores: Stores, job: Job) -> ObjectRecord | None:
    """Return the archive that is there; one that is to grow in the version that its store has."""
    place = stores.place(plan.destination) if plan.appends else None
    if place is None:
        return existing_archive(stores.engine, plan.destination, plan.name)
    return stores.run(job, fresh(stores, place, plan.name))


def _add_object(plan: ArchivePlan, payload: Payload, archive: ArchiveUpload, counted: _Counted) -> None:
    """Add one object, if it is there and can be read."""
    if payload.error is not None:
        if not isinstance(payload.error, ObjectNotFound):
            if not plan.skips_missing:
                raise payload.error
        elif not plan.selection.is_list:
            return
        elif not plan.skips_missing:
            raise payload.error
        counted.job.add_error(payload.error.message)
        return
    if plan.skips_missing:
        # Once its header is written an object cannot be left out any more: read it through before.
        try:
            for _ in payload.pieces():
                pass
        except CorruptData as error:
            counted.job.add_error(error.message)
            return
    archive.add(plan.member_name(payload.name), payload.size, payload.pieces())
    counted.add(payload.size)
