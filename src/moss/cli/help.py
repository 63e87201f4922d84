"""Help pages and the answer to unknown words. Only loaded when one of them is shown."""

import os
import sys
from collections.abc import Iterable, Sequence

from moss.cli import table
from moss.cli.options import HELP, Command

_INDENT = "   "


def show(page: str) -> None:
    """Print a page; on a terminal too small for it through a pager, in colour."""
    from moss.cli.output import has_color

    text = _colored(page) if has_color(sys.stdout, os.environ) else page
    if not (sys.stdout.isatty() and _is_longer_than_screen(page) and _through_pager(text)):
        print(text)


def command_page(invoked: str, command: Command, path: Sequence[str] = ()) -> str:
    """The help of one command."""
    lines = [f"{invoked}: {command.summary}", "", "USAGE:"]
    lines.append(" ".join(filter(None, (_INDENT + invoked, command.usage, "[options]"))))
    if command.notes:
        lines += ["", "DESCRIPTION:", *(_INDENT + line if line else "" for line in command.notes.strip().split("\n"))]
    if command.examples:
        lines += ["", "EXAMPLES:", *(f"{_INDENT}$ {line}" for line in command.examples)]
    below = _commands_below(tuple(path)) if path else []
    if below:
        lines += ["", "COMMANDS:", *_columns(below)]
    rows = [(option.spelled(), option.help) for option in (*command.options, HELP)]
    lines += ["", "OPTIONS:", *_columns(rows)]
    return "\n".join(lines)


def group_page(path: Sequence[str]) -> str:
    """The help of the program itself or of one group of commands."""
    path = tuple(path)
    invoked = " ".join((table.PROGRAM, *path))
    summary = table.GROUPS.get(path, "") if path else "command line of an object store with batch retrieval"
    lines = [f"{invoked}: {summary}", "", "USAGE:", f"{_INDENT}{invoked} COMMAND [arguments] [options]"]
    lines += ["", "COMMANDS:", *_columns(_commands_below(path))]
    if not path:
        from moss.cli.aliases import load_aliases

        aliases = load_aliases(os.environ)
        lines += ["", "ALIASES:", *_columns((word, " ".join(to)) for word, to in sorted(aliases.items()))]
        lines += ["", "ENVIRONMENT:", "   AIS_ENDPOINT   address of a gateway, e.g. http://127.0.0.1:51080"]
    lines += ["", f"See '{invoked} COMMAND --help' for one command."]
    return "\n".join(lines)


def unknown_word(path: Sequence[str], rest: Sequence[str]) -> str:
    """What to say to a word that is no command here: three lines, with the command that was probably meant."""
    word = rest[0]
    invoked = " ".join((table.PROGRAM, *path))
    lines = [f'Incorrect usage: unknown or misplaced "{word}".']
    # An address that stands where a command should is what the command is missing.
    others = [w for w in rest[0 if "://" in word else 1 :] if not w.startswith("-")]
    meant: table.Words | None
    if others[:1] == ["show"] and ("show", *path, word) in table.COMMANDS:
        meant, others = ("show", *path, word), others[1:]
    else:
        meant = _nearest(tuple(path), word)
    if meant:
        lines.append(f"Did you mean: '{' '.join((table.PROGRAM, *meant, *others))}'?")
        lines.append(f"If not, try search: 'ais search {word}'")
    else:
        lines.append(f"Try search: 'ais search {word}'")
        lines.append(f"See '{invoked} --help'")
    return "\n".join(lines)


def _commands_below(path: table.Words) -> list[tuple[str, str]]:
    rows = []
    for word in table.words_below(path):
        entry = table.COMMANDS.get((*path, word))
        rows.append((word, entry.summary if entry else table.GROUPS.get((*path, word), "")))
    return rows


def _nearest(path: table.Words, word: str) -> table.Words | None:
    """The command that was meant by a word after `path`, if one is near enough."""
    if "://" in word and not path:
        return ("ls",)
    if word == "show" and ("show", *path) in table.COMMANDS:
        return ("show", *path)
    from moss.cli.synonyms import means

    siblings = [(*path, other) for other in table.words_below(path)]
    siblings += [(alias,) for alias in table.ALIASES] if not path else []
    for words in siblings:  # another word for the same thing, as `copy` for `cp`
        if means(words[-1], word):
            return words
    for words in table.COMMANDS:  # a command of another level, spelled right
        if words[-1] == word:
            return words
    best = min(siblings, key=lambda words: (distance(words[-1], word), words), default=None)
    if best and distance(best[-1], word) < max(3, len(word) // 2):
        return best
    return None


def distance(a: str, b: str) -> int:
    """Number of insertions, deletions, replacements and swaps of neighbours that turn one word into the other."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, ca in enumerate(a, 1):
        older, before, row = before, row, [i]
        for j, cb in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (ca != cb))
            if i > 1 and j > 1 and ca == b[j - 2] and a[i - 2] == cb:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]


def _columns(rows: Iterable[tuple[str, str]]) -> list[str]:
    rows = list(rows)
    width = max((len(left) for left, _ in rows), default=0)
    return [f"{_INDENT}{left:<{width}}  {right}".rstrip() for left, right in rows]


def _colored(page: str) -> str:
    """The page with the headings, and what is typed, in green."""
    from moss.cli.output import GREEN, PLAIN

    lines = []
    for line in page.split("\n"):
        is_heading = line.isupper() and line.endswith(":")
        lines.append(f"{GREEN}{line}{PLAIN}" if is_heading or line.startswith(f"{_INDENT}$ ") else line)
    return "\n".join(lines)


def _is_longer_than_screen(page: str) -> bool:
    from shutil import get_terminal_size

    return page.count("\n") + 2 > get_terminal_size().lines


def _through_pager(text: str) -> bool:
    """Whether a pager has shown the text; without one it is simply printed."""
    from moss.cli.settings import is_set

    if is_set(os.environ, "no_more"):
        return False
    import shlex
    import subprocess

    pager = shlex.split(os.environ.get("PAGER") or "more")
    if not pager or pager[0] == "cat":
        return False
    try:
        # `less` shows colours, and leaves the page on the screen, only when it is told so.
        environ = {"LESS": "FRX"} | dict(os.environ)
        return subprocess.run(pager, input=text + "\n", text=True, env=environ).returncode == 0
    except OSError:
        return False
