"""Real speech in a bucket: as plain objects, in shards of every format, as features and arrays, and its cuts."""

import io
import pickle
import tarfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
from lhotse import CutSet, MonoCut, Recording
from lhotse.audio import AudioSource

from moss.sdk import Bucket, Client
from moss.testing import NodeProcess

SPEECH = Path(__file__).resolve().parents[3] / "examples" / "data" / "speech"
PHOTOS = SPEECH.parent / "photos"
SHARDS = (".tar", ".tgz", ".tar.gz", ".zip", ".tar.lz4")


@pytest.fixture(scope="session")
def client(node: NodeProcess) -> Iterator[Client]:
    with Client(node.url, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def speech(client: Client) -> Bucket:
    """A bucket with all speech (`digits/7.wav` …), and `digits.EXT` with the digits in each format of archive."""
    bucket = client.bucket(f"speech{uuid.uuid4().hex[:10]}").create()
    bucket.put_files(SPEECH, recursive=True)
    files = {path.name: path.read_bytes() for path in sorted((SPEECH / "digits").iterdir())}
    tar = pack_tar(files)
    bucket.object("digits.tar").put_content(tar)
    for extension in (".tgz", ".tar.gz"):
        bucket.object(f"digits{extension}").put_content(gzipped(files))
    bucket.object("digits.tar.lz4").put_content(lz4.frame.compress(tar))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    bucket.object("digits.zip").put_content(packed.getvalue())
    return bucket


@pytest.fixture
def make_bucket(client: Client) -> Iterator[Callable[[], Bucket]]:
    """Makes buckets that are gone after the test."""
    made: list[Bucket] = []

    def make() -> Bucket:
        made.append(client.bucket(f"l{uuid.uuid4().hex[:12]}").create())
        return made[-1]

    yield make
    for bucket in made:
        bucket.delete(missing_ok=True)


@pytest.fixture
def bucket(make_bucket: Callable[[], Bucket]) -> Bucket:
    return make_bucket()


def pack_tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        add_files(archive, files)
    return packed.getvalue()


def gzipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        add_files(archive, files)
    return packed.getvalue()


def add_files(archive: tarfile.TarFile, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))


def local_recording(name: str) -> Recording:
    """A recording of `digits/7.wav` or the like, read from the file."""
    return Recording.from_file(SPEECH / name, recording_id=name)


def stored_recording(name: str, url: str) -> Recording:
    """The same recording, to be read from a URL."""
    recording = local_recording(name)
    recording.sources = [AudioSource(type="url", channels=[0], source=url)]
    return recording


def stored_cut(bucket: Bucket, name: str, id: str | None = None) -> MonoCut:
    cut = stored_recording(name, f"ais://{bucket.name}/{name}").to_cut()
    return cut if id is None else cut.with_id(id)


def stored_cuts(bucket: Bucket, *names: str) -> CutSet:
    return CutSet.from_cuts(stored_cut(bucket, name) for name in names)


def same_audio(cut: MonoCut, name: str) -> bool:
    """Whether a cut's audio is that of the whole file."""
    return np.array_equal(cut.load_audio(), local_recording(name).load_audio())


def content_of(pickled: bytes) -> bytes:
    return pickle.loads(pickled)
