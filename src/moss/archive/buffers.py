"""The one type alias of this layer."""

# `collections.abc.Buffer` is of Python 3.12.
Buffer = bytes | bytearray | memoryview

__all__ = ["Buffer"]
