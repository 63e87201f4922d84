"""Help pages and the answer to unknown words. Only loaded when one of them is shown."""

from collections.abc import Sequence

from moss.cli import main as table
from moss.cli.options import HELP, Command


def command_page(invoked: str, command: Command) -> str:
    """The help of one command."""
    lines = [f"{invoked}: {command.summary}", "", "USAGE:"]
    lines.append(f"   {invoked} {command.usage} [options]".replace("  [", " ["))
    if command.notes:
        lines += ["", "DESCRIPTION:", *("   " + line if line else "" for line in command.notes.strip().split("\n"))]
    if command.examples:
        lines += ["", "EXAMPLES:", *("   $ " + line for line in command.examples)]
    rows = [(option.spelled(), option.help) for option in (*command.options, HELP)]
    lines += ["", "OPTIONS:", *_columns(rows)]
    return "\n".join(lines)


def group_page(path: Sequence[str]) -> str:
    """The help of the program itself or of one group of commands."""
    depth = len(path)
    invoked = " ".join((table.PROGRAM, *path))
    rows = {}
    for words, entry in table.COMMANDS.items():
        if words[:depth] == tuple(path):
            is_group = len(words) > depth + 1
            rows[words[depth]] = table.GROUPS.get(words[depth], "") if is_group else entry.summary
    summary = table.GROUPS[path[0]] if path else "command line of an object store with batch retrieval"
    lines = [f"{invoked}: {summary}", "", "USAGE:", f"   {invoked} COMMAND [arguments] [options]"]
    lines += ["", "COMMANDS:", *_columns(sorted(rows.items()))]
    if not path:
        lines += ["", "ALIASES:", *_columns((word, " ".join(to)) for word, to in sorted(table.ALIASES.items()))]
        lines += ["", "ENVIRONMENT:", "   AIS_ENDPOINT   address of a gateway, e.g. http://127.0.0.1:51080"]
    lines += ["", f"See '{invoked} COMMAND --help' for one command."]
    return "\n".join(lines)


def unknown_word(path: Sequence[str], rest: Sequence[str]) -> str:
    """What to say to a word that is no command here, with the command that was probably meant."""
    word = rest[0]
    lines = [f'Incorrect usage: unknown or misplaced "{word}".']
    meant = _nearest(tuple(path), word)
    if meant:
        others = [w for w in rest[1:] if not w.startswith("-")]
        lines.append(f"Did you mean: '{' '.join((table.PROGRAM, *meant, *others))}'?")
    lines.append(f"See '{' '.join((table.PROGRAM, *path))} --help'")
    return "\n".join(lines)


def _nearest(path: tuple[str, ...], word: str) -> tuple[str, ...] | None:
    if "://" in word and not path:
        return ("ls",)
    for words in table.COMMANDS:  # a command of another level, spelled right
        if words[-1] == word:
            return words
    siblings = {words[: len(path) + 1] for words in table.COMMANDS if words[: len(path)] == path}
    if not path:
        siblings |= {(alias,) for alias in table.ALIASES}
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


def _columns(rows) -> list[str]:
    rows = list(rows)
    width = max((len(left) for left, _ in rows), default=0)
    return [f"   {left:<{width}}  {right}".rstrip() for left, right in rows]
