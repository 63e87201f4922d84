"""Moss for NeMo: the path that `USE_AIS_GET_BATCH=true` switches on, and a way to have it without NeMo.

NeMo's own switch works unchanged with the official `aistore` package, and with `import moss.compat.aistore` in its
place. `install` makes it better: one connection, duplicates fetched once, minibatches that survive missing audio, and
segments of the right length. Needs the extra `lhotse`. Names are loaded when they are first used.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moss.integrations.nemo.cuts import cuts_of_shard, group_by_file, url_cut
    from moss.integrations.nemo.manifest import TarredManifest
    from moss.integrations.nemo.switch import install

__all__ = ["TarredManifest", "cuts_of_shard", "group_by_file", "install", "is_enabled", "url_cut"]

_SWITCH = "USE_AIS_GET_BATCH"
_OWN_SWITCH = "MOSS_GET_BATCH"
_HOMES = {
    "TarredManifest": "manifest",
    "cuts_of_shard": "cuts",
    "group_by_file": "cuts",
    "install": "switch",
    "url_cut": "cuts",
}


def is_enabled() -> bool:
    """Whether batches are asked for: by `USE_AIS_GET_BATCH=true`, as NeMo has it, or by `MOSS_GET_BATCH=1`."""
    from moss.sdk.utils import parse_bool

    return os.environ.get(_SWITCH, "").lower() == "true" or parse_bool(os.environ.get(_OWN_SWITCH))


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
