"""Writes docs/openapi.yaml from the tables of routes; with `--check` only says whether it is current."""

import sys
from pathlib import Path

import yaml

from moss.node.server.openapi import build_description

TARGET = Path(__file__).resolve().parents[1] / "docs" / "openapi.yaml"
_HEAD = "# Written by scripts/openapi.py from the tables of routes; change those.\n"


def render() -> str:
    """Return the text of the file."""

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    return _HEAD + yaml.dump(build_description(), Dumper=Plain, sort_keys=False, width=120, allow_unicode=True)


def main() -> int:
    text = render()
    if "--check" in sys.argv[1:]:
        current = TARGET.exists() and TARGET.read_text() == text
        print("docs/openapi.yaml is current" if current else "docs/openapi.yaml is old: run python scripts/openapi.py")
        return 0 if current else 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
