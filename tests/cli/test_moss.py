import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from moss.cli.moss import greeting, main


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("moss ")
    for words in ([], ["--help"], ["serve", "--help"]):
        assert main(words) == 0
        assert "serve" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["srve"], 'unknown command "srve"'),
        (["serve", "extra"], 'unexpected argument "extra"'),
        (["serve", "--port", "70000"], "'--port' must be from 0 to 65535"),
        (["serve", "--workers", "0"], "'--workers' must be from 1 to 1024"),
        (["serve", "--stall-timeout", "-1"], "'--stall-timeout' must be from 0 to 86400"),
        (["serve", "--promote-root", "/srv/a,relative"], "'--promote-root' must be an absolute path, got \"relative\""),
        (["serve", "--bogus"], "flag provided but not defined: -bogus"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], words: list[str], text: str) -> None:
    assert main(words) == 2
    assert text in capsys.readouterr().err


def test_greeting_says_where_and_what_next() -> None:
    text = greeting("http://127.0.0.1:1234", "http://127.0.0.1:1235", Path("d"))
    assert "export AIS_ENDPOINT=http://127.0.0.1:1234" in text and "ais ml get-batch" in text
    assert "AIS_ENDPOINT" not in greeting("http://127.0.0.1:51080", "x", Path("d"))


@pytest.mark.slow
def test_serve_answers_what_its_greeting_suggests(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "moss.cli.moss", "serve", "--data", "data", "--port", "0", "--stall-timeout=60"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "Ctrl-C" in line:
                    break
            endpoint = next(line.partition("=")[2].strip() for line in lines if "export AIS_ENDPOINT" in line)
            (tmp_path / "README.md").write_text("hello")
            env = {**os.environ, "AIS_ENDPOINT": endpoint}
            for line in (line.strip() for line in lines if line.startswith("   ais ")):
                words = [sys.executable, "-m", "moss.cli.main", *line.split()[1:]]
                subprocess.run(words, cwd=tmp_path, env=env, check=True, timeout=30, capture_output=True)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)
    assert process.returncode == 0
    assert (tmp_path / "demo.tar").stat().st_size > 0
