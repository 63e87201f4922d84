"""The program that `moss.testing.node` runs: serves a node and says through a pipe where."""

import json
import os
import sys
from pathlib import Path

from moss.node.assemble import ServeOptions, serve


def _main() -> None:
    pipe, data, options = int(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])

    def ready(gateway_url: str, target_url: str) -> None:
        os.write(pipe, json.dumps([gateway_url, target_url]).encode() + b"\n")
        os.close(pipe)

    sys.exit(serve(ServeOptions(data=data, **{"port": 0, **options}), ready))


if __name__ == "__main__":
    _main()
