"""Which bucket a request means, and whether it is there."""

import re
from typing import Any
from urllib.parse import unquote

from moss.errors import BucketNotFound, InvalidName, InvalidRequest, Unsupported
from moss.naming.bucket import Bucket, Provider, parse_namespace, parse_provider, unknown_provider, validate_bucket_name
from moss.node.server.http import Request

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class BackendMissing(BucketNotFound):
    """A bucket of a cloud, or of another cluster, that this node has no access to.

    Source: spec/getbatch.md 1.5, 1.8.
    """

    code = "backend-missing"

    def __init__(self, bucket: Bucket, gateway_name: str) -> None:
        if bucket.is_cloud:
            reason = f"{bucket.provider.display_name} backend is missing in the cluster configuration"
        else:
            reason = f'remote cluster "{bucket.namespace.uuid}" is not attached'
        text = f"{gateway_name}: failed to lookup bucket {bucket.cname}, err: {reason}"
        super().__init__(bucket.cname, is_remote=True, message=text)


class InvalidObjectName(InvalidName):
    """An object name or prefix with `.` or `..` components, a trailing slash, or a leading `~/`."""

    code = "invalid-object-name"


class NotRemote(InvalidRequest):
    """An operation that only buckets of a cloud or another cluster have."""

    code = "not-remote"

    def __init__(self, action: str, bucket: Bucket) -> None:
        super().__init__(f"{action}: expecting remote bucket (have {bucket.cname})")


class BucketUnsupported(Unsupported):
    """An operation that the provider of a bucket does not have."""

    code = "bucket-unsupported"


class UnknownNode(InvalidRequest):
    """A request names a node that is not in the cluster map."""

    code = "unknown-node"

    def __init__(self, gateway_name: str, action: str, node_id: str) -> None:
        super().__init__(f"{gateway_name}: {action} failure: node {node_id} not present in Smap")


def check_escapes(request: Request) -> None:
    """Refuse a path with a percent sign that begins no escape."""
    if "%" in request.path and _BAD_ESCAPE.search(request.path):
        raise InvalidRequest(f"invalid URL escape in {request.path}")


def too_short(request: Request, expected: int) -> InvalidRequest:
    """Build the error of a path with too few items."""
    path = unquote(request.path, errors="surrogateescape").lstrip("/")
    return InvalidRequest(f"URL '{path}' is too short: expected {expected} items, got {len(request.items)}")


def query_bucket(request: Request, name: str) -> Bucket:
    """Build the bucket that a path item names together with the query's `provider` and `namespace`.

    Raises:
        InvalidName, InvalidProvider: with the texts of the specs.
    """
    validate_bucket_name(name)
    provider = parse_provider(request.query.get("provider"))
    return Bucket(name, provider, parse_namespace(request.query.get("namespace")))


def check_bucket(node: Any, bucket: Bucket) -> Any:
    """Return the record of a bucket.

    Raises:
        BackendMissing: a cloud bucket without a configured backend, or a bucket of an unknown cluster.
        InvalidProvider: a web server's, where none may be asked.
        BucketNotFound: no such bucket.
    """
    if bucket.is_remote and node.remotes.backend(bucket) is None:
        if bucket.provider is Provider.HTTP:
            raise unknown_provider(bucket.provider)
        raise BackendMissing(bucket, f"p[{node.gateway_id}]")
    try:
        return node.engine.get_bucket(bucket)
    except BucketNotFound:
        if not bucket.is_remote:
            raise
        if not bucket.is_cloud:
            text = f'remote bucket "{bucket.cname}" does not exist'
            raise BucketNotFound(bucket.cname, is_remote=True, message=text) from None
        text = f'{bucket.provider.value} bucket "{bucket.cname}" does not exist'
        raise BucketNotFound(bucket.cname, is_remote=True, message=text) from None
