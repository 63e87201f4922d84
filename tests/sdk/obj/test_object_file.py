"""Objects as files: reading that goes on after a broken connection, and writing that is all or nothing."""

import asyncio
import csv
import gzip
import io
import random
import tarfile
import threading
import time
import zipfile

import numpy
import pytest

from moss.sdk import Client, aio
from moss.sdk.blob_download_config import BlobDownloadConfig
from moss.sdk.errors import AISError, ConnectionLost, ErrObjNotFound
from moss.sdk.obj.content_iterator.buffer import ParallelBuffer
from moss.sdk.obj.obj_file.errors import ObjectChanged, ObjectFileReaderMaxResumeError
from tests.sdk.peer import Peer, Received, Reply, build_tar

CONTENT = random.Random(3).randbytes(300_000)


@pytest.fixture
def obj(client: Client, peer: Peer):
    peer.objects["b/o"] = CONTENT
    return client.bucket("b").object("o")


def cut(at: int, **headers: str):
    """An answer as the peer gives it, broken off after `at` bytes of its body."""

    def reply(peer: Peer):
        def make(request: Received) -> Reply:
            whole = peer.object(request)
            extra = {"Content-Length": str(len(whole.body))}
            return Reply(whole.status, {**whole.headers, **headers, **extra}, whole.body, cut_at=at)

        return make

    return reply


def methods(peer: Peer) -> list[str]:
    return [request.method for request in peer.received]


def ranges(peer: Peer) -> list[str | None]:
    return [request.headers.get("range") for request in peer.received if request.method == "GET"]


# --- reading ---


@pytest.mark.parametrize("at", [0, 1, 100_000, 299_999])
def test_49_a_broken_connection_is_resumed_by_one_range(obj, peer: Peer, at):
    peer.scripted = [cut(at)(peer)]
    with obj.get_reader().as_file() as file:
        assert file.read() == CONTENT
    assert ranges(peer) == [None, f"bytes={at}-" if at else None]
    assert methods(peer) == ["GET", "HEAD", "GET"] if at else ["GET", "GET"]


def test_49_a_users_range_is_respected(obj, peer: Peer):
    peer.scripted = [cut(10)(peer)]
    assert obj.get_reader(byte_range="bytes=5-104").as_file().read() == CONTENT[5:105]
    assert ranges(peer) == ["bytes=5-104", "bytes=15-104"]


@pytest.mark.parametrize(
    "options", [{"byte_range": "bytes=-300000"}, {"archive_config": None}], ids=["from the end", "whole"]
)
def test_50_what_is_not_there_yet_is_read_from_the_beginning(obj, peer: Peer, options):
    def cold(request: Received) -> Reply:
        return Reply(headers={"Content-Length": "300000", "Ais-Present": "false"})

    peer.scripted = [cut(1000)(peer), *([] if "byte_range" in options else [cold])]
    file = obj.get_reader(**options).as_file(buffer_size=64)
    assert b"".join(iter(lambda: file.read(700), b"")) == CONTENT
    assert ranges(peer)[-1] == options.get("byte_range")


def test_51_a_server_that_ignores_ranges(obj, peer: Peer):
    def whole(request: Received) -> Reply:
        return Reply(body=CONTENT)

    peer.scripted = [cut(1000)(peer), peer.object, whole]
    assert obj.get_reader().as_file().read() == CONTENT
    assert ranges(peer) == [None, "bytes=1000-"]


def test_52_an_early_end_is_no_end(obj, peer: Peer):
    peer.scripted = [Reply(body=CONTENT[:7], content_length=300_000, until_close=False, cut_at=7)]
    assert obj.get_reader().as_file().read(300_000) == CONTENT


def test_53_resuming_ends(obj, peer: Peer):
    peer.scripted = [cut(10)(peer), peer.object] + [cut(10)(peer)] * 5
    file = obj.get_reader().as_file(max_resume=2)
    with pytest.raises(ObjectFileReaderMaxResumeError) as caught:
        file.read()
    assert isinstance(caught.value.original_error, ConnectionLost)
    assert len(ranges(peer)) == 3
    with pytest.raises(ValueError):
        obj.get_reader().as_file(max_resume=-1)


def test_a_replaced_object_is_noticed(obj, peer: Peer):
    peer.scripted = [cut(10, **{"Ais-Version": "6"})(peer)]
    with pytest.raises(ObjectChanged, match="version was 6 and is 7"):
        obj.get_reader().as_file().read()
    peer.scripted = [cut(10)(peer), peer.object]
    file = obj.get_reader().as_file(buffer_size=8)
    assert file.read(10) == CONTENT[:10]
    peer.objects["b/o"] = CONTENT + b"x"
    with pytest.raises(ObjectChanged, match="length was 300000 and is 300001"):
        file.read()


def test_a_shorter_object_is_not_taken_for_the_end(obj, peer: Peer):
    peer.scripted = [cut(1000)(peer), peer.object, Reply(status=416)]
    with pytest.raises(ObjectChanged, match="fewer than 1000 bytes"):
        obj.get_reader().as_file().read()


def test_37_missing_objects_are_noticed_by_the_first_read(client: Client):
    file = client.bucket("b").object("gone").get_reader().as_file()
    with pytest.raises(ErrObjNotFound):
        file.read(1)


def test_54_text_lines_archives_and_tables(client: Client, peer: Peer):
    lines = [f"{i},line {i}" for i in range(5000)]
    text = "\n".join(lines) + "\n"
    members = [(f"m{i}", bytes([i]) * 3000) for i in range(20)]
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    peer.objects = {
        "b/t": text.encode(), "b/t.gz": gzip.compress(text.encode()), "b/a.tar": build_tar(members),
        "b/a.zip": zipped.getvalue(),
    }  # fmt: skip

    def open_(name: str):
        return client.bucket("b").object(name).get_reader().as_file()

    with io.TextIOWrapper(open_("t"), encoding="utf-8", newline="") as file:
        assert [int(row[0]) for row in csv.reader(file)] == list(range(5000))
    with open_("t") as file:
        assert [line.decode().rstrip("\n") for line in file] == lines
        assert file.seek(-7, io.SEEK_END) and file.read() == text.encode()[-7:]
        assert file.seek(2) == file.tell() == 2 and file.peek(1)[:1] == b"l" and file.readline() == b"line 0\n"
    with gzip.open(open_("t.gz"), "rt") as file:
        assert file.read() == text
    for mode in ("r|*", "r:"):
        with tarfile.open(fileobj=open_("a.tar"), mode=mode) as tar:
            assert [(info.name, tar.extractfile(info).read()) for info in tar] == members
    with zipfile.ZipFile(open_("a.zip")) as archive:
        assert [(name, archive.read(name)) for name in archive.namelist()] == members


def test_54_lines_come_fast(client: Client, peer: Peer):
    line = b"x" * 99 + b"\n"
    peer.objects["b/lines"] = line * 400_000
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        count = sum(1 for _ in client.bucket("b").object("lines").get_reader().as_file())
        best = max(best, count * 100 / (time.perf_counter() - start))
    assert count == 400_000 and best > 100e6, f"{best / 1e6:.0f} MB/s"


def test_55_files_know_that_they_are_closed(obj):
    file = obj.get_reader().as_file()
    assert file.readable() and not file.writable() and file.read(0) == b"" and not file.closed
    file.close()
    assert file.closed
    with pytest.raises(ValueError):
        file.read()


def test_a_with_block_starts_at_the_beginning(obj):
    file = obj.get_reader().as_file()
    assert file.read(10) == CONTENT[:10]
    with file:
        assert file.read(10) == CONTENT[:10] and file.tell() == 10


def test_selections_cannot_seek(obj, peer: Peer):
    file = obj.get("m").as_file()
    assert not file.seekable() and file.read(3) == CONTENT[:3]
    for call in (file.tell, lambda: file.seek(0), file.fileno):
        with pytest.raises(io.UnsupportedOperation):
            call()


def test_behind_the_end_there_is_nothing(obj, peer: Peer):
    file = obj.get_reader().as_file()
    file.seek(10**6)
    peer.scripted = [peer.object, Reply(status=416)]
    assert file.read(5) == b""
    with pytest.raises(ValueError):
        file.seek(-1)


# --- parallel reading ---


@pytest.fixture
def no_leftover_workers():
    yield
    assert [thread for thread in threading.enumerate() if thread.name.startswith("moss-")] == []


CHUNK = 10_000


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 10 * CHUNK])
def test_56_57_parallel_reading_gives_the_same(client: Client, peer: Peer, size, no_leftover_workers):
    peer.objects["b/o"] = CONTENT[:size]
    reader = client.bucket("b").object("o").get_reader(num_workers=4, chunk_size=CHUNK)
    content = reader.read_all()
    assert content == CONTENT[:size] and len(content) == size and content.tobytes() == CONTENT[:size]
    assert bytes(content.buf) == bytes(content) == CONTENT[:size] and content != b"other" and content != 5
    assert io.BytesIO().write(content) == size and content.name == "" and isinstance(content, ParallelBuffer)
    with content as same:
        assert same is content
    content.close()
    with pytest.raises(ValueError):
        _ = content.buf
    assert b"".join(reader) == CONTENT[:size]
    with reader.as_file() as file:
        assert file.read() == CONTENT[:size]
    assert [r.query.get("props") for r in peer.received if r.method == "HEAD"] == ["chunked"] * 3


def test_56_each_byte_is_asked_for_once(client: Client, peer: Peer):
    peer.objects["b/o"] = CONTENT[:35_000]
    client.bucket("b").object("o").get_reader(num_workers=2, chunk_size=CHUNK).read_all()
    wanted = ["bytes=0-9999", "bytes=10000-19999", "bytes=20000-29999", "bytes=30000-34999"]
    assert sorted(ranges(peer)) == wanted


def test_47_parallel_reading_and_other_options(obj, peer: Peer):
    from moss.sdk.reading import EtlByName

    for options in (
        {"num_workers": 1}, {"num_workers": 0}, {"num_workers": 2, "byte_range": "bytes=0-1"},
        {"num_workers": 2, "etl": EtlByName("x")}, {"num_workers": 2, "blob_download_config": BlobDownloadConfig()},
    ):  # fmt: skip
        with pytest.raises(ValueError):
            obj.get_reader(**options)
    assert peer.received == []


def test_58_a_range_of_a_wrong_length_is_an_error(obj, peer: Peer):
    import requests

    for body in (b"short", CONTENT + b"x"):
        peer.scripted = [peer.object, Reply(status=206, body=body)]
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            obj.get_reader(num_workers=2).read_all()
        peer.scripted = [peer.object, Reply(status=206, body=body, chunk_bytes=1000)]
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            obj.get_reader(num_workers=2).read_all()


def test_broken_ranges_are_completed(obj, peer: Peer):
    peer.scripted = [peer.object, cut(1000)(peer), cut(5)(peer)]
    assert obj.get_reader(num_workers=2, chunk_size=100_000).read_all() == CONTENT


def test_parallel_reading_notices_a_replaced_object(obj, peer: Peer):
    def other(request: Received) -> Reply:
        reply = peer.object(request)
        return Reply(reply.status, {**reply.headers, "Ais-Version": "8"}, reply.body)

    peer.scripted = [peer.object, other]
    with pytest.raises(ObjectChanged):
        obj.get_reader(num_workers=2, chunk_size=50_000).read_all()


def test_a_parallel_iteration_can_be_left(obj, no_leftover_workers):
    pieces = iter(obj.get_reader(num_workers=3, chunk_size=1000))
    assert next(pieces) == CONTENT[:1000]
    pieces.close()


# --- writing ---


@pytest.fixture
def stored(node):
    """A way to make objects of a real node."""
    import uuid

    with Client(node.url) as client:
        bucket = client.bucket(f"file-{uuid.uuid4().hex[:12]}").create()
        yield bucket.object
        bucket.delete(missing_ok=True)


def test_60_replacing_an_object(client: Client, peer: Peer):
    obj = client.bucket("b").object("o")
    with obj.get_writer().as_file("w") as file:
        assert file.write(b"abc") == 3 and file.write(memoryview(b"de")) == 2 and file.writable()
        assert not file.seekable() and not file.readable() and not file.closed
        assert peer.received == []
    assert peer.objects["b/o"] == b"abcde" and methods(peer) == ["PUT"] and file.closed
    file.close()
    with pytest.raises(ValueError):
        file.write(b"x")
    with obj.get_writer().as_file("w"):
        pass
    assert peer.objects["b/o"] == b""


def test_60_an_exception_leaves_what_was_there(client: Client, peer: Peer):
    peer.objects["b/o"] = b"before"
    for mode in ("w", "a"):
        with pytest.raises(KeyError), client.bucket("b").object("o").get_writer().as_file(mode) as file:
            file.write(b"half")
            raise KeyError
        assert file.closed
    assert peer.objects["b/o"] == b"before" and peer.received == []


def test_60_a_file_that_is_dropped_changes_nothing(client: Client, peer: Peer):
    file = client.bucket("b").object("o").get_writer().as_file("w")
    file.write(b"half")
    with pytest.warns(ResourceWarning):
        del file
    assert peer.received == []


def test_60_large_contents_go_in_parts_and_appear_at_once(stored):
    obj = stored("large")
    obj.put_content(b"before")
    content = random.Random(4).randbytes(20 << 20)
    with obj.get_writer().as_file("w") as file:
        for start in range(0, len(content), 3 << 20):
            file.write(content[start : start + (3 << 20)])
        assert obj.get_reader().read_all() == b"before"
    assert obj.get_reader().read_all() == content
    with pytest.raises(KeyError), obj.get_writer().as_file("w") as file:
        file.write(content[1:])
        raise KeyError
    assert obj.get_reader(num_workers=4).read_all() == content


def test_59_60_appending(stored):
    obj = stored("a")
    with obj.get_writer().as_file() as file:
        file.write(b"1")
        file.flush()
        assert obj.get_reader().read_all() == b"1"
        file.write(b"2" * (9 << 20))
        assert obj.get_reader().read_all() == b"1"
    assert obj.get_reader().read_all() == b"1" + b"2" * (9 << 20)
    with obj.get_writer().as_file("w") as file:
        file.write(b"x")
        file.flush()
        assert len(obj.get_reader().read_all()) > 1, "a content that is replaced is replaced as a whole"
        file.write(b"y")
    assert obj.get_reader().read_all() == b"xy"
    with obj.get_writer().as_file("a"):
        pass
    assert obj.get_reader().read_all() == b"xy"


def test_61_what_writes_into_files_writes_into_objects(stored):
    array = numpy.arange(100_000, dtype=numpy.float32).reshape(100, -1)
    with stored("n").get_writer().as_file("w") as file:
        numpy.save(file, array)
    assert (numpy.load(stored("n").get_reader().as_file()) == array).all()
    with stored("z").get_writer().as_file("w") as file:
        numpy.savez(file, a=array)
    assert (numpy.load(stored("z").get_reader().as_file())["a"] == array).all()
    with stored("g").get_writer().as_file("w") as file, gzip.open(file, "wt") as text:
        text.write("zeile ä\n" * 1000)
    assert gzip.decompress(stored("g").get_reader().read_all()).decode() == "zeile ä\n" * 1000
    with io.TextIOWrapper(stored("t").get_writer().as_file("w"), encoding="utf-8") as text:
        print("ä", 1, file=text)
    with stored("t").get_writer().as_file() as file:
        print("ö", 2, file=file)
    assert stored("t").get_reader().read_all().decode() == "ä 1\nö 2\n"
    with stored("s.tar").get_writer().as_file("w") as file, tarfile.open(fileobj=file, mode="w|") as tar:
        info = tarfile.TarInfo("m")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    assert stored("s.tar").get_reader().raw().read()[512:515] == b"abc"


def test_62_other_modes(client: Client):
    for mode in ("x", "r", "wb", ""):
        with pytest.raises(ValueError):
            client.bucket("b").object("o").get_writer().as_file(mode)


def test_a_flush_that_failed_can_be_tried_again(client: Client, peer: Peer):
    file = client.bucket("b").object("o").get_writer().as_file("a")
    file.write(b"abc")
    peer.scripted = [Reply(status=403), Reply(headers={"Ais-Append-Handle": "h"}), Reply()]
    with pytest.raises(AISError):
        file.flush()
    file.close()
    assert [request.body for request in peer.received] == [b"abc", b"abc", b""]
    assert [request.query["append_handle"] for request in peer.received] == ["", "", "h"]


def test_60_a_content_that_cannot_be_committed_leaves_nothing_behind(client: Client, peer: Peer):
    peer.scripted = [Reply(body=b"up1"), Reply(), Reply(), Reply(status=400), Reply()]
    file = client.bucket("b").object("o").get_writer().as_file("w")
    file.write(b"x" * (9 << 20))
    with pytest.raises(AISError):
        file.close()
    assert file.closed and methods(peer) == ["POST", "PUT", "PUT", "POST", "DELETE"]


# --- the asynchronous twin ---


def test_files_of_the_asynchronous_client(peer: Peer, patient):
    peer.objects["b/o"] = CONTENT

    async def main():
        async with aio.Client(peer.url, retry_config=patient) as client:
            obj = client.bucket("b").object("o")
            peer.scripted = [cut(1000)(peer)]
            file = (await obj.get_reader()).as_file()
            async with file:
                assert await file.read(10) == CONTENT[:10] and file.tell() == 10
                assert await file.read() == CONTENT[10:] and await file.read() == b""
                assert await file.seek(-5, io.SEEK_END) and await file.read(9) == CONTENT[-5:]
                assert await file.seek(3) == 3 and await file.readinto(buffer := bytearray(7)) == 7
                assert buffer == CONTENT[3:10]
            reader = await obj.get_reader(num_workers=3, chunk_size=CHUNK)
            assert await reader.read_all() == CONTENT
            assert b"".join([piece async for piece in reader]) == CONTENT
            async with (await obj.get_reader(num_workers=3, chunk_size=CHUNK)).as_file() as file:
                assert await file.read(50_001) == CONTENT[:50_001]
            async with client.bucket("b").object("w").get_writer().as_file("w") as file:
                await file.write(b"one\ntwo")
                await file.write("\nthree\n")
            with pytest.raises(KeyError):
                async with client.bucket("b").object("x").get_writer().as_file("w") as file:
                    await file.write(b"half")
                    raise KeyError
            async with (await client.bucket("b").object("w").get_reader()).as_file() as file:
                return [line async for line in file]

    assert asyncio.run(asyncio.wait_for(main(), 30)) == [b"one\n", b"two\n", b"three\n"]
    assert "b/x" not in peer.objects
