"""Waiting for jobs of a real node."""

import http.server
import io
import json
import sys
import threading
from typing import Any

import pytest

from moss.cli.context import Context
from moss.cli.failures import CommandError
from moss.cli.flags import QUIET, WAITING
from moss.cli.options import parse
from moss.cli.output import Console
from moss.cli.waiting import follow, wait_for_job, wants_to_wait
from moss.sdk import Client
from moss.testing import NodeProcess


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def copy_job(node: NodeProcess, request: pytest.FixtureRequest) -> str:
    """The id of a job that copies three objects."""
    name = request.node.name.partition("[")[0].replace("_", "-")[-40:]
    with Client(node.url) as client:
        source, target = (client.bucket(f"{name}-{end}").create(exist_ok=True) for end in "ab")
        for at in range(3):
            source.object(f"o{at}").get_writer().put_content(b"x" * 1000)
        return source.copy(target)


def context(node: "NodeProcess | ScriptedCluster", *words: str, stderr: io.StringIO | None = None) -> Context:
    console = Console(io.StringIO(), io.StringIO(), stderr or io.StringIO())
    return Context("ais cp", parse((*WAITING, QUIET), words), console, {"AIS_ENDPOINT": node.url})


def test_without_wait_the_follow_up_command_is_told(node: NodeProcess, copy_job: str) -> None:
    ctx = context(node)
    assert not wants_to_wait(ctx)
    follow(ctx, copy_job, kind="copy-bck", started="Copying a => b", finished="Done.")
    assert ctx.console.stdout.getvalue() == (
        f"Copying a => b. To monitor the progress, run 'ais show job {copy_job}'\n"
    )
    quiet = context(node, "--nv")
    follow(quiet, copy_job, kind="copy-bck", started="Copying", finished="Done.")
    assert quiet.console.stdout.getvalue() == f"{copy_job}\n"


@pytest.mark.parametrize("word", ["--wait", "--progress"])
def test_with_wait_the_end_is_told(node: NodeProcess, copy_job: str, word: str) -> None:
    ctx = context(node, word, "--timeout", "1m")
    follow(ctx, copy_job, kind="copy-bck", started="Copying", finished="Copied.")
    assert ctx.console.stdout.getvalue() == "Copied.\n"
    assert ctx.console.stderr.getvalue() == "", "no terminal, no progress"


class ScriptedCluster:
    """Tells of one job: how many of three objects are done, one more with each look, and no end before the third.

    Args:
        goes_on: the job never ends.
    """

    def __init__(self, *, goes_on: bool = False, error: str = "") -> None:
        self.goes_on, self.error, self.done = goes_on, error, 0
        cluster = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_arguments: object) -> None:
                pass

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                data = json.dumps(cluster.status() if "what=status" in self.path else cluster.details()).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "ScriptedCluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def has_ended(self) -> bool:
        return self.done >= 3 and not self.goes_on

    def status(self) -> dict[str, Any]:
        return {"uuid": "J1", "kind": "copy-bck", "end_time": 10**18 if self.has_ended else 0, "err": self.error}

    def details(self) -> dict[str, Any]:
        self.done = min(self.done + 1, 3)
        end = "2026-01-01T00:00:00Z" if self.has_ended else "0001-01-01T00:00:00Z"
        snap = {"id": "J1", "kind": "copy-bck", "end-time": end, "stats": {"loc-objs": self.done, "loc-bytes": 500}}
        return {"t1": [snap]}


def test_a_terminal_sees_progress_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moss.cli.progress.INTERVAL_S", 0.0)
    with ScriptedCluster() as cluster:
        ctx = context(cluster, "--wait", stderr=Terminal())
        wait_for_job(ctx, "J1", kind="copy-bck", label="Copying", objects_total=3, sleep=lambda _: None)
    lines = ctx.console.stderr.getvalue().split("\r")
    assert [line.partition(" (")[0] for line in lines if "objects" in line] == [
        f"Copying: {done}/3 objects, 500B" for done in (1, 2, 3)
    ]
    assert lines[-2].strip() == lines[-1] == ""


def test_a_failed_job_says_why() -> None:
    with ScriptedCluster(error="disk is full") as cluster:
        cluster.done = 3
        with pytest.raises(CommandError, match=r"^Copying failed: disk is full$"):
            wait_for_job(context(cluster, "--wait"), "J1", kind="copy-bck", label="Copying")


def test_a_timeout_says_that_the_job_goes_on() -> None:
    with ScriptedCluster(goes_on=True) as cluster, pytest.raises(CommandError) as caught:
        wait_for_job(context(cluster, "--wait", "--timeout", "10ms"), "J1", kind="copy-bck", label="Copying")
    assert str(caught.value) == "timed out waiting for Copying (after 10ms)"
    assert caught.value.hints == ("It is still running. To monitor the progress, run 'ais show job J1'",)


def test_an_unknown_job_is_an_error(node: NodeProcess) -> None:
    with pytest.raises(Exception, match="nosuchjob"):
        wait_for_job(context(node, "--wait"), "nosuchjob")


def test_the_client_of_the_command_line_fails_at_once() -> None:
    from moss.cli.connection import explained
    from moss.errors import MossError

    ctx = Context("ais", parse((), ()), Console(sys.stdin, sys.stdout, sys.stderr), {"AIS_ENDPOINT": "127.0.0.1:1"})
    with pytest.raises(MossError) as caught:
        ctx.client.cluster().get_info()
    error = explained(caught.value, ctx.settings.url)
    assert str(error) == "AIStore cannot be reached at http://127.0.0.1:1 (Connection refused)"
    assert any("AIS_ENDPOINT" in hint for hint in error.hints)
