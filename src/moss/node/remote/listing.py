"""What a store lists, with the names that objects have here."""

from collections.abc import AsyncIterator
from dataclasses import replace

from moss.errors import BackendUnavailable
from moss.node.backends.base import Page
from moss.node.remote.places import Place

__all__ = ["PAGE", "page_of", "pages"]

PAGE = 1000
# Sorts behind every text: what follows a folder's name and this lies behind nearly all that is in the folder.
_BEYOND = "\U0010ffff"


async def page_of(
    place: Place, prefix: str = "", after: str = "", limit: int = PAGE, *, one_level: bool = False
) -> Page:
    """Return one page of a bucket's objects; shorter than `limit` where the store gives no more at once.

    Args:
        after: names behind this one; one that ends with a slash means behind that folder in a listing of one level.

    Raises:
        BackendUnavailable, BackendDenied, BucketNotFound: as the store says.
    """
    beyond = after + _BEYOND if one_level and after.endswith("/") else after
    found = await place.backend.list(
        place.bucket, place.key(prefix), place.key(beyond) if after else "", limit, one_level=one_level
    )
    cut = len(place.prefix)
    page = found
    if cut:
        page = Page(
            [replace(row, name=row.name[cut:]) for row in found.objects],
            [folder[cut:] for folder in found.folders],
            found.next_after[cut:],
        )
    if page.next_after and page.next_after in (after, beyond):
        raise BackendUnavailable(f"{place.record.bucket.cname}: the store's listing does not get on behind its page")
    return page


async def pages(place: Place, prefix: str = "", after: str = "", *, one_level: bool = False) -> AsyncIterator[Page]:
    """Yield all pages; raises as `page_of`."""
    while True:
        page = await page_of(place, prefix, after, one_level=one_level)
        yield page
        after = page.next_after
        if not after:
            return
