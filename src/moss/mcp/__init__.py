"""Questions about a cluster for assistants: `python -m moss.mcp.server`; the cluster is that of `AIS_ENDPOINT`."""

from moss.integrations.mcp import main, make_server

__all__ = ["main", "make_server"]
