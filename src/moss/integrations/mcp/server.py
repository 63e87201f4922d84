"""The server of the Model Context Protocol."""

import functools
from collections.abc import Callable
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from moss.errors import MossError
from moss.integrations.mcp.tools import Tools
from moss.sdk import Client

__all__ = ["main", "make_server"]


def make_server(client: Client | None = None) -> Any:
    """Make the server.

    Args:
        client: the cluster; None takes that of `MOSS_ENDPOINT` or `AIS_ENDPOINT`.
    """
    server = MCPServer("moss", instructions="Questions about a Moss or AIStore cluster. Nothing here changes it.")
    for function in Tools(client if client is not None else Client()).functions():
        server.add_tool(_telling(function), annotations=ToolAnnotations(read_only_hint=True))
    return server


def _telling(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose failures are told to the assistant; others stay in the log of the server."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except (MossError, ValueError) as error:
            raise ToolError(str(error)) from error

    return call


def main() -> None:
    """Serve on standard input and output, as assistants start it."""
    make_server().run("stdio")
