"""Where the cluster is and how to talk to it: environment first, then the configuration file, then defaults.

Source: spec/cli.md 5.3.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from moss.cli.failures import CommandError

DEFAULT_URL = "http://127.0.0.1:51080"
DEFAULT_AUTHN_URL = "http://127.0.0.1:52001"
CONNECT_TIMEOUT_S = 60.0
_REPAIR = {
    "CLI config": "Repair the file, or write the defaults anew with 'ais config cli reset'.",
    "token": "Log in again with 'ais auth login'.",
}


class Settings(NamedTuple):
    """Everything the connection needs.

    Attributes:
        url: scheme, host and port of a gateway, without trailing slash.
        authn_url: the AuthN service, without trailing slash.
        token: bearer token, or empty.
        http_timeout_s: how long a silent server is waited for; None waits for ever.
    """

    url: str
    authn_url: str = DEFAULT_AUTHN_URL
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


def config_file(environ: Mapping[str, str]) -> Path:
    """The configuration of the command line."""
    return config_folder(environ) / "cli.json"


def read_config(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the configuration file says; a missing file says nothing.

    Raises:
        CommandError: it cannot be understood.
    """
    return _read_json(config_file(environ), "CLI config")


def is_set(environ: Mapping[str, str], name: str) -> bool:
    """Whether a switch of the configuration file is on; a file that cannot be read has none on."""
    try:
        return config_file(environ).exists() and read_config(environ).get(name) is True
    except CommandError:
        return False


def load_settings(environ: Mapping[str, str], warn: Callable[[str], None]) -> Settings:
    """Read the settings; a missing file means defaults.

    Raises:
        CommandError: the configuration file cannot be read or understood.
    """
    config = read_config(environ)
    cluster, timeout, auth = (_section(config, name) for name in ("cluster", "timeout", "auth"))
    url = variable(environ, "ENDPOINT") or str(cluster.get("url") or default_url(environ))
    http_timeout_s = _duration(timeout.get("http_timeout"), 0.0)
    return Settings(
        url=normal_url(url),
        authn_url=normal_url(variable(environ, "AUTHN_URL") or str(auth.get("url") or DEFAULT_AUTHN_URL)),
        token=_token(environ, warn),
        connect_timeout_s=_duration(timeout.get("tcp_timeout"), CONNECT_TIMEOUT_S) or CONNECT_TIMEOUT_S,
        http_timeout_s=http_timeout_s or None,
        skip_verify=_is_true(variable(environ, "SKIP_VERIFY_CRT")) or cluster.get("skip_verify_crt") is True,
        ca_file=variable(environ, "CLIENT_CA") or str(cluster.get("client_ca_tls") or ""),
        cert_file=variable(environ, "CRT") or str(cluster.get("client_crt") or ""),
        key_file=variable(environ, "CRT_KEY") or str(cluster.get("client_crt_key") or ""),
    )


def variable(environ: Mapping[str, str], name: str) -> str:
    """`MOSS_NAME` or else `AIS_NAME`, as the SDK reads them; "" when neither is set."""
    return environ.get(f"MOSS_{name}") or environ.get(f"AIS_{name}") or ""


def default_url(environ: Mapping[str, str]) -> str:
    """The address of a gateway when nothing names one; `AIS_USE_HTTPS` decides on its scheme."""
    return DEFAULT_URL.replace("http:", "https:") if _is_true(variable(environ, "USE_HTTPS")) else DEFAULT_URL


def normal_url(url: str) -> str:
    """`HOST:PORT` means `http://HOST:PORT`."""
    url = url.strip().rstrip("/")
    return url if "://" in url else "http://" + url


def _token(environ: Mapping[str, str], warn: Callable[[str], None]) -> str:
    token = variable(environ, "AUTHN_TOKEN")
    if token and environ.get("AIS_AUTHN_TOKEN_FILE"):
        warn("both AIS_AUTHN_TOKEN and AIS_AUTHN_TOKEN_FILE are set, using AIS_AUTHN_TOKEN")
    if token:
        return token
    return read_token(token_file(environ))


def token_file(environ: Mapping[str, str]) -> Path:
    """Where the token of the last login is kept."""
    return Path(environ.get("AIS_AUTHN_TOKEN_FILE") or config_folder(environ) / "auth.token")


def read_token(path: Path) -> str:
    """The token in a file, "" without the file.

    Raises:
        CommandError: the file cannot be understood.
    """
    return str(_read_json(path, "token").get("token") or "")


def _read_json(path: Path, what: str) -> dict[str, Any]:
    import json

    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except (OSError, ValueError) as error:
        raise CommandError(f'failed to load {what} "{path}": {error}', _REPAIR[what]) from None
    if not isinstance(found, dict):
        raise CommandError(f'failed to load {what} "{path}": expected an object', _REPAIR[what])
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


def _is_true(text: str) -> bool:
    return text.lower() in ("1", "t", "true", "y", "yes", "on")
