"""Client configuration: arguments, then `MOSS_*`, then `AIS_*` variables, then defaults.

Pure but for the environment, which is passed in. Source: spec/python-sdk.md 4.1.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from moss.sdk.const import DEFAULT_CONNECT_TIMEOUT, DEFAULT_MAX_CONN_POOL, DEFAULT_READ_TIMEOUT
from moss.sdk.transport.http1 import Settings
from moss.sdk.utils import parse_bool

__all__ = ["DEFAULT_ENDPOINT", "ClientConfig", "resolve_config", "resolve_timeouts"]

DEFAULT_ENDPOINT = "http://127.0.0.1:51080"


@dataclass(frozen=True)
class ClientConfig:
    """What a client was told.

    Attributes:
        bases: base URLs of the gateways, each ending with `/v1`; the first one is asked first.
        token: sent as `Authorization: Bearer`, to nodes of the cluster only.
    """

    bases: tuple[str, ...]
    token: "str | Callable[[], str | None] | None"
    settings: Settings


def resolve_config(
    endpoint: str | Sequence[str] | None,
    *,
    skip_verify: bool = False,
    ca_cert: str | None = None,
    client_cert: str | tuple[str, str] | None = None,
    timeout: Any = None,
    token: "str | Callable[[], str | None] | None" = None,
    max_pool_size: int | None = None,
    environment: Mapping[str, str],
) -> ClientConfig:
    """Put a configuration together.

    Raises:
        ValueError: an endpoint is no http or https URL, or a timeout is negative or of a wrong shape.
    """
    variables = _Environment(environment)
    endpoint = endpoint if endpoint is not None else variables.get("ENDPOINT") or DEFAULT_ENDPOINT
    endpoints = [endpoint] if isinstance(endpoint, str) else list(endpoint)
    connect_s, read_s = resolve_timeouts(timeout, variables)
    verify = not skip_verify and not _skips_verification(variables)
    if not verify and any(url.startswith("https") for url in endpoints):
        warnings.warn("TLS certificates are not verified", UserWarning, stacklevel=4)
    if client_cert is None and variables.get("CRT") and variables.get("CRT_KEY"):
        client_cert = (variables.get("CRT") or "", variables.get("CRT_KEY") or "")
    settings = Settings(
        connect_timeout_s=connect_s,
        read_timeout_s=read_s,
        verify=verify,
        ca_cert=ca_cert or variables.get("CLIENT_CA"),
        client_cert=client_cert,
        idle_connections_max=_pool_size(max_pool_size, variables),
    )
    return ClientConfig(tuple(map(_base, endpoints)), token or variables.get("AUTHN_TOKEN"), settings)


class _Environment:
    """Variables by the part of their name behind `MOSS_` or `AIS_`; the former wins. Empty ones count as unset."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def get(self, name: str) -> str | None:
        return self._variables.get(f"MOSS_{name}") or self._variables.get(f"AIS_{name}") or None


def _base(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"endpoint must be an http or https URL, found {endpoint!r}")
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path if path.endswith('/v1') else path + '/v1'}"


def _skips_verification(environment: _Environment) -> bool:
    text = environment.get("SKIP_VERIFY_CRT")
    return parse_bool(text if text is not None else environment.get("SKIP_VERIFY"))


def resolve_timeouts(timeout: Any, environment: Any) -> tuple[float | None, float | None]:
    """Connect and read timeout in seconds; None means no limit, 0 disables.

    Raises:
        ValueError: negative, or neither a number nor a pair.
    """
    if timeout is None:
        pair: tuple[Any, Any] = (
            _seconds_of_variable(environment, "CONNECT_TIMEOUT", DEFAULT_CONNECT_TIMEOUT),
            _seconds_of_variable(environment, "READ_TIMEOUT", DEFAULT_READ_TIMEOUT),
        )
    elif isinstance(timeout, int | float):
        pair = (timeout, timeout)
    else:
        pair = tuple(timeout)
        if len(pair) != 2:
            raise ValueError(f"timeout must be a number or (connect, read), found {timeout!r}")
    if any(value is not None and value < 0 for value in pair):
        raise ValueError(f"timeout must not be negative, found {timeout!r}")
    return pair[0] or None, pair[1] or None


def _seconds_of_variable(environment: Any, name: str, default: float) -> float:
    text = environment.get(name)
    if text is None:
        return default
    try:
        value = float(text)
        if value < 0:
            raise ValueError
        return value
    except ValueError:
        warnings.warn(f"AIS_{name}={text!r} is no number of seconds, using {default:g}", UserWarning, stacklevel=6)
        return default


def _pool_size(size: int | None, environment: _Environment) -> int:
    if size is not None:
        return size
    text = environment.get("MAX_CONN_POOL")
    if text is None:
        return DEFAULT_MAX_CONN_POOL
    if not text.isdigit() or int(text) == 0:
        message = f"AIS_MAX_CONN_POOL={text!r} is no positive number, using {DEFAULT_MAX_CONN_POOL}"
        warnings.warn(message, UserWarning, stacklevel=5)
        return DEFAULT_MAX_CONN_POOL
    return int(text)
