"""`audio_ranges`: the samples of a cut instead of its whole file, and the same audio."""

import copy
import io
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
from lhotse import CutSet, MonoCut, MultiCut, Recording
from lhotse.audio import AudioSource

from moss.integrations.lhotse import AISBatchLoaderError, MossBatchLoader
from moss.sdk import Bucket, Client
from tests.integrations.lhotse.conftest import SPEECH, local_recording, stored_cut, stored_recording
from tests.sdk.peer import Peer


@pytest.fixture
def loader(client: Client) -> MossBatchLoader:
    return MossBatchLoader(client=client, audio_ranges=True)


def windows(cut: MonoCut, *spans: tuple[float, float]) -> list[MonoCut]:
    return [
        cut.truncate(offset=offset, duration=duration, preserve_id=True).with_id(f"{cut.id}-{offset}-{duration}")
        for offset, duration in spans
    ]


def test_windows_of_recordings_sound_as_they_do_from_whole_files(speech: Bucket, client: Client, loader):
    spans = [(0.1, 0.2), (0.0, 0.3), (0.33333, 0.11111), (0.5001, 0.0501)]
    urls = [f"ais://{speech.name}/digits/9.wav", f"ais://{speech.name}/digits.tar/9.wav"]
    cuts = [window for url in urls for window in windows(stored_recording("digits/9.wav", url).to_cut(), *spans)]
    whole = stored_cut(speech, "digits/9.wav")
    narrow, wide = CutSet.from_cuts([*cuts, whole]), copy.deepcopy(CutSet.from_cuts([*cuts, whole]))
    loader(narrow)
    MossBatchLoader(client=client)(wide)
    for one, other in zip(narrow, wide, strict=True):
        assert one.id == other.id and one.duration == other.duration
        assert np.array_equal(one.load_audio(), other.load_audio())
    sizes = [len(cut.recording.sources[0].source) for cut in narrow]
    assert sizes[0] == 44 + 2 * 1600 and sizes[-1] == (SPEECH / "digits/9.wav").stat().st_size


def test_only_the_samples_are_asked_for_in_two_requests():
    peer = Peer()
    peer.objects["b/9.wav"] = (SPEECH / "digits/9.wav").read_bytes()
    cuts = CutSet.from_cuts(windows(stored_recording("digits/9.wav", "ais://b/9.wav").to_cut(), (0.1, 0.2), (0.5, 0.1)))
    MossBatchLoader(client=Client(peer.url), audio_ranges=True)(cuts)
    ranges = [[(entry.get("start", 0), entry["length"]) for entry in request.json["in"]] for request in peer.received]
    assert ranges == [[(0, 44)], [(44 + 1600, 3200), (44 + 8000, 1600)]]
    peer.close()


@pytest.fixture
def sound(bucket: Bucket) -> Iterator[tuple[str, Recording]]:
    """A second of noise in three channels, stored as 24-bit WAV with a chunk before its samples, and as FLAC."""
    samples = np.random.default_rng(3).uniform(-0.9, 0.9, size=(16_000, 3)).astype(np.float32)
    for name, options in (("wav", {"format": "WAV", "subtype": "PCM_24"}), ("flac", {"format": "FLAC"})):
        packed = io.BytesIO()
        soundfile.write(packed, samples, 16_000, **options)
        data = packed.getvalue()
        if name == "wav":
            assert data[12:16] == b"fmt "
            data = data[:12] + b"LIST\x06\x00\x00\x00abcdef" + data[12:]
        bucket.object(f"noise.{name}").put_content(data)
    recording = Recording("noise", [AudioSource("url", [0, 1, 2], "")], 16_000, 16_000, 1.0)
    yield bucket.name, recording


@pytest.mark.parametrize(("name", "is_narrow"), [("noise.wav", True), ("noise.flac", False)])
def test_channels_other_sample_sizes_and_other_formats(sound, client: Client, loader, name: str, is_narrow: bool):
    bucket, recording = sound
    recording.sources[0].source = f"ais://{bucket}/{name}"
    cut = MultiCut("c", 0.25, 0.5, [0, 2], recording=recording)
    other = copy.deepcopy(cut)
    loader(CutSet.from_cuts([cut]))
    MossBatchLoader(client=client)(CutSet.from_cuts([other]))
    assert cut.load_audio().shape == (2, 8000)
    assert np.array_equal(cut.load_audio(), other.load_audio())
    assert (cut.start == 0) is is_narrow


def test_tracks_and_sources_are_cut_each_for_itself(speech: Bucket, client: Client, loader):
    names = ("digits/7.wav", "digits/9.wav")
    sources = [AudioSource("url", [i], f"ais://{speech.name}/{name}") for i, name in enumerate(names)]
    samples = min(local_recording(name).num_samples for name in names)
    pair = MultiCut("pair", 0.1, 0.2, [0, 1], recording=Recording("pair", sources, 8000, samples, samples / 8000))
    # Their lengths differ, so that Lhotse cannot read them as a whole; a window of both it can.
    mixed = windows(stored_cut(speech, names[0]), (0.1, 0.3))[0].append(stored_cut(speech, names[1]))
    wide = copy.deepcopy(mixed)
    loader(CutSet.from_cuts([mixed, pair]))
    MossBatchLoader(client=client)(CutSet.from_cuts([wide]))
    assert np.array_equal(mixed.load_audio(), wide.load_audio())
    wanted = [local_recording(name).to_cut().truncate(offset=0.1, duration=0.2).load_audio()[0] for name in names]
    assert np.array_equal(pair.load_audio(), wanted)


def test_what_depends_on_the_place_in_the_recording_is_loaded_whole(speech: Bucket, loader):
    cut = windows(stored_cut(speech, "digits/9.wav"), (0.1, 0.2))[0]
    cut.target = stored_recording("digits/8.wav", f"ais://{speech.name}/digits/8.wav")
    fast = windows(stored_cut(speech, "digits/9.wav").perturb_speed(1.1), (0.1, 0.2))[0]
    loader(CutSet.from_cuts([cut, fast]))
    assert cut.start == 0.1 and fast.start == 0.1
    wanted = local_recording("digits/8.wav").load_audio(offset=0.1, duration=0.2)
    assert np.array_equal(cut.load_target(), wanted)
    assert fast.load_audio().shape == (1, 1600)


def test_what_is_missing_is_an_error_as_ever(speech: Bucket, loader):
    gone = windows(stored_cut(speech, "digits/9.wav"), (0.1, 0.2))[0]
    gone.recording.sources[0].source += ".gone"
    with pytest.raises(AISBatchLoaderError, match=r"9\.wav\.gone"):
        loader(CutSet.from_cuts([gone]))
