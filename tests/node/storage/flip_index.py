"""Flips bytes of an index, one at a time, and reads everything. Prints "right" for each flip that harmed nobody.

Usage: flip_index.py STORE SCRATCH SEED. Exit status 1 when wrong bytes were delivered, or an error was no MossError.
"""

import shutil
import sys
from pathlib import Path
from random import Random

from moss.errors import MossError
from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine, EngineOptions

BUCKET = Bucket("b")
OBJECTS = 200
ROUNDS = 25


def name(number: int) -> str:
    return f"o{number:03d}"


def payload(number: int) -> bytes:
    return Random(number).randbytes(200)


def read_all(root: Path) -> None:
    with Engine.open(root, options=EngineOptions(sync=False, compact_in_background=False)) as engine:
        for number in range(OBJECTS):
            try:
                data = engine.read(BUCKET, name(number))
            except MossError:
                continue
            if data != payload(number):
                raise AssertionError(f"wrong bytes of {name(number)}")
        try:
            engine.list_objects(BUCKET)
        except MossError:
            return


def main(store: Path, scratch: Path, seed: int) -> None:
    random = Random(seed)
    index = (store / "index" / "data.mdb").read_bytes()
    for _ in range(ROUNDS):
        shutil.copytree(store, scratch, ignore=shutil.ignore_patterns("*.lock", "lock.mdb"))
        flipped = bytearray(index)
        flipped[random.randrange(len(flipped))] ^= 1 << random.randrange(8)
        (scratch / "index" / "data.mdb").write_bytes(flipped)
        try:
            read_all(scratch)
        except MossError as error:
            print(f"not opened: {error}", flush=True)
        print("right", flush=True)
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
