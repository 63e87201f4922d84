"""A part of samples that is derived from the name."""

from collections.abc import Callable
from typing import Any

from moss.sdk.dataset.config_attribute import ConfigAttribute

__all__ = ["LabelAttribute"]


class LabelAttribute(ConfigAttribute):
    """A label.

    Args:
        name: the part's key.
        label_identifier: gives the label for a file name without extension.
    """

    def __init__(self, name: str, label_identifier: Callable[[str], Any]) -> None:
        self.name, self.label_identifier = name, label_identifier

    def get_data_for_entry(self, filename: str) -> tuple[str, Any]:
        return self.name, self.label_identifier(filename)
