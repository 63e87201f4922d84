"""Distributed sorting of shards."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from moss.sdk.dsort.ekm import ExternalKeyMap
from moss.sdk.dsort.framework import DsortAlgorithm, DsortFramework, DsortShardsGroup

if TYPE_CHECKING:
    from moss.sdk._sync.dsort import Dsort

__all__ = ["Dsort", "DsortAlgorithm", "DsortFramework", "DsortShardsGroup", "ExternalKeyMap"]


def __getattr__(name: str) -> Any:
    if name == "Dsort":
        return import_module("moss.sdk._sync.dsort").Dsort
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
