"""Tarred speech as NeMo's tools make it: shards of WAV files, and a manifest of each with its segments."""

import io
import json
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.integrations.lhotse.conftest import SPEECH, bucket, client, make_bucket, pack_tar

__all__ = ["Tarred", "bucket", "client", "make_bucket", "make_tarred", "tarred"]

RATE_HZ = 8000


@dataclass
class Tarred:
    """Eight shards.

    Attributes:
        folder: of `manifest_0.json` to `manifest_7.json`.
        shards: content of `audio_0.tar` to `audio_7.tar`.
        members: WAV files by `audio_0.tar/name`.
        entries: of all manifests, in their order, each with its `shard`.
    """

    folder: Path
    shards: dict[str, bytes] = field(default_factory=dict)
    members: dict[str, bytes] = field(default_factory=dict)
    entries: list[dict] = field(default_factory=list)

    def manifests(self) -> str:
        return f"{self.folder}/manifest__OP_0..7_CL_.json"

    def samples(self, entry: dict) -> np.ndarray:
        """What the audio of an entry is, as a decoder of the whole file has it."""
        file = entry["audio_filepath"].replace("-sub1", "").replace("-sub2", "").replace("-sub3", "")
        audio, rate = soundfile.read(io.BytesIO(self.members[f"audio_{entry['shard']}.tar/{file}"]), dtype="float32")
        assert rate == RATE_HZ
        first = round(entry.get("offset", 0) * rate)
        return audio[first : first + round(entry["duration"] * rate)]


def spoken(*names: str) -> tuple[bytes, float]:
    """Words one after the other as one WAV file, and its length in seconds."""
    frames = b""
    for name in names:
        with wave.open(str(SPEECH / name), "rb") as word:
            frames += word.readframes(word.getnframes())
    packed = io.BytesIO()
    with wave.open(packed, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(frames)
    return packed.getvalue(), len(frames) / 2 / RATE_HZ


@pytest.fixture(scope="session")
def make_tarred(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Tarred]:
    """Makes shards of whole words (`w.wav`) and of a long file (`long.wav`) with three segments and a second use."""

    def make() -> Tarred:
        tarred = Tarred(tmp_path_factory.mktemp("tarred"))
        for shard in range(8):
            files, entries = {}, []
            for digit in range(shard, shard + 4):
                data, seconds = spoken(f"digits/{digit}.wav")
                files[f"w{digit}.wav"] = data
                entries.append({"audio_filepath": f"w{digit}.wav", "duration": seconds, "text": f"word {digit}"})
            files["long.wav"], seconds = spoken(*(f"letters/{letter}.wav" for letter in "abcdefg"))
            for number, offset in ((1, 0.0), (2, 1.25), (3, 2.5)):
                entries.append(
                    {"audio_filepath": f"long-sub{number}.wav", "offset": offset, "duration": 1.25, "text": "abc"}
                )
            assert seconds > 4
            entries.append({**entries[5], "text": "again"})
            lines = [json.dumps(entry | {"sampling_rate": RATE_HZ, "shard_id": shard}) + "\n" for entry in entries]
            (tarred.folder / f"manifest_{shard}.json").write_text("".join(lines))
            tarred.shards[f"audio_{shard}.tar"] = pack_tar(files)
            tarred.members |= {f"audio_{shard}.tar/{name}": data for name, data in files.items()}
            tarred.entries += [entry | {"shard": shard} for entry in entries]
        return tarred

    return make


@pytest.fixture(scope="session")
def tarred(make_tarred: Callable[[], Tarred]) -> Tarred:
    return make_tarred()
