"""A simulated disk for power cuts: what a store did to its files is recorded, and every disk that a cut could have left
behind at any moment can be made from it.

Between two syncs a file's 512-byte sectors reach the disk in any order, or not at all; so do entries of a folder. The
index's library writes by itself: its commits are durable one commit late, which is what `metasync=False` promises.
"""

import builtins
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from moss.node.storage.index import Change

SECTOR = 512
INDEX = "index/data.mdb"


@dataclass(slots=True)
class Disk:
    """What is on the disk, and what only the page cache knows. Files are numbered; folders map names to numbers."""

    durable: dict[int, bytes] = field(default_factory=dict)
    cached: dict[int, bytes] = field(default_factory=dict)
    folders: dict[str, dict[str, int]] = field(default_factory=dict)
    pending: dict[str, list[tuple[str, int | None]]] = field(default_factory=dict)
    indexes: list[bytes] = field(default_factory=list)


class Recorder:
    """Records what happens below a folder; what is there already is on the disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events: list[tuple[Any, ...]] = []
        self._numbers: dict[str, int] = {}
        self._lock = threading.RLock()
        for path in sorted(root.rglob("*")):
            name = self._name(path)
            if name is not None and path.is_file():
                self._contents(name)
                self.events += [("synced", self._numbers[name]), ("folder synced", os.path.dirname(name))]
        if (root / INDEX).exists():
            self.note("index", (root / INDEX).read_bytes())

    def note(self, *event: Any) -> None:
        with self._lock:
            self.events.append(event)

    # -- what was seen --

    def _name(self, path: Any) -> str | None:
        """The path below the root, None for a file that is not there or not a part of the data."""
        try:
            name = os.path.relpath(os.fspath(path), self.root)
        except (TypeError, ValueError):
            return None
        outside = name.startswith("..") or name.startswith("index") or name.endswith(".lock")
        return None if outside else name

    def _name_of(self, fd: int) -> str | None:
        return self._name(os.readlink(f"/proc/self/fd/{fd}"))

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self.events) + 1
            self.events.append(("entry", os.path.dirname(name), os.path.basename(name), self._numbers[name]))
        return self._numbers[name]

    def _contents(self, name: str) -> None:
        with builtins.open(self.root / name, "rb") as file:
            self.events.append(("data", self._number(name), file.read()))

    def _changed(self, name: str | None) -> None:
        if name is not None and (self.root / name).exists():
            self._contents(name)

    def _synced(self, name: str | None) -> None:
        if name is None or not (self.root / name).exists():
            return
        if (self.root / name).is_dir():
            self.events.append(("folder synced", "" if name == "." else name))
        else:
            self._contents(name)
            self.events.append(("synced", self._numbers[name]))

    def _removed(self, name: str | None) -> None:
        if name is not None and self._numbers.pop(name, None) is not None:
            self.events.append(("entry", os.path.dirname(name), os.path.basename(name), None))

    # -- where it is seen --

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record while the context is open."""
        by_fd = {"pwritev": self._changed, "ftruncate": self._changed, "fsync": self._synced, "fdatasync": self._synced}
        by_path = {"truncate": self._changed, "unlink": self._removed}
        replaced = {name: getattr(os, name) for name in (*by_fd, *by_path, "rename", "replace", "copy_file_range")}
        finish = Change.finish

        def wrap(name: str, seen: Callable[[str | None], None], find: Callable[[Any], str | None]) -> None:
            real = replaced[name]

            def call(first: Any, *rest: Any, **options: Any) -> Any:
                with self._lock:
                    result = real(first, *rest, **options)
                    seen(find(first))
                    return result

            setattr(os, name, call)

        def move(name: str) -> None:
            def call(old: Any, new: Any) -> None:
                with self._lock:
                    before = self._name(old)
                    if before is not None:
                        self._contents(before)
                    replaced[name](old, new)
                    self._renamed(before, self._name(new))

            setattr(os, name, call)

        def copy(source: int, target: int, *rest: Any) -> int:
            with self._lock:
                count = replaced["copy_file_range"](source, target, *rest)
                self._changed(self._name_of(target))
                return count

        def commit(change: Change) -> None:
            finish(change)
            self.note("index", (self.root / INDEX).read_bytes())

        for name, seen in by_fd.items():
            wrap(name, seen, self._name_of)
        for name, seen in by_path.items():
            wrap(name, seen, self._name)
        for name in ("rename", "replace"):
            move(name)
        os.copy_file_range = copy
        Change.finish = commit
        try:
            yield
        finally:
            for name, real in replaced.items():
                setattr(os, name, real)
            Change.finish = finish

    def _renamed(self, old: str | None, new: str | None) -> None:
        if old is None or new is None:
            return
        number = self._numbers.pop(old)
        self._numbers[new] = number
        self.events.append(("entry", os.path.dirname(new), os.path.basename(new), number))
        self.events.append(("entry", os.path.dirname(old), os.path.basename(old), None))


def replay(disk: Disk, event: tuple[Any, ...]) -> None:
    """Let one event happen to a disk; others than those of files are passed over."""
    match event:
        case ("data", number, contents):
            disk.cached[number] = contents
        case ("synced", number):
            disk.durable[number] = disk.cached[number]
        case ("entry", folder, name, number):
            disk.pending.setdefault(folder, []).append((name, number))
        case ("folder synced", folder):
            entries = disk.folders.setdefault(folder, {})
            for name, number in disk.pending.pop(folder, []):
                _enter(entries, name, number)
        case ("index", contents):
            disk.indexes.append(contents)


def _enter(entries: dict[str, int], name: str, number: int | None) -> None:
    if number is None:
        entries.pop(name, None)
    else:
        entries[name] = number


def cut(disk: Disk, root: Path, random: Random) -> None:
    """Write what a power cut leaves of a disk to a folder."""
    for folder in {*disk.folders, *disk.pending, "segments", "incoming", "derived"}:
        (root / folder).mkdir(parents=True, exist_ok=True)
        entries = dict(disk.folders.get(folder, {}))
        pending = list(disk.pending.get(folder, []))
        if random.random() < 0.5:
            random.shuffle(pending)
        chance = random.choice([0.0, 0.5, 1.0])
        for name, number in pending:
            if random.random() < chance:
                _enter(entries, name, number)
        for name, number in entries.items():
            contents = _torn(disk.durable.get(number, b""), disk.cached.get(number, b""), random)
            (root / folder / name).write_bytes(contents)
    (root / INDEX).parent.mkdir()
    (root / INDEX).write_bytes(random.choice(disk.indexes[-2:]))


def _torn(durable: bytes, cached: bytes, random: Random) -> bytes:
    """Mix two versions of a file, sector by sector."""
    if durable == cached:
        return durable
    chance = random.choice([0.0, 0.05, 0.5, 0.95, 1.0])
    size = len(random.choice([durable, cached]))
    old, new = durable.ljust(size, b"\0")[:size], cached.ljust(size, b"\0")[:size]
    mixed = bytearray(old)
    for at in range(0, size, SECTOR):
        if old[at : at + SECTOR] != new[at : at + SECTOR] and random.random() < chance:
            mixed[at : at + SECTOR] = new[at : at + SECTOR]
    return bytes(mixed)
