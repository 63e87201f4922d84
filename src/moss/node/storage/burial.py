"""Segments that nothing needs any more: their files are deleted, and forgotten once that is on stable storage."""

from moss.node.storage.index import Change
from moss.node.storage.layout import STATE_DEAD
from moss.node.storage.parts import Parts
from moss.node.storage.segments import sync_directory

__all__ = ["forget_dead_segments"]


def forget_dead_segments(parts: Parts) -> int:
    """Delete the files of dead segments that are still there, then their rows. Returns the number of segments.

    A row outlives its file until the deletion is durable. Without it a file that comes back with a power cut would be
    read as a new one, and bring back what was deleted.
    """
    with parts.index.env.begin() as txn:
        dead = [number for number, row in parts.index.segment_rows(txn).items() if row.state == STATE_DEAD]
    if not dead:
        return 0
    folders = set()
    for number in dead:
        path = parts.paths.segment(number)
        path.unlink(missing_ok=True)
        folders.add(path.parent)
    if parts.options.sync:
        for folder in folders:
            if folder.exists():
                sync_directory(folder)
    change = Change(parts.index)
    for number in dead:
        change.set_segment(number, None)
    change.finish()
    return len(dead)
