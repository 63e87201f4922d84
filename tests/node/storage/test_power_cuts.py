"""Power cuts at any moment, on a simulated disk that drops, tears and reorders what was not synced.

Reliability row 3. Each seed is one power cut; a hundred of them share one recorded run, because recording takes longer
than cutting.
"""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine, EngineOptions
from tests.node.storage.power import Disk, Recorder, cut, replay

RUNS, CUTS = 40, 75
BUCKET = Bucket("b")
NAMES = ["a", "b", "c", "d/e", "long" * 200]
RECORDED = EngineOptions(
    segment_bytes_max=32 << 10, small_object_bytes_max=8192, reserve_bytes=0, compact_in_background=False, sync=True
)
CHECKED = EngineOptions(
    segment_bytes_max=32 << 10, small_object_bytes_max=8192, reserve_bytes=0, compact_in_background=False, sync=False
)
# What a name holds: data and metadata.
State = dict[str, tuple[bytes, str]]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory, where there is one: thousands of stores are made in it."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


@dataclass
class Workload:
    """Random operations on a store, and what the store may hold after each.

    Attributes:
        states: what the operations that were begun make of the store, one behind the other.
        halves: by number of the state behind it, a state that a rename may show: the object under both names.
    """

    random: Random
    engine: Engine
    recorder: Recorder
    states: list[State] = field(default_factory=lambda: [{}])
    halves: dict[int, State] = field(default_factory=dict)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            if self.random.random() < 0.2:
                self._burst(self.random.randrange(2, 6))
            else:
                self._step()

    def _begin(self, state: State) -> None:
        self.states.append(state)
        self.recorder.note("begun", len(self.states) - 1)

    def _done(self) -> None:
        self.recorder.note("acknowledged", len(self.states) - 1)

    def _data(self, *, is_small: bool = False) -> bytes:
        sizes = [0, 10, 700, 5000, 8000] if is_small else [0, 10, 700, 5000, 8192, 8193, 20_000]
        return self.random.randbytes(self.random.choice(sizes))

    def _burst(self, count: int) -> None:
        """Small puts that are committed together."""
        futures = []
        for _ in range(count):
            name, data = self.random.choice(NAMES), self._data(is_small=True)
            now = self.states[-1]
            self._begin(now | {name: (data, now.get(name, (b"", ""))[1])})
            futures.append(self.engine.put(BUCKET, name, data))
        for future in futures:
            future.result()
        self._done()

    def _step(self) -> None:
        now = self.states[-1]
        there = sorted(now)
        kind = self.random.choice(["put", "put", "put", "delete", "delete", "rename", "custom", "compact"])
        if kind == "compact":
            self.engine.compact(0.01)
            return
        if kind == "put" or not there:
            name, data = self.random.choice(NAMES), self._data()
            self._begin(now | {name: (data, now.get(name, (b"", ""))[1])})
            self.engine.put(BUCKET, name, data).result()
        else:
            self._change(kind, self.random.choice(there), now)
        self._done()

    def _change(self, kind: str, name: str, now: State) -> None:
        without = {key: value for key, value in now.items() if key != name}
        if kind == "delete":
            self._begin(without)
            self.engine.delete(BUCKET, name).result()
        elif kind == "rename":
            new = self.random.choice([other for other in NAMES if other != name])
            self.halves[len(self.states)] = now | {new: now[name]}
            self._begin(without | {new: now[name]})
            self.engine.rename(BUCKET, name, new)
        else:
            value = str(self.random.randrange(100))
            self._begin(now | {name: (now[name][0], value)})
            self.engine.update_custom(BUCKET, name, {"k": value}).result()


def state_of(engine: Engine) -> State:
    return {
        record.name: (engine.read(BUCKET, record.name), record.custom.get("k", ""))
        for record in engine.list_objects(BUCKET)
    }


def check(root: Path, possible: list[State], random: Random) -> None:
    """Open a store after a cut: it holds one of these states, is sound, and goes on working."""
    with Engine.open(root, options=CHECKED) as engine:
        found = state_of(engine)
        assert found in possible
        assert engine.scrub().damaged == []
        assert engine.stats()["lost_records"] == 0
        name, data = random.choice(NAMES), random.randbytes(100)
        engine.put(BUCKET, name, data).result()
        after = found | {name: (data, found.get(name, (b"", ""))[1])}
        for gone in sorted(after)[: random.randrange(2)]:
            engine.delete(BUCKET, gone).result()
            del after[gone]
    if random.random() < 0.3:
        shutil.rmtree(root / "index")
    with Engine.open(root, options=CHECKED) as engine:
        assert state_of(engine) == after


def check_twice(root: Path, possible: list[State], random: Random) -> None:
    """The power goes again while the store recovers."""
    recorder = Recorder(root)
    first = len(recorder.events)
    with recorder.recording(), Engine.open(root, options=RECORDED):
        pass
    disk, moment = Disk(), random.randrange(first, len(recorder.events) + 1)
    for event in recorder.events[:moment]:
        replay(disk, event)
    again = root.with_name(root.name + "-again")
    again.mkdir()
    cut(disk, again, random)
    check(again, possible, random)
    shutil.rmtree(again)


@pytest.mark.slow
@pytest.mark.parametrize("run", range(RUNS))
def test_acknowledged_survives_a_power_cut_at_any_moment_and_the_rest_is_all_or_nothing(place: Path, run: int):
    random = Random(run)
    recorder = Recorder(place / "store")
    with recorder.recording(), Engine.open(place / "store", options=RECORDED) as engine:
        engine.create_bucket(BUCKET)
        recorder.note("begun", 0)
        recorder.note("acknowledged", 0)
        first = len(recorder.events)
        workload = Workload(random, engine, recorder)
        workload.run(25)
    moments = sorted(random.randrange(first, len(recorder.events)) for _ in range(CUTS))
    disk, acknowledged, begun = Disk(), 0, 0
    for at, event in enumerate(recorder.events):
        while moments and moments[0] == at:
            moments.pop(0)
            root = place / f"cut-{at}-{len(moments)}"
            root.mkdir()
            cut(disk, root, random)
            possible = workload.states[acknowledged : begun + 1]
            possible += [half for number, half in workload.halves.items() if acknowledged < number <= begun]
            (check_twice if random.random() < 0.2 else check)(root, possible, random)
            shutil.rmtree(root)
        replay(disk, event)
        if event[0] == "begun":
            begun = event[1]
        elif event[0] == "acknowledged":
            acknowledged = event[1]
