"""Member tables of shards whose bytes are not here: a batch then asks the store for the members alone.

A table is made from a shard while it is in the cache, and kept when the shard leaves it, under the entity tag of that
version. Format: docs/formats/remote-shards.md.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from struct import Struct

from moss.errors import BadRecord, BucketExists, BucketNotFound, InvalidName, ObjectNotFound, Unavailable
from moss.naming.bucket import REMOTE_SHARDS_BUCKET, Bucket
from moss.node.remote.places import Place
from moss.node.storage.engine import Engine
from moss.node.storage.member_table import Layout, MemberTable
from moss.node.storage.objects import ObjectRecord
from moss.node.storage.shards import TABLE_KIND

__all__ = ["LISTED_EXTENSIONS", "RemoteShard", "RemoteShards"]

# Shards whose members may lie in them as they are.
LISTED_EXTENSIONS = (".tar", ".zip")
_BUCKET = Bucket(REMOTE_SHARDS_BUCKET)
_FORMAT = 1
# Format, size of the shard, length of its entity tag; tag and table follow.
_HEADER = Struct("<BQH")
_MEMBERS_MAX = 500_000


@dataclass(frozen=True, slots=True)
class RemoteShard:
    """One version of a shard.

    Attributes:
        table: of members that lie in the shard as they are; offsets count from its beginning.
    """

    etag: str
    size: int
    table: MemberTable


class RemoteShards:
    """The kept tables. Thread-safe; may wait for the disk."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, RemoteShard] = OrderedDict()
        self._members = 0

    def keep(self, place: Place, record: ObjectRecord) -> None:
        """Keep the table of a cached shard that is about to leave the cache; nothing if it has none yet.

        Best effort: a table that cannot be kept is made again.
        """
        etag = record.custom.get("ETag", "")
        data = self._engine.get_derived(record.serial, TABLE_KIND) if etag else None
        if not data:
            return
        try:
            if MemberTable.decode(data).layout is not Layout.IN_OBJECT:
                return
            raw = etag.encode()
            body = _HEADER.pack(_FORMAT, record.size, len(raw)) + raw + data
            self._forget(_name(place, record.name))
            self._put(_name(place, record.name), body)
        except (BadRecord, InvalidName, Unavailable):
            return

    def _put(self, name: str, body: bytes) -> None:
        try:
            self._engine.put(_BUCKET, name, body).result()
        except BucketNotFound:
            try:
                self._engine.create_bucket(_BUCKET)
            except BucketExists:
                pass  # another thread or process was first
            self._engine.put(_BUCKET, name, body).result()

    def find(self, place: Place, name: str) -> RemoteShard | None:
        """Return the table of a shard as it was last here."""
        key = _name(place, name)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        try:
            found = _decode(self._engine.read(_BUCKET, key))
        except (ObjectNotFound, BucketNotFound, BadRecord):
            return None
        with self._lock:
            self._kept[key] = found
            self._members += len(found.table)
            while self._members > _MEMBERS_MAX and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._members -= len(oldest.table)
        return found

    def drop(self, place: Place, name: str) -> None:
        """Forget a table: the store has another version now."""
        key = _name(place, name)
        self._forget(key)
        try:
            self._engine.delete(_BUCKET, key).result()
        except (ObjectNotFound, BucketNotFound):
            pass

    def _forget(self, key: str) -> None:
        with self._lock:
            found = self._kept.pop(key, None)
            if found is not None:
                self._members -= len(found.table)


def _name(place: Place, name: str) -> str:
    # A bucket that was forgotten and entered again has another id: what was kept for it counts no longer.
    return f"{place.record.id}/{name}"


def _decode(data: bytes) -> RemoteShard:
    if len(data) < _HEADER.size or data[0] != _FORMAT:
        raise BadRecord("table of a remote shard in an unknown format")
    _, size, tag_bytes = _HEADER.unpack_from(data)
    at = _HEADER.size + tag_bytes
    return RemoteShard(data[_HEADER.size : at].decode(), size, MemberTable.decode(data[at:]))
