"""The cluster as a file system of fsspec, for the protocols `ais` and `moss`; needs the extra `fsspec`.

Installed with Moss, fsspec finds it by itself: `pandas.read_parquet("ais://bucket/table.parquet")`.
"""

from moss.integrations.fsspec.file import MossFile
from moss.integrations.fsspec.filesystem import MossFileSystem

__all__ = ["MossFile", "MossFileSystem"]
