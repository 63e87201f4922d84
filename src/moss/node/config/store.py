"""The cluster configuration: stored in SQLite, shared by all worker processes of a node."""

import contextlib
import functools
import os
import secrets
import sqlite3
import string
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from moss.errors import InvalidConfig, OutOfSpace, Unavailable, Unsupported
from moss.node.clock import Clock, SystemClock
from moss.node.config import rules, values
from moss.node.config.schema import (
    ALIASES,
    CLUSTER_SCOPED,
    NEVER_TRANSIENT,
    NEVER_TRANSIENT_KEYS,
    SETTINGS,
    Scalar,
    Setting,
    nest,
)
from moss.node.config.stamp import ChangeStamp
from moss.node.occupancy import Occupancy

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS settings (scope TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (scope, key));
"""
# SQLite's change counter costs a system call or two: without a sign of a change it is compared once in so long.
_COMPARE_S = 1.0
_STORED, _TRANSIENT = "stored", "transient"
# The fact that tells which other clusters are attached.
_CLUSTERS = "remote_clusters"
_BUSY_S_MAX = 10.0
_ID_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class GetBatchConfig:
    """Section `get_batch` as a work item captures it at admission.

    Attributes:
        max_wait_s: wait for the next entry of a peer before recovery.
        warmup_workers: look-ahead workers; -1 is off.
        max_soft_errs: placeholders allowed in one answer.
        max_gfn: recovery reads at neighbors in one answer; -1 is off.
        compression: of streams inside the cluster, `never` or `always`.
        bundle_multiplier: streams per peer.
        burst_buffer: entries queued per stream.
    """

    max_wait_s: float
    warmup_workers: int
    max_soft_errs: int
    max_gfn: int
    compression: str
    bundle_multiplier: int
    burst_buffer: int


def make_short_id(length: int = 9) -> str:
    """Make a random identifier of letters and digits that begins with a letter."""
    return secrets.choice(string.ascii_letters) + "".join(secrets.choice(_ID_LETTERS) for _ in range(length - 1))


class ConfigStore:
    """Reads and writes the configuration; every method may be called from any thread and worker process.

    A write is visible to all processes when it returns: readers compare a stamp in shared memory before they use what
    they have in memory, and now and then SQLite's own change counter, which a writer that died moved too. They never
    wait for a writer, of this or another process:
    a write has a connection of its own, and the write-ahead log keeps the old state readable until it is committed.
    """

    def __init__(self, directory: Path, *, clock: Clock | None = None) -> None:
        """Open, or create, the configuration in `directory`.

        Transient changes of an earlier run are dropped by the first process that opens it.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / "config.sqlite"
        self._clock = clock or SystemClock()
        self._lock, self._write_lock = threading.Lock(), threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._pid = -1
        self._seen = -1
        self._stamp = ChangeStamp(directory / "config.stamp")
        self._seen_stamp, self._compared_s = -1, 0.0
        self._state = _State({}, {})
        self._occupancy = Occupancy(directory / "config.lock")
        self._prepare()
        self._occupancy.settle()

    def close(self) -> None:
        """Close the database; calling it twice is fine."""
        with self._write_lock, self._lock:
            for db in (self._reader, self._writer):
                if db is not None and self._pid == os.getpid():
                    db.close()
            self._reader = self._writer = None
            self._stamp.close()
            self._occupancy.close()

    # -- reading --------------------------------------------------------------------------------

    @property
    def get_batch(self) -> GetBatchConfig:
        return self._now().get_batch

    @property
    def uuid(self) -> str:
        """The identity of the cluster; made once."""
        return self._now().facts["uuid"]

    @property
    def created_ns(self) -> int:
        """When the cluster was made, nanoseconds since 1970."""
        return int(self._now().facts["created_ns"])

    @property
    def version(self) -> int:
        return int(self._now().facts["version"])

    def count_map(self, entries: str) -> int:
        """Return the version of a cluster map, one more than that of the last map if its entries were others.

        Args:
            entries: what the map is made of, as text; every worker process of a run says the same.
        """
        with self._write() as (db, state):
            version = int(state.facts.get("map_version", "0"))
            if state.facts.get("map_entries") != entries:
                version += 1
                facts = [("map_version", str(version)), ("map_entries", entries)]
                db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts)
        return version

    def value(self, key: str) -> Scalar:
        """Return one effective value in output form. Raises KeyError for an unknown key."""
        return self._now().effective[key]

    def duration_s(self, key: str) -> float:
        """Return one effective duration in seconds."""
        return values.parse_duration_ns(str(self.value(key))) / 1e9

    def cluster_config(self, *, node: str = "") -> dict[str, Any]:
        """Return the whole document of spec/rest-control.md 7.1, nested; `node` adds that node's own changes."""
        state = self._now()
        flat = state.effective | state.scopes.get(f"node:{node}", {}) if node else state.effective
        attached = {alias: [row["url"]] for alias, row in state.remote_clusters.items()}
        return (
            {"backend": {"ais": attached} if attached else {}}
            | nest(flat)
            | {
                "uuid": state.facts["uuid"],
                "lastupdate_time": state.facts["updated"],
                "config_version": state.facts["version"],
                "ext": None,
            }
        )

    @property
    def remote_clusters(self) -> Mapping[str, Mapping[str, str]]:
        """Return the other clusters that are attached: by alias, what is known of each (`uuid`, `url`)."""
        return self._now().remote_clusters

    # -- writing --------------------------------------------------------------------------------

    def change_remote_clusters(self, change: Callable[[dict[str, Mapping[str, str]]], None]) -> None:
        """Attach or detach clusters.

        Args:
            change: is called with what is attached, and changes it; what it raises changes nothing.
        """
        with self._write() as (db, state):
            clusters = dict(state.remote_clusters)
            change(clusters)
            text = msgspec.json.encode(clusters).decode()
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_CLUSTERS, text))
            self._count_version(db, int(state.facts["version"]) + 1)

    def set_many(self, pairs: Sequence[tuple[str, str]], transient: bool = False, *, node: str = "") -> None:
        """Apply query-style changes, all or none; of a key given twice the first counts.

        Args:
            pairs: dotted key in any letter case and value text.
            transient: keep the change in memory of this run only.
            node: change this node only.

        Raises:
            InvalidConfig: unknown key, bad value, or nothing to change.
            Unsupported: a section that cannot change transiently.
        """
        if not pairs:
            raise InvalidConfig("no properties to update")
        changes: dict[str, Scalar] = {}
        for name, text in pairs:
            setting = _find(name, transient, node)
            changes.setdefault(setting.key, values.from_text(setting, text))
        self._apply(changes, transient, node)

    def set_tree(self, tree: Any, transient: bool = False, *, node: str = "") -> None:
        """Apply message-style changes (nested, only changed leaves, null = not given), all or none."""
        if tree is None:
            tree = {}
        if not isinstance(tree, Mapping):
            raise InvalidConfig(f"invalid config value: expecting an object, got {type(tree).__name__}")
        changes = {
            setting.key: values.from_json(setting, value)
            for setting, value in ((_find(key, transient, node), value) for key, value in _leaves(tree, ""))
        }
        self._apply(changes, transient, node)

    def reset(self, *, node: str = "") -> None:
        """Drop transient and per-node changes; what is stored for the cluster stays."""
        with self._write() as (db, _):
            if node:
                db.execute("DELETE FROM settings WHERE scope = ?", (f"node:{node}",))
            else:
                db.execute("DELETE FROM settings WHERE scope <> ?", (_STORED,))

    def _apply(self, changes: dict[str, Scalar], transient: bool, node: str) -> None:
        scope = f"node:{node}" if node else _TRANSIENT if transient else _STORED
        with self._write() as (db, state):
            before = state.effective
            after = rules.settle(before | changes)
            touched = {key for key, value in after.items() if value != before.get(key)} | changes.keys()
            if scope == _STORED:
                shadows = [(_TRANSIENT, key) for key in touched]
                db.executemany("DELETE FROM settings WHERE scope = ? AND key = ?", shadows)
            rows = [(scope, key, msgspec.json.encode(after[key]).decode()) for key in sorted(touched)]
            db.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", rows)
            if scope == _STORED:
                self._count_version(db, int(state.facts["version"]) + 1)

    def _count_version(self, db: sqlite3.Connection, version: int) -> None:
        db.execute("INSERT OR REPLACE INTO facts VALUES ('version', ?)", (str(version),))
        db.execute("INSERT OR REPLACE INTO facts VALUES ('updated', ?)", (_go_time(self._clock.now_ns()),))

    # -- SQLite ---------------------------------------------------------------------------------

    def _prepare(self) -> None:
        now = self._clock.now_ns()
        first_facts = {"uuid": make_short_id(), "created_ns": str(now), "version": "1", "updated": _go_time(now)}
        with self._write(prepares=True) as (db, _):
            db.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?)", list(first_facts.items()))
            if self._occupancy.is_first:
                db.execute("DELETE FROM settings WHERE scope = ?", (_TRANSIENT,))

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S_MAX)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        return db

    def _leave_parent(self) -> None:
        """Forget connections of the process that this one was forked from: they must not be used here."""
        if self._pid != os.getpid():
            self._reader = self._writer = None
            self._pid = os.getpid()

    def _now(self) -> "_State":
        """Return what holds now; a snapshot that nobody changes."""
        with self._lock:
            self._leave_parent()
            # Read before the state is: a change that comes meanwhile is then noticed the next time.
            stamp, now_s = self._stamp.value, self._clock.monotonic_s()
            if self._reader is None or stamp != self._seen_stamp or now_s - self._compared_s >= _COMPARE_S:
                self._compare()
                self._seen_stamp, self._compared_s = stamp, now_s
            return self._state

    def _compare(self) -> None:
        if self._reader is None:
            self._reader, self._seen = self._connect(), -1
        seen = self._reader.execute("PRAGMA data_version").fetchone()[0]
        if seen != self._seen:
            self._state, self._seen = _State.load(self._reader), seen

    @contextlib.contextmanager
    def _write(self, *, prepares: bool = False) -> Iterator[tuple[sqlite3.Connection, "_State"]]:
        """Begin a change; what was before it is yielded beside the connection.

        Raises:
            OutOfSpace: the disk is full; nothing has changed.
            Unavailable: another process keeps writing.
        """
        with self._write_lock:
            self._leave_parent()
            try:
                db = self._writer = self._writer or self._connect()
                if prepares:
                    db.executescript(_SCHEMA)
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db, _State.load(db)
                    db.execute("COMMIT")
                    self._stamp.renew()
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
            except sqlite3.OperationalError as error:
                if "full" in str(error):
                    raise OutOfSpace("no space left on the node's disk") from error
                raise Unavailable(f"the configuration cannot be changed now: {error}") from error


@dataclass(frozen=True)
class _State:
    """The configuration at one moment; shared, never changed.

    Attributes:
        facts: identity, version and times.
        scopes: changed settings by scope: stored, transient, `node:<id>`.
        effective: all settings of the cluster.
    """

    facts: dict[str, str]
    scopes: dict[str, dict[str, Scalar]]
    effective: dict[str, Scalar] = field(default_factory=dict)

    @classmethod
    def load(cls, db: sqlite3.Connection) -> "_State":
        scopes: dict[str, dict[str, Scalar]] = {}
        db.execute("SAVEPOINT load")  # one moment for both tables
        facts = dict(db.execute("SELECT name, value FROM facts"))
        for scope, key, value in db.execute("SELECT scope, key, value FROM settings"):
            if key in SETTINGS:
                scopes.setdefault(scope, {})[key] = msgspec.json.decode(value)
        db.execute("RELEASE load")
        defaults = {key: setting.default for key, setting in SETTINGS.items()}
        return cls(facts, scopes, defaults | scopes.get(_STORED, {}) | scopes.get(_TRANSIENT, {}))

    @functools.cached_property
    def remote_clusters(self) -> dict[str, Mapping[str, str]]:
        return msgspec.json.decode(self.facts.get(_CLUSTERS, "{}"))

    @functools.cached_property
    def get_batch(self) -> GetBatchConfig:
        return _get_batch_of(self.effective)


def _find(name: str, transient: bool, node: str) -> Setting:
    """Return the setting of a key, refusing what the scope of the change does not allow."""
    key = ALIASES.get(name.lower(), name.lower())
    section = key.partition(".")[0]
    if transient and section in NEVER_TRANSIENT:
        raise Unsupported(f"cannot transiently update config.{section} - operation not supported")
    if transient and key in NEVER_TRANSIENT_KEYS:
        raise Unsupported(f"cannot transiently update {key} - operation not supported")
    setting = SETTINGS.get(key)
    if setting is None:
        raise InvalidConfig(f'unknown property "{name}"')
    shown = "getbatch" if section == "get_batch" else section
    if transient and section in CLUSTER_SCOPED:
        raise InvalidConfig(f"{shown} (cluster-scoped) configuration cannot be changed transiently")
    if node and section in CLUSTER_SCOPED:
        raise InvalidConfig(f"{shown} configuration can only be globally updated")
    return setting


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if value is None:
            continue
        is_section = any(known.startswith(f"{key.lower()}.") for known in SETTINGS)
        if is_section:
            if not isinstance(value, Mapping):
                raise InvalidConfig(f"invalid {key}: expecting an object, got {type(value).__name__}")
            yield from _leaves(value, f"{key}.")
        else:
            yield key, value


def _get_batch_of(flat: Mapping[str, Any]) -> GetBatchConfig:
    section = {key.partition(".")[2]: value for key, value in flat.items() if key.startswith("get_batch.")}
    wait_s = values.parse_duration_ns(section.pop("max_wait")) / 1e9
    return GetBatchConfig(max_wait_s=wait_s, **section)


def _go_time(ns: int) -> str:
    seconds, fraction = divmod(ns, 1_000_000_000)
    digits = f".{fraction:09d}".rstrip("0").rstrip(".")
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + f"{digits} +0000 UTC"
