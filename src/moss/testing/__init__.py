"""Helpers for tests of programs that use Moss; shipped, because users need them too."""

from moss.testing.node import NodeProcess, start_node

__all__ = ["NodeProcess", "start_node"]
