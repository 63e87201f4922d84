"""Write docs/cli: every command of `ais` as its own help tells it.

python scripts/cli_reference.py          writes docs/cli
python scripts/cli_reference.py --check  writes nothing; exit status 1 and a list of pages when they are not current
"""

import sys
from pathlib import Path

from moss.cli.help import command_page
from moss.cli.table import ALIASES, COMMANDS, GROUPS, PROGRAM, Words, load, words_below

RESULT = Path(__file__).resolve().parents[1] / "docs" / "cli"
MADE = "<!-- Made by scripts/cli_reference.py from the commands; change those instead. -->\n"


def summary_of(path: Words) -> str:
    """One line about a command or a group."""
    return COMMANDS[path].summary if path in COMMANDS else GROUPS[path]


def page(word: str) -> str:
    """All commands that begin with a word."""
    found = [path for path in COMMANDS if path[0] == word]
    parts = [MADE, f"# `{PROGRAM} {word}`\n", f"{summary_of((word,)).capitalize()}.\n"]
    for path in found:
        title = " ".join((PROGRAM, *path))
        stands_for = [alias for alias, words in ALIASES.items() if words == path]
        parts.append(f"## `{title}`\n")
        if stands_for:
            parts.append("Also: " + ", ".join(f"`{PROGRAM} {alias}`" for alias in stands_for) + ".\n")
        parts.append(f"```text\n{command_page(title, load(COMMANDS[path]))}\n```\n")
    return "\n".join(parts)


def index() -> str:
    """The first page: a line for each command."""
    parts = [
        MADE,
        "# Commands\n",
        "What all of them share is told in [the guide](../guide/command-line.md).\n",
    ]
    for word in words_below(()):
        parts.append(f"## [`{word}`]({word}.md)\n\n{summary_of((word,)).capitalize()}.\n")
        rows = [(" ".join((PROGRAM, *path)), COMMANDS[path].summary) for path in COMMANDS if path[0] == word]
        parts.append("| | |\n|---|---|\n" + "".join(f"| `{line}` | {text} |\n" for line, text in rows))
    rows = [(f"{PROGRAM} {alias}", " ".join((PROGRAM, *words))) for alias, words in sorted(ALIASES.items())]
    parts.append("## Aliases\n\nUsers make their own with `ais alias set`.\n")
    parts.append("| | |\n|---|---|\n" + "".join(f"| `{line}` | `{text}` |\n" for line, text in rows))
    return "\n".join(parts)


def pages() -> dict[str, str]:
    """The text of every page by its file name."""
    return {"README.md": index()} | {f"{word}.md": page(word) for word in words_below(())}


def differences(expected: dict[str, str]) -> list[str]:
    """Pages that are missing, not current, or of a command that has gone."""
    found = {path.name: path.read_text(encoding="utf-8") for path in RESULT.glob("*.md")}
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them; returns the exit status."""
    expected = pages()
    if "--check" in arguments:
        wrong = differences(expected)
        print("\n".join(f"docs/cli/{name} is not current: run python scripts/cli_reference.py" for name in wrong))
        return 1 if wrong else 0
    RESULT.mkdir(parents=True, exist_ok=True)
    for path in RESULT.glob("*.md"):
        if path.name not in expected:
            path.unlink()
    for name, text in expected.items():
        (RESULT / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
