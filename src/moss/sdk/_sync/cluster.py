# Made by scripts/unasync.py from _async/cluster.py; change that file instead.
"""The cluster as a whole."""

from typing import Any

from moss.errors import MossError
from moss.sdk._sync.session import RequestClient
from moss.sdk.namespace import Namespace
from moss.sdk.operations import Request, action
from moss.sdk.provider import Provider
from moss.sdk.types import BucketModel, Smap
from moss.wire.bucket import decode_buckets

__all__ = ["Cluster"]


class Cluster:
    """Questions about the cluster."""

    def __init__(self, client: RequestClient) -> None:
        self._session = client

    @property
    def client(self) -> RequestClient:
        return self._session

    def get_info(self) -> Smap:
        """The cluster map, asked for anew."""
        return self._session.get_smap(refresh=True)

    def get_primary_url(self) -> str:
        """URL of the primary gateway."""
        return (self.get_info()).proxy_si.public_net.direct_url

    def get_uuid(self) -> str:
        """Id of the cluster, which never changes."""
        return (self.get_info()).uuid

    def list_buckets(self, provider: str | Provider = Provider.AIS) -> list[BucketModel]:
        """List buckets, by provider and name.

        Args:
            provider: empty for those of all providers.

        Raises:
            InvalidBckProvider: unknown provider.
        """
        word = Provider.parse(provider).value if provider else ""
        request = Request("GET", "/buckets", [("provider", word)], body=action("list"))
        buckets = decode_buckets((self._session.call(request)).content)
        return [
            BucketModel(
                bucket.name,
                bucket.provider.value,
                None if bucket.namespace.is_global else Namespace(bucket.namespace.uuid, bucket.namespace.name),
            )
            for bucket in buckets
        ]

    def is_ready(self) -> bool:
        """Whether the cluster answers and says that it is ready to serve; never raises."""
        try:
            url = self.get_primary_url()
            request = Request("GET", "/health", [("prr", "true")], base=f"{url.rstrip('/')}/v1")
            return (self._session.call(request)).ok
        except (MossError, ValueError, OSError):
            return False

    def is_aistore_running(self) -> bool:
        """Same as `is_ready`."""
        return self.is_ready()

    def query(self, what: str, **parameters: Any) -> Any:
        """Ask `GET /v1/cluster?what=…` and return the decoded JSON."""
        pairs = [("what", what), *((name, str(value)) for name, value in parameters.items())]
        return (self._session.call(Request("GET", "/cluster", pairs))).json()
