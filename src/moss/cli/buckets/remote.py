"""Which buckets have something behind them: a cloud, or another cluster."""

from moss.cli.buckets.actions import fetch_props
from moss.cli.context import Context
from moss.naming.bucket import Bucket

__all__ = ["is_backed"]


def is_backed(context: Context, bucket: Bucket) -> bool:
    """Whether the objects of a bucket are also kept elsewhere, so that the cluster's copies are only copies.

    Raises:
        ServerError: 404 when there is no such `ais://` bucket.
    """
    if bucket.is_remote:
        return True
    backend = fetch_props(context.transport, bucket).get("backend_bck") or {}
    return bool(backend.get("name"))
