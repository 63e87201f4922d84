"""Is an archive that is already there the one that would be written? For `--skip-existing`."""

from moss.cli.failures import CommandError
from moss.cli.members import Seen, ZipWatcher, make_watcher
from moss.cli.receive import Order, Wanted
from moss.errors import MossError
from moss.wire.batch import MISSING_PREFIX

__all__ = ["holds"]

_PIECE_BYTES = 1 << 20


def holds(path: str, order: Order) -> bool:
    """Whether a file is a whole archive of exactly the members that were ordered, by name and, where known, by size.

    Raises:
        OSError: it cannot be read.
    """
    watcher = make_watcher(order.extension)
    with open(path, "rb", buffering=0) as file:
        try:
            if isinstance(watcher, ZipWatcher):
                watcher.read(file)
            else:
                while piece := file.read(_PIECE_BYTES):
                    watcher.feed(piece)
        except (CommandError, MossError):
            return False
    members = watcher.members
    if not watcher.complete or len(members) != len(order.wanted):
        return False
    return all(_is(seen, want, order.tolerate) for seen, want in zip(members, order.wanted, strict=True))


def _is(seen: Seen, want: Wanted, tolerate: bool) -> bool:
    if seen.name == want.name:
        return want.length is None or seen.size == want.length
    return tolerate and seen.name == MISSING_PREFIX + want.name
