"""Make the blocking halves of packages from the asynchronous ones.

    python scripts/unasync.py          writes the folders `_sync`
    python scripts/unasync.py --check  writes nothing; exit status 1 and a list of names when the two differ

The folders `_async` of `src/moss/sdk` and `src/moss/integrations/fsspec` are the source; both halves are kept in the
repository. The translation is textual: the table
below and nothing else, so that a reader of `_sync` finds the code of `_async` line by line.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = [ROOT / "src" / "moss" / "sdk", ROOT / "src" / "moss" / "integrations" / "fsspec"]

SUBSTITUTIONS = [
    (r"moss\.sdk\._async", "moss.sdk._sync"),
    (r"moss\.integrations\.fsspec\._async", "moss.integrations.fsspec._sync"),
    (r"moss\.sdk\.transport\.aio", "moss.sdk.transport.blocking"),
    (r"moss\.sdk\.obj\.obj_file\.aio", "moss.sdk.obj.obj_file.object_file"),
    (r"moss\.sdk\.obj\.content_iterator\.workers_aio", "moss.sdk.obj.content_iterator.workers"),
    (r"async def", "def"),
    (r"async with", "with"),
    (r"async for", "for"),
    (r"await ", ""),
    (r"AsyncIterator", "Iterator"),
    (r"AsyncGenerator\[(.+?), None\]", r"Generator[\1, None, None]"),
    (r"AsyncGenerator", "Generator"),
    (r"AsyncIterable", "Iterable"),
    (r"StopAsyncIteration", "StopIteration"),
    (r"__aiter__", "__iter__"),
    (r"__anext__", "__next__"),
    (r"__aenter__", "__enter__"),
    (r"__aexit__", "__exit__"),
    (r"aclose", "close"),
    (r"(?<![\w.])aiter\(", "iter("),
    (r"(?<![\w.])anext\(", "next("),
]
_COMPILED = [(re.compile(pattern), replacement) for pattern, replacement in SUBSTITUTIONS]
_NOTICE = "# Made by scripts/unasync.py from {name}; change that file instead.\n"


def translate(text: str, name: str) -> str:
    """The blocking twin of one module; `name` is the path to mention in its first line."""
    for pattern, replacement in _COMPILED:
        text = pattern.sub(replacement, text)
    return _NOTICE.format(name=name) + text


def expected_files() -> dict[Path, str]:
    """Every file that the folders `_sync` must hold, with its text."""
    return {
        package / "_sync" / path.name: translate(path.read_text(encoding="utf-8"), f"_async/{path.name}")
        for package in PACKAGES
        for path in sorted((package / "_async").glob("*.py"))
    }


def present_files() -> list[Path]:
    """Every file that the folders `_sync` hold now."""
    return [path for package in PACKAGES for path in (package / "_sync").glob("*.py")]


def differences() -> list[Path]:
    """Files of the folders `_sync` that are missing, different, or left over."""
    expected = expected_files()
    wrong = [p for p, text in expected.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    return wrong + [path for path in present_files() if path not in expected]


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        wrong = differences()
        for path in wrong:
            print(f"{path.relative_to(ROOT)} differs from its source; run scripts/unasync.py")
        return 1 if wrong else 0
    expected = expected_files()
    for path in present_files():
        if path not in expected:
            path.unlink()
    for path, text in expected.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
