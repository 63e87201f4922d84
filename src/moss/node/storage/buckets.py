"""The bucket table: a file that is the truth, mirrored in the index so that every process sees it.

Format: docs/formats/store.md.
"""

import base64
import json
import os
from dataclasses import replace
from pathlib import Path

import lmdb
import msgspec

from moss.errors import BucketExists, BucketNotFound
from moss.naming.bucket import Bucket, parse_bucket_uname
from moss.node.storage.index import Change, Index
from moss.node.storage.layout import FORMAT, decode_name, encode_name
from moss.node.storage.objects import BucketRecord
from moss.node.storage.segments import sync_directory

__all__ = ["BucketTable", "replace_file"]


class _Row(msgspec.Struct, array_like=True):
    format: int
    id: int
    created_ns: int
    props: bytes
    former: list[str] = []
    renamed_serial: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Row).decode


class BucketTable:
    """Buckets by identity. Lookups cost one read of the index's change counter."""

    def __init__(self, index: Index, path: Path) -> None:
        self._index, self._path = index, path
        self._seen: tuple[int, dict[Bucket, BucketRecord]] = (-1, {})
        self._renamed: tuple[int, dict[int, int]] = (-1, {})

    def all(self, txn: lmdb.Transaction) -> dict[Bucket, BucketRecord]:
        """Return the table as a transaction sees it. Not to be changed."""
        serial = self._index.meta(txn, b"buckets")
        seen = self._seen
        if seen[0] != serial:
            self._seen = seen = (serial, self._load(txn))
        return seen[1]

    def _load(self, txn: lmdb.Transaction) -> dict[Bucket, BucketRecord]:
        records = {}
        for uname, raw in txn.cursor(self._index.buckets):
            bucket, row = parse_bucket_uname(decode_name(uname)), _decode(raw)
            former = tuple(row.former)
            records[bucket] = BucketRecord(row.id, bucket, row.props, row.created_ns, former, row.renamed_serial)
        return records

    def renamed(self, txn: lmdb.Transaction) -> dict[int, int]:
        """Return `renamed_serial` by id, of the buckets that were renamed. Not to be changed."""
        serial = self._index.meta(txn, b"buckets")
        known = self._renamed
        if known[0] != serial:
            found = {record.id: record.renamed_serial for record in self.all(txn).values() if record.renamed_serial}
            self._renamed = known = (serial, found)
        return known[1]

    def require(self, txn: lmdb.Transaction, bucket: Bucket, bucket_id: int | None = None) -> BucketRecord:
        """Return a bucket's record.

        Raises:
            BucketNotFound: there is none, or it is not the one of this id.
        """
        record = self.all(txn).get(bucket)
        if record is None or bucket_id not in (None, record.id):
            raise BucketNotFound(bucket.cname, is_remote=bucket.is_remote)
        return record

    def require_in(self, change: Change, bucket: Bucket) -> BucketRecord:
        """Do as `require` inside a change that leaves the table alone; the counter is read once."""
        if change.buckets is None:
            change.buckets = self.all(change.txn)
        record = change.buckets.get(bucket)
        if record is None:
            raise BucketNotFound(bucket.cname, is_remote=bucket.is_remote)
        return record

    # -- changes: the file first, then the index in the same write transaction --

    def create(self, txn: lmdb.Transaction, bucket: Bucket, props: bytes, created_ns: int) -> BucketRecord:
        """Add a bucket.

        Raises:
            BucketExists: it is there already.
        """
        records = dict(self.all(txn))
        if bucket in records:
            raise BucketExists(bucket.cname)
        next_id = self._index.meta(txn, b"bucket_id") + 1
        self._index.set_meta(txn, b"bucket_id", next_id)
        records[bucket] = record = BucketRecord(next_id, bucket, props, created_ns)
        self._store(txn, records, next_id)
        return record

    def drop(self, txn: lmdb.Transaction, bucket: Bucket) -> BucketRecord:
        """Take a bucket away. Its objects stay in the index, without a name, until they are purged."""
        record = self.require(txn, bucket)
        records = {key: value for key, value in self.all(txn).items() if key != bucket}
        self._store(txn, records, self._index.meta(txn, b"bucket_id"))
        return record

    def set_props(self, txn: lmdb.Transaction, bucket: Bucket, props: bytes) -> BucketRecord:
        record = replace(self.require(txn, bucket), props=props)
        self._store(txn, {**self.all(txn), bucket: record}, self._index.meta(txn, b"bucket_id"))
        return record

    def rename(self, txn: lmdb.Transaction, bucket: Bucket, new: Bucket, serial: int) -> BucketRecord:
        """Give a bucket another name. It keeps its id, and so its objects, which name their bucket by it.

        Args:
            serial: larger than that of every version in the store.

        Raises:
            BucketNotFound: there is no such bucket.
            BucketExists: there is one of the new name.
        """
        old = self.require(txn, bucket)
        records = dict(self.all(txn))
        if new in records:
            raise BucketExists(new.cname)
        del records[bucket]
        former = (*(name for name in old.former if name != bucket.name), bucket.name)
        records[new] = record = replace(old, bucket=new, former=former, renamed_serial=serial)
        self._store(txn, records, self._index.meta(txn, b"bucket_id"))
        return record

    def _store(self, txn: lmdb.Transaction, records: dict[Bucket, BucketRecord], next_id: int) -> None:
        serial = self._index.meta(txn, b"buckets") + 1
        rows = [
            {
                "uname": record.bucket.uname,
                "id": record.id,
                "created_ns": record.created_ns,
                "props": base64.b64encode(record.props).decode(),
                **({"former": record.former, "renamed_serial": record.renamed_serial} if record.former else {}),
            }
            for record in records.values()
        ]
        document = {"format": FORMAT, "serial": serial, "next_id": next_id, "buckets": rows}
        replace_file(self._path, json.dumps(document, indent=1).encode())
        self._mirror(txn, document)

    def take_over(self, txn: lmdb.Transaction) -> None:
        """Bring the index up to the file, if the file is newer."""
        try:
            document = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return
        if document["serial"] > self._index.meta(txn, b"buckets"):
            self._mirror(txn, document)

    def _mirror(self, txn: lmdb.Transaction, document: dict) -> None:
        txn.drop(self._index.buckets, delete=False)
        for row in document["buckets"]:
            props = base64.b64decode(row["props"])
            former, renamed_serial = row.get("former", []), row.get("renamed_serial", 0)
            value = _Row(FORMAT, row["id"], row["created_ns"], props, former, renamed_serial)
            txn.put(encode_name(row["uname"]), _encode(value), db=self._index.buckets)
        self._index.set_meta(txn, b"buckets", document["serial"])
        self._index.set_meta(txn, b"bucket_id", document["next_id"])


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file as a whole: after a crash it has the old contents or the new."""
    draft = path.with_name(path.name + ".new")
    with open(draft, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    sync_directory(path.parent)
