"""Reads small objects at once if they are in memory: for the thread that must never wait for a disk.

The same as `Engine.head` and `Engine.read`, unrolled: this is what a node does most often, and each microsecond of it
counts.
"""

import os

import lmdb
from xxhash import xxh3_64_intdigest

from moss.errors import MossError
from moss.naming.bucket import Bucket
from moss.node.storage.layout import BUCKET_KEY, EXTENT, SERIAL_KEY, SHORT_NAME_BYTES_MAX
from moss.node.storage.objects import BucketRecord, ObjectRecord, decode_row, object_record
from moss.node.storage.parts import Parts
from moss.node.storage.records import FLAG_BLOCKS

__all__ = ["WarmReader"]


class WarmReader:
    """Looks up and reads objects of one open store. For one thread; None always means: ask the engine."""

    def __init__(self, parts: Parts) -> None:
        index = parts.index
        self._env, self._buckets, self._segments = index.env, parts.buckets, parts.segments
        self._meta, self._objects, self._attributes = index.meta_table, index.objects, index.attributes
        # The bucket table as of its change counter (the row of the index, as it is), with the keys of the buckets.
        self._seen: bytes | None = None
        self._known: dict[Bucket, tuple[bytes, BucketRecord]] = {}

    def _bucket(self, txn: lmdb.Transaction, bucket: Bucket) -> tuple[bytes, BucketRecord] | None:
        counter = txn.get(b"buckets", db=self._meta)
        if counter != self._seen:
            records = self._buckets.all(txn)
            self._known = {key: (BUCKET_KEY.pack(record.id), record) for key, record in records.items()}
            self._seen = counter
        return self._known.get(bucket)

    def bucket(self, bucket: Bucket) -> BucketRecord | None:
        """Return a bucket's record."""
        txn = self._env.begin()
        try:
            known = self._bucket(txn, bucket)
        finally:
            txn.abort()
        return known[1] if known is not None else None

    def find(self, bucket: Bucket, name: str) -> ObjectRecord | None:
        """Return the record of an object whose name is ASCII."""
        raw = name.encode()
        if len(raw) > SHORT_NAME_BYTES_MAX:
            return None
        txn = self._env.begin()
        try:
            known = self._bucket(txn, bucket)
            if known is None:
                return None
            place = txn.get(known[0] + raw, db=self._objects)
            if place is None:
                return None
            extent = EXTENT.unpack(place)
            attributes = txn.get(SERIAL_KEY.pack(extent[5]), db=self._attributes)
        finally:
            txn.abort()
        return object_record(name, extent, decode_row(attributes)) if attributes is not None else None

    def read(self, record: ObjectRecord) -> bytearray | None:
        """Return an object's payload, a verified copy.

        None when a byte of it is not in the page cache, when the file system cannot tell, when it is no small object,
        or when it is damaged: whoever may wait finds out which.
        """
        number, offset, size, xxh3, flags, _ = record.extent
        if flags & FLAG_BLOCKS:
            return None
        payload = bytearray(size)
        if size:
            try:
                if os.preadv(self._segments.get(number).fd, [payload], offset, os.RWF_NOWAIT) != size:
                    return None
            except (OSError, MossError):
                return None
        return payload if xxh3_64_intdigest(payload) == xxh3 else None
