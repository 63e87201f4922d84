"""`MossBatchLoader` with a real node and real speech."""

import copy
import io
import itertools
import pickle
import threading

import numpy as np
import pytest
from lhotse import CutSet, LilcomFilesWriter, MultiCut, NumpyFilesWriter, Recording, SupervisionSegment
from lhotse.audio import AudioSource
from lhotse.features.base import Features
from lhotse.image import Image
from PIL import Image as Pillow

from moss.integrations.lhotse import AISBatchLoader, AISBatchLoaderError, MossBatchLoader
from moss.integrations.lhotse.manifests import find_slots
from moss.sdk import Bucket, Client
from tests.integrations.lhotse.conftest import (
    PHOTOS,
    SHARDS,
    SPEECH,
    local_recording,
    pack_tar,
    same_audio,
    stored_cut,
    stored_cuts,
    stored_recording,
)


@pytest.fixture
def loader(client: Client) -> MossBatchLoader:
    return MossBatchLoader(client=client)


def test_a_minibatch_of_plain_objects_and_of_members_of_every_archive(speech: Bucket, loader: MossBatchLoader):
    names = [f"digits/{number}.wav" for number in range(8)]
    urls = [f"ais://{speech.name}/digits{SHARDS[i % 5]}/{i}.wav" for i in range(5)]
    urls += [f"ais://{speech.name}/{name}" for name in names[5:]]
    cuts = CutSet.from_cuts(stored_recording(name, url).to_cut() for name, url in zip(names, urls, strict=True))
    loaded = loader(cuts)
    assert loaded is cuts
    assert [source.type for cut in cuts for source in cut.recording.sources] == ["memory"] * 8
    assert all(same_audio(cut, name) for cut, name in zip(cuts, names, strict=True))


def test_parts_of_recordings_keep_their_place(speech: Bucket, loader: MossBatchLoader):
    whole = stored_cut(speech, "digits/7.wav")
    part = whole.truncate(offset=0.25, duration=0.2, preserve_id=False)
    loader(CutSet.from_cuts([whole, part]))
    wanted = local_recording("digits/7.wav").to_cut().truncate(offset=0.25, duration=0.2)
    assert np.array_equal(part.load_audio(), wanted.load_audio())


def test_118_each_source_of_a_multichannel_recording_gets_its_own_data(speech: Bucket, loader: MossBatchLoader):
    names = ("digits/1.wav", "digits/2.wav")
    parts = [local_recording(name) for name in names]
    samples = min(part.num_samples for part in parts)
    sources = [AudioSource("url", [i], f"ais://{speech.name}/{name}") for i, name in enumerate(names)]
    recording = Recording("two", sources, 8000, samples, samples / 8000)
    cut = MultiCut("two", 0, samples / 8000, [0, 1], recording=recording)
    loader(CutSet.from_cuts([cut]))
    first, second = (source.source for source in recording.sources)
    assert first == (SPEECH / names[0]).read_bytes() and second == (SPEECH / names[1]).read_bytes()


def test_118_all_tracks_of_a_mixed_cut_are_loaded(speech: Bucket, loader: MossBatchLoader):
    names = ("digits/1.wav", "digits/2.wav", "letters/m.wav")
    stored, local = (
        [make(name) for name in names]
        for make in (lambda name: stored_cut(speech, name), lambda name: local_recording(name).to_cut())
    )
    mixed, wanted = (
        cuts[0].append(cuts[1]).mix(cuts[2], offset_other_by=0.1, snr=10).pad(duration=3.0) for cuts in (stored, local)
    )
    loader(CutSet.from_cuts([mixed]))
    types = [track.cut.recording.sources[0].type for track in mixed.tracks if hasattr(track.cut, "recording")]
    assert types == ["memory"] * 3
    assert np.array_equal(mixed.load_audio(), wanted.load_audio())


def test_impulse_responses_are_loaded_too(speech: Bucket, loader: MossBatchLoader):
    response = "letters/x.wav"
    wanted = local_recording("digits/1.wav").to_cut().reverb_rir(local_recording(response)).load_audio()
    stored = stored_recording(response, f"ais://{speech.name}/{response}")
    single = stored_cut(speech, "digits/1.wav").reverb_rir(stored)
    mixed = stored_cut(speech, "digits/1.wav").pad(duration=2).reverb_rir(stored)
    cuts = CutSet.from_cuts([single, mixed])
    assert len(find_slots(cuts)) == 3
    loader(cuts)
    assert stored.sources[0].type == "memory"
    assert np.array_equal(single.load_audio(), wanted)


def test_118_what_is_shared_is_fetched_once(speech: Bucket, loader: MossBatchLoader, monkeypatch: pytest.MonkeyPatch):
    recording = stored_recording("digits/7.wav", f"ais://{speech.name}/digits.tar/7.wav")
    twin = stored_recording("digits/7.wav", f"ais://{speech.name}/digits.tar/7.wav")
    cuts = CutSet.from_cuts(
        [recording.to_cut(), recording.to_cut().truncate(duration=0.1).with_id("b"), twin.to_cut().with_id("c")]
    )
    assert len(find_slots(cuts)) == 2
    sent: list[int] = []
    original = type(loader.client).batch

    def batch(client: Client, *arguments: object, **options: object):
        made = original(client, *arguments, **options)
        get = made.get
        monkeypatch.setattr(made, "get", lambda **options: (sent.append(len(made)), get(**options))[1])
        return made

    monkeypatch.setattr(type(loader.client), "batch", batch)
    loader(cuts)
    assert sent == [1]
    assert recording.sources[0].source is twin.sources[0].source


def test_118_local_and_in_memory_manifests_are_left_alone(speech: Bucket, loader: MossBatchLoader):
    local = local_recording("digits/1.wav").to_cut()
    in_memory = local_recording("digits/2.wav").move_to_memory().to_cut()
    unknown = stored_recording("digits/3.wav", "https://elsewhere.example/3.wav").to_cut()
    cuts = CutSet.from_cuts([local, in_memory, unknown])
    before = copy.deepcopy(cuts)
    assert loader(cuts) is cuts
    assert list(cuts) == list(before)


def put_folder(bucket: Bucket, folder, prefix: str) -> None:
    bucket.put_files(folder, recursive=True, prepend=prefix)


@pytest.mark.parametrize(
    ("writer", "tolerance", "memory_type"),
    [(LilcomFilesWriter, 0.05, "memory_lilcom"), (NumpyFilesWriter, 0, "memory_npy")],
)
def test_119_features_and_arrays(bucket: Bucket, loader: MossBatchLoader, tmp_path, writer, tolerance, memory_type):
    random = np.random.default_rng(7)
    matrix = random.normal(size=(100, 20)).astype(np.float32)
    with writer(tmp_path / "f") as files:
        key = files.write("one", matrix)
        vector = files.store_array("vector", matrix[0])
        over_time = files.store_array("over-time", matrix, frame_shift=0.01, temporal_dim=0, start=0)
    put_folder(bucket, tmp_path / "f", "f/")
    url = f"ais://{bucket.name}/f/"
    features = Features("fbank", 100, 20, 0.01, 8000, 0, 1.0, writer.name, url, key, "r", 0)
    vector.storage_path = over_time.array.storage_path = url
    cut = local_recording("digits/9.wav").to_cut().truncate(duration=0.5, preserve_id=False)
    cut.features = features
    cut.embedding, cut.alignment = vector, over_time
    cut.supervisions.append(SupervisionSegment("s", cut.recording_id, 0, 0.5, custom={"posterior": copy.copy(vector)}))
    loader(CutSet.from_cuts([cut]))
    assert cut.features.storage_type == cut.embedding.storage_type == memory_type
    np.testing.assert_allclose(cut.load_features(), matrix[:50], atol=tolerance)
    np.testing.assert_allclose(cut.load_embedding(), matrix[0], atol=tolerance)
    np.testing.assert_allclose(cut.load_alignment(), matrix[:50], atol=tolerance)
    assert cut.supervisions[0].custom["posterior"].storage_type == memory_type


def test_119_images(bucket: Bucket, loader: MossBatchLoader):
    bucket.object("photos.tar").put_content(pack_tar({"a/flower.jpg": (PHOTOS / "flower.jpg").read_bytes()}))
    cut = local_recording("digits/9.wav").to_cut()
    with Pillow.open(PHOTOS / "flower.jpg") as photo:
        pixels = np.array(photo)
    height, width = pixels.shape[:2]
    cut.photo = Image("pillow_files", f"ais://{bucket.name}/photos.tar/a", "flower.jpg", width, height)
    loader(CutSet.from_cuts([cut]))
    assert np.array_equal(cut.photo.load(), pixels)
    assert cut.photo.is_in_memory


def test_pointers_into_shar_files(bucket: Bucket, loader: MossBatchLoader):
    """The development line of Lhotse writes these; their bytes begin with the header of the entry."""
    buffer = io.BytesIO()
    np.save(buffer, np.arange(12).reshape(3, 4))
    long_name = "a-very-long-name-that-needs-a-header-of-its-own-" * 4 + ".wav"
    files = {"one.wav": (SPEECH / "digits/1.wav").read_bytes(), "array": buffer.getvalue()}
    files[long_name] = (SPEECH / "digits/2.wav").read_bytes()
    bucket.object("r.000000.tar").put_content(pack_tar(files))
    starts, position = [], 0
    for name, data in files.items():
        starts.append(position)
        position += 512 + len(data) + -len(data) % 512 + (1024 if name == long_name else 0)
    starts.append(position)
    pointers = [f"ais://{bucket.name}/r.000000.tar?o={a}&e={b}" for a, b in itertools.pairwise(starts)]
    first, second = (stored_recording(f"digits/{n}.wav", pointers[p]) for n, p in ((1, 0), (2, 2)))
    first.sources[0].type = second.sources[0].type = "shar_ptr"
    cut = first.to_cut()
    writer = NumpyFilesWriter
    cut.table = Features("t", 3, 4, 0.1, 8000, 0, 0.3, "shar_ptr_array", f"ais://{bucket.name}/r.000000.tar", "", "r")
    cut.table.storage_key = pointers[1]
    assert writer.name == "numpy_files"
    loader(CutSet.from_cuts([cut, second.to_cut()]))
    assert same_audio(cut, "digits/1.wav") and same_audio(second.to_cut(), "digits/2.wav")
    assert np.array_equal(cut.table.load(), np.arange(12).reshape(3, 4))


def test_a_pointer_that_points_beside_an_entry_is_an_error(bucket: Bucket, loader: MossBatchLoader):
    bucket.object("r.tar").put_content(pack_tar({"one.wav": b"x" * 2000}))
    recording = stored_recording("digits/1.wav", f"ais://{bucket.name}/r.tar?o=512&e=2048")
    recording.sources[0].type = "shar_ptr"
    with pytest.raises(AISBatchLoaderError, match="no entry of a Shar file"):
        loader(CutSet.from_cuts([recording.to_cut()]))


# -- what is missing ----------------------------------------------------------------------------------------


@pytest.fixture
def with_gaps(speech: Bucket) -> CutSet:
    cuts = list(stored_cuts(speech, *(f"digits/{number}.wav" for number in range(5))))
    cuts[1].recording.sources[0].source += ".gone"
    cuts[3].recording.sources[0].source = f"ais://{speech.name}/digits.tar/gone.wav"
    return CutSet.from_cuts(cuts)


def test_120_missing_data_is_an_error_that_names_all_of_it(with_gaps: CutSet, loader: MossBatchLoader):
    with pytest.raises(AISBatchLoaderError) as caught:
        loader(with_gaps)
    error = caught.value
    assert error.cut_ids == [cut.id for position, cut in enumerate(with_gaps) if position in (1, 3)]
    assert [url.rpartition("/")[2] for url in error.failures] == ["1.wav.gone", "gone.wav"]
    assert all(url in str(error) for url in error.failures)
    assert pickle.loads(pickle.dumps(error)).cut_ids == error.cut_ids


def test_120_dropping_removes_only_the_cuts_that_lack_something(
    with_gaps: CutSet, client: Client, caplog: pytest.LogCaptureFixture
):
    ids = [cut.id for cut in with_gaps]
    for loader in (MossBatchLoader(client=client, on_error="drop"), AISBatchLoader(False, True, client=client)):
        left = loader(copy.deepcopy(with_gaps))
        assert [cut.id for cut in left] == [ids[0], ids[2], ids[4]]
        assert "2 pieces of data of 2 cuts could not be loaded" in caplog.text and "1.wav.gone" in caplog.text
        caplog.clear()
        assert all(same_audio(cut, cut.id) for cut in left)


def test_120_keeping_leaves_the_manifests_as_they_were(with_gaps: CutSet, client: Client):
    loaded = MossBatchLoader(client=client, on_error="keep")(with_gaps)
    assert loaded is with_gaps
    assert [cut.recording.sources[0].type for cut in loaded] == ["memory", "url", "memory", "url", "memory"]


def test_a_mixed_cut_that_lacks_one_track_is_dropped_as_a_whole(speech: Bucket, client: Client):
    gone = stored_recording("digits/2.wav", f"ais://{speech.name}/gone.wav").to_cut()
    mixed = stored_cut(speech, "digits/1.wav").mix(gone)
    other = stored_cut(speech, "digits/3.wav")
    assert list(MossBatchLoader(client=client, on_error="drop")(CutSet.from_cuts([mixed, other]))) == [other]


def test_an_empty_object_is_empty_and_not_missing(bucket: Bucket, loader: MossBatchLoader):
    bucket.object("digits/1.wav").put_content(b"")
    cuts = loader(stored_cuts(bucket, "digits/1.wav"))
    assert cuts[0].recording.sources[0].source == b""


def test_a_bucket_that_is_not_there(loader: MossBatchLoader):
    recording = stored_recording("digits/1.wav", "ais://nobody-has-this/x.wav")
    with pytest.raises(AISBatchLoaderError, match="nobody-has-this"):
        loader(CutSet.from_cuts([recording.to_cut()]))


def test_a_url_without_an_object(loader: MossBatchLoader):
    with pytest.raises(AISBatchLoaderError, match="no object in 'ais://bucket/'"):
        loader(CutSet.from_cuts([stored_recording("digits/1.wav", "ais://bucket/").to_cut()]))


# -- options ------------------------------------------------------------------------------------------------


def test_lazy_cuts_are_refused(speech: Bucket, loader: MossBatchLoader, tmp_path):
    stored_cuts(speech, "digits/1.wav").to_file(tmp_path / "cuts.jsonl")
    with pytest.raises(ValueError, match="to_eager"):
        loader(CutSet.from_jsonl_lazy(tmp_path / "cuts.jsonl"))


def test_nothing_to_load_needs_no_server():
    loader = MossBatchLoader(client=Client("http://127.0.0.1:9"))
    cuts = CutSet.from_cuts([local_recording("digits/1.wav").to_cut()])
    assert loader(cuts) is cuts
    assert len(loader(CutSet.from_cuts([]))) == 0


@pytest.mark.parametrize("options", [{"force_individual": True}, {"max_entries_per_request": 3}, {"verify": False}])
def test_other_ways_to_fetch_give_the_same(speech: Bucket, client: Client, options: dict):
    names = [f"digits/{number}.wav" for number in range(7)]
    cuts = MossBatchLoader(client=client, **options)(stored_cuts(speech, *names))
    assert all(same_audio(cut, name) for cut, name in zip(cuts, names, strict=True))


@pytest.mark.parametrize("options", [{"on_error": "ignore"}, {"max_entries_per_request": 0}, {"prefetch": -1}])
def test_impossible_options_are_refused(options: dict):
    with pytest.raises(ValueError, match=next(iter(options))):
        MossBatchLoader(**options)


def test_a_loader_survives_pickling_and_threads(speech: Bucket, client: Client):
    loader = pickle.loads(pickle.dumps(MossBatchLoader(client=client)))
    names = [f"digits/{number}.wav" for number in range(10)]
    results: list[CutSet] = []
    threads = [
        threading.Thread(target=lambda name=name: results.append(loader(stored_cuts(speech, name)))) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(cuts[0].id for cuts in results) == sorted(names)
    assert all(same_audio(cuts[0], cuts[0].id) for cuts in results)


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_minibatches_in_a_stream_keep_their_order(speech: Bucket, client: Client, prefetch: int):
    batches = [stored_cuts(speech, f"digits/{n}.wav", f"digits/{n + 1}.wav") for n in range(6)]
    loader = MossBatchLoader(client=client, prefetch=prefetch)
    loaded = list(loader.stream(batches))
    assert [cuts[0].id for cuts in loaded] == [f"digits/{n}.wav" for n in range(6)]
    assert all(same_audio(cut, cut.id) for cuts in loaded for cut in cuts)


def test_an_error_in_a_stream_comes_with_its_minibatch(speech: Bucket, client: Client):
    batches = [stored_cuts(speech, "digits/1.wav") for _ in range(3)]
    batches[1][0].recording.sources[0].source += ".gone"
    stream = MossBatchLoader(client=client, prefetch=2).stream(batches)
    assert next(stream)[0].id == "digits/1.wav"
    with pytest.raises(AISBatchLoaderError):
        next(stream)
