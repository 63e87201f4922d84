"""The calls of the engine that are about buckets as a whole."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager

import lmdb

from moss.naming.bucket import Bucket
from moss.node.storage import derived
from moss.node.storage.index import Change
from moss.node.storage.layout import Extent
from moss.node.storage.maintenance import Maintenance
from moss.node.storage.objects import BucketRecord
from moss.node.storage.parts import Parts
from moss.node.storage.records import FLAG_FINISHED_HEADER, FRAME_CHECK_MASK, FRAME_CHECK_SHIFT

__all__ = ["BucketCalls", "without_finished_header", "without_old_header"]

_NAMES_PER_CHANGE = 2000
_KEPT_FLAGS = ~(FLAG_FINISHED_HEADER | FRAME_CHECK_MASK << FRAME_CHECK_SHIFT)


class BucketCalls(ABC):
    """Makes, renames, lists and drops buckets. A part of `Engine`."""

    _parts: Parts
    _maintenance: Maintenance

    @abstractmethod
    def _begin(self) -> AbstractContextManager[lmdb.Transaction]: ...

    @abstractmethod
    def _changing(self) -> AbstractContextManager[Change]: ...

    def create_bucket(self, bucket: Bucket, props: bytes | dict = b"") -> BucketRecord:
        """Make a bucket. `props` are kept as they are; a dict is kept as JSON.

        Raises:
            BucketExists: it is there already.
        """
        with self._changing() as change:
            return self._parts.buckets.create(change.txn, bucket, _encode_props(props), time.time_ns())

    def drop_bucket(self, bucket: Bucket) -> None:
        """Remove a bucket with everything in it.

        Raises:
            BucketNotFound: there is none.
        """
        with self._changing() as change:
            record = self._parts.buckets.drop(change.txn, bucket)
        if self._parts.options.compact_in_background:
            self._maintenance.wake()
        else:
            self._purge(record.id)

    def rename_bucket(self, bucket: Bucket, new: Bucket) -> BucketRecord:
        """Give a bucket another name, with all that is in it; takes as long for a million objects as for one.

        What is being written into the bucket under the old name fails with BucketNotFound.

        Raises:
            BucketNotFound: there is no such bucket.
            BucketExists: there is one of the new name.
        """
        with self._changing() as change:
            return self._parts.buckets.rename(change.txn, bucket, new, change.next_serial())

    def get_bucket(self, bucket: Bucket) -> BucketRecord:
        """Return a bucket's record.

        Raises:
            BucketNotFound: there is none.
        """
        with self._begin() as txn:
            return self._parts.buckets.require(txn, bucket)

    def set_bucket_props(self, bucket: Bucket, props: bytes | dict) -> BucketRecord:
        """Replace a bucket's properties.

        Raises:
            BucketNotFound: there is none.
        """
        with self._changing() as change:
            return self._parts.buckets.set_props(change.txn, bucket, _encode_props(props))

    def list_buckets(self) -> list[BucketRecord]:
        """Return all buckets in the order of their unique names."""
        with self._begin() as txn:
            records = self._parts.buckets.all(txn).values()
        return sorted(records, key=lambda record: record.bucket.uname)

    # -- dropped buckets --

    def _purge_dropped(self) -> None:
        """Remove what is left of dropped buckets."""
        index = self._parts.index
        with self._begin() as txn:
            live = {record.id for record in self._parts.buckets.all(txn).values()}
            dropped = [number for number in index.bucket_ids(txn) if number not in live]
        for number in dropped:
            self._purge(number)

    def _purge(self, bucket_id: int) -> None:
        """Remove the rows of a dropped bucket, in small transactions."""
        while not self._maintenance.is_stopping:
            with self._begin() as txn:
                names = [name for name, _ in zip(self._names(txn, bucket_id), range(_NAMES_PER_CHANGE), strict=False)]
            if not names:
                return
            with self._changing() as change:
                for name in names:
                    extent = change.find(bucket_id, name)
                    if extent is not None:
                        change.remove(bucket_id, name, extent)
            derived.clean_up(self._parts, change)

    def _names(self, txn: lmdb.Transaction, bucket_id: int) -> Iterator[bytes]:
        for name, _ in self._parts.index.scan(txn, bucket_id, b"", b""):
            yield name


def without_old_header(extent: Extent, renamed_serial: int) -> Extent:
    """Return an extent of a renamed bucket as readers may use it.

    What was written before the bucket was renamed has the old name in the header in front of its payload: such a header
    is not finished any more.

    Args:
        renamed_serial: `BucketRecord.renamed_serial`.
    """
    number, offset, size, xxh3, flags, serial = extent
    if serial > renamed_serial:
        return extent
    return (number, offset, size, xxh3, without_finished_header(flags), serial)


def without_finished_header(flags: int) -> int:
    """Return the flags of an extent whose header cannot be sent as it is."""
    return flags & _KEPT_FLAGS


def _encode_props(props: bytes | dict) -> bytes:
    return bytes(props) if isinstance(props, (bytes, bytearray, memoryview)) else json.dumps(props).encode()
