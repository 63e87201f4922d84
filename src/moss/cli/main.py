"""The `ais` program: finds the command in the table, runs it, and turns its end into an exit status."""

import os
import sys
from typing import TYPE_CHECKING

from moss.cli.failures import Canceled, CommandError, UsageError
from moss.cli.table import COMMANDS, PROGRAM, Words, load, resolve, words_below

if TYPE_CHECKING:
    from moss.cli.options import Command
    from moss.cli.output import Console

COMPLETE = "--generate-bash-completion"
HELP_WORDS = ("help", "--help", "-help", "-h")
INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit status: 0, 1 failed, 2 wrong usage, 130 interrupted."""
    words = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        # Names may hold bytes that are no UTF-8; printing them must not be the failure.
        getattr(stream, "reconfigure", lambda **_: None)(errors="surrogateescape")
    _end_tidily()
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


def _end_tidily() -> None:
    """Leave through the usual exits when the process is told to end, so that nothing half-written stays behind."""
    import signal
    import threading

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` has a say, and so has whoever runs us in-process
                signal.signal(number, leave)


def _dispatch(words: list[str]) -> int:
    if words and words[-1] == COMPLETE:
        from moss.cli.completion import complete

        return complete(words[:-1])
    if words and words[0] in ("--version", "-version", "-v"):
        from moss import __version__

        print(f"{PROGRAM} version {__version__}")
        return 0
    path, rest = resolve(words, _aliases(words))
    entry = COMMANDS.get(path)
    if rest[:1] == ["help"] and (entry is None or words_below(path)):
        return _dispatch([*path, *rest[1:], "--help"])
    if entry is not None:
        typed = words[: max(len(words) - len(rest), 1)]  # an alias may bring options of its own
        return _run(" ".join((PROGRAM, *typed)), path, load(entry), rest)
    from moss.cli import help as pages

    if rest and rest[0] not in HELP_WORDS:
        print(pages.unknown_word(path, rest), file=sys.stderr)
        return 2
    pages.show(pages.group_page(path))
    return 0


def _aliases(words: list[str]) -> dict[str, Words]:
    if not words or words[0].startswith("-") or words[0] in words_below(()):
        return {}
    from moss.cli.aliases import load_aliases

    return load_aliases(os.environ)


def _run(invoked: str, path: Words, command: "Command", words: list[str]) -> int:
    from moss.cli.options import HELP, parse
    from moss.cli.output import Console
    from moss.errors import MossError

    console = Console.standard(os.environ)
    context = None
    try:
        parsed = parse((*command.options, HELP), words)
        if parsed.flag("help"):
            from moss.cli import help as pages

            pages.show(pages.command_page(invoked, command, path))
            return 0
        command.check_count(parsed.positionals)
        from moss.cli.context import Context

        context = Context(invoked, parsed, console, os.environ)
        return command.run(context) or 0
    except Canceled as canceled:
        console.result(str(canceled))
        return canceled.status
    except CommandError as error:
        return _failed(console, invoked, command, error)
    except MossError as error:
        from moss.cli.connection import explained

        return _failed(console, invoked, command, explained(error, context.settings.url if context else ""))
    except UnicodeEncodeError as error:
        # Names of buckets and objects may hold any bytes; what else is said to a server has to be text.
        return _failed(console, invoked, command, UsageError(f"{error.object!r} is not UTF-8"))
    except BrokenPipeError:
        raise
    except OSError as error:
        console.error(f"{error.filename or invoked}: {error.strerror or error}")
        return 1


def _failed(console: "Console", invoked: str, command: "Command", error: CommandError) -> int:
    if isinstance(error, UsageError):
        console.usage_error(invoked, command.usage, str(error))
    else:
        console.error(str(error), *error.hints)
    return error.status


if __name__ == "__main__":
    sys.exit(main())
