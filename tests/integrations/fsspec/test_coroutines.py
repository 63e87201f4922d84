"""The same file system with `await`."""

import asyncio
import os
from pathlib import Path

import fsspec
import pytest
from fsspec.asyn import sync

from moss.integrations.fsspec import MossFileSystem
from moss.testing import NodeProcess
from tests.integrations.fsspec.test_members import MEMBERS, make_tar


@pytest.fixture
def run(node: NodeProcess):
    """Runs a coroutine function with a file system of the loop, and closes it."""

    def run(work) -> None:
        async def main() -> None:
            fs = fsspec.filesystem("ais", endpoint=node.url, asynchronous=True, skip_instance_cache=True)
            try:
                await work(fs)
            finally:
                await fs.aclose()

        asyncio.run(main())

    return run


def test_the_tree(run, bucket: str):
    async def work(fs: MossFileSystem) -> None:
        await fs._pipe({f"{bucket}/{name}": name.encode() for name in ("a", "d/b", "d/e/c")})
        assert [info["name"] for info in await fs._ls(bucket)] == [f"{bucket}/a", f"{bucket}/d"]
        assert await fs._find(bucket) == [f"{bucket}/{name}" for name in ("a", "d/b", "d/e/c")]
        assert await fs._glob(f"{bucket}/d/*") == [f"{bucket}/d/b", f"{bucket}/d/e"]
        assert [path async for path, _, _ in fs._walk(bucket)] == [bucket, f"{bucket}/d", f"{bucket}/d/e"]
        assert (await fs._info(f"{bucket}/a"))["size"] == 1
        assert (
            await fs._isfile(f"{bucket}/a") and await fs._isdir(f"{bucket}/d") and not await fs._exists(f"{bucket}/x")
        )
        assert await fs._du(bucket) == 1 + 3 + 5
        with pytest.raises(FileNotFoundError):
            await fs._info(f"{bucket}/x")
        with pytest.raises(ValueError, match="maxdepth"):
            await fs._find(bucket, maxdepth=0)
        await fs._makedirs(f"{bucket}-new", exist_ok=True)
        with pytest.raises(FileExistsError):
            await fs._mkdir(f"{bucket}-new")
        await fs._rmdir(f"{bucket}-new")
        assert not await fs._exists(f"{bucket}-new")

    run(work)


def test_contents(run, bucket: str):
    async def work(fs: MossFileSystem) -> None:
        await fs._pipe({f"{bucket}/{number}": str(number).encode() * 10 for number in range(50)})
        assert await fs._cat_file(f"{bucket}/7", 2, 5) == b"777"
        paths = [f"{bucket}/{number}" for number in range(50)]
        assert await fs._cat_ranges(paths, 0, 3) == [(str(number) * 10)[:3].encode() for number in range(50)]
        found = await fs._cat_ranges([paths[0], f"{bucket}/x"], 0, 3)
        assert found[0] == b"000" and isinstance(found[1], FileNotFoundError)
        with pytest.raises(FileNotFoundError):
            await fs._cat_ranges([paths[0], f"{bucket}/x"], 0, 3, on_error="raise")
        assert (await fs._cat(paths))[paths[1]] == b"1" * 10
        with pytest.raises(FileExistsError):
            await fs._pipe_file(paths[0], b"x", mode="create")
        await fs._copy(paths[0], f"{bucket}/copy")
        assert await fs._cat_file(f"{bucket}/copy") == b"0" * 10
        await fs._rm(f"{bucket}/1*")
        assert len(await fs._find(bucket)) == 51 - 11
        await fs._rm(bucket, recursive=True)
        assert not await fs._exists(bucket)

    run(work)


def test_trees_on_the_disk(run, bucket: str, tmp_path: Path):
    contents = {f"d{number % 3}/{number}": os.urandom(number * 1000) for number in range(30)}
    for name, content in contents.items():
        place = tmp_path / "from" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    async def work(fs: MossFileSystem) -> None:
        await fs._put(f"{tmp_path}/from/", f"{bucket}/tree", recursive=True)
        await fs._copy(f"{bucket}/tree", f"{bucket}/twin", recursive=True)
        await fs._get(f"{bucket}/twin", f"{tmp_path}/to", recursive=True)

    run(work)
    found = {str(p.relative_to(tmp_path / "to")): p.read_bytes() for p in (tmp_path / "to").rglob("*") if p.is_file()}
    assert found == contents


def test_files_and_members(run, bucket: str):
    async def work(fs: MossFileSystem) -> None:
        async with await fs.open_async(f"{bucket}/s.tar", "wb") as file:
            await file.write(make_tar())
        async with await fs.open_async(f"{bucket}/s.tar/d/b.txt") as file:
            assert await file.read(4) == b"text" and await file.read() == b" of b"
        assert await fs._cat_file(f"{bucket}/s.tar/a.wav", 1, 4) == b"IFF"
        assert await fs._find(f"{bucket}/s.tar/") == [f"{bucket}/s.tar/{name}" for name in MEMBERS]
        async with await fs.open_async(f"{bucket}/log", "ab") as file:
            await file.write(b"appended")
        assert await fs._cat_file(f"{bucket}/log") == b"appended"
        with pytest.raises(FileNotFoundError):
            await fs.open_async(f"{bucket}/missing")
        with pytest.raises(ValueError, match="mode"):
            await fs.open_async(f"{bucket}/log", "r")

    run(work)


def test_coroutines_from_blocking_code(fs: MossFileSystem, bucket: str):
    """What libraries do that know asynchronous file systems."""
    fs.pipe(f"{bucket}/a", b"1")
    assert fs.async_impl and not fs.asynchronous
    assert sync(fs.loop, fs._cat_file, f"{bucket}/a") == b"1"
    assert sync(fs.loop, fs._exists, f"{bucket}/b") is False
    sync(fs.loop, fs.aclose)


def test_blocking_calls_start_no_loop(node: NodeProcess, bucket: str):
    import subprocess
    import sys

    code = f"""
import sys, threading, fsspec
fs = fsspec.filesystem("ais", endpoint={node.url!r})
fs.pipe("{bucket}/a", b"1")
assert fs.cat_ranges(["{bucket}/a"] * 3, 0, 1) == [b"1"] * 3 and fs.glob("{bucket}/*") == ["{bucket}/a"]
print([thread.name for thread in threading.enumerate()], "aiohttp" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "['MainThread'] False\n", done.stderr
