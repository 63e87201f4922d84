"""The SDK and a real node."""

import asyncio
import random
import uuid

import pytest

from moss.sdk import Client
from moss.sdk.aio import Client as AsyncClient
from moss.sdk.errors import ErrBckNotFound, ErrObjNotFound
from moss.testing import NodeProcess
from tests.sdk.peer import build_tar


@pytest.fixture
def bucket(node: NodeProcess):
    with Client(node.url) as client:
        bucket = client.bucket(f"sdk-{uuid.uuid4().hex[:12]}").create()
        yield bucket
        bucket.delete(missing_ok=True)


@pytest.fixture
def stored(bucket) -> dict[str, bytes]:
    rng = random.Random(5)
    stored = {f"d/o{i:03}": rng.randbytes(rng.choice([0, 1, 512, 3000, 40_000])) for i in range(60)}
    for name, data in stored.items():
        bucket.object(name).put_content(data)
    bucket.object("s.tar").put_content(build_tar([("m/1", b"one"), ("m/2", b"two" * 1000)]))
    return stored


@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("output_format", [".tar", ".tgz", ".tar.lz4", ".zip"])
def test_batches(bucket, stored, output_format, streaming, checksum):
    with Client(bucket.client.base_url) as client:
        batch = client.batch(list(stored), bucket, output_format=output_format, streaming_get=streaming)
        batch.add("s.tar", "m/2").add("gone").add("d/o003", start=0, length=-1 if stored["d/o003"] else None)
        result = list(batch.get(checksum=checksum))
    assert [data for _, data in result] == [*stored.values(), b"two" * 1000, b"", stored["d/o003"]]
    missing = result[-2][0]
    if streaming and output_format == ".zip":
        assert missing.err_msg
    else:
        assert f"ais://{bucket.name}/gone does not exist" in missing.err_msg


def test_strict_batches_and_missing_buckets(bucket, stored):
    with Client(bucket.client.base_url) as client:
        with pytest.raises(ErrObjNotFound):
            client.batch(["d/o000", "gone"], bucket, cont_on_err=False).get()
        with pytest.raises(ErrBckNotFound):
            client.batch(["x"], client.bucket("no-such-bucket")).get()
        with pytest.raises(ErrObjNotFound):
            bucket.object("gone").get()


def test_objects_and_listings(bucket, stored):
    assert [entry.name for entry in bucket.list_objects_iter("d/", page_size=7)] == sorted(stored)
    obj = bucket.object("d/o002")
    assert obj.get_reader().read_all(verify_checksum=True) == stored["d/o002"]
    assert obj.props.size == obj.head().size == len(stored["d/o002"]) and obj.head().present
    obj.delete()
    with pytest.raises(ErrObjNotFound):
        obj.get()
    large = random.Random(6).randbytes(3_000_000)
    bucket.object("large").put_content(large)
    assert bucket.object("large").get_reader().read_all() == large
    assert bucket.object("large").get_reader(byte_range="bytes=5-9").read_all() == large[5:10]
    assert bucket.object("large").get_reader(direct=True).read_all() == large
    with pytest.raises(Exception, match="already exists"):
        bucket.create()
    assert bucket.exists() and bucket.create(exist_ok=True)


def test_the_cluster(bucket):
    with Client(bucket.client.base_url) as client:
        assert client.cluster().is_ready()
        assert bucket.name in [model.name for model in client.cluster().list_buckets()]


def test_the_asynchronous_client(bucket, stored):
    async def main():
        async with AsyncClient(bucket.client.base_url) as client:
            batch = client.batch(list(stored), client.bucket(bucket.name))
            return [data async for _, data in await batch.get(checksum=True)]

    assert asyncio.run(asyncio.wait_for(main(), 30)) == list(stored.values())
