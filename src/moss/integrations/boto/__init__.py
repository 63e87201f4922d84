"""A cluster behind boto3; needs boto3."""

from moss.integrations.boto.client import client

__all__ = ["client"]
