"""The calls of the engine that are about many objects at once: one transaction, or one commit, for a window of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any

import lmdb

from moss.errors import MossError
from moss.naming.bucket import Bucket
from moss.node.storage import copying
from moss.node.storage.bucket_calls import without_old_header
from moss.node.storage.committer import Committer
from moss.node.storage.index import Change
from moss.node.storage.layout import Extent, decode_name, encode_name
from moss.node.storage.objects import ObjectAttributes, ObjectRecord, object_record
from moss.node.storage.operations import Appender, Delete, ObjectOperation, Operation
from moss.node.storage.parts import Parts

__all__ = ["Many", "WindowCalls"]


class Many(Operation):
    """Several changes of objects as one: staged together, committed together.

    The result is a list: what each operation gives, or the error for which it alone was not done.
    """

    def __init__(self, operations: Sequence[ObjectOperation]) -> None:
        super().__init__(sum(operation.record_bytes_max for operation in operations))
        self._operations = operations
        self.needs_space = any(operation.needs_space for operation in operations)

    def stage(self, parts: Parts, change: Change, appender: Appender) -> list[Any]:
        results: list[Any] = []
        for operation in self._operations:
            try:
                results.append(operation.stage(parts, change, appender))
            except MossError as error:
                results.append(error)
        return results

    def rollback(self) -> None:
        for operation in self._operations:
            operation.rollback()

    def undo(self) -> None:
        for operation in self._operations:
            operation.undo()


class WindowCalls(ABC):
    """Lists, looks up, deletes and copies objects by the window. A part of `Engine`."""

    _parts: Parts
    _committer: Committer

    @abstractmethod
    def _begin(self) -> AbstractContextManager[lmdb.Transaction]: ...

    def list_extents(
        self, bucket: Bucket, prefix: str = "", start_after: str = "", limit: int = 10_000
    ) -> list[tuple[str, Extent]]:
        """Return names and places of objects as `list_objects` orders them; cheaper, because no attributes are read.

        Raises:
            BucketNotFound: there is no such bucket.
            InvalidName: the prefix, or `start_after`, is not the text form of any bytes.
        """
        first, after = (encode_name(text) if text else b"" for text in (prefix, start_after))
        with self._begin() as txn:
            record = self._parts.buckets.require(txn, bucket)
            rows = self._parts.index.scan(txn, record.id, first, after)
            found = [(decode_name(raw), extent) for (raw, extent), _ in zip(rows, range(limit), strict=False)]
        if record.renamed_serial:
            return [(name, without_old_header(extent, record.renamed_serial)) for name, extent in found]
        return found

    def heads(self, bucket: Bucket, names: Sequence[str]) -> list[ObjectRecord | None]:
        """Return the records of objects, None for those that do not exist; one consistent view of the store.

        Raises:
            BucketNotFound: there is no such bucket.
            BadRecord: attributes of one of them are damaged.
        """
        index = self._parts.index
        records: list[ObjectRecord | None] = []
        with self._begin() as txn:
            bucket_id = self._parts.buckets.require(txn, bucket).id
            for name in names:
                extent = index.find(txn, bucket_id, encode_name(name))
                record = extent and object_record(name, extent, index.attributes_of(txn, extent[5]))
                records.append(record)
        return records

    def delete_many(self, bucket: Bucket, names: Sequence[str]) -> "Future[list[MossError | None]]":
        """Remove objects with one commit; for each name None, or why it was not removed."""
        operation = Many([Delete(bucket, name) for name in names])
        self._committer.submit(operation)
        return operation.future

    def copy_many(
        self,
        source: Bucket,
        records: Sequence[ObjectRecord],
        destination: Bucket,
        names: Sequence[str],
        attributes: Sequence[ObjectAttributes],
    ) -> "Future[list[ObjectRecord | MossError]]":
        """Store copies of objects under other names (or anew under their own); small ones with one commit.

        What is copied is checked first. May wait for the disk; large objects are on it when this returns.

        Args:
            source: bucket of the records, as `heads` and `list_objects` give them.
            names: of the copies, one for each record.
            attributes: of the copies, one for each record; `ObjectRecord.attributes_of_copy` carries everything over.

        Returns:
            A future of, for each record, the copy or why there is none.

        Raises:
            OutOfSpace: there is no room for a large object.
        """
        operations: list[ObjectOperation] = []
        results: list[Any] = []
        for record, name, wanted in zip(records, names, attributes, strict=True):
            try:
                made = copying.copy_operation(self._parts, source, record, destination, name, wanted)
            except MossError as error:
                results.append(error)
                continue
            results.append(None)
            operations.append(made)
        many = Many(operations)
        self._committer.submit(many)
        merged: Future[list[ObjectRecord | MossError]] = Future()
        merged.set_running_or_notify_cancel()  # it is done in any case
        many.future.add_done_callback(lambda done: _merge(merged, results, operations, done))
        return merged


def _merge(
    merged: "Future[list[Any]]", results: list[Any], operations: list[ObjectOperation], done: "Future[list[Any]]"
) -> None:
    """Put what became of the operations into the places that are free."""
    error = done.exception()
    if error is not None:
        merged.set_exception(error)
        return
    for operation, found in zip(operations, done.result(), strict=True):
        if isinstance(found, MossError):
            operation.undo()
    stored = iter(done.result())
    merged.set_result([next(stored) if result is None else result for result in results])
