# Made by scripts/unasync.py from _async/bucket_base.py; change that file instead.
"""What a bucket is called, and how requests about it are sent."""

from typing import Any

from moss.sdk._sync.object import Object
from moss.sdk._sync.session import RequestClient
from moss.sdk.ais_source import AISSource
from moss.sdk.answers import Answer
from moss.sdk.bucket_model import BucketModel
from moss.sdk.errors import InvalidBckProvider
from moss.sdk.namespace import Namespace
from moss.sdk.obj.object_props import ObjectProps
from moss.sdk.operations import Request, bucket_path, bucket_query
from moss.sdk.operations import action as action_body
from moss.sdk.provider import Provider

__all__ = ["BucketBase"]


class BucketBase(AISSource):
    """The identity of a bucket. Making one sends nothing, and says nothing about its existence.

    Args:
        name: the bucket's name.
        client: the way to the cluster; None makes a bucket that can only say what it is called.
        provider: who keeps it.
        namespace: where the name is looked up; None is the global one.

    Raises:
        InvalidBckProvider: unknown provider.
    """

    def __init__(
        self,
        name: str,
        client: RequestClient | None = None,
        provider: Provider | str = Provider.AIS,
        namespace: Namespace | None = None,
    ) -> None:
        self._session, self._name = client, name
        self._provider, self._namespace = Provider.parse(provider), namespace

    @property
    def client(self) -> RequestClient:
        """The way to the cluster; can be set."""
        if self._session is None:
            raise ValueError("Bucket requires a client to use functions")
        return self._session

    @client.setter
    def client(self, client: RequestClient) -> None:
        self._session = client

    @property
    def name(self) -> str:
        return self._name

    @property
    def provider(self) -> Provider:
        return self._provider

    @property
    def namespace(self) -> Namespace | None:
        return self._namespace

    @property
    def qparam(self) -> dict[str, str]:
        """Query parameters that go with the bucket's name."""
        return dict(self._query())

    def _query(self) -> list[tuple[str, str]]:
        return bucket_query(self._provider, self._namespace)

    def as_model(self) -> BucketModel:
        return BucketModel(self._name, self._provider.value, self._namespace)

    def get_path(self) -> str:
        """`<provider>/@<uuid>#<namespace>/<name>/`."""
        return self.as_model().get_path()

    def verify_cloud_bucket(self) -> None:
        """Raise InvalidBckProvider unless the bucket is remote."""
        if self._provider is Provider.AIS:
            raise InvalidBckProvider(self._provider)

    def _require_ais(self) -> None:
        if self._provider is not Provider.AIS:
            raise InvalidBckProvider(self._provider)

    def make_request(
        self, method: str, action: str, value: Any = None, params: dict[str, str] | None = None, name: str = ""
    ) -> Answer:
        """Send an action on the bucket by hand.

        Args:
            method: HTTP method.
            action, value, name: of the message.
            params: query parameters; None takes `qparam`.

        Raises:
            ValueError: the bucket has no client.
            AISError: the cluster refused it.
        """
        query = list(params.items()) if params else self._query()
        body = action_body(action, target=name, value=value)
        # A PUT on a bucket starts a job: sent twice, it would start two.
        is_idempotent = False if method.upper() == "PUT" else None
        request = Request(method.upper(), bucket_path(self._name), query, body=body, is_idempotent=is_idempotent)
        return self.client.call(request)

    def object(self, obj_name: str, props: ObjectProps | None = None) -> Object:
        """Name an object of the bucket; sends nothing."""
        return Object(self._session, self, obj_name, props)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"Bucket({self._provider}://{self._name})"
