"""Users, roles, clusters and tokens of the authentication server."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from moss.sdk.authn.access_attr import AccessAttr

if TYPE_CHECKING:
    from moss.sdk._sync.authn import AuthNClient

__all__ = ["AccessAttr", "AuthNClient"]


def __getattr__(name: str) -> Any:
    if name == "AuthNClient":
        return import_module("moss.sdk._sync.authn").AuthNClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
