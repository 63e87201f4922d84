"""Nodes that are killed, damaged, stopped, or have several workers. Rows 2, 5, 6, 25, 31 of the reliability list.

Every test has a node of its own. What a batch delivers is compared with what was stored, byte by byte.
"""

import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from xxhash import xxh3_64_intdigest

from moss.testing import NodeProcess, start_node
from tests.support.raw import RawClient
from tests.support.wire import Wire, make_tar

MIB = 1 << 20


def listed(wire: Wire, bucket: str) -> list[str]:
    """The names of all objects, page by page."""
    names: list[str] = []
    message = {"action": "list", "value": {"props": "name", "pagesize": 1000}}
    while True:
        page = json.loads(wire.send("GET", f"/v1/buckets/{bucket}", message, {"Accept": "application/json"}).body)
        names += [entry.get("name") or entry["n"] for entry in page.get("entries") or page.get("Entries") or []]
        token = page.get("continuation_token") or page.get("ContinuationToken")
        if not token:
            return names
        message["value"]["continuation_token"] = token


# -- kill -9 ---------------------------------------------------------------------------------------------


def put_until_it_dies(url: str, bucket: str, prefix: str, sent: dict[str, int], acknowledged: dict[str, int]) -> None:
    """Put objects one after the other; `acknowledged` gets the digest of each whose answer came."""
    wire, rng, number = Wire(url), random.Random(prefix), 0
    while True:
        name = f"{prefix}/{number % 300:03d}"
        data = rng.randbytes(rng.choice([0, 100, 10_000, 300_000, 1_200_000]))
        sent[f"{name} {xxh3_64_intdigest(data)}"] = 1
        try:
            if wire.send("PUT", f"/v1/objects/{bucket}/{name}", data).status != 200:
                return
        except OSError:
            return
        acknowledged[name] = xxh3_64_intdigest(data)
        number += 1


@pytest.mark.slow
def test_reliability_02_kill_9_during_puts_loses_nothing_that_was_acknowledged(tmp_path: Path):
    node = start_node(tmp_path / "data")
    bucket = Wire(node.url).new_bucket()
    sent: dict[str, int] = {}
    acknowledged: dict[str, int] = {}
    try:
        for round_ in range(5):
            threads = [
                threading.Thread(target=put_until_it_dies, args=(node.url, bucket, f"{round_}-{n}", sent, acknowledged))
                for n in range(4)
            ]
            enough = len(acknowledged) + 40 + 17 * round_
            for thread in threads:
                thread.start()
            while len(acknowledged) < enough:
                threads[0].join(0.01)
            node.kill()
            for thread in threads:
                thread.join()
            node.start()
        wire = Wire(node.url)
        names = listed(wire, bucket)
        assert not acknowledged.keys() - set(names)
        found = dict(wire.batch(bucket, names, onob=True).members())
        wrong = [n for n in acknowledged if xxh3_64_intdigest(found[n]) != acknowledged[n]]
        # An object that was being replaced when the node died may be the new one, but only as a whole.
        assert not [n for n in wrong if f"{n} {xxh3_64_intdigest(found[n])}" not in sent]
        assert len(wrong) <= 5 * 4
        assert not [n for n in names if f"{n} {xxh3_64_intdigest(found[n])}" not in sent], "no half objects"
    finally:
        node.stop()


# -- damage -----------------------------------------------------------------------------------------------


def contents(rng: random.Random) -> dict[str, bytes]:
    data = {f"small-{i:02d}": rng.randbytes(3000 + i) for i in range(20)}
    data |= {f"large-{i}": rng.randbytes(3 * MIB + i) for i in range(3)}
    return data


@pytest.fixture
def damaged(tmp_path: Path):
    """A node with objects and a shard; and a function that flips bytes of its segments, wherever they are."""
    rng = random.Random(5)
    data = contents(rng)
    shard = {f"m{i}": rng.randbytes(4000) for i in range(10)}
    with start_node(tmp_path / "data", sync=False) as node:
        wire = Wire(node.url)
        bucket = wire.new_bucket()
        for name, payload in data.items():
            wire.put(bucket, name, payload)
        wire.put(bucket, "s.tar", make_tar(shard))
        assert wire.send("PUT", "/v1/cluster/set-config?get_batch.max_soft_errs=1000").status == 200
        yield node, wire, bucket, data, shard


def flip(node: NodeProcess, payload: bytes, at: int) -> None:
    """Flip a bit of a stored payload, found by its first bytes, on disk under the running node."""
    for path in (node.data / "store" / "segments").rglob("*.tar"):
        with open(path, "r+b") as file:
            offset = file.read().find(payload[:64])
            if offset >= 0:
                file.seek(offset + at)
                file.write(bytes([payload[at] ^ 1]))
                return
    raise AssertionError("no segment holds it")


def test_reliability_05_flipped_bytes_are_never_delivered(damaged):
    """A bit of a small object and one of a member: strict is an error, `coer` a placeholder that says why."""
    node, wire, bucket, data, shard = damaged
    wire.batch(bucket, [{"objname": "s.tar", "archpath": "m3"}])
    flip(node, data["small-07"], 1500)
    flip(node, shard["m3"], 3999)
    for entry in ("small-07", {"objname": "s.tar", "archpath": "m3"}):
        for streaming in (True, False):
            strict = wire.batch(bucket, ["small-01", entry], strm=streaming)
            assert (strict.status, strict.error["tcode"]) == (500, "ErrBadCksum")
        metadata, _ = wire.batch(bucket, ["small-01", entry, "small-02"], strm=False, coer=True).parts()
        errors = [row.get("err_msg") for row in metadata["out"]]
        assert errors[0] is errors[2] is None and "checksum" in errors[1]
        members = wire.batch(bucket, ["small-01", entry, "small-02"], coer=True).members()
        assert [payload for _, payload in members] == [data["small-01"], b"", data["small-02"]]
        assert members[1][0].startswith(f"__404__/{bucket}/")
    rest = [{"objname": "s.tar", "archpath": name} for name in shard if name != "m3"]
    assert [payload for _, payload in wire.batch(bucket, rest).members()] == [
        shard[entry["archpath"]] for entry in rest
    ]


def test_reliability_05_a_damaged_large_object_breaks_the_answer_where_it_is_damaged(damaged):
    node, wire, bucket, data, _ = damaged
    flip(node, data["large-1"], 2 * MIB + 77)
    answer = wire.batch(bucket, ["large-0", "large-1", "large-2"], coer=True)
    assert answer.is_broken and not answer.body.endswith(bytes(1024))
    good = {"objname": "large-1", "start": 0, "length": MIB}
    assert wire.batch(bucket, [good]).members() == [(f"{bucket}/large-1", data["large-1"][:MIB])]
    buffered = wire.batch(bucket, ["large-1"], strm=False)
    assert (buffered.status, buffered.error["tcode"]) == (500, "ErrBadCksum")


def test_reliability_05_sixty_random_flips_before_and_after_a_restart(damaged):
    """Anywhere in the segments, headers too: whatever is delivered is what was stored."""
    node, wire, bucket, data, _ = damaged
    rng = random.Random(6)
    for path in sorted((node.data / "store" / "segments").rglob("*.tar")):
        used = os.stat(path).st_blocks * 512
        with open(path, "r+b") as file:
            for _ in range(15):
                at = rng.randrange(min(used, os.stat(path).st_size))
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ 1 << rng.randrange(8)]))
    names = [name for name in data if name.startswith("small")]
    for _ in range(2):
        answer = wire.batch(bucket, names, coer=True, onob=True)
        assert answer.status == 200
        for name, (shown, payload) in zip(names, answer.members(), strict=True):
            assert (shown, payload) in [(name, data[name]), (f"__404__/{name}", b"")]
        for name in data:
            answer = wire.send("GET", f"/v1/objects/{bucket}/{name}")
            assert answer.is_broken or answer.status != 200 or answer.body == data[name]
        node.stop()
        wire = Wire(node.start().url)


def test_reliability_06_a_lost_index_is_rebuilt_at_the_next_start(damaged):
    node, wire, bucket, data, shard = damaged
    assert wire.send("DELETE", f"/v1/objects/{bucket}/small-00").status in (200, 204)
    names = listed(wire, bucket)
    entries = [*sorted(data.keys() - {"small-00"}), *({"objname": "s.tar", "archpath": name} for name in shard)]
    before = wire.batch(bucket, entries).body
    node.stop()
    shutil.rmtree(node.data / "store" / "index")
    wire = Wire(node.start().url)
    assert listed(wire, bucket) == names and "small-00" not in names
    assert wire.batch(bucket, entries).body == before
    assert wire.batch(bucket, ["small-00"]).status == 404


# -- the end of a node --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_sigterm_lets_answers_in_flight_end_and_cuts_those_that_nobody_reads(tmp_path: Path):
    with start_node(tmp_path / "data", sync=False) as node:
        wire = Wire(node.url)
        bucket = wire.new_bucket()
        data = os.urandom(MIB)
        wire.put(bucket, "x", data)
        reader, sleeper = (RawClient(node.url, receive_buffer=64 << 10) for _ in range(2))
        for client in (reader, sleeper):
            client.begin_batch(bucket, ["x"] * 40)
        stopping = threading.Thread(target=node.stop)
        stopping.start()
        with pytest.raises(OSError):  # it takes no new requests: this is how a client learns that it is stopping
            while True:
                wire.batch(bucket, ["x"])
        whole = reader.response().read()
        with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
            assert [tar.extractfile(member).read() == data for member in tar] == [True] * 40
        stopping.join(20)
        assert not node.is_running
        cut = sleeper.read_to_end()
        assert len(cut) < 40 * MIB and not cut.endswith(b"0\r\n\r\n")
        reader.socket.close()
        sleeper.socket.close()


# -- several workers ------------------------------------------------------------------------------------------


def test_two_workers_serve_the_same(tmp_path: Path):
    """A redirect comes back to the process that admitted it; jobs, configuration and counters are those of one node."""
    with start_node(tmp_path / "data", workers=2, sync=False) as node:
        wire = Wire(node.url)
        bucket = wire.new_bucket()
        for i in range(20):
            wire.put(bucket, f"o{i:02d}", b"%d" % i * 50)
        wire.put(bucket, "s.tgz", make_tar({"m": b"inside"}, "w:gz"))
        entries = [*(f"o{i:02d}" for i in range(20)), {"objname": "s.tgz", "archpath": "m"}, "none"]
        hosts: set[str] = set()
        answers: set[bytes] = set()
        jobs: set[str] = set()
        for _ in range(40):
            body = {"in": [{"objname": e} if isinstance(e, str) else e for e in entries], "strm": True, "coer": True}
            at = wire.send("GET", f"/v1/ml/moss/{bucket}", body, follow=False).headers["location"]
            hosts.add(re.match(r"http://([^/]+)/", at)[1])
            jobs.add(re.search(r"gbt-[\w-]+(?=/)", at)[0])
            answer = wire.send("GET", at, body)
            assert answer.status == 200
            answers.add(answer.body)
        assert len(answers) == 1 and len(jobs) == 1
        assert len(hosts) == 2, "each worker has a target face of its own"
        assert wire.send("PUT", "/v1/cluster/set-config?get_batch.max_soft_errs=7").status == 200
        gone = [f"no{i}" for i in range(7)]
        assert {wire.batch(bucket, gone, coer=True).status for _ in range(20)} == {200}
        pages = [Wire(f"http://{host}").send("GET", "/metrics").body.decode() for host in hosts]
        counts = {re.search(r"^ais_target_getbatch_count\{.*\} (\S+)$", page, re.MULTILINE)[1] for page in pages}
        assert {float(count) for count in counts} == {60.0}


def test_a_worker_that_dies_is_started_again(tmp_path: Path):
    with start_node(tmp_path / "data", workers=2, sync=False) as node:
        wire = Wire(node.url)
        bucket = wire.new_bucket()
        wire.put(bucket, "a", b"data")
        children = Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        served = 0
        while served < 20:
            try:
                served += wire.batch(bucket, ["a"]).members() == [(f"{bucket}/a", b"data")]
            except OSError:
                served = 0
        assert node.is_running


# -- where a node listens ---------------------------------------------------------------------------------------


def open_files(process_id: int) -> Iterator[str]:
    """What a process has open; what it closes meanwhile is left out."""
    for link in Path(f"/proc/{process_id}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(link)


def test_reliability_31_a_node_listens_at_loopback_only(tmp_path: Path):
    """As the kernel sees it: no socket of the node listens at any other address."""
    with start_node(tmp_path / "data", sync=False) as node:
        inodes = {name[8:-1] for name in open_files(node.pid) if name.startswith("socket:[")}
        listening = [
            fields[1].partition(":")[0]
            for table in ("tcp", "tcp6")
            for fields in (line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:])
            if fields[3] == "0A" and fields[9] in inodes
        ]
    assert len(listening) == 2 and set(listening) <= {"0100007F", "0" * 24 + "01000000"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_reliability_31_other_addresses_need_a_word(tmp_path: Path, host: str):
    command = [sys.executable, "-m", "moss.cli.moss", "serve", "--data", str(tmp_path / "data"), "--port", "0"]
    done = subprocess.run([*command, "--host", host], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert f"refusing to listen at {host} without authentication" in done.stderr


def test_reliability_31_with_that_word_a_node_warns_and_serves(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    with start_node(tmp_path / "data", sync=False, host="0.0.0.0", insecure=True) as node:
        assert Wire(node.url).send("GET", "/v1/health").status == 200
    assert "listening at 0.0.0.0 without authentication" in capfd.readouterr().err
