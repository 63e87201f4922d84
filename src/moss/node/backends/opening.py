"""Opens stores: those that the environment has credentials for, and those that single buckets name."""

import asyncio
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from moss.errors import BackendDenied
from moss.naming.bucket import Provider
from moss.node.backends.base import Backend
from moss.node.backends.credentials import has_amazon, has_google
from moss.node.backends.limits import Limits

__all__ = ["BackendSettings", "OpenedBackends", "open_backend", "open_backends"]

log = logging.getLogger("moss.remote")

_OPENED_MAX = 64
# A store that is used no longer is closed after so long.
_RETIRED_S = 120.0


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """What a single bucket says of its store (`extra.aws`); "" where it says nothing.

    Attributes:
        endpoint: URL of an S3-compatible store.
        profile: section of the profile files.
        region: where the bucket is.
    """

    endpoint: str = ""
    profile: str = ""
    region: str = ""


NO_SETTINGS = BackendSettings()


def open_backends(
    environ: Mapping[str, str] = os.environ, *, endpoint_url: str = "", limits: Limits | None = None
) -> dict[Provider, Backend]:
    """Open the stores that the environment has credentials for, without asking any of them.

    One whose credentials cannot be used is left out, with a warning.

    Args:
        environ: of this process.
        endpoint_url: of an S3-compatible store, instead of the one that the environment names.
    """
    settings = BackendSettings(endpoint=endpoint_url)
    found: dict[Provider, Backend] = {}
    for provider in _OPENERS:
        try:
            backend = open_backend(provider, settings, environ, limits=limits)
        except BackendDenied as error:
            log.warning("%s", error)
            continue
        if backend is not None:
            found[provider] = backend
    return found


def open_backend(
    provider: Provider,
    settings: BackendSettings = NO_SETTINGS,
    environ: Mapping[str, str] = os.environ,
    *,
    limits: Limits | None = None,
) -> Backend | None:
    """Open one store; None where the environment has no credentials for it. Asks nobody: errors come with requests."""
    opener = _OPENERS.get(provider)
    return opener(settings, environ, limits or Limits()) if opener else None


class OpenedBackends:
    """The stores that are open, one for each provider and settings. `get` is for any thread.

    Those of the environment stay open; of those that buckets name, the ones that were used last.

    Args:
        loop: that their requests are made from.
        usual: those of the environment.
        allow: refuses an endpoint that a bucket names, by raising; nothing is refused without.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        usual: Mapping[Provider, Backend],
        allow: Callable[[str], None] = lambda endpoint: None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._loop, self._usual, self._allow, self._environ = loop, dict(usual), allow, environ
        self._lock = threading.Lock()
        self._named: OrderedDict[tuple[Provider, BackendSettings], Backend] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def get(self, provider: Provider, settings: BackendSettings = NO_SETTINGS) -> Backend | None:
        """Return a store, None where this node has no access to any; raises what `allow` raises."""
        if settings == NO_SETTINGS or provider not in _NAMED:
            return self._usual.get(provider)
        key = (provider, settings)
        with self._lock:
            backend = self._named.get(key)
            if backend is None:
                if settings.endpoint:
                    self._allow(settings.endpoint)
                backend = open_backend(provider, settings, self._environ)
                if backend is None:
                    return None
                self._named[key] = backend
                if len(self._named) > _OPENED_MAX:
                    self._retire(self._named.popitem(last=False)[1])
            self._named.move_to_end(key)
            return backend

    def _retire(self, backend: Backend) -> None:
        """Close a store when the requests that are under way there have ended; one that comes later opens it anew."""

        def close() -> None:
            task = self._loop.create_task(backend.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

        self._loop.call_soon_threadsafe(self._loop.call_later, _RETIRED_S, close)

    async def close(self) -> None:
        for backend in (*self._usual.values(), *self._named.values()):
            await backend.close()


def _open_s3(settings: BackendSettings, environ: Mapping[str, str], limits: Limits) -> Backend | None:
    if not has_amazon(environ):
        return None
    from moss.node.backends.s3 import S3Backend

    return S3Backend(endpoint=settings.endpoint, region=settings.region, profile=settings.profile, limits=limits)


def _open_azure(settings: BackendSettings, environ: Mapping[str, str], limits: Limits) -> Backend | None:
    from moss.node.backends.azure_account import read_account

    account = read_account(environ)
    if account is None:
        return None
    from moss.node.backends.azure import AzureBackend

    return AzureBackend(account, limits)


def _open_gcs(settings: BackendSettings, environ: Mapping[str, str], limits: Limits) -> Backend | None:
    if not has_google(environ):
        return None
    from moss.node.backends.gcs import GcsBackend

    return GcsBackend(environ, limits=limits)


def _open_oci(settings: BackendSettings, environ: Mapping[str, str], limits: Limits) -> Backend | None:
    """OCI speaks S3 at an address of its own, with keys of its own ("customer secret keys")."""
    keys = environ.get("OCI_ACCESS_KEY_ID", ""), environ.get("OCI_SECRET_ACCESS_KEY", "")
    region = environ.get("OCI_REGION", "")
    endpoint = environ.get("OCI_ENDPOINT_URL", "")
    if not endpoint and environ.get("OCI_NAMESPACE") and region:
        endpoint = f"https://{environ['OCI_NAMESPACE']}.compat.objectstorage.{region}.oraclecloud.com"
    if not all(keys) or not endpoint:
        return None
    from moss.node.backends.s3 import S3Backend

    return S3Backend(endpoint=endpoint, region=region, keys=keys, provider=Provider.OCI, limits=limits)


_OPENERS: dict[Provider, Callable[[BackendSettings, Mapping[str, str], Limits], Backend | None]] = {
    Provider.AWS: _open_s3,
    Provider.GCP: _open_gcs,
    Provider.AZURE: _open_azure,
    Provider.OCI: _open_oci,
}
# Providers whose buckets may name a store of their own.
_NAMED = frozenset({Provider.AWS})
