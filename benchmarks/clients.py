"""Python clients as arms, run in a client process: seconds for reading `names` once, every length checked."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

IN_FLIGHT = 64
DIRECT = {"Moss-Direct": "1"}


class ShortRead(Exception):
    """A client read another number of bytes than was put."""


def _checked(started_s: float, read_bytes: int, wanted_bytes: int) -> float:
    elapsed_s = time.perf_counter() - started_s
    if read_bytes != wanted_bytes:
        raise ShortRead(f"{read_bytes} bytes instead of {wanted_bytes}")
    return elapsed_s


def requests_sequential(url: str, bucket: str, names: Sequence[str], wanted_bytes: int, direct: bool) -> float:
    import requests

    with requests.Session() as session:
        session.headers.update(DIRECT if direct else {})
        started_s = time.perf_counter()
        read_bytes = sum(len(session.get(f"{url}/v1/objects/{bucket}/{name}").content) for name in names)
        return _checked(started_s, read_bytes, wanted_bytes)


def aiohttp_parallel(url: str, bucket: str, names: Sequence[str], wanted_bytes: int) -> float:
    import aiohttp

    async def run() -> float:
        todo = iter(names)
        read_bytes = 0
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
        async with aiohttp.ClientSession(connector=connector, headers=DIRECT) as session:

            async def get_some() -> None:
                nonlocal read_bytes
                for name in todo:
                    async with session.get(f"{url}/v1/objects/{bucket}/{name}") as answer:
                        read_bytes += len(await answer.read())

            started_s = time.perf_counter()
            await asyncio.gather(*(get_some() for _ in range(IN_FLIGHT)))
            return _checked(started_s, read_bytes, wanted_bytes)

    return asyncio.run(run())


def urllib3_parallel(url: str, bucket: str, names: Sequence[str], wanted_bytes: int) -> float:
    import urllib3

    with urllib3.PoolManager(maxsize=IN_FLIGHT, headers=DIRECT) as pool, ThreadPoolExecutor(IN_FLIGHT) as threads:

        def get(name: str) -> int:
            return len(pool.request("GET", f"{url}/v1/objects/{bucket}/{name}").data)

        started_s = time.perf_counter()
        return _checked(started_s, sum(threads.map(get, names)), wanted_bytes)


def official_parallel(url: str, bucket: str, names: Sequence[str], wanted_bytes: int) -> float:
    from aistore.sdk import Client

    source = Client(url, max_pool_size=IN_FLIGHT).bucket(bucket)
    with ThreadPoolExecutor(IN_FLIGHT) as threads:

        def get(name: str) -> int:
            return len(source.object(name).get_reader().read_all())

        started_s = time.perf_counter()
        return _checked(started_s, sum(threads.map(get, names)), wanted_bytes)


_kept: dict[tuple[str, str], object] = {}


def official_batch(url: str, bucket: str, names: Sequence[str], wanted_bytes: int) -> float:
    from aistore.sdk import Client

    client = _kept.setdefault(("official", url), Client(url))
    return _batch(client, bucket, names, wanted_bytes)


def our_batch(url: str, bucket: str, names: Sequence[str], wanted_bytes: int) -> float:
    from moss.sdk import Client

    client = _kept.setdefault(("ours", url), Client(url))
    return _batch(client, bucket, names, wanted_bytes)


def _batch(client, bucket: str, names: Sequence[str], wanted_bytes: int) -> float:  # type: ignore[no-untyped-def]
    started_s = time.perf_counter()
    batch = client.batch(list(names), bucket=client.bucket(bucket))
    read_bytes = sum(len(content) for _, content in batch.get())
    return _checked(started_s, read_bytes, wanted_bytes)
