"""The stores behind buckets: clouds, S3-compatible stores, web servers, other clusters. One small interface."""

from moss.node.backends.base import Backend, Page, RemoteBucket, RemoteObject, RemoteRead

__all__ = ["Backend", "Page", "RemoteBucket", "RemoteObject", "RemoteRead"]
