"""What writes and deletes return: an answer that is also a mapping of its header fields. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from moss.sdk.transport.http1 import Headers

__all__ = ["Answer"]


class Answer(Mapping[str, str]):
    """A whole answer in memory.

    Attributes:
        status_code: HTTP status.
        headers: header fields, names in any letter case.
        content: the body.
        url: the URL that answered.
    """

    def __init__(self, status_code: int, headers: Headers, content: bytes, url: str) -> None:
        self.status_code, self.headers, self.content, self.url = status_code, headers, content, url

    @property
    def ok(self) -> bool:
        return self.status_code < 400

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is none.
        """
        return msgspec.json.decode(self.content)

    def __getitem__(self, name: str) -> str:
        return self.headers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.headers)

    def __len__(self) -> int:
        return len(self.headers)

    def __bool__(self) -> bool:
        return self.ok

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"Answer({self.status_code}, {len(self.content)} bytes)"
