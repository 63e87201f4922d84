"""Selections of objects: by names, by a range of numbers, by a template; and `ObjectGroup`, which acts on them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from moss.sdk.multiobj.object_collection import ObjectCollection
from moss.sdk.multiobj.object_names import ObjectNames
from moss.sdk.multiobj.object_range import ObjectRange
from moss.sdk.multiobj.object_template import ObjectTemplate

if TYPE_CHECKING:
    from moss.sdk._sync.object_group import ObjectGroup

__all__ = ["ObjectCollection", "ObjectGroup", "ObjectNames", "ObjectRange", "ObjectTemplate"]


def __getattr__(name: str) -> Any:
    if name == "ObjectGroup":  # `object_group` imports the collections: not before it is asked for.
        return import_module("moss.sdk._sync.object_group").ObjectGroup
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
