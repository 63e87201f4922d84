"""Moss: an object store with batch retrieval for machine-learning data."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moss.sdk import Client

__all__ = ["Client", "__version__"]

__version__ = "0.1.0.dev0"


def __getattr__(name: str) -> Any:
    if name != "Client":  # The server imports this package too and needs no client.
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module("moss.sdk").Client
