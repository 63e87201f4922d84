import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from moss.cli.help import distance
from moss.cli.main import main
from moss.cli.options import HELP, Command, parse
from moss.cli.table import ALIASES, COMMANDS, GROUPS, load, resolve, words_below
from tests.cli.conftest import Ais


def test_table_loads_and_names_no_option_twice() -> None:
    for entry in COMMANDS.values():
        command = load(entry)
        assert isinstance(command, Command)
        names = [name for option in (*command.options, HELP) for name in (option.name, *option.aliases)]
        assert len(names) == len(set(names))


def test_every_group_says_what_it_is_about() -> None:
    prefixes = {words[:depth] for words in COMMANDS for depth in range(1, len(words))}
    assert {path for path in prefixes if path not in COMMANDS} == set(GROUPS)


def test_aliases_lead_to_commands_or_groups() -> None:
    assert all(path in COMMANDS or path in GROUPS for path in ALIASES.values())
    assert resolve(["ls", "ais://b"]) == (("bucket", "ls"), ["ais://b"])
    assert resolve(["object", "ls"]) == (("object", "ls"), [])
    assert resolve(["bucket", "nope", "ls"]) == (("bucket",), ["nope", "ls"])


def test_a_command_may_have_commands_below_it() -> None:
    assert resolve(["config", "cli", "no_more"]) == (("config", "cli"), ["no_more"])
    assert resolve(["config", "cli", "show", "--json"]) == (("config", "cli", "show"), ["--json"])
    assert words_below(("config", "cli")) == ["reset", "set", "show"]


@pytest.mark.parametrize("words", [(), ("help",), ("--help",), ("-h",)])
def test_help_lists_commands_and_aliases(ais: Ais, words: tuple[str, ...]) -> None:
    done = ais(*words)
    assert (done.status, done.err) == (0, "")
    for word in ("USAGE:", "ml", "bucket", "object", "rmb", "AIS_ENDPOINT"):
        assert word in done.out


def test_every_command_has_help_with_its_options_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """In this process: there are many commands, and each is asked in two ways."""
    for path, entry in COMMANDS.items():
        command = load(entry)
        for words in ((*path, "--help"), ("help", *path)):
            assert main(list(words)) == 0, path
            shown = capsys.readouterr()
            assert shown.err == ""
            assert f"ais {' '.join(path)}" in shown.out and "USAGE:" in shown.out
            assert all("--" + option.name in shown.out for option in command.options)
        assert command.examples, f"{' '.join(path)} has no example"


def _command_line(example: str) -> list[str]:
    """The words behind `ais` in an example, which may be part of a pipe or of a substitution."""
    lexer = shlex.shlex(example, posix=True, punctuation_chars="|<>()&;")
    lexer.whitespace_split = True
    words = list(lexer)
    found = words[words.index("ais") + 1 :]
    end = next((at for at, word in enumerate(found) if set(word) <= set("|<>()&;")), len(found))
    return found[:end]


def test_every_example_is_a_command_line_that_parses() -> None:
    """A documented line that is refused would be worse than none."""
    for path, entry in COMMANDS.items():
        command = load(entry)
        for example in command.examples:
            words = _command_line(example)
            resolved, rest = resolve(words)
            assert resolved in COMMANDS, example
            parse((*load(COMMANDS[resolved]).options, HELP), rest)
        assert any(load(COMMANDS[resolve(_command_line(e))[0]]) == command for e in command.examples), path


def test_help_of_get_batch_names_all_flags(ais: Ais) -> None:
    text = ais("ml", "get-batch", "-h").out
    for name in (
        "spec",
        "list",
        "template",
        "prefix",
        "omit-src-bck",
        "streaming",
        "cont-on-err",
        "yes",
        "non-verbose",
    ):
        assert "--" + name in text


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("ml", "getbatch"), "ais ml get-batch"),
        (("get-batch",), "ais ml get-batch"),
        (("bukcet",), "ais bucket"),
        (("bucket", "creat", "ais://b"), "ais bucket create ais://b"),
    ],
)
def test_unknown_words_suggest_what_was_meant(ais: Ais, words: tuple[str, ...], meant: str) -> None:
    done = ais(*words)
    assert (done.status, done.out) == (2, "")
    assert f"Did you mean: '{meant}'?" in done.err


@pytest.mark.parametrize("words", [("bogus",), ("ml", "getbatch", "x"), ("ls", "--nosuch"), ("bucket", "create")])
def test_158_usage_errors_are_three_lines_at_most(ais: Ais, words: tuple[str, ...]) -> None:
    done = ais(*words)
    assert (done.status, done.out) == (2, "") and 1 <= len(done.err.splitlines()) <= 3


def test_134_another_word_for_a_command(ais: Ais) -> None:
    assert "Did you mean: 'ais bucket rm ais://b'?" in ais("bucket", "delete", "ais://b").err
    assert "If not, try search: 'ais search delete'" in ais("bucket", "delete", "ais://b").err
    assert "Did you mean: 'ais show dashboard'?" in ais("dashboard", "show").err
    assert "Did you mean: 'ais ls ais://b'?" in ais("ais://b").err


def test_unknown_word_far_from_all(ais: Ais) -> None:
    done = ais("ml", "bogus")
    assert done.status == 2 and 'unknown or misplaced "bogus"' in done.err and "Did you mean" not in done.err
    assert "Try search: 'ais search bogus'" in done.err


def test_distance_counts_swaps_as_one() -> None:
    assert [distance("ab", "ba"), distance("get", "gte"), distance("abc", ""), distance("kitten", "sitting")] == [
        1, 1, 3, 3]  # fmt: skip


def test_137_version(ais: Ais) -> None:
    assert ais("version").out.startswith("version ")
    assert json.loads(ais("version", "--json").out)["version"] in ais("version").out
    assert ais("--version").out.startswith("ais version ")


def test_143_help_starts_within_150_ms(tmp_path: Path) -> None:
    """Best of five, because other programs run beside the tests."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "moss.cli.main", "--help"], stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.150


def test_start_loads_nothing_heavy() -> None:
    code = "import sys; from moss.cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert not loaded & {"aiohttp", "http.client", "msgspec", "urllib3", "yaml", "json", "rich", "moss.node"}


def test_configuration_file(ais: Ais, tmp_path: Path, server) -> None:
    folder = tmp_path / "home" / ".config" / "ais" / "cli"
    folder.mkdir(parents=True)
    (folder / "cli.json").write_text('{"cluster": {"url": "http://127.0.0.1:1"}}')
    assert "cannot be reached at http://127.0.0.1:1" in ais("ls", AIS_ENDPOINT="").err
    assert ais("ls").status == 0
    (folder / "cli.json").write_text("{broken")
    done = ais("ls")
    assert done.status == 1 and "failed to load CLI config" in done.err and str(folder / "cli.json") in done.err
    elsewhere = tmp_path / "elsewhere"
    assert ais("ls", XDG_CONFIG_HOME=str(elsewhere)).status == 0


def test_names_that_are_no_utf8_are_printed(ais: Ais) -> None:
    done = ais("ml", "get-batch", os.fsdecode(b"ais://b\xff"), "o.tar")
    assert done.status == 2 and "Traceback" not in done.err
