"""`MossIOBackend`: what Lhotse opens by URL, with a real node."""

import gzip
import io
import json
import pickle
from collections.abc import Iterator

import lhotse.serialization as serialization
import numpy as np
import pytest
from lhotse import CutSet, NumpyFilesWriter
from lhotse.serialization import CompositeIOBackend, IOBackend, get_default_io_backend, load_jsonl, open_best

from moss.errors import InvalidName
from moss.integrations.lhotse import MossIOBackend, RangeReader, install_io_backend, open_url
from moss.sdk import Bucket, Client
from moss.sdk.errors import AISError
from tests.integrations.lhotse.conftest import SHARDS, SPEECH, same_audio, stored_cuts
from tests.sdk.peer import Peer


@pytest.fixture
def installed(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[MossIOBackend]:
    """Lhotse as it is after `install_io_backend`, for one test."""
    monkeypatch.setattr(serialization, "CURRENT_IO_BACKEND", None)
    get_default_io_backend.cache_clear()
    yield install_io_backend(client)
    get_default_io_backend.cache_clear()


def test_installing_puts_it_first_and_once(installed: MossIOBackend, client: Client):
    assert install_io_backend(client) is installed
    composite = get_default_io_backend()
    assert isinstance(composite, CompositeIOBackend)
    assert composite.backends[0] is installed
    assert sum(isinstance(backend, MossIOBackend) for backend in composite.backends) == 1
    assert IOBackend.new("MossIOBackend").handles_special_case("ais://b/x.tar/y")


def test_122_members_of_archives_open(installed: MossIOBackend, speech: Bucket):
    wanted = (SPEECH / "digits" / "7.wav").read_bytes()
    for extension in SHARDS:
        with open_best(f"ais://{speech.name}/digits{extension}/7.wav", "rb") as file:
            assert file.read() == wanted
            assert file.seek(4) == 4 and file.read(4) == wanted[4:8]
    with open_best(f"moss://{speech.name}/digits/7.wav", "rb") as file:
        file.seek(-10, io.SEEK_END)
        assert file.read() == wanted[-10:]


def test_local_files_are_opened_as_before(installed: MossIOBackend, tmp_path):
    (tmp_path / "x.txt").write_text("local")
    with open_best(tmp_path / "x.txt") as file:
        assert file.read() == "local"


def test_text_is_text_and_bytes_are_bytes(installed: MossIOBackend, bucket: Bucket):
    url = f"ais://{bucket.name}/notes.txt"
    with open_best(url, "w") as file:
        print("größe", file=file)
        file.write("second\n")
    assert bucket.object("notes.txt").get_reader().read_all() == "größe\nsecond\n".encode()
    with open_best(url) as file:
        assert list(file) == ["größe\n", "second\n"]
    with open_best(url, "rb") as file:
        assert file.readline() == "größe\n".encode()


def test_appending(installed: MossIOBackend, bucket: Bucket):
    for name in ("a.txt", "a.txt.gz"):
        for mode, text in (("w", "one\n"), ("a", "two\n")):
            with open_best(f"ais://{bucket.name}/{name}", mode) as file:
                file.write(text)
        with open_best(f"ais://{bucket.name}/{name}") as file:
            assert file.read() == "one\ntwo\n"


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.bin"])
def test_an_exception_leaves_the_object_as_it_was(installed: MossIOBackend, bucket: Bucket, name: str):
    url, mode = f"ais://{bucket.name}/{name}", "w" if "json" in name else "wb"
    content = "before" if mode == "w" else b"before"
    with open_best(url, mode) as file:
        file.write(content)
    before = bucket.object(name).get_reader().read_all()
    with pytest.raises(ZeroDivisionError), open_best(url, mode) as file:
        file.write(content * 100_000)
        raise ZeroDivisionError
    assert bucket.object(name).get_reader().read_all() == before


def test_121_a_gzipped_manifest_round_trips_and_is_replaced(installed: MossIOBackend, bucket: Bucket, speech: Bucket):
    url = f"ais://{bucket.name}/cuts.jsonl.gz"
    stored_cuts(speech, "digits/1.wav", "digits/2.wav").to_file(url)
    packed = bucket.object("cuts.jsonl.gz").get_reader().read_all()
    assert [json.loads(line)["id"] for line in gzip.decompress(packed).splitlines()] == ["digits/1.wav", "digits/2.wav"]
    stored_cuts(speech, "digits/3.wav").to_file(url)
    cuts = CutSet.from_file(url)
    assert [cut.id for cut in cuts] == ["digits/3.wav"]
    assert same_audio(cuts[0], "digits/3.wav")


def test_121_reading_a_manifest_sends_one_get(speech: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path):
    stored_cuts(speech, "digits/1.wav", "digits/2.wav").to_file(tmp_path / "cuts.jsonl.gz")
    peer = Peer()
    peer.objects["b/cuts.jsonl.gz"] = (tmp_path / "cuts.jsonl.gz").read_bytes()
    stored_cuts(speech, "digits/3.wav").to_file(tmp_path / "new.jsonl.gz")
    identify(peer)
    monkeypatch.setattr(serialization, "CURRENT_IO_BACKEND", MossIOBackend(Client(peer.url)))
    cuts = CutSet.from_file("ais://b/cuts.jsonl.gz")
    assert [cut.id for cut in cuts] == ["digits/1.wav", "digits/2.wav"] == [cut.id for cut in cuts]
    assert [request.method for request in peer.received].count("GET") == 1
    # What was replaced in between is not taken for what it was.
    peer.objects["b/cuts.jsonl.gz"] = (tmp_path / "new.jsonl.gz").read_bytes()
    assert [cut.id for cut in CutSet.from_file("ais://b/cuts.jsonl.gz")] == ["digits/3.wav"]
    peer.close()


def identify(peer: Peer) -> None:
    """Have the peer send checksums, as clusters do."""
    answer = peer.object

    def with_checksum(request):
        reply = answer(request)
        name = request.path.removeprefix("/v1/objects/")
        reply.headers |= {"Ais-Checksum-Type": "xxhash2", "Ais-Checksum-Value": f"{hash(peer.objects[name]):x}"}
        return reply

    peer.object = with_checksum


def test_numpy_files_are_written_by_url(installed: MossIOBackend, bucket: Bucket):
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)
    with NumpyFilesWriter(f"ais://{bucket.name}/f") as writer:
        array = writer.store_array("one", matrix)
    assert np.array_equal(array.load(), matrix)


def test_a_large_manifest_is_streamed_line_by_line(installed: MossIOBackend, bucket: Bucket):
    line = json.dumps({"id": "x" * 1000}) + "\n"
    bucket.object("large.jsonl").put_content(line * 6000)
    lines = load_jsonl(f"ais://{bucket.name}/large.jsonl")
    assert sum(1 for _ in lines) == 6000


def test_what_cannot_be_opened(client: Client, bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(AISError, match="does not exist"):
        open_url(f"ais://{bucket.name}/none", client=client)
    with pytest.raises(InvalidName, match="no object"):
        open_url(f"ais://{bucket.name}/", client=client)
    with pytest.raises(ValueError, match="mode must be r, w or a"):
        open_url(f"ais://{bucket.name}/x", "x", client=client)
    with pytest.raises(ValueError, match="members cannot be written"):
        open_url(f"ais://{bucket.name}/x.tar/y", "wb", client=client)


def test_a_client_is_made_when_it_is_needed(node, bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
    backend = pickle.loads(pickle.dumps(MossIOBackend()))
    monkeypatch.setenv("AIS_ENDPOINT", node.url)
    with backend.open(f"ais://{bucket.name}/x", "wb") as file:
        file.write(b"content")
    with backend.open(f"ais://{bucket.name}/x", "rb") as file:
        assert file.read() == b"content"


# -- random access ------------------------------------------------------------------------------------------


def test_a_range_reader_reads_what_a_file_would(bucket: Bucket):
    data = np.random.default_rng(1).bytes(100_000)
    bucket.object("x").put_content(data)
    local = io.BytesIO(data)
    with RangeReader(bucket.object("x"), block_bytes=1024, blocks_max=4) as remote:
        for position, count in [(0, 10), (99_990, 100), (5000, 3000), (5000, 20_000), (1023, 2), (100_000, 5), (7, 0)]:
            assert remote.seek(position) == local.seek(position) == remote.tell()
            assert remote.read(count) == local.read(count)
        assert remote.seek(-100, io.SEEK_END) == 99_900
        assert remote.read() == data[-100:]
        remote.seek(0)
        assert remote.read() == data


def test_a_range_reader_asks_for_a_block_once_and_for_bounded_ranges():
    peer = Peer()
    peer.objects["b/x"] = bytes(range(256)) * 16
    with RangeReader(Client(peer.url).bucket("b").object("x"), block_bytes=512, blocks_max=8) as file:
        for position in (0, 100, 504, 0, 1024, 1500, 300):
            file.seek(position)
            assert file.read(8) == peer.objects["b/x"][position : position + 8]
        assert file.requests == len(peer.received) == 2
    assert [request.headers["range"] for request in peer.received] == ["bytes=0-511", "bytes=1024-1535"]
    assert peer.connections == 1
    peer.close()


def test_a_range_reader_of_something_impossible(bucket: Bucket):
    with pytest.raises(AISError, match="does not exist"):
        RangeReader(bucket.object("none")).read(1)
    with pytest.raises(ValueError, match="positive"):
        RangeReader(bucket.object("x"), block_bytes=0)
    bucket.object("empty").put_content(b"")
    assert RangeReader(bucket.object("empty")).read() == b""
