# Made by scripts/unasync.py from _async/iterator.py; change that file instead.
"""Listings page by page."""

from collections import deque
from collections.abc import Callable
from typing import Any

from moss.errors import MalformedAnswer
from moss.sdk.types import BucketEntry

__all__ = ["ObjectIterator"]


class ObjectIterator:
    """Iterates over the entries of a listing and asks for one page at a time.

    Args:
        list_page: takes the listing's id and the continuation token, both empty at first.
    """

    def __init__(self, list_page: Callable[[str, str], Any]) -> None:
        self._list_page = list_page
        self._entries: deque[BucketEntry] = deque()
        self._uuid = self._token = ""
        self._is_last = False

    def __iter__(self) -> "ObjectIterator":
        return self

    def read_all(self) -> list[BucketEntry]:
        """All entries that were not iterated over yet."""
        entries = list(self._entries)
        self._entries.clear()
        while not self._is_last:
            entries += self._next_page()
        return entries

    def _next_page(self) -> list[BucketEntry]:
        page = self._list_page(self._uuid, self._token)
        if page.continuation_token and page.continuation_token == self._token:
            raise MalformedAnswer(f"the listing does not go on behind {self._token!r}")
        self._uuid, self._token = page.uuid, page.continuation_token
        self._is_last = not page.continuation_token
        return page.entries

    def __next__(self) -> BucketEntry:
        while not self._entries:
            if self._is_last:
                raise StopIteration
            self._entries.extend(self._next_page())
        return self._entries.popleft()
