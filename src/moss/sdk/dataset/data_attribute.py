"""A part of samples that lies in files."""

from pathlib import Path
from typing import Any

from moss.sdk.dataset.config_attribute import ConfigAttribute

__all__ = ["DataAttribute"]


class DataAttribute(ConfigAttribute):
    """Files `<path>/<sample>.<file_type>`.

    Args:
        path: the folder.
        name: of the part: its key is `<name>.<file_type>`.
        file_type: extension of the files, without a dot in front.
    """

    def __init__(self, path: str | Path, name: str, file_type: str) -> None:
        self.path, self.name, self.file_type = Path(path), name, file_type

    def get_data_for_entry(self, filename: str) -> tuple[str, Any]:
        """The content of the sample's file; None when there is no such file."""
        try:
            data = (self.path / f"{filename}.{self.file_type}").read_bytes()
        except FileNotFoundError:
            data = None
        return f"{self.name}.{self.file_type}", data
