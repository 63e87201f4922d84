"""A process that stores objects until it is killed. Prints the name of each object once it is acknowledged.

Usage: put_forever.py DIRECTORY FIRST [WORKER]. The payload of `n` is `payload(n)`.
"""

import sys
import threading
from pathlib import Path
from random import Random

from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine, EngineOptions

BUCKET = Bucket("b")
THREADS = 4


def payload(number: int) -> bytes:
    """Some payloads are large, most are not."""
    random = Random(number)
    return random.randbytes(1_200_000 if number % 50 == 7 else random.randrange(20_000))


def main(root: str, first: int, worker: int = 0) -> None:
    options = EngineOptions(worker=worker, segment_bytes_max=8 << 20)
    engine = Engine.open(Path(root), options=options)
    output = threading.Lock()

    def work(number: int) -> None:
        while True:
            # Every third object replaces one that was there before; every fifth is deleted again.
            engine.put(BUCKET, f"n{number}", payload(number)).result()
            name = f"shared{number % 3}"
            engine.put(BUCKET, name, b"%d" % number).result()
            deleted = number % 5 == 0
            if deleted:
                engine.delete(BUCKET, f"n{number}").result()
            with output:
                sys.stdout.write(f"{'-' if deleted else '+'}{number}\n")
                sys.stdout.flush()
            number += THREADS

    for thread in range(THREADS):
        threading.Thread(target=work, args=(first + thread,), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
