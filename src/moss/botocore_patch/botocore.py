"""Importing this makes every S3 client of the process follow the redirects of a cluster.

For programs that make their clients by `boto3.client("s3", endpoint_url="http://127.0.0.1:51080/s3")`; clients of
`moss.boto` need it not. Source: spec/python-sdk.md 8.
"""

import functools
import inspect
from typing import Any

import botocore.utils

from moss.integrations.boto.redirects import follow_redirect

__all__ = ["patch"]

_EXPECTED = ["self", "request_dict", "response", "operation"]


def patch(module: Any = botocore.utils) -> None:
    """Let the classes `S3RegionRedirector…` of a module follow redirects; harmless when they do already.

    Raises:
        RuntimeError: this release of botocore has another `redirect_from_error` than is known here.
    """
    for name, redirector in list(vars(module).items()):
        if not name.startswith("S3RegionRedirector") or not inspect.isclass(redirector):
            continue
        original = vars(redirector).get("redirect_from_error")
        if original is None or hasattr(original, "_follows_redirects"):
            continue
        found = list(inspect.signature(original).parameters)
        if found[: len(_EXPECTED)] != _EXPECTED:
            raise RuntimeError(f"{name}.redirect_from_error takes {found}, expected {_EXPECTED}")
        redirector.redirect_from_error = _following(original)


def _following(original: Any) -> Any:
    @functools.wraps(original)
    def redirect_from_error(self: Any, request_dict: Any, response: Any, operation: Any, **others: Any) -> Any:
        result = follow_redirect(request_dict, response, operation)
        return original(self, request_dict, response, operation, **others) if result is None else result

    redirect_from_error._follows_redirects = True  # type: ignore[attr-defined]
    return redirect_from_error


patch()
