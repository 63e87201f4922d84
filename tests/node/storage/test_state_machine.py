"""Whatever happens to a store, it behaves as a dictionary with versions that remembers what was acknowledged."""

import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from moss.errors import ObjectNotFound
from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine, EngineOptions
from moss.node.storage.objects import ObjectAttributes
from moss.node.storage.records import FLAG_CHUNKED
from moss.node.storage.unfinished import Unfinished, UnfinishedObjects

NAMES = st.one_of(
    st.sampled_from(["a", "b", "a/b", "long" * 150, "long" * 150 + "x", "caf\u00e9"]), st.text(min_size=1)
)
SIZES = st.one_of(st.integers(0, 2000), st.sampled_from([4096, 5000, 70_000]))
OPTIONS = EngineOptions(
    sync=False, segment_bytes_max=64 << 10, small_object_bytes_max=4096, reserve_bytes=0, compact_in_background=False
)


@dataclass(frozen=True)
class Value:
    """What the dictionary holds."""

    data: bytes
    version: int
    custom: dict[str, str] = field(default_factory=dict)
    chunks: tuple[int, int] = (0, 0)


@dataclass
class Pending:
    """An upload, or an append, that is not finished: its parts by number."""

    work: Unfinished
    which: int
    name: str
    is_append: bool
    parts: dict[int, bytes] = field(default_factory=dict)


class Store(RuleBasedStateMachine):
    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.buckets = [Bucket("one"), Bucket("two")]
        self.model: dict[tuple[Bucket, str], Value] = {}
        self.pending: list[Pending] = []
        self.held: list[tuple] = []
        self.engine = self._open()
        for bucket in self.buckets:
            self.engine.create_bucket(bucket)

    def _open(self, root: Path | None = None) -> Engine:
        return Engine.open((root or self.root) / "store", options=OPTIONS)

    def teardown(self) -> None:
        self.engine.close()
        shutil.rmtree(self.root)

    @initialize(target=names)
    def begin_names(self):
        return multiple("a", "long" * 150)

    @rule(target=names, name=NAMES)
    def new_name(self, name):
        return name if name.isprintable() else "a"

    @rule(name=names, which=st.integers(0, 1), size=SIZES, fill=st.integers(0, 255), custom=st.booleans())
    def put(self, name, which, size, fill, custom):
        bucket, data = self.buckets[which], bytes([fill]) * size
        old = self.model.get((bucket, name), Value(b"", 0))
        given = {"fill": str(fill)} if custom else {}
        record = self.engine.put(bucket, name, data, attributes=ObjectAttributes(custom=given)).result()
        assert record.version == str(old.version + 1)
        self.model[bucket, name] = Value(data, old.version + 1, old.custom | given)

    @rule(name=names, which=st.integers(0, 1))
    def delete(self, name, which):
        bucket = self.buckets[which]
        try:
            self.engine.delete(bucket, name).result()
        except ObjectNotFound:
            assert (bucket, name) not in self.model
        else:
            del self.model[bucket, name]

    @rule(name=names, which=st.integers(0, 1), value=st.text(max_size=5))
    def update_custom(self, name, which, value):
        bucket = self.buckets[which]
        if (bucket, name) in self.model:
            self.engine.update_custom(bucket, name, {"value": value}).result()
            self.model[bucket, name] = replace(self.model[bucket, name], custom={"value": value})

    @rule(name=names, which=st.integers(0, 1), value=st.text(max_size=5))
    def add_custom(self, name, which, value):
        bucket = self.buckets[which]
        if (bucket, name) in self.model:
            self.engine.update_custom(bucket, name, {"added": value}, keep=True).result()
            old = self.model[bucket, name]
            self.model[bucket, name] = replace(old, custom=old.custom | {"added": value})

    @rule(name=names, new_name=names, which=st.integers(0, 1))
    def rename(self, name, new_name, which):
        bucket = self.buckets[which]
        if name == new_name:
            return
        try:
            self.engine.rename(bucket, name, new_name)
        except ObjectNotFound:
            assert (bucket, name) not in self.model
        else:
            self.model[bucket, new_name] = self.model.pop((bucket, name))

    @rule(name=names, new_name=names, which=st.integers(0, 1), other=st.integers(0, 1))
    def copy(self, name, new_name, which, other):
        source, destination = self.buckets[which], self.buckets[other]
        if (source, name) not in self.model or (source, name) == (destination, new_name):
            return
        record = self.engine.head(source, name)
        given = record.attributes_of_copy(record.checksum_type)
        (copy,) = self.engine.copy_many(source, [record], destination, [new_name], [given]).result()
        assert copy.checksum_value == record.checksum_value
        self.model[destination, new_name] = self.model[source, name]

    # -- over several requests --

    def _unfinished(self) -> UnfinishedObjects:
        return UnfinishedObjects(self.root / "unfinished", sync=False)

    @rule(name=names, which=st.integers(0, 1), is_append=st.booleans())
    def begin(self, name, which, is_append):
        bucket = self.buckets[which]
        work = self._unfinished().begin(self.engine.get_bucket(bucket), name)
        pending = Pending(work, which, name, is_append)
        if is_append and (bucket, name) in self.model:
            work.publish_object(0, self.engine, bucket, self.engine.head(bucket, name))
            pending.parts[0] = self.model[bucket, name].data
        self.pending.append(pending)

    @rule(at=st.integers(0, 3), number=st.integers(1, 4), size=SIZES, fill=st.integers(0, 255))
    def add_part(self, at, number, size, fill):
        """A part; one of this number that is there already is replaced."""
        if not self.pending:
            return
        pending = self.pending[at % len(self.pending)]
        draft = pending.work.draft()
        draft.write(bytes([fill]) * size)
        pending.work.publish(number, draft)
        pending.parts[number] = bytes([fill]) * size

    @rule(at=st.integers(0, 3))
    def finish(self, at):
        if not self.pending:
            return
        pending = self.pending.pop(at % len(self.pending))
        bucket = self.buckets[pending.which]
        work = self._unfinished().find(pending.work.id, self.engine.get_bucket(bucket), pending.name)
        assert work is not None
        parts = [part for _, part in sorted(work.parts()[0].items())]
        chunks = (len(parts), max((part.size for part in parts), default=0))
        given = ObjectAttributes(keep_custom=pending.is_append, chunks=(0, 0) if pending.is_append else chunks)
        self.engine.concat(bucket, pending.name, parts, attributes=given).result()
        work.drop()
        old = self.model.get((bucket, pending.name), Value(b"", 0))
        data = b"".join(data for _, data in sorted(pending.parts.items()))
        custom = old.custom if pending.is_append else {}
        self.model[bucket, pending.name] = Value(data, old.version + 1, custom, given.chunks)

    # -- the bucket, readers, and what happens to the process --

    @rule(which=st.integers(0, 1))
    def drop_and_create(self, which):
        bucket = self.buckets[which]
        self.engine.drop_bucket(bucket)
        self.engine.create_bucket(bucket)
        self.model = {key: value for key, value in self.model.items() if key[0] != bucket}
        for pending in self.pending:
            if pending.which == which:
                assert self._unfinished().find(pending.work.id, self.engine.get_bucket(bucket), pending.name) is None
        self.pending = [pending for pending in self.pending if pending.which != which]

    @rule(name=names, which=st.integers(0, 1))
    def hold(self, name, which):
        """A reader that keeps what it found while everything changes."""
        found = self.model.get((self.buckets[which], name))
        if found is not None:
            extent = self.engine.head(self.buckets[which], name).extent
            self.held.append((self.engine.segment(extent[0]), extent, found.data))

    @rule()
    def compact(self):
        self.engine.compact(0.01)

    @rule()
    def restart(self):
        self.engine.close()
        self.engine = self._open()

    @rule()
    def lose_index(self):
        self.engine.close()
        shutil.rmtree(self.root / "store" / "index")
        self.engine = self._open()

    @rule()
    def crash(self):
        """Go on from a copy of the directory as it is at this moment."""
        copied = self.root / "copy"
        shutil.copytree(self.root / "store", copied / "store", ignore=shutil.ignore_patterns("*.lock", "lock.mdb"))
        self.engine.close()
        shutil.rmtree(self.root / "store")
        (copied / "store").rename(self.root / "store")
        shutil.rmtree(copied)
        self.engine = self._open()

    @invariant()
    def is_the_dictionary(self):
        for bucket in self.buckets:
            mine = {name: value for (owner, name), value in self.model.items() if owner == bucket}
            listed = self.engine.list_objects(bucket)
            in_order = sorted(mine, key=lambda name: name.encode("utf-8", "surrogateescape"))
            assert [record.name for record in listed] == in_order
            for record in listed:
                value = mine[record.name]
                assert (record.size, record.version) == (len(value.data), str(value.version))
                assert (record.custom, record.chunks) == (value.custom, value.chunks)
                assert bool(record.extent[4] & FLAG_CHUNKED) == bool(value.chunks[0])
                assert self.engine.read(bucket, record.name) == value.data
            assert self._pages(bucket, 2) == in_order
        for segment, extent, data in self.held:
            assert bytes(segment.view[extent[1] : extent[1] + extent[2]]) == data

    def _pages(self, bucket: Bucket, size: int) -> list[str]:
        """List a bucket page by page."""
        found: list[str] = []
        while page := self.engine.list_objects(bucket, start_after=found[-1] if found else "", limit=size):
            found += [record.name for record in page]
        return found

    @invariant()
    def accounts_are_plausible(self):
        stats = self.engine.stats()
        assert 0 <= stats["live_bytes"] <= stats["stored_bytes"]
        assert stats["lost_records"] == 0


Store.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStore = Store.TestCase
