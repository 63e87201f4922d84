"""The asynchronous client. Its decisions are those of the blocking one; here is what is its own."""

import asyncio
import socket
from dataclasses import replace

import pytest

from moss.sdk.aio import Client
from moss.sdk.batch.errors import BatchIncompleteError
from moss.sdk.errors import ConnectFailed, ConnectionLost, ErrObjNotFound, ReadTimedOut
from tests.sdk.peer import Peer, Reply
from tests.sdk.test_session import redirect_to


def run(peer: Peer, patient, work, url: str | None = None, **options):
    async def main():
        async with Client(url or peer.url, retry_config=patient, **options) as client:
            return await work(client)

    return asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize("output_format", [".tar", ".tgz", ".zip", ".tar.lz4"])
@pytest.mark.parametrize("streaming", [True, False])
def test_batches(peer: Peer, patient, output_format, streaming):
    names = [f"o{i}" for i in range(200)]
    peer.objects = {f"b/{name}": name.encode() * 300 for name in names}

    async def work(client):
        batch = client.batch(names, client.bucket("b"), output_format=output_format, streaming_get=streaming)
        return [(out.obj_name, data) async for out, data in await batch.get()]

    assert run(peer, patient, work) == [(name, name.encode() * 300) for name in names]


@pytest.mark.parametrize("cut_at", [0, 700, 2000, 5632, 6000])
def test_cut_batches_are_completed(peer: Peer, patient, cut_at):
    peer.objects = {"b/a": b"A" * 5000, "b/c": b"C" * 5000}
    peer.faults = [lambda reply: replace(reply, chunk_bytes=0, cut_at=cut_at)]

    async def work(client):
        return [data async for _, data in await client.batch(["a", "c"], client.bucket("b")).get()]

    assert run(peer, patient, work) == [b"A" * 5000, b"C" * 5000]
    peer.faults = [lambda reply: replace(reply, chunk_bytes=0, cut_at=cut_at)]

    async def no_resume(client):
        return [data async for _, data in await client.batch(["a", "c"], client.bucket("b")).get(resume=False)]

    with pytest.raises(BatchIncompleteError):
        run(peer, patient, no_resume)


def test_a_batch_can_be_left_early(peer: Peer, patient):
    peer.objects = {f"b/o{i}": bytes(100_000) for i in range(100)}

    async def work(client):
        batch = client.batch([f"o{i}" for i in range(100)], client.bucket("b"))
        async with await batch.get(clear_batch=False) as stream:
            async for _ in stream:
                break
        async for out, _ in await batch.get():
            return out.obj_name

    assert run(peer, patient, work) == "o0"


def test_objects(peer: Peer, patient, tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"f" * 100_000)

    async def work(client):
        bucket = client.bucket("b")
        await bucket.object("x").put_content(b"hello")
        await bucket.object("y").put_file(file)
        await bucket.object("z").put_content(iter([b"a", b"b"]))
        reader = await bucket.object("x").get_reader()
        assert await reader.read_all() == b"hello" and (await reader.attributes).obj_version == "7"
        assert [piece async for piece in await bucket.object("x").get_reader(chunk_size=3)] == [b"hel", b"lo"]
        assert (await bucket.object("y").props).size == 100_000
        stream = await (await bucket.object("y").get()).raw()
        assert await stream.read(3) == b"fff"
        stream.close()
        buffer = bytearray(5)
        assert await reader.readinto(buffer) == 5 and buffer == b"hello"
        with pytest.raises(ErrObjNotFound):
            await bucket.object("gone").get()
        await bucket.object("x").delete()
        return sorted(peer.objects)

    assert run(peer, patient, work) == ["b/y", "b/z"]
    assert peer.objects["b/z"] == b"ab"


def test_listings(peer: Peer, patient):
    from tests.sdk.test_bucket import page

    peer.scripted = [page(["a", "b"], "b"), page(["c"])]

    async def work(client):
        return [obj.name async for obj in client.bucket("b").list_all_objects_iter()]

    assert run(peer, patient, work) == ["a", "b", "c"]


def test_redirects_keep_the_body_and_the_token(peer: Peer, patient):
    target = Peer()
    peer.smap_urls = [target.url]
    peer.scripted = [redirect_to(target), peer.handle, redirect_to(target)]
    target.objects["b/a"] = b"1"

    async def work(client):
        await client.bucket("b").object("c").put_content(b"2")
        return [data async for _, data in await client.batch(["a", "c"], client.bucket("b")).get()]

    try:
        assert run(peer, patient, work, token="t") == [b"1", b"2"]
        assert {r.headers.get("authorization") for r in target.received} == {"Bearer t"}
    finally:
        target.close()


def test_broken_connections_have_the_same_classes(peer: Peer, patient):
    peer.scripted = [Reply(body=b"12345", content_length=10, cut_at=5)]

    async def read(client):
        return await (await client.bucket("b").object("o").get_reader()).read_all()

    with pytest.raises(ConnectionLost):
        run(peer, patient, read)
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ReadTimedOut):
            run(peer, patient, read, url=silent, timeout=(1, 0.05))
    with pytest.raises(ConnectFailed):
        run(peer, patient, read, url=silent)


def test_a_client_serves_one_loop_after_another(peer: Peer, patient):
    peer.objects["b/o"] = b"1"
    client = Client(peer.url, retry_config=patient)

    async def read():
        try:
            return await (await client.bucket("b").object("o").get_reader()).read_all()
        finally:
            await client.close()

    assert asyncio.run(read()) == asyncio.run(read()) == b"1"
