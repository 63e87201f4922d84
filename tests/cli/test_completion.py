"""What TAB shows: the protocol, and the scripts run by a real bash."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from moss.cli.commands.completion import SCRIPTS
from moss.testing import NodeProcess
from tests.cli.conftest import Ais

COMPLETE = "--generate-bash-completion"


def candidates(ais: Ais, *words: str, **environ: str) -> list[str]:
    done = ais(*words, COMPLETE, **environ)
    assert (done.status, done.err) == (0, "")
    return done.out.splitlines()


def test_words_and_aliases(ais: Ais) -> None:
    assert "get-batch" in candidates(ais, "ml")
    assert {"bucket", "ls", "rmb", "search"} <= set(candidates(ais))
    assert {"bucket", "search"} <= set(candidates(ais, "help"))


def test_options_and_their_values(ais: Ais) -> None:
    assert "--list" in candidates(ais, "ml", "get-batch", "--l")
    assert candidates(ais, "ls", "--units") == ["iec", "si", "raw"]
    assert candidates(ais, "ls", "--units=s") == ["--units=iec", "--units=si", "--units=raw"]
    assert "ais://dataset" in candidates(ais, "ls", "--json", AIS_COMPLETION_WORD="")
    assert "--json" in candidates(ais, "ls", "--json", AIS_COMPLETION_WORD="--json")


def test_names_below_a_bucket(ais: Ais) -> None:
    """One level, as the unfinished word tells; buckets stay what is offered where only buckets may stand."""
    found = candidates(ais, "get", AIS_COMPLETION_WORD="ais://dataset/")
    assert {"ais://dataset/audio1.wav", "ais://dataset/dev/x.wav"} & set(found)
    assert candidates(ais, "get", AIS_COMPLETION_WORD="ais://dataset/audio1") == ["ais://dataset/audio1.wav"]
    assert "ais://dataset" in candidates(ais, "rmb", AIS_COMPLETION_WORD="ais://dataset/audio1")


def test_138_buckets_with_the_server_up_and_down(ais: Ais) -> None:
    found = candidates(ais, "ml", "get-batch")
    assert {"ais://dataset", "ais://models"} <= set(found)
    assert candidates(ais, "ml", "get-batch", AIS_ENDPOINT="http://127.0.0.1:1") == []


def test_a_command_with_commands_below_it_offers_both(ais: Ais) -> None:
    found = candidates(ais, "config", "cli")
    assert found[:3] == ["reset", "set", "show"] and "no_more=" in found
    assert candidates(ais, "config", "cli", "set", "no_more") == ["true", "false"]


def test_live_names_of_a_node(ais: Ais, node: NodeProcess) -> None:
    from moss.cli import candidates as source
    from moss.cli.context import Context
    from moss.cli.options import Parsed
    from moss.cli.output import Console

    def of(function, *words: str) -> list[str]:
        console = Console(sys.stdin, sys.stdout, sys.stderr)
        return list(function(Context("ais", Parsed({}, list(words)), console, {"AIS_ENDPOINT": node.url})))

    assert sorted(word[:2] for word in of(source.nodes)) == ["p[", "t["]
    keys = of(source.config_keys)
    assert {"get_batch", "get_batch.max_soft_errs=", "mirror.enabled=true", "mirror.enabled=false"} <= set(keys)
    assert of(source.config_keys, "mirror.enabled") == ["true", "false"]
    assert of(source.config_keys, "checksum.type")[:2] == ["none", "xxhash2"]
    assert {"features=S3-API-via-Root", "get_batch.compression=never", "write_policy.md=delayed"} <= set(keys)
    assert "get_batch" in of(source.sections) and not any("=" in word for word in of(source.sections))
    assert of(source.then(source.one_of("a"), source.one_of("b")), "first", "second") == ["b"]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """`ais` as a program on the path."""
    path = tmp_path / "bin" / "ais"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\nimport sys\nfrom moss.cli.main import main\nsys.exit(main())\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("ais ml get-", ["get-batch"]),
        ("ais ls ais://da", ["//data", "//dataset"]),
        ("ais config cli set no_m", ["no_more="]),
        ("ais get ais://dataset/audio", ["//dataset/audio1.wav", "//dataset/audio2.wav"]),
        ("ais ls --name", ["--name-only"]),
        ("ais nosuch ", []),
    ],
)
def test_bash_completes(ais: Ais, server, program: Path, tmp_path: Path, line: str, reply: list[str]) -> None:
    """The script is loaded by bash, and asked as bash asks: what it answers follows the last ':' or '='."""
    script = ais("completion", "bash").out
    ask = f'COMP_LINE="{line}" COMP_POINT={len(line)}; _ais_complete; printf "%s\\n" "${{COMPREPLY[@]}}"'
    environ = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "AIS_ENDPOINT": server.url,
    }
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\n{ask}"], env=environ, capture_output=True, text=True, timeout=60
    )
    assert [word for word in done.stdout.splitlines() if word] == reply, done.stderr


@pytest.mark.parametrize("shell", SCRIPTS)
def test_scripts_parse_where_the_shell_exists(ais: Ais, shell: str) -> None:
    script = ais("completion", shell)
    assert script.status == 0 and COMPLETE in script.out
    found = shutil.which(shell)
    if found:
        done = subprocess.run([found, "-n", "/dev/stdin"], input=script.out, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")


def test_other_shells_are_named(ais: Ais) -> None:
    done = ais("completion", "tcsh")
    assert done.status == 2 and 'unknown shell "tcsh" (expecting bash, zsh or fish)' in done.err
