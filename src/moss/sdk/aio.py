"""The SDK for asyncio: the classes of `moss.sdk` with coroutines where those block.

    from moss.sdk.aio import Client

    async with Client("http://127.0.0.1:51080") as client:
        bucket = client.bucket("training")
        async for out, data in await client.batch(["a.wav", "b.wav"], bucket=bucket).get():
            print(out.obj_name, len(data))

Properties that ask the cluster (`Object.props`, `ObjectReader.attributes`) are awaited.
"""

from moss.sdk._async.authn import AuthNClient
from moss.sdk._async.batch import Batch, BatchStream
from moss.sdk._async.bucket import Bucket
from moss.sdk._async.client import Client
from moss.sdk._async.cluster import Cluster
from moss.sdk._async.download import Download
from moss.sdk._async.dsort import Dsort
from moss.sdk._async.etl import Etl
from moss.sdk._async.job import Job
from moss.sdk._async.object import Object
from moss.sdk._async.object_group import ObjectGroup
from moss.sdk._async.reader import ObjectReader
from moss.sdk._async.stream import RawStream
from moss.sdk._async.writer import ObjectWriter

__all__ = [
    "AuthNClient",
    "Batch",
    "BatchStream",
    "Bucket",
    "Client",
    "Cluster",
    "Download",
    "Dsort",
    "Etl",
    "Job",
    "Object",
    "ObjectGroup",
    "ObjectReader",
    "ObjectWriter",
    "RawStream",
]
