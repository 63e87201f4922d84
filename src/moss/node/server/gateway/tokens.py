"""Tokens: known to the table of routes, so that methods and errors are right, but not offered without authentication.

Source: spec/rest-control.md 1.3, 13.6.
"""

from typing import Any

from moss.errors import Unsupported
from moss.node.server.http import Request, Response


async def refuse(node: Any, request: Request) -> Response | None:
    """Refuse to check or revoke tokens: this node knows none."""
    what = "validate" if request.method == "POST" else "revoke"
    raise Unsupported(f"{node.gateway_name}: cannot {what} tokens: authentication is not configured")


ROUTES = [(method, ("tokens",), refuse) for method in ("POST", "DELETE")]
