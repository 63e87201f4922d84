"""A node is a dictionary with versions: random operations over HTTP, with kills and restarts in between.

Whatever was answered with 200 is there after SIGKILL; what was under way when the node was killed happened as a whole,
or not at all.
"""

import http.client
import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import pytest

from moss.testing import NodeProcess, start_node
from tests.support.wire import Answer, Wire

NAMES = ["a", "a/b", "b c", "é%?#", "n" * 300, "t.tar"]
SIZES = [0, 1, 100, 5000, 300_000, 1 << 20, (1 << 20) + 1, 2_500_000]


@dataclass(frozen=True)
class Value:
    """What a name holds."""

    data: bytes
    version: int
    custom: tuple[tuple[str, str], ...] = ()
    chunks: int = 0


Model = dict[str, Value]


@dataclass
class Session:
    """Random operations against a node, and what they should make of its bucket.

    Attributes:
        model: what the bucket holds.
        expected: what it holds once the operation that was begun last is done.
    """

    node: NodeProcess
    random: random.Random
    bucket: str = ""
    model: Model = field(default_factory=dict)
    expected: Model = field(default_factory=dict)

    @property
    def wire(self) -> Wire:
        return Wire(self.node.url)

    def path(self, name: str) -> str:
        return f"/v1/objects/{self.bucket}/{quote(name)}"

    def send(self, method: str, path: str, body: object = None) -> Answer:
        answer = self.wire.send(method, path, body)
        assert answer.status == 200, (method, path, answer.body)
        return answer

    def data(self) -> bytes:
        return self.random.randbytes(64) * (self.random.choice(SIZES) // 64)

    # -- operations: each does it and returns the model behind it --

    def put(self) -> Model:
        name, data = self.random.choice(NAMES), self.data()
        after = self._stored(name, Value(data, 0))
        self.send("PUT", self.path(name), data)
        return after

    def _stored(self, name: str, value: Value, *, keep: bool = True) -> Model:
        old = self.model.get(name, Value(b"", 0))
        custom = old.custom if keep else ()
        self.expected = self.model | {name: replace(value, version=old.version + 1, custom=custom)}
        return self.expected

    def append(self) -> Model:
        name = self.random.choice(NAMES)
        pieces = [self.data() for _ in range(self.random.randrange(1, 4))]
        old = self.model.get(name, Value(b"", 0))
        handle = ""
        self.expected = self.model
        for piece in pieces:
            query = f"append_type=append&append_handle={quote(handle, safe='')}"
            handle = self.send("PUT", f"{self.path(name)}?{query}", piece).headers["ais-append-handle"]
        after = self._stored(name, Value(old.data + b"".join(pieces), 0))
        self.send("PUT", f"{self.path(name)}?append_type=flush&append_handle={quote(handle, safe='')}")
        return after

    def multipart(self) -> Model:
        name = self.random.choice(NAMES)
        parts = [self.data() or b"x" for _ in range(self.random.randrange(1, 5))]
        self.expected = self.model
        upload = self.send("POST", self.path(name), {"action": "mpt-upload"}).body.decode()
        numbers = list(range(1, len(parts) + 1))
        self.random.shuffle(numbers)
        for number in [*numbers, numbers[0]]:  # one of them twice
            self.send("PUT", f"{self.path(name)}?uploadId={upload}&partNumber={number}", parts[number - 1])
        after = self._stored(name, Value(b"".join(parts), 0, chunks=len(parts)), keep=False)
        listed = [{"part-number": number} for number in numbers]
        self.send("POST", f"{self.path(name)}?uploadId={upload}", {"action": "mpt-complete", "value": listed})
        return after

    def copy(self) -> Model:
        name, new = self.random.choice(sorted(self.model)), self.random.choice(NAMES)
        self.expected = self.model | {new: self.model[name]}
        self.send("PUT", f"{self.path(name)}?object_to={quote(f'ais/@#/{self.bucket}/{new}', safe='')}")
        return self.expected

    def rename(self) -> Model:
        name = self.random.choice(sorted(self.model))
        new = self.random.choice([other for other in NAMES if other != name])
        rest = {key: value for key, value in self.model.items() if key != name}
        self.expected = rest | {new: self.model[name]}
        self.send("POST", self.path(name), {"action": "rename-obj", "name": new})
        return self.expected

    def patch(self) -> Model:
        name = self.random.choice(sorted(self.model))
        added = {self.random.choice("kl"): str(self.random.randrange(100))}
        custom = tuple(sorted((dict(self.model[name].custom) | added).items()))
        self.expected = self.model | {name: replace(self.model[name], custom=custom)}
        self.send("PATCH", self.path(name), {"action": "", "value": added})
        return self.expected

    def delete(self) -> Model:
        name = self.random.choice(sorted(self.model))
        self.expected = {key: value for key, value in self.model.items() if key != name}
        self.send("DELETE", self.path(name))
        return self.expected

    # -- what the node says --

    def operations(self) -> list[Callable[[], Model]]:
        always: list[Callable[[], Model]] = [self.put, self.put, self.append, self.multipart]
        return [*always, self.copy, self.rename, self.patch, self.delete] if self.model else always

    def listed(self, page_size: int) -> list[str]:
        names: list[str] = []
        token = ""
        while True:
            value = {"pagesize": page_size, "continuation_token": token, "props": "name"}
            answer = self.send("GET", f"/v1/buckets/{self.bucket}", {"action": "list", "value": value})
            page = json.loads(answer.body)
            names += [entry["name"] for entry in page["entries"] or []]
            token = page["continuation_token"]
            if not token:
                return names

    def seen(self) -> Model:
        """Read everything."""
        found: Model = {}
        for name in self.listed(self.random.choice([1, 2, 1000])):
            got = self.send("GET", self.path(name))
            assert not got.is_broken
            head = self.send("HEAD", f"{self.path(name)}?props=chunked").headers
            lines = got.headers.get("ais-custom-md")
            custom = tuple(sorted(tuple(line.split("=")) for line in lines.split(", "))) if lines else ()
            found[name] = Value(got.body, int(got.headers["ais-version"]), custom, int(head.get("ais-chunks-count", 0)))
        assert list(found) == sorted(found, key=str.encode)
        return found

    def killed(self, operation: Callable[[], Model]) -> None:
        """Kill the node somewhere in an operation: afterwards it is done, or was never begun."""
        before = self.model
        self.expected = before
        killer = threading.Timer(self.random.random() * 0.03, self.node.kill)
        killer.start()
        try:
            operation()
        except (OSError, http.client.HTTPException, AssertionError):
            pass
        killer.join()
        self.node.start()
        found = self.seen()
        both = before | self.expected  # a rename that was not answered may leave the object under both names
        assert found in (before, self.expected, both)
        self.model = found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_node_is_a_dictionary_with_versions(tmp_path: Path, seed: int):
    with start_node(tmp_path / "data", workers=1 + seed % 2) as node:
        session = Session(node, random.Random(seed))
        session.bucket = session.wire.new_bucket()
        for step in range(1, 81):
            operation = session.random.choice(session.operations())
            if step % 20:
                session.model = operation()
            else:
                session.killed(operation)
            if not step % 5:
                assert session.seen() == session.model
        node.stop()
        node.start()
        assert session.seen() == session.model
