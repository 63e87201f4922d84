"""`python -m moss.mcp.server` serves on standard input and output."""

from moss.integrations.mcp import main, make_server

__all__ = ["main", "make_server"]

if __name__ == "__main__":
    main()
