"""The `ais` program: a table of commands, each loaded only when it is used."""

import os
import sys
from typing import NamedTuple

from moss.cli.failures import Canceled, CommandError, UsageError


class Entry(NamedTuple):
    """Where a command lives: its module under `moss.cli.commands`, the name of its `Command`, one line of help."""

    module: str
    attribute: str
    summary: str


PROGRAM = "ais"

COMMANDS: dict[tuple[str, ...], Entry] = {
    ("ml", "get-batch"): Entry("ml", "GET_BATCH", "get many objects and archived files as one archive"),
    ("bucket", "create"): Entry("bucket", "CREATE", "create buckets"),
    ("bucket", "ls"): Entry("listing", "LIST", "list buckets, objects, or files in shards"),
    ("bucket", "rm"): Entry("bucket", "REMOVE", "destroy buckets with all their objects"),
    ("object", "cat"): Entry("object", "CAT", "print an object"),
    ("object", "get"): Entry("object", "GET", "get objects, archived files, or byte ranges"),
    ("object", "ls"): Entry("listing", "LIST", "list buckets, objects, or files in shards"),
    ("object", "put"): Entry("upload", "PUT", "put files or directories as objects"),
    ("object", "rm"): Entry("object", "REMOVE", "remove objects"),
    ("show", "object"): Entry("listing", "SHOW_OBJECT", "show the properties of an object"),
    ("version",): Entry("version", "VERSION", "show the version of this program"),
}

GROUPS = {
    "ml": "machine-learning data: batches of objects",
    "bucket": "create, list and destroy buckets",
    "object": "put, get, list and remove objects",
    "show": "show what is stored",
}

ALIASES: dict[str, tuple[str, ...]] = {
    "create": ("bucket", "create"),
    "get": ("object", "get"),
    "ls": ("bucket", "ls"),
    "put": ("object", "put"),
    "rmb": ("bucket", "rm"),
    "rmo": ("object", "rm"),
}

COMPLETE = "--generate-bash-completion"
INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit status: 0, 1 failed, 2 wrong usage, 130 interrupted."""
    words = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        # Names may hold bytes that are no UTF-8; printing them must not be the failure.
        getattr(stream, "reconfigure", lambda **_: None)(errors="surrogateescape")
    try:
        status = _dispatch(words)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; a second complaint at shutdown would be noise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _dispatch(words: list[str]) -> int:
    if words and words[-1] == COMPLETE:
        from moss.cli.completion import complete

        return complete(words[:-1])
    if words and words[0] in ("--version", "-version", "-v"):
        from moss import __version__

        print(f"{PROGRAM} version {__version__}")
        return 0
    path, rest = resolve(words)
    entry = COMMANDS.get(path)
    if entry is not None:
        return _run(" ".join((PROGRAM, *words[: len(words) - len(rest)])), load(entry), rest)
    from moss.cli import help as pages

    if rest and rest[0] not in ("help", "--help", "-help", "-h"):
        print(pages.unknown_word(path, rest), file=sys.stderr)
        return 2
    if rest[:1] == ["help"] and len(rest) > 1:
        return _dispatch([*rest[1:], "--help"])
    print(pages.group_page(path))
    return 0


def resolve(words: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """Follow words down the table as far as they name groups or a command; returns that path and the other words."""
    if words and words[0] in ALIASES:
        return ALIASES[words[0]], words[1:]
    path: tuple[str, ...] = ()
    for at, word in enumerate(words):
        longer = (*path, word)
        if longer in COMMANDS:
            return longer, words[at + 1 :]
        if not (len(longer) == 1 and word in GROUPS):
            return path, words[at:]
        path = longer
    return path, []


def load(entry: Entry):
    """Import the module of a command and return its `Command`."""
    from importlib import import_module

    return getattr(import_module(f"moss.cli.commands.{entry.module}"), entry.attribute)


def _run(invoked: str, command, words: list[str]) -> int:
    from moss.cli.options import HELP, parse
    from moss.cli.output import Console
    from moss.errors import MossError

    console = Console.standard()
    try:
        parsed = parse((*command.options, HELP), words)
        if parsed.flag("help"):
            from moss.cli import help as pages

            print(pages.command_page(invoked, command))
            return 0
        from moss.cli.context import Context

        return command.run(Context(invoked, parsed, console, os.environ)) or 0
    except Canceled as canceled:
        console.result(str(canceled))
        return canceled.status
    except UsageError as error:
        console.usage_error(invoked, command.usage, str(error))
        return error.status
    except CommandError as error:
        console.error(str(error), *error.hints)
        return error.status
    except MossError as error:
        console.error(error.message)
        return 1
    except BrokenPipeError:
        raise
    except OSError as error:
        console.error(f"{error.filename or invoked}: {error.strerror or error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
