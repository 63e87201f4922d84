"""What all attributes of samples have in common."""

from abc import ABC, abstractmethod
from typing import Any

__all__ = ["ConfigAttribute"]


class ConfigAttribute(ABC):
    """One part of every sample of a data set."""

    @abstractmethod
    def get_data_for_entry(self, filename: str) -> tuple[str, Any]:
        """The part of the sample of this file name (without its extension).

        Returns:
            The part's key in the sample, and its data; None where there is none.
        """
