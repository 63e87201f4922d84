"""Attributes of objects, read from the header fields of an answer. Source: spec/python-sdk.md 1.7."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moss.sdk.transport.http1 import Headers

__all__ = ["ChunksInfo", "ECInfo", "ObjectAttributes", "ObjectAttributesV2"]


@dataclass
class ECInfo:
    """How an object is erasure coded."""

    generation: int = 0
    data_slices: int = 0
    parity_slices: int = 0
    is_ec_copy: bool = False


@dataclass
class ChunksInfo:
    """How an object is stored in chunks."""

    chunk_count: int = 0
    max_chunk_size: int = 0


class ObjectAttributes(Mapping[str, str]):
    """Attributes of an object, and at the same time the header fields they come from (in any letter case).

    Missing texts are empty, missing and malformed numbers are 0.
    """

    def __init__(self, response_headers: Any = ()) -> None:
        if isinstance(response_headers, ObjectAttributes):
            response_headers = response_headers._headers
        self._headers = response_headers if isinstance(response_headers, Headers) else Headers(response_headers)

    def __getitem__(self, name: str) -> str:
        return self._headers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def __contains__(self, name: object) -> bool:
        return name in self._headers

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, {dict(self._headers)!r})"

    __hash__ = object.__hash__

    def _number(self, name: str) -> int:
        try:
            return int(self._headers.get(name, 0))
        except ValueError:
            return 0

    @property
    def size(self) -> int:
        """Bytes."""
        return self._number("content-length")

    @property
    def checksum_type(self) -> str:
        return self._headers.get("ais-checksum-type", "")

    @property
    def checksum_value(self) -> str:
        return self._headers.get("ais-checksum-value", "")

    @property
    def access_time(self) -> str:
        """Nanoseconds since 1970, decimal text."""
        return self._headers.get("ais-atime", "")

    @property
    def obj_version(self) -> str:
        return self._headers.get("ais-version", "")

    @property
    def custom_metadata(self) -> dict[str, str]:
        """Pairs `key=value`, split at the first `=`. The header joins them with commas, which values may hold too."""
        pairs: dict[str, str] = {}
        last = ""
        for part in self._headers.get("ais-custom-md", "").split(","):
            key, mark, value = part.strip().partition("=")
            if mark:
                last, pairs[key] = key, value
            elif last:
                pairs[last] += f",{part}"
        return pairs

    @property
    def present(self) -> bool:
        """True when the object is stored in the cluster, False when it would have to be fetched."""
        return self._headers.get("ais-present", "") == "true"

    @property
    def location(self) -> str:
        return self._headers.get("ais-location", "")

    @property
    def mirror_paths(self) -> list[str]:
        text = self._headers.get("ais-mirror-paths", "").strip("[]")
        return text.split(",") if text else []

    @property
    def mirror_copies(self) -> int:
        return self._number("ais-mirror-copies")

    @property
    def ec(self) -> ECInfo | None:
        """None for objects that are not erasure coded."""
        names = ("ais-ec-generation", "ais-ec-data", "ais-ec-parity", "ais-ec-replicated")
        if not any(self._headers.get(name, "") for name in names):
            return None
        return ECInfo(*(self._number(name) for name in names[:3]), self._headers.get(names[3], "") == "true")

    @property
    def last_modified(self) -> str:
        return self._headers.get("last-modified", "")

    @property
    def etag(self) -> str:
        """Without quotes."""
        return self._headers.get("etag", "").strip('"')

    @property
    def chunks(self) -> ChunksInfo | None:
        """None for objects that are stored in one piece."""
        names = ("ais-chunks-count", "ais-chunks-max-chunk-size")
        return ChunksInfo(*map(self._number, names)) if any(self._headers.get(name, "") for name in names) else None


ObjectAttributesV2 = ObjectAttributes
