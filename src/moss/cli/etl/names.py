"""Names of transformations: in paths, and as candidates for the shell."""

from typing import TYPE_CHECKING
from urllib.parse import quote

from moss.cli.jobs.lists import etl_name, fetch_etls

if TYPE_CHECKING:
    from moss.cli.context import Context

__all__ = ["complete_etls", "path_item"]


def complete_etls(context: "Context") -> list[str]:
    """Names of the transformations that there are."""
    return [etl_name(etl) for etl in fetch_etls(context.transport)]


def path_item(name: str) -> str:
    """A name as one item of a path."""
    return quote(name, safe="")
