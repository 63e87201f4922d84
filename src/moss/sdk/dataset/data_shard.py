"""Where the shards of a data set are."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from moss.sdk.provider import Provider

if TYPE_CHECKING:
    from moss.sdk._sync.bucket import Bucket
    from moss.sdk._sync.client import Client

__all__ = ["DataShard"]


@dataclass
class DataShard:
    """Shards of one bucket, with a client of their own.

    Attributes:
        client_url: URL of a gateway.
        prefix: beginning of the shards' names.
        etl_name: transformation that samples are read through, if any.
        client, bucket: made from the others.
    """

    client_url: str
    bucket_name: str
    provider: str = Provider.AIS
    prefix: str = ""
    etl_name: str | None = None
    client: "Client" = field(init=False, repr=False, compare=False)
    bucket: "Bucket" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        from moss.sdk._sync.client import Client

        self.client = Client(self.client_url)
        self.bucket = self.client.bucket(self.bucket_name, self.provider)
