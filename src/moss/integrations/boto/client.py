"""boto3 clients of the S3 face of a cluster."""

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore
from botocore.config import Config

from moss.errors import MossError
from moss.integrations.boto.redirects import follow_redirect
from moss.sdk import Client
from moss.sdk.config import resolve_config

__all__ = ["client"]

_SETTINGS = Config(
    s3={"addressing_style": "path"},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


def client(
    endpoint: str | None = None,
    token: "str | Callable[[], str | None] | None" = None,
    *,
    config: Config | None = None,
    **options: Any,
) -> Any:
    """Make a boto3 client of a cluster's S3 face; it follows redirects and needs no AWS credentials.

    Args:
        endpoint: URL of a gateway; None takes `MOSS_ENDPOINT` or `AIS_ENDPOINT`, then `http://127.0.0.1:51080`.
        token: sent to nodes of the cluster only, as `Authorization: Bearer`; a function is asked for it before each
            request; None takes `AIS_AUTHN_TOKEN`.
        config: settings on top of those of the client.
        options: of `boto3.client`. Requests are not signed unless there is an `aws_access_key_id`.

    Returns:
        A client of the service `s3`.

    Raises:
        ValueError: the endpoint is no http or https URL.
    """
    resolved = resolve_config(endpoint, token=token, environment=os.environ)
    gateway = resolved.bases[0].removesuffix("/v1")
    settings = _SETTINGS
    if "aws_access_key_id" not in options:
        settings = settings.merge(Config(signature_version=botocore.UNSIGNED))
    if config is not None:
        settings = settings.merge(config)
    options.setdefault("region_name", "us-east-1")
    made = boto3.client("s3", endpoint_url=f"{gateway}/s3", config=settings, **options)
    made.meta.events.register_first("needs-retry.s3", follow_redirect)
    if resolved.token is not None:
        made.meta.events.register("before-send.s3", _TokenSender(gateway, resolved.token))
    return made


class _TokenSender:
    """Adds the token to requests that go to a node of the cluster."""

    def __init__(self, gateway: str, token: "str | Callable[[], str | None]") -> None:
        self._gateway, self._token = gateway, token
        self._trusted = {_origin(gateway)}

    def __call__(self, request: Any, **_others: Any) -> None:
        token = self._token() if callable(self._token) else self._token
        if token and self._is_of_cluster(_origin(request.url)):
            request.headers["Authorization"] = f"Bearer {token}"

    def _is_of_cluster(self, origin: tuple[str, str]) -> bool:
        if origin not in self._trusted:
            try:
                with Client(self._gateway, token=self._token) as cluster:
                    self._trusted |= {_origin(url) for url in cluster.cluster().get_info().urls()}
            except MossError:
                return False
        return origin in self._trusted


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
