"""Fills a small disk, deletes, fills it again. Run as a process in a mount namespace of its own.

Usage: fill_disk.py DIRECTORY. The directory is an empty tmpfs of 64 MiB. Exit status 0 if all went as it should.
"""

import shutil
import sys
import time
from pathlib import Path
from random import Random

from moss.errors import OutOfSpace
from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine, EngineOptions

BUCKET = Bucket("b")
TRIES_S = 20.0


def payload(name: str) -> bytes:
    return Random(name).randbytes(60_000)


def put_until_full(engine: Engine, prefix: str) -> list[str]:
    names = []
    while True:
        name = f"{prefix}{len(names)}"
        try:
            engine.put(BUCKET, name, payload(name)).result()
        except OutOfSpace:
            return names
        names.append(name)
        assert len(names) < 2000, "64 MiB cannot hold that much"


def put_when_there_is_room(engine: Engine, name: str) -> None:
    """Space comes back in the background."""
    deadline = time.monotonic() + TRIES_S
    while True:
        try:
            engine.put(BUCKET, name, payload(name)).result()
            return
        except OutOfSpace:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def check(engine: Engine, names: list[str]) -> None:
    for name in names:
        assert engine.read(BUCKET, name) == payload(name), name
    assert sorted(record.name for record in engine.list_objects(BUCKET)) == sorted(names)


def main(root: Path) -> None:
    engine = Engine.open(root / "store")
    engine.create_bucket(BUCKET)
    first = put_until_full(engine, "first")
    assert len(first) > 600, len(first)
    check(engine, first)

    # Not even another program leaves a byte: deletes still work, thanks to the reserve.
    with open(root / "ballast", "wb", buffering=0) as ballast:
        try:
            while ballast.write(bytes(4096)):
                pass
        except OSError:
            pass
    for name in first[::2]:
        engine.delete(BUCKET, name).result()
    check(engine, first[1::2])
    (root / "ballast").unlink()

    second = [f"second{n}" for n in range(200)]
    for name in second:
        put_when_there_is_room(engine, name)
    check(engine, first[1::2] + second)

    # A large object that does not fit leaves nothing behind.
    upload = engine.begin_upload(BUCKET, "large")
    try:
        for _ in range(100):
            upload.write(bytes(1 << 20))
        upload.commit().result()
    except OutOfSpace:
        upload.abort()
    else:
        raise AssertionError("100 MiB on a disk of 64 MiB")
    assert not list((root / "store" / "incoming").iterdir())

    put_until_full(engine, "third")
    third = [record.name for record in engine.list_objects(BUCKET, prefix="third")]
    engine.close()
    engine = Engine.open(root / "store", options=EngineOptions())
    check(engine, first[1::2] + second + third)
    for name in third + second:
        engine.delete(BUCKET, name).result()
    engine.close()
    shutil.rmtree(root / "store" / "index")
    engine = Engine.open(root / "store")
    check(engine, first[1::2])
    put_when_there_is_room(engine, "last")
    engine.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
