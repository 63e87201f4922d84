"""Lhotse as it is on PyPI, with the official SDK and with ours. Each in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.sdk import Bucket
from moss.testing import NodeProcess
from tests.integrations.lhotse.conftest import SPEECH
from tests.sdk.peer import Peer, Reply

PROGRAM = Path(__file__).with_name("unmodified_lhotse.py")
COMPAT = "import moss.compat.aistore\n"
LOAD = f"""
from lhotse import CutSet, Recording
from lhotse.ais import AISBatchLoader
from lhotse.audio import AudioSource
made = []
for name in ("1.wav", "2.wav", "3.wav"):
    recording = Recording.from_file("{SPEECH}/digits/" + name)
    recording.sources = [AudioSource("url", [0], "ais://b/s.tar/" + name if name == "2.wav" else "ais://b/" + name)]
    made.append(recording.to_cut())
cuts = AISBatchLoader()(CutSet.from_cuts(made))
print([cut.load_audio().shape[1] == cut.num_samples for cut in cuts])
"""


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    names = {"b/1.wav": "1", "b/s.tar/2.wav": "2", "b/3.wav": "3"}
    peer.objects = {name: (SPEECH / "digits" / f"{digit}.wav").read_bytes() for name, digit in names.items()}
    yield peer
    peer.close()


def run(code: str, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIS_", "MOSS_"))}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment | {"AIS_ENDPOINT": url})


@pytest.mark.parametrize("first_line", ["", COMPAT], ids=["official", "moss"])
def test_114_115_lhotse_works_unmodified(first_line: str, node: NodeProcess, speech: Bucket):
    done = run(first_line + PROGRAM.read_text(encoding="utf-8"), node.url, speech.name, str(SPEECH))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"done {bool(first_line)}"


def check_request(peer: Peer) -> None:
    """The one batch request is what the contract says that Lhotse asks for."""
    (request,) = (request for request in peer.received if request.path.startswith("/v1/ml/moss"))
    assert request.path == "/v1/ml/moss" and request.query == {"coloc": "1"}
    assert request.json["in"] == [
        {"objname": "1.wav", "bucket": "b", "provider": "ais"},
        {"objname": "s.tar", "bucket": "b", "provider": "ais", "archpath": "2.wav"},
        {"objname": "3.wav", "bucket": "b", "provider": "ais"},
    ]
    options = {key: value for key, value in request.json.items() if key != "in"}
    assert options == {"mime": ".tar", "coer": True, "onob": False, "strm": True, "coloc": 1}


def test_114_what_it_asks_for(peer: Peer):
    done = run(LOAD, peer.url)
    assert done.stdout.strip() == "[True, True, True]", done.stdout + done.stderr
    check_request(peer)


def test_115_with_our_sdk_a_missing_entry_is_asked_for_again_by_itself(peer: Peer):
    """With the official SDK the whole minibatch dies of an `AttributeError`."""
    data = peer.objects.pop("b/3.wav")

    def late(reply: Reply) -> Reply:
        peer.objects["b/3.wav"] = data
        return reply

    peer.faults = [late]
    done = run(COMPAT + LOAD, peer.url)
    assert done.stdout.strip() == "[True, True, True]", done.stdout + done.stderr
    check_request(peer)
    assert peer.paths("/v1/objects/") == ["/v1/objects/b/3.wav"]
