"""The loader in real `DataLoader`s, with Lhotse's samplers, and `install`."""

import multiprocessing
import pickle

import lhotse.serialization as serialization
import numpy as np
import pytest
import torch
from lhotse import CutSet, SupervisionSegment
from lhotse.dataset import K2SpeechRecognitionDataset, SimpleCutSampler
from lhotse.dataset.input_strategies import AudioSamples

import moss.lhotse
from moss.integrations.lhotse import MossAudioSamples, MossBatchLoader, MossIOBackend
from moss.sdk import Bucket, Client
from tests.integrations.lhotse.conftest import local_recording, stored_cut


class Dataset(torch.utils.data.Dataset):
    """A minibatch is what a sampler of Lhotse's gives; its audio comes with one request."""

    def __init__(self, samples: MossAudioSamples) -> None:
        self.samples = samples

    def __getitem__(self, cuts: CutSet) -> tuple[list[str], torch.Tensor, torch.Tensor]:
        audio, lengths = self.samples(cuts)
        return [cut.id for cut in cuts], audio, lengths


@pytest.fixture
def cuts(speech: Bucket) -> CutSet:
    names = [
        f"{folder}/{name}.wav" for folder, names in (("digits", range(10)), ("letters", "abcdef")) for name in names
    ]
    return CutSet.from_cuts(stored_cut(speech, name) for name in names)


@pytest.mark.parametrize(("workers", "start"), [(0, None), (2, "fork"), (2, "spawn")])
def test_workers_share_nothing_and_read_everything_once(client: Client, cuts: CutSet, workers: int, start: str | None):
    samples = MossAudioSamples(loader=MossBatchLoader(client=client))
    sampler = SimpleCutSampler(cuts, max_cuts=4, shuffle=True, seed=3)
    batches = torch.utils.data.DataLoader(
        Dataset(samples),
        sampler=sampler,
        batch_size=None,
        num_workers=workers,
        multiprocessing_context=multiprocessing.get_context(start) if start else None,
    )
    seen = []
    for ids, audio, lengths in batches:
        for row, id in enumerate(ids):
            wanted = local_recording(id).load_audio()[0]
            assert np.array_equal(audio[row, : lengths[row]].numpy(), wanted)
        seen += ids
    assert sorted(seen) == sorted(cut.id for cut in cuts)


def test_audio_that_cannot_be_had_is_dropped_by_tolerant_samples(client: Client, cuts: CutSet):
    cuts[2].recording.sources[0].source += ".gone"
    samples = MossAudioSamples(fault_tolerant=True)
    assert samples.ais_batch_loader.on_error == "drop"
    samples.ais_batch_loader._client = client
    audio, lengths, left = samples(cuts)
    assert len(left) == len(lengths) == audio.shape[0] == len(cuts) - 1
    assert cuts[2].id not in [cut.id for cut in left]


@pytest.fixture
def installed(client: Client, monkeypatch: pytest.MonkeyPatch):
    """`moss.lhotse.install`, for one test."""
    import lhotse.ais

    monkeypatch.setattr(AudioSamples, "__init__", AudioSamples.__init__)
    monkeypatch.setattr(lhotse.ais, "AISBatchLoader", lhotse.ais.AISBatchLoader)
    monkeypatch.setattr(serialization, "CURRENT_IO_BACKEND", None)
    serialization.get_default_io_backend.cache_clear()
    moss.lhotse.install(client)
    moss.lhotse.install(client, prefetch=1)
    yield
    serialization.get_default_io_backend.cache_clear()


def test_installed_it_is_what_lhotse_uses(installed: None, cuts: CutSet):
    from lhotse.ais import AISBatchLoader

    assert AISBatchLoader is MossBatchLoader
    samples = AudioSamples(fault_tolerant=True, use_batch_loader=True)
    assert isinstance(samples.ais_batch_loader, MossBatchLoader)
    assert (samples.ais_batch_loader.on_error, samples.ais_batch_loader.prefetch) == ("drop", 1)
    assert AudioSamples().ais_batch_loader is None
    batch = K2SpeechRecognitionDataset(input_strategy=AudioSamples(use_batch_loader=True))
    cut = cuts[7]
    cut.supervisions.append(SupervisionSegment(cut.id, cut.recording_id, 0, cut.duration, text="seven"))
    inputs = batch[CutSet.from_cuts([cut])]["inputs"]
    assert np.array_equal(inputs[0].numpy(), local_recording(cut.id).load_audio()[0])


def test_installed_audio_is_read_by_url_too(installed: None, speech: Bucket):
    cut = stored_cut(speech, "digits/4.wav")
    assert np.array_equal(cut.load_audio(), local_recording("digits/4.wav").load_audio())
    assert cut.recording.sources[0].type == "url"


def test_short_names_are_the_same_things():
    assert moss.lhotse.MossIOBackend is MossIOBackend
    assert set(moss.lhotse.__all__) == set(dir(moss.lhotse))
    assert all(getattr(moss.lhotse, name) is not None for name in moss.lhotse.__all__)
    assert pickle.loads(pickle.dumps(MossBatchLoader(on_error="drop"))).on_error == "drop"
