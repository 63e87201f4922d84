"""`ais ml lhotse-get-batch --audio` on real speech, against a real node: what comes is what Lhotse loads."""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse import CutSet, MonoCut, MultiCut, Recording
from lhotse.audio import AudioSource
from lhotse.cut import Cut

from moss import Client
from moss.testing import NodeProcess
from tests.cli.conftest import Ais, Result
from tests.cli.wire_server import WireServer

SPEECH = Path(__file__).resolve().parents[2] / "examples" / "data" / "speech"
BUCKET = "cli-speech"


@pytest.fixture(scope="module")
def recordings(node: NodeProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Spoken letters and digits in many formats, as local files and in a bucket; some also in a shard."""
    folder = tmp_path_factory.mktemp("speech")
    left, rate = soundfile.read(SPEECH / "letters" / "w.wav", dtype="int16")
    right, _ = soundfile.read(SPEECH / "letters" / "x.wav", dtype="int16")
    count = min(len(left), len(right))
    stereo = np.stack([left[:count], right[:count]], axis=1)
    for name, samples, subtype in (
        ("stereo.wav", stereo, "PCM_16"), ("deep.wav", stereo, "PCM_24"), ("float.wav", stereo / 32768, "FLOAT"),
        ("ulaw.wav", left, "ULAW"), ("adpcm.wav", left, "IMA_ADPCM"), ("mono.flac", left, "PCM_16"),
        ("stereo.flac", stereo, "PCM_24"), ("speech.ogg", left, "VORBIS"), ("speech.mp3", left, "MPEG_LAYER_III"),
    ):  # fmt: skip
        soundfile.write(folder / name, samples, rate, subtype=subtype)
    for path in (*(SPEECH / "digits").glob("?.wav"), *(SPEECH / "phonetic").glob("[a-c]_p.wav")):
        (folder / path.name).write_bytes(path.read_bytes())
    bucket = Client(node.url).bucket(BUCKET).create(exist_ok=True)
    for path in folder.iterdir():
        bucket.object(path.name).get_writer().put_content(path.read_bytes())
    shard = io.BytesIO()
    with tarfile.open(fileobj=shard, mode="w") as archive:
        archive.add(folder / "stereo.wav", arcname="audio/stereo.wav")
    bucket.object("shard.tar").get_writer().put_content(shard.getvalue())
    yield folder
    bucket.delete(missing_ok=True)


Fetch = Callable[..., Result]


@pytest.fixture
def fetch(ais: Ais, work: Path, node: NodeProcess, recordings: Path) -> Fetch:
    """Fetch these cuts of local files from the bucket."""

    def run(cuts: list[Cut], *words: str, place: str = "") -> Result:
        rows = [json.dumps(cut.to_dict()).replace(f"{recordings}/", f"ais://{BUCKET}/{place}") for cut in cuts]
        (work / "m.jsonl").write_text("\n".join(rows))
        command = ("ml", "lhotse-get-batch", "--cuts", "m.jsonl", "--audio", *words)
        return ais(*command, AIS_ENDPOINT=node.url)

    return run


def recording(recordings: Path, name: str) -> Recording:
    return Recording.from_file(recordings / name)


def parts(path: Path) -> list[tuple[str, np.ndarray, soundfile.SoundFile]]:
    """Names, samples (channel by channel) and formats of the files in an archive."""
    found = []
    with tarfile.open(path) as archive:
        for member in archive:
            data = io.BytesIO(archive.extractfile(member).read())
            samples, _ = soundfile.read(data, dtype="float32", always_2d=True)
            found.append((member.name, samples.T, soundfile.info(io.BytesIO(data.getvalue()))))
    return found


def test_windows_of_recordings_are_what_lhotse_loads(fetch: Fetch, work: Path, recordings: Path) -> None:
    """The real corpus that the reference fails on: windows of a fraction of a second, the last of them shorter."""
    whole = [recording(recordings, f"{digit}.wav").to_cut() for digit in range(10)]
    windows = list(CutSet.from_cuts(whole).cut_into_windows(0.2133).to_eager())
    assert len(windows) > 25 and min(cut.duration for cut in windows) < 0.2
    done = fetch(windows, "o.tar")
    assert done.status == 0, done.err
    found = parts(work / "o.tar")
    assert len(found) == len(windows)
    for cut, (name, samples, info) in zip(windows, found, strict=True):
        assert name == f"{BUCKET}/{Path(cut.recording.sources[0].source).name}"
        assert (info.samplerate, info.subtype) == (8000, "PCM_16")
        assert np.array_equal(samples, cut.load_audio())


@pytest.mark.parametrize(
    ("place", "name", "subtype"),
    [
        ("", "stereo.wav", "PCM_16"),
        ("", "deep.wav", "PCM_24"),
        ("", "float.wav", "FLOAT"),
        ("", "stereo.flac", "PCM_24"),
        ("shard.tar/audio/", "stereo.wav", "PCM_16"),
    ],
)
def test_channels_are_those_of_the_cut(
    fetch: Fetch, work: Path, recordings: Path, place: str, name: str, subtype: str
) -> None:
    source = recording(recordings, name)
    cuts = [
        MonoCut("left", 0.1117, 0.2003, 0, recording=source),
        MonoCut("right", 0.05, 0.11, 1, recording=source),
        MultiCut("both", 0.2, 0.3, [1, 0], recording=source),
    ]
    assert fetch(cuts, "o.tar", "--cut-names", place=place).status == 0
    found = parts(work / "o.tar")
    assert [name for name, _, _ in found] == ["left.wav", "right.wav", "both.wav"]
    for cut, (_, samples, info) in zip(cuts, found, strict=True):
        assert info.subtype == subtype and np.array_equal(samples, cut.load_audio())


@pytest.mark.parametrize("name", ["mono.flac", "speech.ogg", "speech.mp3", "adpcm.wav", "ulaw.wav"])
def test_compressed_recordings_are_decoded_and_cut(fetch: Fetch, work: Path, recordings: Path, name: str) -> None:
    cut = recording(recordings, name).to_cut().truncate(offset=0.123, duration=0.2)
    done = fetch([cut], "o.tar")
    assert done.status == 0, done.err
    ((_, samples, _),) = parts(work / "o.tar")
    # 16 bits are the precision of what is written, half a step the error.
    assert samples.shape == cut.load_audio().shape and np.abs(samples - cut.load_audio()).max() <= 2**-15


def test_only_the_bytes_of_the_cuts_travel(fetch: Fetch, work: Path, recordings: Path) -> None:
    cut = recording(recordings, "a_p.wav").to_cut().truncate(offset=0.1, duration=0.05)
    done = fetch([cut], "o.tar", "--dry-run", "--json")
    (entry,) = json.loads(done.out)["body"]["in"]
    assert (entry["start"], entry["length"]) == (44 + 2 * 800, 2 * 400)


def test_sources_of_a_multi_channel_cut(fetch: Fetch, work: Path, recordings: Path) -> None:
    """A recording whose channels lie in two files: each that the cut uses gives a file."""
    sources = [AudioSource("file", [channel], str(recordings / name)) for channel, name in ((0, "1.wav"), (1, "2.wav"))]
    samples = min(recording(recordings, name).num_samples for name in ("1.wav", "2.wav"))
    both = Recording("r", sources, 8000, samples, samples / 8000, channel_ids=[0, 1])
    cuts = [MultiCut("m", 0.1, 0.2, [0, 1], recording=both), MonoCut("second", 0.1, 0.2, 1, recording=both)]
    assert fetch(cuts, "o.tar", "--cut-names").status == 0
    found = {name: samples for name, samples, _ in parts(work / "o.tar")}
    assert list(found) == ["m-0.wav", "m-1.wav", "second.wav"]
    assert np.array_equal(np.concatenate([found["m-0.wav"], found["m-1.wav"]]), cuts[0].load_audio())
    assert np.array_equal(found["second.wav"], found["m-1.wav"])


def test_tracks_of_a_mix(fetch: Fetch, work: Path, recordings: Path) -> None:
    one, two = (recording(recordings, f"{digit}.wav").to_cut().truncate(duration=0.3) for digit in (1, 2))
    mixed = one.append(two, preserve_id="left").pad(duration=1.0)
    done = fetch([mixed], "o.tar")
    assert done.status == 0
    for cut, (_, samples, _) in zip((one, two), parts(work / "o.tar"), strict=True):
        assert np.array_equal(samples, cut.load_audio())


def test_archives_of_every_format_in_batches(fetch: Fetch, work: Path, recordings: Path) -> None:
    cuts = [recording(recordings, f"{digit}.wav").to_cut().truncate(duration=0.1) for digit in range(4)]
    for template in ("o-%d.tgz", "o-%d.tar.lz4", "o-%d.zip"):
        words = ("--batch-size", "3", "--output-template", template, "--streaming")
        done = fetch(cuts, *words)
        assert done.out.splitlines()[-1] == "Generated 2 batches from 4 cuts", done.err
        kept = fetch(cuts, *words, "--skip-existing")
        assert kept.out.splitlines()[-1] == "Generated 0 batches from 4 cuts (2 more were kept)"
    assert len(parts(work / "o-0.tgz")) == 3
    with zipfile.ZipFile(work / "o-1.zip") as archive:
        (name,) = archive.namelist()
        assert np.array_equal(
            soundfile.read(io.BytesIO(archive.read(name)), dtype="float32")[0], cuts[3].load_audio()[0]
        )


@pytest.mark.parametrize("how", [(), ("--streaming",)])
def test_failures_are_errors_or_reported_placeholders(
    fetch: Fetch, work: Path, recordings: Path, how: tuple[str, ...]
) -> None:
    good = recording(recordings, "1.wav").to_cut()
    lost = MonoCut("lost", 0, 0.1, 0, recording=good.recording.with_path_prefix("/"))
    lost.recording.sources[0].source = str(recordings / "none.wav")
    beyond = MonoCut("beyond", 0.1, 99, 0, recording=good.recording)
    for bad, reason in ((lost, "does not exist"), (beyond, "ends at sample")):
        done = fetch([good, bad], "o.tar", *how)
        assert done.status == 1 and f'cut "{bad.id}" (line 2): ' in done.err and reason in done.err
        assert not (work / "o.tar").exists()
    done = fetch([good, lost, good, beyond], "o.tar", "--cont-on-err", *how)
    assert done.status == 0 and "2 of 4 requested items are missing or failed" in done.err
    assert 'cut "lost" (line 2): ' in done.err and 'cut "beyond" (line 4): ' in done.err
    with tarfile.open(work / "o.tar") as archive:
        assert [member.name.startswith("__404__/") for member in archive] == [False, True, False, True]
        assert [bool(member.size) for member in archive] == [True, False, True, False]
    nothing = fetch([lost], "p.tar", "--cont-on-err", *how)
    assert nothing.status == 0 and "1 of 1 requested" in nothing.err


def test_what_was_computed_is_not_cut(fetch: Fetch, recordings: Path) -> None:
    cut = recording(recordings, "1.wav").to_cut()
    faster = fetch([cut.perturb_speed(1.1)], "o.tar")
    assert faster.status == 1 and "the recording has transforms" in faster.err
    resampled = fetch([cut], "o.tar", "--sample-rate", "16000")
    assert resampled.status == 1 and "has 8000 samples a second, not 16000" in resampled.err


def test_files_that_are_no_audio(fetch: Fetch, node: NodeProcess, recordings: Path) -> None:
    cut = recording(recordings, "1.wav").to_cut()
    for name, content in (("text.wav", b"these are no samples, only words of a text file"), ("short.wav", b"RIFF")):
        Client(node.url).bucket(BUCKET).object(name).get_writer().put_content(content)
        cut.recording.sources[0].source = str(recordings / name)
        done = fetch([cut], "o.tar")
        assert done.status == 1 and f'{name}"' in done.err and "(line 1)" in done.err, done.err


@pytest.mark.parametrize("how", [(), ("--streaming",)])
@pytest.mark.parametrize("fault", ["short", "cut", "placeholders"])
def test_answers_that_are_not_whole(ais: Ais, work: Path, server: WireServer, fault: str, how: tuple[str, ...]) -> None:
    """The same checks as without `--audio`: a short answer is no success and leaves nothing."""
    server.buckets["speech"] = {f"{digit}.wav": (SPEECH / "digits" / f"{digit}.wav").read_bytes() for digit in range(3)}
    sources = [f"ais://speech/{name}.wav" for name in ("0", "1", "none" if fault == "placeholders" else "2")]
    rows = [
        {"id": source, "start": 0.1, "duration": 0.2, "recording": {"sources": [{"source": source}]}}
        for source in sources
    ]
    (work / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    server.fault = fault
    done = ais("ml", "lhotse-get-batch", "--cuts", "m.jsonl", "--audio", "o.tar", *how)
    assert (done.status, done.out) == (1, ""), done.err
    assert done.err.startswith("Error: ") and [path.name for path in work.iterdir()] == ["m.jsonl"]
