"""Short name of `moss.integrations.lhotse`."""

from typing import Any

from moss.integrations import lhotse as _home
from moss.integrations.lhotse import __all__ as _names

__all__ = list(_names)


def __getattr__(name: str) -> Any:
    return getattr(_home, name)


def __dir__() -> list[str]:
    return sorted(__all__)
