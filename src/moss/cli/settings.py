"""Where the cluster is and how to talk to it: environment first, then the configuration file, then defaults.

Source: spec/cli.md 5.3.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from moss.cli.failures import CommandError

DEFAULT_URL = "http://127.0.0.1:51080"
CONNECT_TIMEOUT_S = 60.0


class Settings(NamedTuple):
    """Everything the connection needs.

    Attributes:
        url: scheme, host and port of a gateway, without trailing slash.
        token: bearer token, or empty.
        http_timeout_s: how long a silent server is waited for; None waits for ever.
    """

    url: str
    token: str = ""
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    http_timeout_s: float | None = None
    skip_verify: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


def config_folder(environ: Mapping[str, str]) -> Path:
    """`$XDG_CONFIG_HOME/ais/cli`, else `$HOME/.config/ais/cli`."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".config")
    return Path(base) / "ais" / "cli"


def load_settings(environ: Mapping[str, str], warn: Callable[[str], None]) -> Settings:
    """Read the settings; a missing file means defaults.

    Raises:
        CommandError: the configuration file cannot be read or understood.
    """
    folder = config_folder(environ)
    config = _read_json(folder / "cli.json", "CLI config")
    cluster, timeout = _section(config, "cluster"), _section(config, "timeout")
    url = environ.get("AIS_ENDPOINT") or str(cluster.get("url") or DEFAULT_URL)
    http_timeout_s = _duration(timeout.get("http_timeout"), 0.0)
    return Settings(
        url=normal_url(url),
        token=_token(environ, folder, warn),
        connect_timeout_s=_duration(timeout.get("tcp_timeout"), CONNECT_TIMEOUT_S) or CONNECT_TIMEOUT_S,
        http_timeout_s=http_timeout_s or None,
        skip_verify=_is_true(environ.get("AIS_SKIP_VERIFY_CRT")) or cluster.get("skip_verify_crt") is True,
        ca_file=environ.get("AIS_CLIENT_CA") or str(cluster.get("client_ca_tls") or ""),
        cert_file=environ.get("AIS_CRT") or str(cluster.get("client_crt") or ""),
        key_file=environ.get("AIS_CRT_KEY") or str(cluster.get("client_crt_key") or ""),
    )


def normal_url(url: str) -> str:
    """`HOST:PORT` means `http://HOST:PORT`."""
    url = url.strip().rstrip("/")
    return url if "://" in url else "http://" + url


def _token(environ: Mapping[str, str], folder: Path, warn: Callable[[str], None]) -> str:
    path = environ.get("AIS_AUTHN_TOKEN_FILE", "")
    token = environ.get("AIS_AUTHN_TOKEN", "")
    if token and path:
        warn("both AIS_AUTHN_TOKEN and AIS_AUTHN_TOKEN_FILE are set, using AIS_AUTHN_TOKEN")
    if token:
        return token
    return str(_read_json(Path(path) if path else folder / "auth.token", "token").get("token") or "")


def _read_json(path: Path, what: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except (OSError, ValueError) as error:
        raise CommandError(f'failed to load {what} "{path}": {error}', "Repair or remove the file.") from None
    if not isinstance(found, dict):
        raise CommandError(f'failed to load {what} "{path}": expected an object', "Repair or remove the file.")
    return found


def _section(config: dict[str, Any], name: str) -> dict[str, Any]:
    section = config.get(name)
    return section if isinstance(section, dict) else {}


def _duration(text: object, default: float) -> float:
    from moss.units import parse_duration

    if not text:
        return default
    try:
        return parse_duration(str(text))
    except ValueError as error:
        raise CommandError(f"CLI config: {error}") from None


def _is_true(text: str | None) -> bool:
    return (text or "").lower() in ("1", "t", "true", "y", "yes", "on")
