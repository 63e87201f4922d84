from pathlib import Path

import pytest

from moss.cli.failures import CommandError
from moss.cli.settings import DEFAULT_URL, load_settings, normal_url


def load(environ: dict[str, str], warnings: list[str] | None = None):
    return load_settings(environ, (warnings if warnings is not None else []).append)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://h/", "https://h"),
        (" http://h:1// ", "http://h:1"),
    ],
)
def test_endpoints(text: str, url: str) -> None:
    assert normal_url(text) == url


def test_environment_wins_over_file_and_file_over_default(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    assert load(environ).url == DEFAULT_URL
    folder = tmp_path / ".config" / "ais" / "cli"
    folder.mkdir(parents=True)
    (folder / "cli.json").write_text('{"cluster":{"url":"h:1"},"timeout":{"tcp_timeout":"5s","http_timeout":"1m"}}')
    (folder / "auth.token").write_text('{"token":"t1"}')
    found = load(environ)
    assert (found.url, found.connect_timeout_s, found.http_timeout_s, found.token) == ("http://h:1", 5.0, 60.0, "t1")
    assert load({**environ, "AIS_ENDPOINT": "h:2"}).url == "http://h:2"


def test_token_of_the_environment_wins_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('{"token":"file"}')
    environ = {"HOME": str(tmp_path), "AIS_AUTHN_TOKEN_FILE": str(tmp_path / "t")}
    assert load(environ).token == "file"
    warnings: list[str] = []
    assert load({**environ, "AIS_AUTHN_TOKEN": "env"}, warnings).token == "env"
    assert len(warnings) == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"timeout":{"tcp_timeout":"soon"}}'])
def test_broken_files_are_named(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "ais" / "cli"
    folder.mkdir(parents=True)
    (folder / "cli.json").write_text(text)
    with pytest.raises(CommandError, match="CLI config"):
        load({"HOME": "/nowhere", "XDG_CONFIG_HOME": str(tmp_path)})


def test_https_by_default_when_the_environment_says_so(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "AIS_USE_HTTPS": "true"}
    assert load(environ).url == "https://127.0.0.1:51080"
    assert load(environ | {"AIS_ENDPOINT": "http://h:1"}).url == "http://h:1"


def test_the_authn_service(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    assert load(environ).authn_url == "http://127.0.0.1:52001"
    assert load(environ | {"AIS_AUTHN_URL": "h:1/"}).authn_url == "http://h:1"


def test_variables_of_moss_win(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "AIS_ENDPOINT": "h:1", "MOSS_ENDPOINT": "h:2", "MOSS_AUTHN_TOKEN": "t"}
    found = load(environ)
    assert (found.url, found.token) == ("http://h:2", "t")
