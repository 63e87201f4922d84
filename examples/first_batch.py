"""The main job on real files: put them into a bucket, read them back as ordered batches, check every byte.

Run it with `make run`, or `python examples/first_batch.py` where the project is installed. Nothing is fetched; the node
listens on a free loopback port, keeps its data in a temporary directory, and is gone at the end.
"""

import io
import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import lz4.frame
from running_node import command_path, running_node

from moss.sdk import Bucket, Client

DATA = Path(__file__).parent / "data"
FOLDERS = ("digits", "documents", "photos", "speech")
SHARD_NAMES = ("shards/files.tar", "shards/files.tgz", "shards/files.zip", "shards/files.tar.lz4")
BUCKET = "first-batch"
REPEATS = 5

Files = dict[str, bytes]


@dataclass
class Row:
    """One line of the table: how something was read, and what it cost (the best of REPEATS runs)."""

    what: str
    entry_count: int
    size_bytes: int
    time_s: float

    def text(self, slowest_s: float) -> str:
        rate = self.entry_count / self.time_s
        size_mib = self.size_bytes / (1 << 20)
        return (
            f"{self.what:<46}{self.entry_count:>8}{size_mib:>8.2f}{self.time_s * 1e3:>10.1f}{rate:>11,.0f}"
            f"{slowest_s / self.time_s:>8.1f}x"
        )


def load_files() -> Files:
    """Every example file by its path below examples/data, in a fixed random order, as a sampler would ask for them."""
    names = [str(path.relative_to(DATA)) for folder in FOLDERS for path in (DATA / folder).rglob("*") if path.is_file()]
    names.sort()
    random.Random(3).shuffle(names)
    return {name: (DATA / name).read_bytes() for name in names}


def make_tar(files: Files, mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def make_shards(files: Files) -> Files:
    """The same files packed four times, once in each format that a shard may have."""
    plain_tar = make_tar(files, "w")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    contents = (plain_tar, make_tar(files, "w:gz"), buffer.getvalue(), lz4.frame.compress(plain_tar))
    return dict(zip(SHARD_NAMES, contents, strict=True))


def best_of(what: str, expected: Sequence[bytes], read: Callable[[], Sequence[bytes]]) -> Row:
    """Runs `read` a few times, compares every byte of every run, keeps the best time."""
    times_s = []
    for _ in range(REPEATS):
        started_s = time.perf_counter()
        contents = read()
        times_s.append(time.perf_counter() - started_s)
        check(what, contents, expected)
    return Row(what, len(expected), sum(map(len, expected)), min(times_s))


def check(what: str, contents: Sequence[bytes], expected: Sequence[bytes]) -> None:
    if len(contents) != len(expected):
        raise SystemExit(f"{what}: {len(contents)} entries instead of {len(expected)}")
    for index, (content, wanted) in enumerate(zip(contents, expected, strict=True)):
        if content != wanted:
            raise SystemExit(f"{what}: entry {index} differs ({len(content)} bytes, expected {len(wanted)})")


def read_batch(client: Client, bucket: Bucket, names: Sequence[str], shard_name: str | None) -> list[bytes]:
    """One batch: the objects of these names, or the members of these names in one shard, in this order."""
    batch = client.batch(bucket=bucket)
    for name in names:
        if shard_name is None:
            batch.add(name)
        else:
            batch.add(shard_name, archpath=name)
    return [content for _, content in batch.get()]


def read_singly(client: Client, bucket: Bucket, names: Sequence[str]) -> list[bytes]:
    return [bucket.object(name).get_reader().read_all() for name in names]


def read_singly_by_http(url: str, names: Sequence[str]) -> list[bytes]:
    """What a script without any SDK does: plain HTTP on kept connections, redirects followed."""
    connections: dict[str, HTTPConnection] = {}

    def get(location: str) -> bytes:
        parts = urlsplit(location)
        connection = connections.setdefault(parts.netloc, HTTPConnection(parts.netloc))
        connection.request("GET", urlunsplit(("", "", parts.path, parts.query, "")))
        answer = connection.getresponse()
        content = answer.read()
        target = answer.headers["Location"]
        return get(target) if target else content

    try:
        return [get(f"{url}/v1/objects/{BUCKET}/{quote(name)}") for name in names]
    finally:
        for connection in connections.values():
            connection.close()


def run_command(url: str, arguments: Sequence[str]) -> float:
    """Runs `ais ml get-batch` as a person would; returns how long it took, in seconds, its start included."""
    started_s = time.perf_counter()
    subprocess.run(
        [command_path("ais"), "ml", "get-batch", *arguments],
        env={**os.environ, "AIS_ENDPOINT": url},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - started_s


def read_archive(path: Path) -> dict[str, bytes]:
    """Members of a finished archive by name, read with the standard library (and lz4)."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    content = path.read_bytes()
    if path.suffix == ".lz4":
        content = lz4.frame.decompress(content)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def command_rows(url: str, files: Files, folder: Path) -> list[Row]:
    """`ais ml get-batch` over a prefix, a template and a spec that names shard members, into all four formats."""
    names = list(files)
    numbers = [f"speech/digits/{number}.wav" for number in range(21)]
    members = [{"objname": shard, "archpath": name} for shard in SHARD_NAMES for name in names[:75]]
    spec = folder / "members.yaml"
    spec.write_text(json.dumps({"in": members, "output_format": ".tar"}))
    cases = [
        ("photos.zip", [f"ais://{BUCKET}", "--prefix", "photos/"], [n for n in names if n.startswith("photos/")]),
        ("digits.tgz", [f"ais://{BUCKET}", "--prefix", "digits/"], [n for n in names if n.startswith("digits/")]),
        ("numbers.tar.lz4", [f"ais://{BUCKET}/speech/digits/{{0..20}}.wav"], numbers),
    ]
    rows = []
    for output, arguments, expected_names in cases:
        time_s = run_command(url, [*arguments, str(folder / output), "--yes"])
        expected = {f"{BUCKET}/{name}": files[name] for name in expected_names}
        rows.append(command_row(output, time_s, read_archive(folder / output), expected))
    time_s = run_command(url, [f"ais://{BUCKET}", str(folder / "members.tar"), "--spec", str(spec), "--yes"])
    expected = {f"{BUCKET}/{entry['objname']}/{entry['archpath']}": files[entry["archpath"]] for entry in members}
    rows.append(command_row("members.tar", time_s, read_archive(folder / "members.tar"), expected))
    return rows


def command_row(output: str, time_s: float, got: Files, expected: Files) -> Row:
    if got != expected:
        raise SystemExit(f"ais ml get-batch … {output}: the archive differs from what was put")
    return Row(f"ais ml get-batch … {output}", len(expected), sum(map(len, expected.values())), time_s)


def sdk_rows(url: str, client: Client, bucket: Bucket, files: Files) -> list[Row]:
    names, contents = list(files), list(files.values())
    rows = [
        best_of("one GET per file, plain HTTP, redirects followed", contents, lambda: read_singly_by_http(url, names)),
        best_of("one GET per file, SDK", contents, lambda: read_singly(client, bucket, names)),
        best_of("SDK batch, objects", contents, lambda: read_batch(client, bucket, names, None)),
    ]
    for shard_name in SHARD_NAMES:
        what = f"SDK batch, members of {shard_name}"
        rows.append(best_of(what, contents, lambda name=shard_name: read_batch(client, bucket, names, name)))
    return rows


def main() -> int:
    files = load_files()
    shards = make_shards(files)
    with tempfile.TemporaryDirectory(prefix="moss-first-batch-") as temporary:
        folder = Path(temporary)
        with running_node(folder / "data") as node:
            client = Client(node.url)
            bucket = client.bucket(BUCKET).create()
            started_s = time.perf_counter()
            for name, content in {**files, **shards}.items():
                bucket.object(name).get_writer().put_content(content)
            put_s = time.perf_counter() - started_s
            print(f"node {node.url}: {len(files)} files and {len(shards)} shards put in {put_s:.1f} s\n")
            rows = sdk_rows(node.url, client, bucket, files)
            commands = command_rows(node.url, files, folder)
    print(f"{'':<46}{'entries':>8}{'MiB':>8}{'ms':>10}{'entries/s':>11}{'':>9}")
    for row in rows:
        print(row.text(rows[0].time_s))
    print("\nas a command, start of the program included:")
    for row in commands:
        print(row.text(row.time_s).rsplit(" ", 1)[0].rstrip())
    entry_count = sum(row.entry_count for row in commands) + sum(row.entry_count * REPEATS for row in rows)
    print(f"\n{entry_count} entries compared byte by byte, all equal. The node has stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
