"""boto3 clients of a cluster: `moss.boto.client("http://127.0.0.1:51080").list_buckets()`. Needs boto3."""

from moss.integrations.boto import client

__all__ = ["client"]
