"""Redirects of a cluster, which botocore does not follow by itself. Source: spec/python-sdk.md 8."""

from typing import Any
from urllib.parse import urljoin

from botocore.exceptions import ClientError

__all__ = ["follow_redirect"]

_STATUSES = frozenset({301, 302, 307, 308})
_REDIRECTS_MAX = 3
_COUNT = "moss_redirects"


def follow_redirect(
    request_dict: dict[str, Any], response: Any = None, operation: Any = None, **_others: Any
) -> int | None:
    """A handler of botocore's `needs-retry` that sends a request again to where the answer says, three times at most.

    Args:
        request_dict: the request, whose URL is changed.
        response: answer and its parsed form; None when there was none.
        operation: what was asked for.

    Returns:
        0: send it again at once. None: nothing to say, the answer stands.

    Raises:
        ClientError: a fourth redirect.
    """
    if response is None:
        return None
    metadata = response[1].get("ResponseMetadata", {})
    location = metadata.get("HTTPHeaders", {}).get("location")
    context = request_dict.setdefault("context", {})
    count = context.get(_COUNT, 0)
    if metadata.get("HTTPStatusCode") not in _STATUSES or not location:
        return None
    if count >= _REDIRECTS_MAX:
        raise ClientError(response[1], operation.name)
    context[_COUNT] = count + 1
    # botocore takes any redirect for a bucket in another region and would ask for that, unless it did so already.
    context.setdefault("s3_redirect", {})["redirected"] = True
    request_dict["url"] = urljoin(request_dict["url"], location)
    return 0
