"""What S4 to S8 do through the SDKs, in a client process: seconds, every length checked."""

import json
import time
import urllib.request
from collections.abc import Iterator, Sequence

from benchmarks import connections
from benchmarks.clients import ShortRead

PIECE_BYTES = 1 << 20
_kept: dict[tuple[str, str], object] = {}


def create_bucket(url: str, bucket: str) -> None:
    body = json.dumps({"action": "create-bck"}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/buckets/{bucket}", data=body, headers=headers)
    urllib.request.urlopen(request, timeout=30).close()


def put_files(url: str, bucket: str, folder: str, count: int) -> float:
    from moss.sdk import Client

    target = Client(url).bucket(bucket).create()
    started_s = time.perf_counter()
    stored = target.put_files(folder)
    elapsed_s = time.perf_counter() - started_s
    if len(stored) != count:
        raise ShortRead(f"{len(stored)} files stored instead of {count}")
    return elapsed_s


def put_large(url: str, bucket: str, size: int) -> None:
    """Store one object of a repeated piece, sent chunked."""
    create_bucket(url, bucket)
    piece = bytes(range(256)) * (PIECE_BYTES // 256)

    def pieces() -> Iterator[bytes]:
        for _ in range(size // PIECE_BYTES):
            yield piece

    headers = {"Moss-Direct": "1", "Content-Length": str(size)}
    request = urllib.request.Request(f"{url}/v1/objects/{bucket}/one", data=pieces(), headers=headers, method="PUT")
    urllib.request.urlopen(request, timeout=120).close()


def read_all(url: str, bucket: str, size: int) -> float:
    from moss.sdk import Client

    client = _kept.setdefault(("read_all", url), Client(url))
    reader = client.bucket(bucket).object("one").get_reader()  # type: ignore[attr-defined]
    started_s = time.perf_counter()
    found = len(reader.read_all())
    elapsed_s = time.perf_counter() - started_s
    if found != size:
        raise ShortRead(f"{found} bytes instead of {size}")
    return elapsed_s


def _gets(client: object, bucket: str, names: Sequence[str]) -> float:
    source = client.bucket(bucket)  # type: ignore[attr-defined]
    started_s = time.process_time()
    for name in names:
        source.object(name).get_reader().read_all()
    return (time.process_time() - started_s) / len(names)


def our_gets(url: str, bucket: str, names: Sequence[str]) -> float:
    """CPU seconds of this process per GET of our SDK, one after the other, without the wait for it."""
    from moss.sdk import Client

    return _gets(_kept.setdefault(("ours", url), Client(url)), bucket, names)


def official_gets(url: str, bucket: str, names: Sequence[str]) -> float:
    """The same with the official SDK."""
    from aistore.sdk import Client

    return _gets(_kept.setdefault(("official", url), Client(url)), bucket, names)


def bare_gets(host: str, port: int, bucket: str, names: Sequence[str]) -> float:
    """The same with nothing but sockets."""
    requests = [f"GET /v1/objects/{bucket}/{name} HTTP/1.1\r\nHost: bench\r\n\r\n".encode() for name in names]
    started_s = time.process_time()
    connections.seconds_for_all(host, port, 1, requests)
    return (time.process_time() - started_s) / len(names)
