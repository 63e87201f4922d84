"""Who asks Azure, and where: from the variables that its own tools read.

A connection string, an account with its key, a shared access signature, or an account and an identity: a client with
a secret, a workload's federated token, the machine's managed identity.
"""

import base64
import binascii
import hashlib
import hmac
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from moss.errors import BackendDenied

__all__ = ["API_VERSION", "AzureAccount", "Identity", "Token", "read_account"]

API_VERSION = "2023-11-03"
_ACCOUNT = ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT")
_KEY = ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_PRIMARY_KEY")
_SAS = ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY")
_ENDPOINT = ("AZURE_STORAGE_SERVICE_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT", "AIS_AZURE_URL")
_CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"
_SUFFIX = "core.windows.net"
_AUTHORITY = "https://login.microsoftonline.com"
_RESOURCE = "https://storage.azure.com"
_MACHINE = "http://169.254.169.254/metadata/identity/oauth2/token"
_WORKLOAD = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# The emulator's account, which everybody knows. Source: Azurite's documentation.
_EMULATOR = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
# A token is asked for anew so long before it ends.
_AHEAD_S = 300.0
_ANSWER_S_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and when it ends, seconds since 1970."""

    text: str = field(repr=False)
    ends_s: float


class Identity:
    """A bearer token that is asked for again before it ends. For any thread; may wait for the service.

    Args:
        ask: gets one.
    """

    def __init__(self, ask: Callable[[], Token]) -> None:
        self._ask, self._lock = ask, threading.Lock()
        self._token: Token | None = None

    def token(self) -> Token:
        """Return a token that lives for a while.

        Raises:
            BackendDenied: the service gives none.
        """
        with self._lock:
            if self._token is None or self._token.ends_s - _AHEAD_S < time.time():
                self._token = self._ask()
            return self._token


@dataclass(frozen=True, slots=True)
class AzureAccount:
    """An account. One of key, signature and identity says who asks.

    Attributes:
        endpoint: URL of its blob service.
        sas: shared access signature, a query string.
    """

    name: str
    endpoint: str
    key: str = field(default="", repr=False)
    sas: str = field(default="", repr=False)
    identity: Identity | None = field(default=None, repr=False)

    def sign(self, method: str, url: str, headers: dict[str, str], size: int) -> str:
        """Return the URL of a request and add to its headers what proves who asks. May wait for a service.

        Args:
            size: of the body, bytes.
        """
        headers["x-ms-version"] = API_VERSION
        headers["x-ms-date"] = format_datetime(datetime.now(UTC), usegmt=True)
        if self.key:
            headers["Authorization"] = f"SharedKey {self.name}:{self._signature(method, url, headers, size)}"
        elif self.sas:
            url += ("&" if "?" in url else "?") + self.sas
        elif self.identity is not None:
            headers["Authorization"] = f"Bearer {self.identity.token().text}"
        return url

    def _signature(self, method: str, url: str, headers: Mapping[str, str], size: int) -> str:
        # Source: "Authorize with Shared Key" in the documentation of Azure Storage.
        told = {key.lower(): value for key, value in headers.items()}
        fixed = ("content-encoding", "content-language", "", "content-md5", "content-type", "date")
        fixed += ("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range")
        lines = [method, *(told.get(key, "") if key else str(size or "") for key in fixed)]
        lines += [f"{key}:{told[key]}" for key in sorted(told) if key.startswith("x-ms-")]
        parts = urlsplit(url)
        lines.append(f"/{self.name}{parts.path}")
        query = {key.lower(): value for key, value in parse_qsl(parts.query, keep_blank_values=True)}
        lines += [f"{key}:{query[key]}" for key in sorted(query)]
        digest = hmac.digest(base64.b64decode(self.key), "\n".join(lines).encode(), hashlib.sha256)
        return base64.b64encode(digest).decode()

    def obstore_credential(self) -> Any:
        """Return for `obstore` what says who asks."""
        if self.key:
            return {"access_key": self.key, "expires_at": None}
        if self.sas:
            pairs = [(unquote(key), unquote(value)) for key, _, value in _pairs(self.sas, "&")]
            return {"sas_token": pairs, "expires_at": None}
        assert self.identity is not None
        token = self.identity.token()
        return {"token": token.text, "expires_at": datetime.fromtimestamp(token.ends_s, UTC)}


def read_account(environ: Mapping[str, str]) -> AzureAccount | None:
    """Read the account that a shell has set up, None for none. Asks nobody.

    Raises:
        BackendDenied: what there is cannot be used; the text names the variable, not its value.
    """
    said = environ.get(_CONNECTION, "")
    if said.strip().lower().rstrip(";") == "usedevelopmentstorage=true":
        said = _EMULATOR
    words = {key.strip().lower(): value for key, _, value in _pairs(said, ";")}
    name = words.get("accountname") or _first(environ, _ACCOUNT)
    protocol = words.get("defaultendpointsprotocol", "https")
    suffix = words.get("endpointsuffix", _SUFFIX)
    endpoint = words.get("blobendpoint") or _first(environ, _ENDPOINT) or f"{protocol}://{name}.blob.{suffix}"
    name = name or (urlsplit(endpoint).hostname or "").partition(".")[0]
    if not name:
        return None
    key = words.get("accountkey") or _first(environ, _KEY)
    sas = (words.get("sharedaccesssignature") or _first(environ, _SAS)).lstrip("?")
    if key:
        try:
            base64.b64decode(key, validate=True)
        except (binascii.Error, ValueError):
            raise BackendDenied("Azure backend cannot be used: the account's key is not in base64") from None
    identity = None if key or sas else Identity(_asker(environ))
    return AzureAccount(name, endpoint.rstrip("/"), key, sas, identity)


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environ[name] for name in names if environ.get(name)), "")


def _pairs(text: str, mark: str) -> list[tuple[str, str, str]]:
    return [pair.partition("=") for pair in text.split(mark) if "=" in pair]


# -- identities ------------------------------------------------------------------------------------------


def _asker(environ: Mapping[str, str]) -> Callable[[], Token]:
    """Return what gets a token: the first way that the environment is set up for."""
    tenant, client = environ.get("AZURE_TENANT_ID", ""), environ.get("AZURE_CLIENT_ID", "")
    secret, file = environ.get("AZURE_CLIENT_SECRET", ""), environ.get("AZURE_FEDERATED_TOKEN_FILE", "")
    if tenant and client and (secret or file):
        authority = (environ.get("AZURE_AUTHORITY_HOST") or _AUTHORITY).rstrip("/")
        form = {"client_id": client, "grant_type": "client_credentials", "scope": f"{_RESOURCE}/.default"}

        def ask_directory() -> Token:
            proof = {"client_secret": secret}
            if not secret:
                proof = {"client_assertion_type": _WORKLOAD, "client_assertion": _read_file(file)}
            body = urllib.parse.urlencode({**form, **proof}).encode()
            return _ask(urllib.request.Request(f"{authority}/{tenant}/oauth2/v2.0/token", body))

        return ask_directory
    query = {"resource": _RESOURCE, **({"client_id": client} if client else {})}
    if environ.get("IDENTITY_ENDPOINT"):
        url, headers = environ["IDENTITY_ENDPOINT"], {"X-IDENTITY-HEADER": environ.get("IDENTITY_HEADER", "")}
        query["api-version"] = "2019-08-01"
    else:
        url, headers = _MACHINE, {"Metadata": "true"}
        query["api-version"] = "2018-02-01"
    return lambda: _ask(urllib.request.Request(f"{url}?{urllib.parse.urlencode(query)}", headers=headers))


def _read_file(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        raise BackendDenied("Azure backend cannot be used: AZURE_FEDERATED_TOKEN_FILE cannot be read") from None


def _ask(request: urllib.request.Request) -> Token:
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S_MAX) as answer:
            found = json.load(answer)
        ends = float(found.get("expires_on") or time.time() + float(found["expires_in"]))
        return Token(found["access_token"], ends)
    except urllib.error.HTTPError as error:
        cause = f"the identity service answered {error.code}"
    except (OSError, ValueError, KeyError, TypeError):
        cause = "the identity service cannot be reached or understood"
    raise BackendDenied(f"Azure backend cannot be used: no credentials: {cause}")
