"""Cuts of tarred manifests without NeMo, read from a real node."""

import json
from pathlib import Path

import numpy as np
import pytest
from lhotse import CutSet
from lhotse.dataset import SimpleCutSampler

import moss.integrations.nemo as nemo
from moss.integrations.lhotse import MossAudioSamples, MossBatchLoader
from moss.integrations.nemo import TarredManifest, cuts_of_shard, group_by_file, url_cut
from moss.integrations.nemo.cuts import file_of_entry
from moss.sdk import Bucket, Client
from tests.integrations.nemo.conftest import RATE_HZ, Tarred


def test_the_audio_of_every_entry(bucket: Bucket, client: Client, tarred: Tarred):
    for name, data in tarred.shards.items():
        bucket.object(name).put_content(data)
    cuts = CutSet(TarredManifest(tarred.manifests(), f"ais://{bucket.name}/audio_{{0..7}}.tar"))
    samples = MossAudioSamples(loader=MossBatchLoader(client=client))
    entries = iter(tarred.entries)
    for batch in SimpleCutSampler(cuts, max_cuts=10):
        audio, lengths = samples(batch)
        for row, cut in enumerate(batch):
            entry = next(entries)
            assert np.array_equal(audio[row, : lengths[row]].numpy(), tarred.samples(entry))
            assert cut.supervisions[0].text == entry["text"]
            assert cut.custom["tar_origin"] == f"ais://{bucket.name}/audio_{entry['shard']}.tar"
            assert cut.custom["manifest_origin"] == f"{tarred.folder}/manifest_{entry['shard']}.json"
    assert next(entries, None) is None


def test_one_manifest_for_all_shards(tarred: Tarred, tmp_path: Path):
    entries = [entry | {"shard_id": entry["shard"], "sampling_rate": RATE_HZ} for entry in tarred.entries]
    (tmp_path / "all.json").write_text("".join(json.dumps(entry) + "\n" for entry in reversed(entries)))
    cuts = list(TarredManifest(f"{tmp_path}/all.json", "ais://b/audio_{0..7}.tar"))
    assert len(cuts) == 64
    origins = [cut.custom["tar_origin"] for cut in cuts]
    assert origins == sorted(origins)


def test_shards_are_shuffled_anew_in_each_epoch_and_alike_for_a_seed(tarred: Tarred):
    def epochs(seed: int) -> list[list[str]]:
        manifest = TarredManifest(tarred.manifests(), "ais://b/audio_{0..7}.tar", shuffle_shards=True, shard_seed=seed)
        return [[f"{cut.custom['tar_origin']}/{cut.id}" for cut in manifest] for _ in range(2)]

    first, second = epochs(1)
    assert first != second and sorted(first) == sorted(second)
    assert epochs(1) == [first, second] != epochs(2)


def test_a_slice_of_each_shard(tarred: Tarred):
    manifest = TarredManifest(tarred.manifests(), "ais://b/audio_{0..7}.tar", slice_length=3, shard_seed=5)
    cuts = list(manifest)
    assert len(cuts) == 24
    starts = {tuple(cut.id for cut in cuts[at : at + 3]) for at in range(0, 24, 3)}
    assert len(starts) > 1


def test_lists_of_paths_and_nemos_spellings_of_braces(tarred: Tarred):
    paths = [str(tarred.folder / f"manifest_{number}.json") for number in (1, 3)]
    cuts = list(TarredManifest(paths, "ais://b/audio_<1,3>.tar"))
    assert {cut.custom["tar_origin"] for cut in cuts} == {"ais://b/audio_1.tar", "ais://b/audio_3.tar"}
    for tar in ("ais://b/anything.tar", "ais://b/audio_1.tar"):
        assert {cut.custom["tar_origin"] for cut in TarredManifest(paths[0], tar)} == {tar}


def test_shards_that_do_not_match_are_refused(tarred: Tarred, tmp_path: Path):
    with pytest.raises(ValueError, match=r"manifests are of the shards \[0, 1, 2, 3, 4, 5, 6, 7\]"):
        TarredManifest(tarred.manifests(), "ais://b/audio_{0..6}.tar")
    with pytest.raises(ValueError, match="two paths of shard 1"):
        TarredManifest(tarred.manifests(), ["ais://b/audio_1.tar", "ais://c/audio_1.tar"])
    with pytest.raises(ValueError, match=r"no number of a shard in 'ais://b/x\.tar'"):
        TarredManifest(tarred.manifests(), ["ais://b/x.tar", "ais://b/audio_1.tar"])
    with pytest.raises(ValueError, match="at least one"):
        TarredManifest(tarred.manifests(), [])
    with pytest.raises(ValueError, match="shard_id 1"):
        list(TarredManifest(f"{tarred.folder}/manifest_1.json", "ais://b/audio_2.tar"))
    (tmp_path / "all.json").write_text('{"audio_filepath": "x.wav", "duration": 1, "shard_id": 9}\n')
    with pytest.raises(ValueError, match="shard_id 9"):
        list(TarredManifest(f"{tmp_path}/all.json", "ais://b/audio_{0..7}.tar"))


# -- single entries -----------------------------------------------------------------------------------------


def cuts(*entries: dict) -> list:
    return list(cuts_of_shard(group_by_file(entries), "ais://b/audio_0.tar/", "m.json"))


def test_a_segment_starts_at_its_offset_and_has_its_whole_duration():
    (cut,) = cuts({"audio_filepath": "x-sub2.wav", "offset": 8.0, "duration": 2.5, "text": "t", "lang": "en"})
    assert (cut.start, cut.duration, cut.id) == (8.0, 2.5, "x.wav-000800-000250")
    assert cut.recording.duration >= 10.5 and cut.recording.sampling_rate == 16_000
    assert cut.recording.sources[0].source == "ais://b/audio_0.tar/x.wav"
    (supervision,) = cut.supervisions
    assert (supervision.text, supervision.language, supervision.duration) == ("t", "en", 2.5)


def test_a_whole_file_is_as_long_as_it_is_said_to_be():
    (cut,) = cuts({"audio_filepath": "/d/x.wav", "duration": 2.5, "speaker": 7})
    assert cut.recording.duration == cut.duration == 2.5
    assert cut.recording.sources[0].source == "ais://b/audio_0.tar/d/x.wav"
    assert cut.custom == {"speaker": 7, "manifest_origin": "m.json", "tar_origin": "ais://b/audio_0.tar/"}


def test_entries_that_are_left_out(caplog: pytest.LogCaptureFixture):
    good = {"audio_filepath": "x.wav", "duration": 1.0}
    assert len(cuts(good, {**good, "_skipme": True}, {"audio_filepath": "y.wav"})) == 1
    assert "'y.wav' is skipped" in caplog.text


@pytest.mark.parametrize(
    ("path", "file"),
    [("a.wav", "a.wav"), ("a-sub1.wav", "a.wav"), ("d/a-sub12", "d/a"), ("a-subway.wav", "a-subway.wav")],
)
def test_the_file_of_a_segment(path: str, file: str):
    assert file_of_entry({"audio_filepath": path}) == file


def test_entries_that_make_no_sense():
    with pytest.raises(ValueError, match="no audio_filepath"):
        file_of_entry({"duration": 1})
    for options in ({"duration_s": 0}, {"duration_s": 1, "offset_s": -1}, {"duration_s": float("nan")}):
        with pytest.raises(ValueError, match="impossible"):
            url_cut("ais://b/x.tar", "x.wav", **options)


@pytest.mark.parametrize(
    ("variables", "is_on"),
    [
        ({}, False),
        ({"USE_AIS_GET_BATCH": "True"}, True),
        ({"USE_AIS_GET_BATCH": "1"}, False),
        ({"MOSS_GET_BATCH": "1"}, True),
        ({"MOSS_GET_BATCH": "0"}, False),
    ],
)
def test_the_switches(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], is_on: bool):
    for name in ("USE_AIS_GET_BATCH", "MOSS_GET_BATCH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert nemo.is_enabled() is is_on


def test_every_name_of_the_package_is_there():
    assert all(getattr(nemo, name) is not None for name in dir(nemo))
