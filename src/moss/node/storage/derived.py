"""Data computed from one version of an object, which can be computed again: kept beside it, gone with it."""

import os

import lmdb
from xxhash import xxh3_64_digest

from moss.node.storage.index import Change
from moss.node.storage.layout import DERIVED_SEGMENT_KIND, SERIAL_KEY
from moss.node.storage.parts import Parts

__all__ = ["clean_up", "get", "put"]

# Longer data is a file: pages of the index are for lookups.
_INLINE_BYTES_MAX = 64 << 10
_INLINE, _FILE = b"0", b"1"
_CHECK_BYTES = 8


def put(parts: Parts, change: Change, serial: int, kind: str, data: bytes) -> None:
    """Keep data, unless the version that it was computed from is gone."""
    if change.txn.get(SERIAL_KEY.pack(serial), db=parts.index.attributes) is None:
        return
    checked = xxh3_64_digest(data) + data
    path = parts.paths.derived_file(serial, kind)
    if len(data) <= _INLINE_BYTES_MAX:
        row = _INLINE + checked
        path.unlink(missing_ok=True)
    else:
        row = _FILE
        draft = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            draft.write_bytes(checked)
            os.replace(draft, path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
    change.txn.put(SERIAL_KEY.pack(serial) + kind.encode(), row, db=parts.index.derived)


def get(parts: Parts, txn: lmdb.Transaction, serial: int, kind: str) -> bytes | None:
    """Return data, None if there is none or its checksum is wrong."""
    row = txn.get(SERIAL_KEY.pack(serial) + kind.encode(), db=parts.index.derived)
    if row is None:
        return None
    checked = row[1:]
    if row[:1] == _FILE:
        try:
            checked = parts.paths.derived_file(serial, kind).read_bytes()
        except FileNotFoundError:
            return None
    data = checked[_CHECK_BYTES:]
    return data if xxh3_64_digest(data) == checked[:_CHECK_BYTES] else None


def clean_up(parts: Parts, change: Change) -> None:
    """Delete the files of what a committed change removed: large objects, derived data."""
    paths = parts.paths
    for number in change.dead:
        parts.segments.forget(number)
        paths.segment(number).unlink(missing_ok=True)
    for serial, kind in change.orphans:
        paths.derived_file(serial, kind.decode()).unlink(missing_ok=True)
        paths.derived_file(serial, DERIVED_SEGMENT_KIND).unlink(missing_ok=True)
