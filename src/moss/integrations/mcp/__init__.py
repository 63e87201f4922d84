"""Questions about a cluster for assistants that speak the Model Context Protocol; needs the extra `mcp`."""

from moss.integrations.mcp.server import main, make_server

__all__ = ["main", "make_server"]
