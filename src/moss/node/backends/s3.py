"""S3 and what speaks like it. Credentials, profiles and regions come from wherever `botocore` finds them."""

import asyncio
import hashlib
import os
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from moss.errors import BackendDenied, MossError
from moss.naming.bucket import Provider
from moss.node.backends.base import RemoteBucket
from moss.node.backends.limits import Limits
from moss.node.backends.object_store import ObjectStoreBackend, client_options, retry_options
from moss.node.backends.rest import Answer, Request, RestClient
from moss.node.backends.s3_rest import S3Rest
from moss.units import quote

__all__ = ["S3Backend"]

# What the reference reads. Source: spec/rest-data.md 8. The usual names are botocore's business.
_REFERENCE_ENDPOINT = "S3_ENDPOINT"
_REGION = "us-east-1"
# Where no credentials were found they are looked for again after so long.
_LACK_S = 10.0
# Larger bodies are hashed beside the event loop.
_HASHED_AT_ONCE_BYTES = 256 << 10


class S3Backend(ObjectStoreBackend):
    """All buckets that one set of S3 credentials opens.

    Args:
        endpoint: URL of an S3-compatible store; "" for the one that environment or profile name, else Amazon's.
        region: "" for the one of environment or profile.
        profile: section of the profile files; "" for the default.
        keys: access key and secret, instead of those of environment or profile.
        provider: whose buckets they are shown as (`aws`, or `oci`).
    """

    def __init__(
        self,
        *,
        endpoint: str = "",
        region: str = "",
        profile: str = "",
        keys: tuple[str, str] | None = None,
        provider: Provider = Provider.AWS,
        limits: Limits | None = None,
    ) -> None:
        limits = limits or Limits()
        self._account = _Account(endpoint, region, profile, keys, provider)
        self._limits = limits
        self._setup: _Setup | None = None
        client = RestClient(self._sign, limits, self._trust, moved=self._is_elsewhere)
        super().__init__(provider, S3Rest(provider, client), self._open, self._find)
        # Regions of buckets that are not in the usual one.
        self._regions: dict[str, str] = {}

    async def head_bucket(self, bucket: str) -> RemoteBucket:
        found = await super().head_bucket(bucket)
        usual = (await asyncio.to_thread(self._account.setup)).region
        return RemoteBucket(bucket, found.is_versioned, found.region or self._regions.get(bucket) or usual)

    # -- through requests of our own --

    async def _sign(self, request: Request) -> str:
        bucket = request.bucket.name
        setup, credential = await asyncio.to_thread(self._account.ready)
        self._setup = setup
        region = self._regions.get(bucket) or setup.region
        path = request.path
        if setup.is_virtual and bucket:
            path = path.removeprefix(f"/{bucket}") or "/"
        url = Request(request.method, path, request.bucket, query=request.query).url(setup.place(bucket, region))
        digest = await _digest(request.body, is_safe=url.startswith("https"))
        request.headers = _signed(request.method, url, request.headers, digest, credential, region)
        return url

    def _trust(self) -> ssl.SSLContext | None:
        return self._setup.trust if self._setup else None

    def _is_elsewhere(self, request: Request, answer: Answer) -> bool:
        """Tell whether an answer says that a bucket is in another region; remembers it."""
        bucket = request.bucket.name
        told = answer.headers.get("x-amz-bucket-region", "") or _told_region(answer)
        usual = self._setup.region if self._setup else ""
        if not bucket or not told or told == (self._regions.get(bucket) or usual):
            return False
        self._regions[bucket] = told
        return True

    async def _find(self, bucket: str) -> bool:
        before = self._regions.get(bucket)
        try:
            await self._rest.client.ask(self._rest.request("HEAD", bucket), fine=(403,))
        except MossError:
            return False  # what was wrong is said already
        return self._regions.get(bucket) != before

    # -- through obstore --

    async def _open(self, bucket: str) -> Any:
        from obstore.store import S3Store

        setup = await asyncio.to_thread(self._account.setup)
        region = self._regions.get(bucket) or setup.region
        endpoint = setup.place(bucket, region)
        return S3Store(
            bucket,
            region=region,
            endpoint=endpoint,
            virtual_hosted_style_request=setup.is_virtual,
            credential_provider=self._account.obstore_credential,
            client_options=client_options(self._limits, endpoint, setup.pem),
            retry_config=retry_options(self._limits),
        )


@dataclass(frozen=True, slots=True)
class _Setup:
    """What environment, profile files and arguments say.

    Attributes:
        endpoint: of an S3-compatible store, "" for Amazon's.
        is_virtual: the bucket's name is part of the host's.
        pem: certificates to trust besides the system's (`AWS_CA_BUNDLE`).
        trust: the same for requests of our own; None for the system's alone.
    """

    endpoint: str
    region: str
    is_virtual: bool
    pem: bytes
    trust: ssl.SSLContext | None

    def place(self, bucket: str, region: str) -> str:
        """Return the URL below which a bucket's objects, or with "" all buckets, are."""
        suffix = "com.cn" if region.startswith("cn-") else "com"
        base = self.endpoint or f"https://s3.{region}.amazonaws.{suffix}"
        if not bucket or not self.is_virtual:
            return base
        scheme, _, host = base.partition("://")
        return f"{scheme}://{bucket}.{host}"


class _Account:
    """Who asks, and where. All of it may wait for files and services: not for the event loop."""

    def __init__(self, endpoint: str, region: str, profile: str, keys: tuple[str, str] | None, provider: Provider):
        self._keys, self._profile, self._provider = keys, profile, provider
        self._endpoint, self._region = endpoint.rstrip("/"), region
        self._lock = threading.Lock()
        self._session: Any = None
        self._setup: _Setup | None = None
        self._lacks_until = 0.0

    def setup(self) -> _Setup:
        """Read how it is set up.

        Raises:
            BackendDenied: the profile is not there, a file of profiles or certificates cannot be read.
        """
        from botocore.exceptions import BotoCoreError

        with self._lock:
            if self._setup is None:
                try:
                    self._setup = self._read()
                except BotoCoreError as error:
                    raise self._denied(type(error).__name__) from None
                except OSError:
                    raise self._denied("AWS_CA_BUNDLE cannot be read") from None
            return self._setup

    def _denied(self, cause: str) -> BackendDenied:
        shown = f" with profile {quote(self._profile)}" if self._profile else ""
        return BackendDenied(f"{self._provider.display_name} backend cannot be used{shown}: {cause}")

    def _read(self) -> _Setup:
        session = self._botocore()
        endpoint = self._endpoint or self._usual_endpoint()
        style = (session.get_scoped_config().get("s3") or {}).get("addressing_style")
        bundle = session.get_config_variable("ca_bundle")
        pem = Path(bundle).expanduser().read_bytes() if bundle else b""
        return _Setup(
            endpoint=endpoint,
            region=self._region or session.get_config_variable("region") or _REGION,
            is_virtual=style == "virtual" and not _is_address(endpoint),
            pem=pem,
            trust=_trust(pem) if pem and not endpoint.startswith("http://") else None,
        )

    def _usual_endpoint(self) -> str:
        if self._provider is not Provider.AWS:
            return ""
        from botocore.configprovider import ConfiguredEndpointProvider

        session = self._botocore()
        found = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), "s3").provide()
        return (found or os.environ.get(_REFERENCE_ENDPOINT, "")).rstrip("/")

    def _botocore(self) -> Any:
        if self._session is None:
            from botocore.session import Session

            self._session = Session(profile=self._profile or None)
        return self._session

    def ready(self) -> tuple[_Setup, Any]:
        """Return how it is set up, and what requests are signed with; raises as `setup` and `credential`."""
        return self.setup(), self.credential()[0]

    def credential(self) -> tuple[Any, datetime | None]:
        """Return what requests are signed with, and when it expires (None: not).

        Raises:
            BackendDenied: there is nothing.
        """
        from botocore.credentials import ReadOnlyCredentials
        from botocore.exceptions import BotoCoreError, ClientError

        if self._keys is not None:
            return ReadOnlyCredentials(*self._keys, None), None
        with self._lock:
            if time.monotonic() < self._lacks_until:
                raise self._denied("no credentials")
            try:
                found = self._botocore().get_credentials()
                if found is not None:
                    frozen = found.get_frozen_credentials()
                    return frozen, getattr(found, "_expiry_time", None)
                cause = "no credentials"
            except (BotoCoreError, ClientError, OSError, ValueError) as error:
                cause = f"no credentials ({type(error).__name__})"
            self._lacks_until = time.monotonic() + _LACK_S
            raise self._denied(cause)

    def obstore_credential(self) -> Any:
        """Return the same for `obstore`; what expires is asked for again."""
        credential, expiry = self.credential()
        return {
            "access_key_id": credential.access_key,
            "secret_access_key": credential.secret_key,
            "token": credential.token,
            "expires_at": expiry.astimezone(UTC) if isinstance(expiry, datetime) else None,
        }


def _trust(pem: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=pem.decode("ascii", "ignore"))
    return context


def _signed(
    method: str, url: str, headers: dict[str, str], digest: str, credential: Any, region: str
) -> dict[str, str]:
    """Return the headers of a request with its signature (version 4).

    Args:
        digest: of the body.
    """
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest(method, url, headers=headers)
    signer = S3SigV4Auth(credential, "s3", region)
    signer.payload = lambda _: digest
    signer.add_auth(request)
    return dict(request.headers.items())


async def _digest(body: bytes, *, is_safe: bool) -> str:
    if is_safe and body:
        return "UNSIGNED-PAYLOAD"  # nobody can change it on its way
    if len(body) <= _HASHED_AT_ONCE_BYTES:
        return hashlib.sha256(body).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, body)).hexdigest()


def _told_region(answer: Answer) -> str:
    if answer.status != 400 or answer.code != "AuthorizationHeaderMalformed":
        return ""
    _, _, rest = answer.body.decode("utf-8", "replace").partition("<Region>")
    return rest.partition("</Region>")[0]


def _is_address(endpoint: str) -> bool:
    """Tell whether a URL's host has no names below it."""
    host = urlsplit(endpoint).hostname or ""
    return host == "localhost" or ":" in host or host.replace(".", "").isdigit()
