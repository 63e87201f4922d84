"""Renames objects: the new name appears and the old one goes in one commit of the index.

The payload is written again behind a header with the new name, so that it stays an archive entry that anyone can read.
When the power goes before a rename was acknowledged, the object may be there under both names; never under none.
"""

from dataclasses import replace

from moss.errors import ObjectChanged
from moss.node.storage.index import Change
from moss.node.storage.objects import ObjectAttributes, ObjectRecord
from moss.node.storage.operations import Appender, Delete, ObjectOperation, Operation
from moss.node.storage.parts import Parts

__all__ = ["Rename", "attributes_of_renamed"]


def attributes_of_renamed(record: ObjectRecord) -> ObjectAttributes:
    """Return what a renamed object keeps: all but its name."""
    kept = record.attributes_of_copy(record.checksum_type)
    return replace(kept, checksum_value=record.checksum_value, created_ns=record.created_ns)


class Rename(Operation):
    """Makes a copy visible and removes its source.

    Args:
        copy: stores the copy, in the bucket of the source.
        source: the version that was copied.
    """

    def __init__(self, copy: ObjectOperation, source: ObjectRecord) -> None:
        self._copy, self._source = copy, source
        self._delete = Delete(copy.bucket, source.name)
        super().__init__(copy.record_bytes_max + self._delete.record_bytes_max)

    def stage(self, parts: Parts, change: Change, appender: Appender) -> ObjectRecord:
        """Do both, or nothing.

        Raises:
            BucketNotFound: the bucket is gone.
            ObjectChanged: the source was replaced or deleted since it was copied.
        """
        extent = change.find(parts.buckets.require_in(change, self._copy.bucket).id, self._delete.raw)
        if extent is None or extent[5] != self._source.serial:
            raise ObjectChanged(self._copy.bucket.cname_of(self._source.name))
        record = self._copy.stage(parts, change, appender)
        self._delete.stage(parts, change, appender)
        return record

    def rollback(self) -> None:
        self._copy.rollback()

    def undo(self) -> None:
        self._copy.undo()
