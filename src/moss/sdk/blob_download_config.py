"""Settings of a GET that downloads a remote object in parallel chunks."""

from dataclasses import dataclass

__all__ = ["BlobDownloadConfig"]


@dataclass
class BlobDownloadConfig:
    """Chunk size (`"1MiB"`) and number of workers of a blob download; None leaves the choice to the server."""

    chunk_size: str | None = None
    num_workers: str | None = None

    def headers(self) -> dict[str, str]:
        """Request headers that ask for the download."""
        headers = {"Ais-Blob-Download": "true"}
        if self.chunk_size:
            headers["Ais-Blob-Chunk"] = str(self.chunk_size)
        if self.num_workers:
            headers["Ais-Blob-Workers"] = str(self.num_workers)
        return headers
