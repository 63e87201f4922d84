"""The Python SDK of Moss; it works with every cluster that speaks the AIStore 5.0 protocol.

    from moss.sdk import Client

    client = Client("http://127.0.0.1:51080")
    bucket = client.bucket("training").create(exist_ok=True)
    for out, data in client.batch(["a.wav", "b.wav"], bucket=bucket).get():
        print(out.obj_name, len(data))

`moss.sdk.aio` holds the same classes for asyncio. Names are loaded when they are first used, so that importing the
package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moss.sdk._sync.authn import AuthNClient
    from moss.sdk._sync.batch import Batch
    from moss.sdk._sync.bucket import Bucket
    from moss.sdk._sync.client import Client
    from moss.sdk._sync.cluster import Cluster
    from moss.sdk._sync.etl import Etl
    from moss.sdk._sync.job import Job
    from moss.sdk._sync.object import Object
    from moss.sdk.ais_source import AISSource
    from moss.sdk.archive_config import ArchiveConfig
    from moss.sdk.blob_download_config import BlobDownloadConfig
    from moss.sdk.dataset.data_shard import DataShard
    from moss.sdk.list_object_flag import ListObjectFlag
    from moss.sdk.namespace import Namespace
    from moss.sdk.retry_config import ColdGetConf, RetryConfig
    from moss.sdk.wait_result import WaitResult

__all__ = [
    "AISSource",
    "ArchiveConfig",
    "AuthNClient",
    "Batch",
    "BlobDownloadConfig",
    "Bucket",
    "Client",
    "Cluster",
    "ColdGetConf",
    "DataShard",
    "Etl",
    "Job",
    "ListObjectFlag",
    "Namespace",
    "Object",
    "RetryConfig",
    "WaitResult",
]

_HOMES = {
    "AISSource": "ais_source",
    "AuthNClient": "_sync.authn",
    "ArchiveConfig": "archive_config",
    "Batch": "_sync.batch",
    "BlobDownloadConfig": "blob_download_config",
    "Bucket": "_sync.bucket",
    "Client": "_sync.client",
    "Cluster": "_sync.cluster",
    "ColdGetConf": "retry_config",
    "DataShard": "dataset.data_shard",
    "Etl": "_sync.etl",
    "Job": "_sync.job",
    "ListObjectFlag": "list_object_flag",
    "Namespace": "namespace",
    "Object": "_sync.object",
    "RetryConfig": "retry_config",
    "WaitResult": "wait_result",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
