"""Clients of cloud stores as arms, run in a client process: seconds for reading `names` once, every length checked."""

import asyncio
import os
import time
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.clients import IN_FLIGHT, ShortRead

LOADER_WORKERS = 8
_kept: dict[Any, Any] = {}


def _checked(started_s: float, read_bytes: int, wanted_bytes: int) -> float:
    elapsed_s = time.perf_counter() - started_s
    if read_bytes != wanted_bytes:
        raise ShortRead(f"{read_bytes} bytes instead of {wanted_bytes}")
    return elapsed_s


def boto_client(url: str, keys: dict[str, str]) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=keys["AWS_REGION"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )


def boto3_sequential(url: str, keys: dict[str, str], bucket: str, names: Sequence[str], wanted_bytes: int) -> float:
    client = _kept.setdefault(("boto3", url), boto_client(url, keys))
    started_s = time.perf_counter()
    read_bytes = sum(len(client.get_object(Bucket=bucket, Key=name)["Body"].read()) for name in names)
    return _checked(started_s, read_bytes, wanted_bytes)


def obstore_parallel(url: str, keys: dict[str, str], bucket: str, names: Sequence[str], wanted_bytes: int) -> float:
    import obstore
    from obstore.store import S3Store

    def store() -> S3Store:
        return S3Store(
            bucket,
            endpoint=url,
            region=keys["AWS_REGION"],
            access_key_id=keys["AWS_ACCESS_KEY_ID"],
            secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            client_options={"allow_http": True},
        )

    kept = _kept.get(("obstore", url, bucket)) or _kept.setdefault(("obstore", url, bucket), store())

    async def run() -> float:
        todo, read_bytes = iter(names), 0

        async def get_some() -> None:
            nonlocal read_bytes
            for name in todo:
                answer = await obstore.get_async(kept, name)
                content = await answer.bytes_async()
                read_bytes += len(content)

        started_s = time.perf_counter()
        await asyncio.gather(*(get_some() for _ in range(IN_FLIGHT)))
        return _checked(started_s, read_bytes, wanted_bytes)

    return asyncio.run(run())


def s3torchconnector_loader(
    url: str, keys: dict[str, str], bucket: str, names: Sequence[str], wanted_bytes: int
) -> float:
    """A map-style data set in torch's DataLoader, whose workers live on from call to call."""
    loader = _kept.get(("s3torch", url)) or _kept.setdefault(("s3torch", url), _loader(url, keys, bucket, names))
    started_s = time.perf_counter()
    return _checked(started_s, sum(map(len, loader)), wanted_bytes)


def _loader(url: str, keys: dict[str, str], bucket: str, names: Iterable[str]) -> Any:
    os.environ.update(keys)
    from s3torchconnector import S3ClientConfig, S3MapDataset
    from torch.utils.data import DataLoader

    data = S3MapDataset.from_objects(
        [f"s3://{bucket}/{name}" for name in names],
        region=keys["AWS_REGION"],
        endpoint=url,
        transform=_content,
        s3client_config=S3ClientConfig(force_path_style=True),
    )
    return DataLoader(
        data, batch_size=None, num_workers=LOADER_WORKERS, persistent_workers=True, multiprocessing_context="fork"
    )


def _content(reader: Any) -> bytes:
    return reader.read()


def close_loaders() -> None:
    for key in [key for key in _kept if key[0] == "s3torch"]:
        del _kept[key]


def _bucket(url: str, name: str) -> tuple[Any, Any]:
    from moss.sdk import Client

    client = _kept.get(("moss", url)) or _kept.setdefault(("moss", url), Client(url))
    return client, client.bucket(name, provider="aws")


def evict(url: str, bucket: str) -> None:
    """Empty a node's cache of a bucket."""
    _bucket(url, bucket)[1].evict(keep_md=True)


def cold_batch(url: str, bucket: str, entries: Sequence[tuple[str, str]], wanted_bytes: int) -> float:
    """One batch of our SDK right after the cache was emptied.

    Args:
        entries: names and members, "" for whole objects.
    """
    client, source = _bucket(url, bucket)
    evict(url, bucket)
    return _batch(client, source, entries, wanted_bytes)


def batch(url: str, bucket: str, entries: Sequence[tuple[str, str]], wanted_bytes: int) -> float:
    """One batch of our SDK, with the cache as it is."""
    return _batch(*_bucket(url, bucket), entries, wanted_bytes)


def _batch(client: Any, source: Any, entries: Sequence[tuple[str, str]], wanted_bytes: int) -> float:
    started_s = time.perf_counter()
    wanted = client.batch(bucket=source)
    for name, member in entries:
        wanted.add(source.object(name), archpath=member or None)
    return _checked(started_s, sum(len(content) for _, content in wanted.get()), wanted_bytes)
