"""Starts `moss serve` as a process of its own, waits until it says that it listens, and stops it."""

import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue

URL_PATTERN = re.compile(r"gateway\s+(http://\S+)")
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0


@dataclass
class RunningNode:
    """A serving node: its gateway's URL and its main process."""

    url: str
    process: subprocess.Popen[str]


def command_path(name: str) -> str:
    """The command of that name beside the interpreter that runs this program (in a virtual environment: its own)."""
    return str(Path(sys.executable).with_name(name))


@contextmanager
def running_node(data_dir: Path, *, arguments: Sequence[str] = (), prefix: Sequence[str] = ()) -> Iterator[RunningNode]:
    """Serves data_dir on a free loopback port for the length of the block.

    Raises RuntimeError with the node's own output when it does not start, or ends with a failure status when stopped.
    """
    command = [*prefix, command_path("moss"), "serve", "--data", str(data_dir), "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
    lines: Queue[str | None] = Queue()
    said: list[str] = []
    threading.Thread(target=_collect, args=(process, lines), daemon=True).start()
    try:
        url = _wait_for_url(lines, said)
        with urllib.request.urlopen(f"{url}/v1/health?prr=true", timeout=START_TIMEOUT_S) as answer:
            answer.read()
        yield RunningNode(url, process)
    finally:
        process.terminate()
        try:
            status = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
    if status != 0:
        raise RuntimeError(f"the node ended with status {status}:\n{''.join(said + _rest(lines))}")


def _collect(process: subprocess.Popen[str], lines: "Queue[str | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _wait_for_url(lines: "Queue[str | None]", said: list[str]) -> str:
    while True:
        try:
            line = lines.get(timeout=START_TIMEOUT_S)
        except Empty:
            line = None
        if line is None:
            raise RuntimeError(f"the node did not start:\n{''.join(said)}")
        said.append(line)
        if match := URL_PATTERN.search(line):
            return match.group(1)


def _rest(lines: "Queue[str | None]") -> list[str]:
    rest: list[str] = []
    while (line := lines.get(timeout=1.0)) is not None:
        rest.append(line)
    return rest
