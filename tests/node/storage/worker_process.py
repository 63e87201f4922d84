"""One worker of several on one store. Writes, overwrites and reads, then exits.

Usage: worker_process.py DIRECTORY WORKER WORKERS. Prints "ready", waits for a line, prints "done".
"""

import sys
from contextlib import suppress
from pathlib import Path

from moss.errors import ObjectNotFound
from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine, EngineOptions

BUCKET = Bucket("b")
OBJECTS = 60


def main(root: str, worker: int, workers: int) -> None:
    options = EngineOptions(worker=worker, sync=False, segment_bytes_max=1 << 20)
    engine = Engine.open(Path(root), options=options)
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(OBJECTS):
        engine.put(BUCKET, f"{worker}/{n}", f"{worker}-{n}".encode() * 5000).result()
        engine.put(BUCKET, "shared", f"{worker}-{n}".encode()).result()
        if n % 10 == 9:
            engine.delete(BUCKET, f"{worker}/{n - 1}").result()
            engine.compact(0.01)
    mine = Bucket(f"of-{worker}")
    engine.create_bucket(mine)
    engine.put(mine, "o", b"x").result()
    for other in range(workers):
        for record in engine.list_objects(BUCKET, prefix=f"{other}/"):
            number = record.name.partition("/")[2]
            with suppress(ObjectNotFound):  # deleted since it was listed
                assert engine.read(BUCKET, record.name) == f"{other}-{number}".encode() * 5000
    print("done", flush=True)
    sys.stdin.readline()
    engine.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
