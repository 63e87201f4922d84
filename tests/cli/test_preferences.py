"""`ais config cli` and `ais alias`: the file of the command line."""

import json
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Ais


@pytest.fixture
def file(ais: Ais, tmp_path: Path) -> Path:
    return tmp_path / "home" / ".config" / "ais" / "cli" / "cli.json"


def test_136_the_path_is_told(ais: Ais, file: Path) -> None:
    assert ais("config", "cli", "--path").out == f"{file}\n"
    assert not file.exists(), "looking does not write"
    moved = ais("config", "cli", "show", "--path", XDG_CONFIG_HOME="/elsewhere")
    assert moved.out == "/elsewhere/ais/cli/cli.json\n"


def test_149_home_moves_the_configuration(ais: Ais, tmp_path: Path) -> None:
    assert ais("config", "cli", "--path", HOME="/elsewhere").out == "/elsewhere/.config/ais/cli/cli.json\n"


def test_defaults_are_shown_without_a_file(ais: Ais) -> None:
    done = ais("config", "cli")
    assert done.out.startswith("PROPERTY\t\t VALUE\ncluster.url\t\t http://127.0.0.1:51080\n")
    assert "timeout.tcp_timeout\t 60s\n" in done.out
    assert json.loads(ais("config", "cli", "show", "--json").out)["timeout"] == {
        "tcp_timeout": "60s",
        "http_timeout": "0s",
    }
    assert ais("config", "cli", "show", "timeout", "-H").out == "timeout.tcp_timeout\t 60s\ntimeout.http_timeout\t 0s\n"


@pytest.mark.parametrize(
    "words",
    [
        ("set", "timeout.http_timeout=30s"),
        ("timeout.http_timeout=30s",),
        ("set", "timeout.http_timeout", "30s"),
        ("set", "timeout.http_timeout", "=", "30s"),
        ("timeout.http_timeout", "30s"),
    ],
)
def test_setting(ais: Ais, file: Path, words: tuple[str, ...]) -> None:
    done = ais("config", "cli", *words)
    assert (done.status, done.out) == (0, '"timeout.http_timeout" set to: "30s" (was: "0s")\n')
    assert json.loads(file.read_text()) == {"timeout": {"http_timeout": "30s"}}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("nosuch=1", 'invalid property name "nosuch" (expecting one of: cluster.url'),
        ("no_color=maybe", 'invalid value "maybe" of "no_color": expecting true or false'),
        ("timeout.tcp_timeout=soon", 'invalid value "soon" of "timeout.tcp_timeout"'),
        ("cluster.url=ftp://x", "expecting an http or https address"),
        ("no_color=true nonsense", "expecting true or false"),
    ],
)
def test_values_that_are_refused_change_nothing(ais: Ais, file: Path, word: str, found: str) -> None:
    done = ais("config", "cli", "set", "no_more=true", word)
    assert (done.status, done.out) == (2, "") and found in done.err
    assert not file.exists()


def test_142_the_environment_wins_over_the_file(ais: Ais) -> None:
    assert ais("config", "cli", "set", "cluster.url=127.0.0.1:1").status == 0
    assert ais("ls").status == 0
    assert "cannot be reached at http://127.0.0.1:1 " in ais("ls", AIS_ENDPOINT="").err


def test_149_an_endpoint_without_a_scheme(ais: Ais, server) -> None:
    assert ais("ls", AIS_ENDPOINT=server.url.removeprefix("http://")).out == ais("ls").out


def test_keys_of_others_are_kept(ais: Ais, file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text('{"cluster": {"default_docker_host": "http://172.50.0.2:8080"}, "verbose": true}')
    assert ais("config", "cli", "set", "cluster.url=http://10.0.0.1:51080").status == 0
    kept = json.loads(file.read_text())
    assert kept["verbose"] is True and kept["cluster"]["default_docker_host"] == "http://172.50.0.2:8080"


def test_reset_repairs_a_broken_file(ais: Ais, file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text("{broken")
    done = ais("ls")
    assert done.status == 1 and "ais config cli reset" in done.err
    assert ais("--help").status == 0 and ais("ls", "--help").status == 0
    assert ais("config", "cli", "reset").out == "CLI config successfully reset to all defaults\n"
    assert ais("ls").status == 0


def test_a_folder_that_cannot_be_written_is_named(ais: Ais, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    done = ais("config", "cli", "set", "no_more=true", XDG_CONFIG_HOME=str(tmp_path / "plain"))
    assert done.status == 1 and f'cannot write "{tmp_path}/plain/ais/cli/cli.json"' in done.err
    assert ais("ls", XDG_CONFIG_HOME=str(tmp_path / "plain")).status == 0


def test_135_aliases(ais: Ais) -> None:
    assert ais("alias", "set", "sv", "show", "object").out == 'Aliased "show object" = "sv"\n'
    assert ais("sv", "ais://dataset/audio1.wav").out == ais("show", "object", "ais://dataset/audio1.wav").out
    assert ais("alias", "set", "sv", "version").out == 'Alias "sv" new command "version" (was: "show object")\n'
    assert ais("sv").out == ais("version").out
    assert "sv" in ais("--help").out
    assert ais("alias", "rm", "sv").status == 0
    assert 'unknown or misplaced "sv"' in ais("sv").err


def test_an_alias_may_bring_options_and_stand_for_a_group_or_an_alias(ais: Ais) -> None:
    assert ais("alias", "set", "names", "ls --name-only -H").out == 'Aliased "bucket ls --name-only -H" = "names"\n'
    assert ais("names", "ais://dataset").out.splitlines()[0].startswith("audio1.wav")
    assert ais("alias", "set", "mine", "ls ais://dataset --name-only").status == 0
    assert "audio1.wav" in ais("mine", "-H").out
    assert ais("alias", "set", "b", "bucket").status == 0
    assert ais("b", "ls").out == ais("ls").out
    assert ais("alias", "set", "l", "ais", "ls").out == 'Aliased "bucket ls" = "l"\n'


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("1x", "ls"), "alias must start with a letter and can only contain letters, numbers, hyphens (-), and"),
        (("yy", "no", "such"), '"no such" is not AIS command'),
        (("yy", "bucket", "nosuch"), '"bucket nosuch" is not AIS command'),
        (("bucket", "ls"), '"bucket" is a command of its own'),
        (("yy", "'"), "malformed command"),
        (("yy",), 'missing "COMMAND" argument'),
        ((), 'missing "ALIAS" argument'),
    ],
)
def test_154_aliases_that_are_refused(ais: Ais, words: tuple[str, ...], found: str) -> None:
    done = ais("alias", "set", *words)
    assert (done.status, done.out) == (2, "") and found in done.err and "Traceback" not in done.err
    assert len(done.err.splitlines()) == 3


def test_aliases_are_shown_sorted_by_command_and_reset(ais: Ais) -> None:
    lines = [line.split("\t")[-1].strip() for line in ais("alias").out.splitlines()]
    assert lines[:2] == ["COMMAND", "======="] and lines[2:] == sorted(lines[2:])
    assert ais("alias", "rm", "rmb").status == 0
    assert 'unknown or misplaced "rmb"' in ais("rmb", "ais://b").err
    assert ais("alias", "rm", "rmb").err == 'Error: alias "rmb" does not exist\n'
    assert "rmb" in ais("alias", "reset").out and "rmb" in json.loads(ais("alias", "show", "--json").out)
