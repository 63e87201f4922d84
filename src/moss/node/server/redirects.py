"""Where a gateway sends clients: the target face, with the two markers that say who sent them.

Source: spec/getbatch.md 2.2, spec/rest-data.md 1.8.
"""

from typing import Any

from moss.node.server.http import Request

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def to_base36(number: int) -> str:
    """Write a number of at least 0 in base 36, lower case."""
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
        if not number:
            return text


def target_location(node: Any, request: Request, path: str | None = None) -> str:
    """Build the URL at the target face for a request at the gateway.

    Args:
        path: another path than the request's, percent-encoded.
    """
    stamp = f"pid={node.gateway_id}&utm={to_base36(node.clock.now_ns())}"
    query = f"{request.query_string}&{stamp}" if request.query_string else stamp
    return f"{node.target_url}{path or request.path}?{query}"
