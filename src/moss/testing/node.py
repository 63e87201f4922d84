"""A real node in a process of its own, for tests."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

_START_S_MAX = 30.0
_STOP_S_MAX = 20.0


class NodeProcess:
    """A running node.

    Attributes:
        url: the gateway face.
        target_url: the target face.
        data: the data directory.
        pid: of the node, or of its supervisor when it has several workers.
    """

    def __init__(self, data: Path, options: dict[str, Any]) -> None:
        self.data = data
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.url = self.target_url = ""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        """Start the node and wait until it serves.

        Raises:
            RuntimeError: it ended, or did not serve within 30 s.
        """
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "moss.testing.serve", str(writing), str(self.data), json.dumps(self._options)]
        self._process = subprocess.Popen(command, pass_fds=[writing])
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            ready, _, _ = select.select([pipe], [], [], _START_S_MAX)
            line = pipe.readline() if ready else b""
        if not line:
            self.kill()
            raise RuntimeError("the node did not start")
        self.url, self.target_url = json.loads(line)
        return self

    def stop(self) -> int:
        """Ask the node to end (SIGTERM) and wait; return its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End the node at once (SIGKILL)."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        return self if self.is_running else self.start()

    def __exit__(self, *_: object) -> None:
        if self.is_running:
            self.stop()


def start_node(data: Path, **options: Any) -> NodeProcess:
    """Start a node on free loopback ports.

    Args:
        data: the data directory.
        options: fields of `moss.node.assemble.ServeOptions`, such as `workers=2`.
    """
    return NodeProcess(data, options).start()
