"""Google Cloud Storage, through its XML API, which is close to S3's.

Credentials come from wherever `google-auth` finds them: a service account's file, the file that `gcloud` keeps, a
federated identity, the machine's own service account.
"""

import asyncio
import json
import os
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any

from moss.errors import BackendDenied
from moss.naming.bucket import Provider
from moss.node.backends.base import RemoteBucket
from moss.node.backends.credentials import GOOGLE_FILES
from moss.node.backends.limits import Limits
from moss.node.backends.object_store import ObjectStoreBackend, client_options, retry_options
from moss.node.backends.rest import Answer, Request, RestClient
from moss.node.backends.s3_rest import S3Rest

__all__ = ["GcsBackend"]

_ENDPOINT = "https://storage.googleapis.com"
_ENDPOINTS = ("GOOGLE_STORAGE_ENDPOINT", "STORAGE_EMULATOR_HOST")
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_PROJECTS = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT")
_ANSWER_S_MAX = 10.0


class GcsBackend(ObjectStoreBackend):
    """All buckets that one set of credentials opens.

    Args:
        endpoint: of another service that speaks the XML API; "" for the one that the environment names, else Google's.
        is_anonymous: ask without credentials, as emulators and public buckets allow.
    """

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        *,
        endpoint: str = "",
        is_anonymous: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits or Limits()
        named = endpoint or next((environ[name] for name in _ENDPOINTS if environ.get(name)), _ENDPOINT)
        self._endpoint = (named if "://" in named else f"http://{named}").rstrip("/")
        # The emulator's variable says as well that nobody asks for credentials there.
        is_emulator = not endpoint and bool(environ.get("STORAGE_EMULATOR_HOST"))
        self._account = None if is_anonymous or is_emulator else _Account(environ)
        rest = _GcsRest(Provider.GCP, RestClient(self._sign, self._limits))
        super().__init__(Provider.GCP, rest, self._open)

    async def head_bucket(self, bucket: str) -> RemoteBucket:
        found = await super().head_bucket(bucket)
        return RemoteBucket(bucket, found.is_versioned, found.region.lower())

    async def _sign(self, request: Request) -> str:
        # Objects are to come as they are stored: without this those with `Content-Encoding: gzip` are unpacked.
        request.headers["Accept-Encoding"] = "gzip"
        if self._account is not None:
            token, _, project = await asyncio.to_thread(self._account.token)
            request.headers["Authorization"] = f"Bearer {token}"
            if project and not request.bucket.name:
                request.headers["x-goog-project-id"] = project
        return request.url(self._endpoint)

    async def _open(self, bucket: str) -> Any:
        from obstore.store import GCSStore

        options = client_options(self._limits, self._endpoint)
        options["default_headers"] = {"Accept-Encoding": "gzip"}
        credentials: dict[str, Any] = {"skip_signature": True}
        if self._account is not None:
            credentials = {"credential_provider": self._account.obstore_credential}
        return GCSStore(
            bucket,
            base_url=self._endpoint,
            client_options=options,
            retry_config=retry_options(self._limits),
            **credentials,
        )


class _GcsRest(S3Rest):
    prefix = "x-goog-"
    version_header = "x-goog-generation"

    def region_in(self, answer: Answer) -> str:
        return answer.headers.get("x-goog-bucket-location", "")


class _Account:
    """Who asks. For any thread; may wait for services."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ, self._lock = environ, threading.Lock()
        self._credentials: Any = None
        self._project = ""

    def token(self) -> tuple[str, datetime | None, str]:
        """Return a bearer token, when it ends, and the project whose buckets are listed.

        Raises:
            BackendDenied: there is none.
        """
        from google.auth.exceptions import GoogleAuthError

        with self._lock:
            try:
                if self._credentials is None:
                    self._credentials, self._project = self._find()
                if not self._credentials.valid or self._credentials.token_state.name == "STALE":
                    self._credentials.refresh(_ask)
                expiry = self._credentials.expiry
                return self._credentials.token, expiry and expiry.replace(tzinfo=UTC), self._project
            except (GoogleAuthError, OSError, ValueError) as error:
                cause = type(error).__name__
                raise BackendDenied(f"GCP backend cannot be used: no credentials ({cause})") from None

    def _find(self) -> tuple[Any, str]:
        import google.auth

        project = next((self._environ[name] for name in _PROJECTS if self._environ.get(name)), "")
        path = next((self._environ[name] for name in GOOGLE_FILES if self._environ.get(name)), "")
        text = self._environ.get("GOOGLE_SERVICE_ACCOUNT_KEY") or (Path(path).expanduser().read_text() if path else "")
        about = json.loads(text) if text else {}
        if about.get("type") == "service_account":
            from google.oauth2 import service_account

            credentials = service_account.Credentials.from_service_account_info(about, scopes=[_SCOPE])
            return credentials, project or about.get("project_id", "")
        credentials, found = google.auth.default(scopes=[_SCOPE], request=_ask)
        return credentials, project or found or ""

    def obstore_credential(self) -> Any:
        """Return for `obstore` what says who asks; what ends is asked for again."""
        token, expiry, _ = self.token()
        return {"token": token, "expires_at": expiry}


class _Reply:
    """What `google-auth` wants to know of an answer."""

    def __init__(self, status: int, headers: Message, data: bytes) -> None:
        self.status, self.headers, self.data = status, headers, data


def _ask(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_: Any,
) -> _Reply:
    """Ask a service that gives out tokens; what `google-auth` calls a transport.

    Raises:
        TransportError: it cannot be reached.
    """
    from google.auth.exceptions import TransportError

    request = urllib.request.Request(url, body, dict(headers or {}), method=method)
    try:
        with urllib.request.urlopen(request, timeout=min(timeout or _ANSWER_S_MAX, _ANSWER_S_MAX)) as answer:
            return _Reply(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return _Reply(error.code, error.headers, error.read())
    except (OSError, ssl.SSLError) as error:
        raise TransportError(str(error)) from error
