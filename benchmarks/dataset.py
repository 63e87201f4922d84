"""Seeded objects, shards and batch requests: the same bytes and the same order in every run."""

import asyncio
import io
import json
import random
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import aiohttp

from benchmarks.rawclient import Target

KIB = 1 << 10
MIB = 1 << 20
BUCKET = "bench"
SEED = 20250101
PUTS_IN_FLIGHT = 64
SHARD_COUNT = 10
SHARD_MEMBERS = 1000
MEMBER_BYTES = 10 * KIB
TGZ_MEMBERS = 1000
OBJECT_COUNTS = {KIB: 10_000, 10 * KIB: 10_000, 100 * KIB: 2_000, MIB: 256}
QUICK_OBJECT_COUNTS = {KIB: 2_000, 10 * KIB: 2_000, 100 * KIB: 500, MIB: 64}


def label(size_bytes: int) -> str:
    return f"{size_bytes // MIB} MiB" if size_bytes >= MIB else f"{size_bytes // KIB} KiB"


def object_name(size_bytes: int, index: int) -> str:
    return f"{size_bytes}/{index:06d}.bin"


def object_content(size_bytes: int, index: int) -> bytes:
    return random.Random(f"{SEED}/{size_bytes}/{index}").randbytes(size_bytes)


def member_name(index: int) -> str:
    return f"samples/{index:06d}.bin"


def shard_content(shard: int, member_count: int, mode: str) -> bytes:
    """A TAR of random members ("w") or the same compressed ("w:gz")."""
    buffer = io.BytesIO()
    source = random.Random(f"{SEED}/shard/{shard}")
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for index in range(member_count):
            member = tarfile.TarInfo(member_name(index))
            member.size = MEMBER_BYTES
            archive.addfile(member, io.BytesIO(source.randbytes(MEMBER_BYTES)))
    return buffer.getvalue()


@dataclass
class Dataset:
    """What lies in the bucket, and random batches of it."""

    object_counts: dict[int, int]
    shards: int = SHARD_COUNT
    source: random.Random = field(default_factory=lambda: random.Random(SEED))

    def contents(self) -> Iterator[tuple[str, bytes]]:
        for size_bytes, count in self.object_counts.items():
            for index in range(count):
                yield object_name(size_bytes, index), object_content(size_bytes, index)
        for shard in range(self.shards):
            yield f"shard-{shard}.tar", shard_content(shard, SHARD_MEMBERS, "w")
        if self.shards:
            yield "shard-0.tgz", shard_content(0, TGZ_MEMBERS, "w:gz")

    def names(self, size_bytes: int, count: int) -> list[str]:
        """Random names of one size; each at most once where the bucket holds enough of them."""
        available = self.object_counts[size_bytes]
        if count <= available:
            indices: Iterable[int] = self.source.sample(range(available), count)
        else:
            indices = self.source.choices(range(available), k=count)
        return [object_name(size_bytes, index) for index in indices]

    def entries(self, size_bytes: int, count: int) -> list[dict[str, str]]:
        return [{"objname": name} for name in self.names(size_bytes, count)]

    def member_entries(self, count: int) -> list[dict[str, str]]:
        """Random members of random TAR shards."""
        numbers = self.source.sample(range(self.shards * SHARD_MEMBERS), count)
        return [
            {"objname": f"shard-{number // SHARD_MEMBERS}.tar", "archpath": member_name(number % SHARD_MEMBERS)}
            for number in numbers
        ]

    def tgz_entries(self, count: int) -> list[dict[str, str]]:
        numbers = self.source.sample(range(TGZ_MEMBERS), count)
        return [{"objname": "shard-0.tgz", "archpath": member_name(number)} for number in numbers]


def batch_target(
    host: str,
    port: int,
    entries: Sequence[dict[str, str]],
    size_bytes: int,
    *,
    continue_on_error: bool = True,
    path: str = BUCKET,
) -> Target:
    """A streaming TAR batch as one prepared request; size_bytes is that of each entry, path the bucket and its query.

    Errors become placeholders unless told otherwise, as the clients ask for by default; strict mode looks for missing
    entries before it sends anything, and is measured apart.
    """
    body = json.dumps(
        {"in": entries, "mime": ".tar", "coer": continue_on_error, "strm": True}, separators=(",", ":")
    ).encode()
    head = (
        f"GET /v1/ml/moss/{path} HTTP/1.1\r\nHost: {host}:{port}\r\nMoss-Direct: 1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return Target(host, port, head.encode() + body, body_bytes_min=len(entries) * size_bytes)


def file_target(host: str, port: int, path: str) -> Target:
    return Target(host, port, f"GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


async def _put_all(url: str, contents: Iterator[tuple[str, bytes]]) -> int:
    connector = aiohttp.TCPConnector(limit=PUTS_IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector, headers={"Moss-Direct": "1"}) as session:
        body = {"action": "create-bck"}
        async with session.post(f"{url}/v1/buckets/{BUCKET}", json=body) as answer:
            answer.raise_for_status()
        put_bytes = 0

        async def put_some() -> None:
            nonlocal put_bytes
            for name, content in contents:
                async with session.put(f"{url}/v1/objects/{BUCKET}/{name}", data=content) as answer:
                    answer.raise_for_status()
                put_bytes += len(content)

        await asyncio.gather(*(put_some() for _ in range(PUTS_IN_FLIGHT)))
        return put_bytes


def load(url: str, dataset: Dataset) -> int:
    """Creates the bucket and puts everything; returns the bytes put."""
    return asyncio.run(_put_all(url, dataset.contents()))
