"""Whatever happens to a store, it behaves as a dictionary that remembers what was acknowledged."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from moss.errors import ObjectNotFound
from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine, EngineOptions

NAMES = st.one_of(
    st.sampled_from(["a", "b", "a/b", "long" * 150, "long" * 150 + "x", "caf\u00e9"]), st.text(min_size=1)
)
SIZES = st.one_of(st.integers(0, 2000), st.sampled_from([4096, 5000, 70_000]))
OPTIONS = EngineOptions(
    sync=False, segment_bytes_max=64 << 10, small_object_bytes_max=4096, reserve_bytes=0, compact_in_background=False
)


class Store(RuleBasedStateMachine):
    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.buckets = [Bucket("one"), Bucket("two")]
        self.model: dict[tuple[Bucket, str], tuple[bytes, int, dict[str, str]]] = {}
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
    def begin(self):
        return multiple("a", "long" * 150)

    @rule(target=names, name=NAMES)
    def new_name(self, name):
        return name if name.isprintable() else "a"

    @rule(name=names, which=st.integers(0, 1), size=SIZES, fill=st.integers(0, 255), custom=st.booleans())
    def put(self, name, which, size, fill, custom):
        from moss.node.storage.objects import ObjectAttributes

        bucket, data = self.buckets[which], bytes([fill]) * size
        _, version, old = self.model.get((bucket, name), (b"", 0, {}))
        given = {"fill": str(fill)} if custom else {}
        record = self.engine.put(bucket, name, data, attributes=ObjectAttributes(custom=given)).result()
        assert record.version == str(version + 1)
        self.model[bucket, name] = (data, version + 1, old | given)

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
            data, version, _ = self.model[bucket, name]
            self.model[bucket, name] = (data, version, {"value": value})

    @rule(which=st.integers(0, 1))
    def drop_and_create(self, which):
        bucket = self.buckets[which]
        self.engine.drop_bucket(bucket)
        self.engine.create_bucket(bucket)
        self.model = {key: value for key, value in self.model.items() if key[0] != bucket}

    @rule(name=names, which=st.integers(0, 1))
    def hold(self, name, which):
        """A reader that keeps what it found while everything changes."""
        found = self.model.get((self.buckets[which], name))
        if found is not None:
            extent = self.engine.head(self.buckets[which], name).extent
            self.held.append((self.engine.segment(extent[0]), extent, found[0]))

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
                data, version, custom = mine[record.name]
                assert (record.size, record.version, record.custom) == (len(data), str(version), custom)
                assert self.engine.read(bucket, record.name) == data
        for segment, extent, data in self.held:
            assert bytes(segment.view[extent[1] : extent[1] + extent[2]]) == data

    @invariant()
    def accounts_are_plausible(self):
        stats = self.engine.stats()
        assert 0 <= stats["live_bytes"] <= stats["stored_bytes"]
        assert stats["lost_records"] == 0


Store.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStore = Store.TestCase
