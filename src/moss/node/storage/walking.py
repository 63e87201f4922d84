"""Goes through the names of a bucket page by page: all below a prefix, or one level of it."""

from collections.abc import Iterator
from typing import Any

from moss.naming.bucket import Bucket
from moss.node.storage.layout import Extent

__all__ = ["walk", "walk_level"]

_PAGE = 1000
# Sorts behind every text: what follows a folder's name and this lies behind nearly all that is in the folder.
_BEYOND = "\U0010ffff"


def walk(engine: Any, bucket: Bucket, prefix: str = "", after: str = "") -> Iterator[tuple[str, Extent]]:
    """Yield name and place of the objects whose names begin with `prefix` and are larger than `after`, in byte order.

    Each page is a consistent view of the store; what changes behind the page shows.

    Raises:
        BucketNotFound: the bucket is gone.
    """
    while True:
        page = engine.list_extents(bucket, prefix=prefix, start_after=after, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def walk_level(engine: Any, bucket: Bucket, prefix: str = "", after: str = "") -> Iterator[tuple[str, Extent | None]]:
    """Yield one level, that of the prefix's last slash, in byte order: objects, and each folder once (`None`).

    A folder's name ends with a slash. What lies in folders is skipped, not read. Unlike objects, a folder may be named
    although it is not larger than `after`.

    Raises:
        BucketNotFound: the bucket is gone.
    """
    level = prefix.rfind("/") + 1
    folder = ""
    while True:
        page = engine.list_extents(bucket, prefix=prefix, start_after=after, limit=_PAGE)
        for name, extent in page:
            if folder and name.startswith(folder):
                continue
            slash = name.find("/", level)
            if slash < 0:
                yield name, extent
            else:
                folder = name[: slash + 1]
                yield folder, None
        if len(page) < _PAGE:
            return
        after = page[-1][0]
        if folder and after.startswith(folder):
            after = folder + _BEYOND
