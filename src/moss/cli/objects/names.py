"""Buckets and objects of the command line as the SDK has them."""

from typing import TYPE_CHECKING

from moss.naming.bucket import Bucket

if TYPE_CHECKING:
    from moss.cli.context import Context
    from moss.sdk._sync.bucket import Bucket as SdkBucket
    from moss.sdk._sync.object import Object

__all__ = ["sdk_bucket", "sdk_object"]


def sdk_bucket(context: "Context", bucket: Bucket) -> "SdkBucket":
    """The SDK's bucket of a bucket; sends nothing."""
    from moss.sdk.namespace import Namespace

    space = bucket.namespace
    return context.client.bucket(
        bucket.name, bucket.provider.value, None if space.is_global else Namespace(space.uuid, space.name)
    )


def sdk_object(context: "Context", bucket: Bucket, name: str) -> "Object":
    """The SDK's object of a name; sends nothing."""
    return sdk_bucket(context, bucket).object(name)
