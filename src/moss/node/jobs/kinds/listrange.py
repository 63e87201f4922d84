"""Kinds `delete-listrange`, `copy-listrange` and `copy-bck`: many objects, window by window.

Source: spec/rest-data.md 3.10, 6.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from moss.errors import BucketNotFound, InvalidName, MossError, ObjectNotFound, SegmentGone
from moss.naming.bucket import Bucket, is_valid_object_name, plain_object_name
from moss.node.jobs.job import Job
from moss.node.jobs.kinds.shard_index import forget_index
from moss.node.jobs.selection import WINDOW, Selection
from moss.node.storage.objects import ObjectRecord
from moss.node.storage.walking import walk, walk_level
from moss.units import quote

_BYTES_MAX = 8 << 20
_COPY_TRIES = 8


def delete_objects(
    engine: Any, bucket: Bucket, selection: Selection, *, is_recursive: bool = True, continues: bool = False
) -> Callable[[Job], None]:
    """Return the work that deletes the selected objects.

    Args:
        continues: a name of a list that is missing is no error. The other names are deleted in either case.
    """

    def work(job: Job) -> None:
        for names in selection.windows(engine, bucket, is_recursive=is_recursive):
            job.check()
            if not selection.is_list:
                names = [name for name, extent in zip(names, engine.locate(bucket, names), strict=True) if extent]
            for name, error in zip(names, engine.delete_many(bucket, names).result(), strict=True):
                if error is None:
                    job.count(1, 0)
                    if name.endswith(".tar"):
                        forget_index(engine, bucket, name)
                elif not isinstance(error, ObjectNotFound):
                    raise error
                elif selection.is_list and not continues:
                    job.add_error(error.message)

    return work


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What to copy, and under which names.

    Attributes:
        extensions: what stands behind the last dot → what it becomes.
        prepend: put in front of the name after that.
        prefix: only names that begin so.
        checksum_type: of the copies; one that the source has already is kept.
        is_dry_run: count only.
        synchronizes: objects of the destination whose source is gone are deleted.
        continues: what cannot be copied is noted, and the rest is copied.
    """

    source: Bucket
    destination: Bucket
    selection: Selection
    prefix: str = ""
    prepend: str = ""
    extensions: dict[str, str] = field(default_factory=dict)
    checksum_type: str = "xxhash2"
    is_dry_run: bool = False
    is_recursive: bool = True
    synchronizes: bool = False
    continues: bool = False

    def new_name(self, name: str) -> str:
        stem, dot, extension = name.rpartition(".")
        if dot and extension in self.extensions:
            name = f"{stem}.{self.extensions[extension].lstrip('.')}"
        return plain_object_name(self.prepend + name)

    def possible_sources(self, name: str) -> list[str]:
        """Return the names of which a copy could be called `name`; for plans without `prepend`."""
        stem, dot, extension = name.rpartition(".")
        found = [f"{stem}.{old}" for old, new in self.extensions.items() if dot and new.lstrip(".") == extension]
        return [source for source in (name, *found) if self.new_name(source) == name]


def copy_objects(engine: Any, plan: CopyPlan) -> Callable[[Job], None]:
    """Return the work that copies the selected objects with version and metadata."""

    def work(job: Job) -> None:
        writing: tuple[list[ObjectRecord], Future[list[Any]]] | None = None
        # Into an empty bucket everything goes; otherwise what is there already stays.
        compares = not plan.is_dry_run and bool(engine.list_extents(plan.destination, limit=1))
        for records in _records(engine, plan, job):
            job.check()
            if plan.is_dry_run:
                job.count(len(records), sum(record.size for record in records))
                continue
            # The next window is read and checked while this one is written and synced.
            following = _begin(engine, plan, records, job, compares=compares)
            _settle(engine, plan, writing, job)
            writing = following
        _settle(engine, plan, writing, job)
        if plan.synchronizes and not plan.is_dry_run:
            _delete_orphans(engine, plan, job)

    return work


def _records(engine: Any, plan: CopyPlan, job: Job) -> Iterator[list[ObjectRecord]]:
    """Yield the objects to copy, in windows bounded by number and bytes."""
    windows: Iterator[list[str]] | list[list[str]]
    windows = plan.selection.windows(engine, plan.source, is_recursive=plan.is_recursive)
    if plan.source == plan.destination and not plan.selection.is_list:
        windows = list(windows)  # otherwise the copies would be found too, and copied in their turn
    for names in windows:
        names = [name for name in names if name.startswith(plan.prefix)]
        window: list[ObjectRecord] = []
        size = 0
        for name, record in zip(names, engine.heads(plan.source, names), strict=True):
            if record is None:
                if plan.selection.is_list and not plan.continues:
                    job.add_error(ObjectNotFound(plan.source.cname_of(name)).message)
                continue
            if window and size + record.size > _BYTES_MAX:
                yield window
                window, size = [], 0
            window.append(record)
            size += record.size
        if window:
            yield window


def _begin(
    engine: Any, plan: CopyPlan, records: list[ObjectRecord], job: Job, *, compares: bool
) -> tuple[list[ObjectRecord], "Future[list[Any]]"]:
    """Start copying; with `compares` only what is not there already."""
    names = [plan.new_name(record.name) for record in records]
    if not all(map(is_valid_object_name, names)):
        name = next(name for name in names if not is_valid_object_name(name))
        raise InvalidName(f"invalid object name {quote(name)}")
    if not compares:
        return records, _copy(engine, plan, records)
    wanted: list[ObjectRecord] = []
    for record, existing in zip(records, engine.heads(plan.destination, names), strict=True):
        if existing is not None and _is_same(plan, record, existing):
            job.count(1, record.size)
        else:
            wanted.append(record)
    return wanted, _copy(engine, plan, wanted)


def _copy(engine: Any, plan: CopyPlan, records: Sequence[ObjectRecord]) -> "Future[list[Any]]":
    names = [plan.new_name(record.name) for record in records]
    attributes = [record.attributes_of_copy(plan.checksum_type) for record in records]
    return engine.copy_many(plan.source, records, plan.destination, names, attributes)


def _is_same(plan: CopyPlan, record: ObjectRecord, existing: ObjectRecord) -> bool:
    return (
        (record.size, record.extent[3], record.version, record.custom, record.chunks)
        == (existing.size, existing.extent[3], existing.version, existing.custom, existing.chunks)
    ) and existing.checksum_type == plan.checksum_type


def _settle(
    engine: Any, plan: CopyPlan, writing: "tuple[list[ObjectRecord], Future[list[Any]]] | None", job: Job
) -> None:
    """Wait for a window, and do again what was moved or replaced meanwhile."""
    if writing is None:
        return
    records, future = writing
    for record, found in zip(records, future.result(), strict=True):
        try:
            if isinstance(found, SegmentGone):
                _copy_apart(engine, plan, record)
            elif isinstance(found, MossError):
                raise found
            job.count(1, record.size)
        except ObjectNotFound:
            continue  # deleted since it was selected
        except BucketNotFound:
            raise
        except MossError as error:
            if not plan.continues:
                raise
            job.add_error(error.message)


def _copy_apart(engine: Any, plan: CopyPlan, record: ObjectRecord) -> None:
    """Copy one object; looks it up again when it was moved or replaced."""
    for attempt in range(_COPY_TRIES):
        (found,) = _copy(engine, plan, [record]).result()
        if not isinstance(found, MossError):
            return
        if not isinstance(found, SegmentGone) or attempt == _COPY_TRIES - 1:
            raise found
        record = engine.head(plan.source, record.name)


def _delete_orphans(engine: Any, plan: CopyPlan, job: Job) -> None:
    """Delete what lies in the destination where copies go, and is the copy of nothing."""
    step = walk if plan.is_recursive else walk_level
    names: list[str] = []
    for name, extent in step(engine, plan.destination, plan.prefix):
        if extent is None:
            continue
        names.append(name)
        if len(names) == WINDOW:
            _delete_unsourced(engine, plan, names, job)
            names = []
    if names:
        _delete_unsourced(engine, plan, names, job)


def _delete_unsourced(engine: Any, plan: CopyPlan, names: list[str], job: Job) -> None:
    job.check()
    sources = [plan.possible_sources(name) for name in names]
    flat = [source for group in sources for source in group]
    present = {source for source, extent in zip(flat, engine.locate(plan.source, flat), strict=True) if extent}
    orphans = [name for name, group in zip(names, sources, strict=True) if present.isdisjoint(group)]
    if orphans:
        for error in engine.delete_many(plan.destination, orphans).result():
            if error is not None and not isinstance(error, ObjectNotFound):
                raise error
