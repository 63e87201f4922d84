"""NeMo's `USE_AIS_GET_BATCH=true`: its own iterator and data set, from the package on PyPI."""

import dataclasses
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.integrations.nemo.conftest import Tarred
from tests.sdk.peer import Peer

PROGRAM = Path(__file__).with_name("nemo_program.py")
MARK = "# -- here the tests insert what a user would write --\n"
COMPAT = "import moss.compat.aistore\n"
INSTALL = "import moss.integrations.nemo\nassert moss.integrations.nemo.install()\n"


@pytest.fixture
def peer(tarred: Tarred) -> Iterator[Peer]:
    peer = Peer()
    peer.objects = {f"b/{name}": data for name, data in tarred.members.items()}
    yield peer
    peer.close()


def load(lines: str, peer: Peer, tarred: Tarred, count: int, tmp_path: Path, **variables: str) -> list[tuple]:
    """The minibatches that the program loads, with some lines of a user's."""
    code = PROGRAM.read_text(encoding="utf-8")
    assert MARK in code
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIS_", "MOSS_", "USE_AIS"))}
    command = [sys.executable, "-c", code.replace(MARK, lines), tarred.manifests()]
    command += ["ais://b/audio__OP_0..7_CL_.tar", str(count), str(tmp_path / "batches")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, env=kept | variables | {"AIS_ENDPOINT": peer.url}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return pickle.loads((tmp_path / "batches").read_bytes())


def check(batches: list[tuple], tarred: Tarred) -> None:
    entries = iter(tarred.entries)
    for ids, audio, lengths, tokens in batches:
        for row, id in enumerate(ids):
            entry = next(entries)
            assert id.startswith(entry["audio_filepath"].partition("-sub")[0].removesuffix(".wav"))
            text = "".join(map(chr, tokens[row])).rstrip("\0")
            assert text == entry["text"]
            assert np.array_equal(audio[row, : lengths[row]], tarred.samples(entry))
    assert next(entries, None) is None


def test_123_64_cuts_of_8_shards_are_one_request_with_unmodified_packages(peer: Peer, tarred: Tarred, tmp_path: Path):
    """NeMo and Lhotse as they are, `aistore` being ours. No segments: NeMo makes them too short, see below."""
    whole = whole_files(tarred, tmp_path)
    batches = load(COMPAT, peer, whole, 64, tmp_path, USE_AIS_GET_BATCH="true")
    check(batches, whole)
    assert len(whole.entries) == 64 and len(batches) == 1
    (request,) = peer.received
    assert request.path == "/v1/ml/moss"
    assert [f"{entry['objname']}/{entry['archpath']}" for entry in request.json["in"]] == [
        f"audio_{entry['shard']}.tar/{entry['audio_filepath']}" for entry in whole.entries
    ]


def whole_files(tarred: Tarred, tmp_path: Path) -> Tarred:
    """The same shards with a manifest that names each word twice, and no segments."""
    whole = Tarred(tmp_path, tarred.shards, tarred.members)
    for shard in range(8):
        words = [entry for entry in tarred.entries if entry["shard"] == shard and "offset" not in entry]
        entries = [entry for word in words for entry in (word, word)]
        lines = [json.dumps(entry | {"sampling_rate": 8000}) + "\n" for entry in entries]
        (tmp_path / f"manifest_{shard}.json").write_text("".join(lines))
        whole.entries += entries
    return whole


CONVERSATION = """
import nemo.collections.common.data.lhotse.text_adapters as adapters
cut = adapters._make_url_cut("ais://b/a.tar", "x.wav", 2.0, offset=3.0, sampling_rate=8000)
assert (cut.start, cut.duration, cut.id) == (3.0, 2.0, "x.wav-000300-000200"), cut
"""


def test_123_installed_segments_are_whole_and_duplicates_are_fetched_once(peer: Peer, tarred: Tarred, tmp_path: Path):
    """Audio that is missing costs the cuts that need it and no more. Turns of conversations are whole too."""
    del peer.objects["b/audio_2.tar/w4.wav"]
    batches = load(INSTALL + CONVERSATION, peer, tarred, 64, tmp_path, MOSS_GET_BATCH="1")
    left = [entry for entry in tarred.entries if (entry["shard"], entry["audio_filepath"]) != (2, "w4.wav")]
    assert len(batches) == 1 and len(left) == 63
    check(batches, dataclasses.replace(tarred, entries=left))
    batch, single = peer.received
    assert batch.path == "/v1/ml/moss" and len(batch.json["in"]) == len(tarred.members) == 40
    assert single.path == "/v1/objects/b/audio_2.tar" and single.query["archpath"] == "w4.wav"
