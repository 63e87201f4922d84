"""Kinds `delete-listrange` and `copy-listrange`. Source: spec/rest-data.md 3.10, 6."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moss.errors import ObjectNotFound
from moss.naming.bucket import Bucket
from moss.node.delivery import verified_pieces
from moss.node.jobs.job import Job
from moss.node.jobs.selection import Selection
from moss.node.storage.objects import ObjectAttributes

_IN_FLIGHT_MAX = 64


def delete_objects(engine: Any, bucket: Bucket, selection: Selection, *, is_recursive: bool) -> Callable[[Job], None]:
    """Return the work that deletes the selected objects; names of a list that are missing are errors."""

    def work(job: Job) -> None:
        pending: list[tuple[str, Any]] = []
        for name in selection.iterate(engine, bucket, is_recursive=is_recursive):
            job.check()
            pending.append((name, engine.delete(bucket, name)))
            if len(pending) == _IN_FLIGHT_MAX:
                _settle(pending, selection, job)
        _settle(pending, selection, job)

    return work


def _settle(pending: list[tuple[str, Any]], selection: Selection, job: Job) -> None:
    for _, future in pending:
        try:
            future.result()
            job.count(1, 0)
        except ObjectNotFound as error:
            if selection.is_list:
                job.add_error(error.message)
    pending.clear()


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What to copy, and under which names.

    Attributes:
        extensions: what stands behind the last dot → what it becomes.
        prepend: put in front of the name after that.
        prefix: only names that begin so.
        checksum_type: of the copies; one that the source has already is kept.
        renames: exact names that become others, whatever the rest says.
        is_dry_run: count only.
    """

    source: Bucket
    destination: Bucket
    selection: Selection
    prefix: str = ""
    prepend: str = ""
    extensions: dict[str, str] = field(default_factory=dict)
    renames: dict[str, str] = field(default_factory=dict)
    checksum_type: str = "xxhash2"
    is_dry_run: bool = False
    is_recursive: bool = True

    def new_name(self, name: str) -> str:
        if name in self.renames:
            return self.renames[name]
        stem, dot, extension = name.rpartition(".")
        if dot and extension in self.extensions:
            name = f"{stem}.{self.extensions[extension].lstrip('.')}"
        return self.prepend + name


def copy_objects(engine: Any, plan: CopyPlan) -> Callable[[Job], None]:
    """Return the work that copies the selected objects with version and metadata."""

    def work(job: Job) -> None:
        for name in plan.selection.iterate(engine, plan.source, is_recursive=plan.is_recursive):
            job.check()
            if not name.startswith(plan.prefix):
                continue
            try:
                size = copy_object(engine, plan, name)
            except ObjectNotFound as error:
                if plan.selection.is_list:
                    job.add_error(error.message)
                continue
            job.count(1, size)

    return work


def copy_object(engine: Any, plan: CopyPlan, name: str) -> int:
    """Copy one object; returns its size in bytes.

    Raises:
        ObjectNotFound: there is no such object in the source.
    """
    record = engine.head(plan.source, name)
    if plan.is_dry_run:
        return record.size
    attributes = ObjectAttributes(
        version=record.version, custom=record.custom, keep_custom=False, checksum_type=plan.checksum_type
    )
    upload = engine.begin_upload(plan.destination, plan.new_name(name), attributes=attributes)
    try:
        for piece in verified_pieces(engine, record.extent, plan.source.cname_of(name)):
            upload.write(piece)
        upload.commit().result()
    except BaseException:
        upload.abort()
        raise
    return record.size
