"""Arguments of listings and the choice of files to upload. Pure but for looking at folders."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from moss.sdk.list_object_flag import ListObjectFlag
from moss.sdk.utils import validate_directory

__all__ = ["find_files", "list_value", "target_name"]


def list_value(
    *,
    prefix: str,
    props: str,
    page_size: int,
    uuid: str,
    token: str,
    flags: Iterable[ListObjectFlag],
    target: str,
    start_after: str,
) -> dict[str, Any]:
    """`value` of the message that asks for one page. Source: spec/rest-data.md 4.1."""
    value = {
        "prefix": prefix,
        "pagesize": page_size,
        "uuid": uuid,
        "props": props,
        "continuation_token": token,
        "flags": str(ListObjectFlag.join_flags(flags)),
        "target": target,
    }
    if start_after:
        value["start_after"] = start_after
    return value


def find_files(
    path: str | Path, prefix_filter: str = "", pattern: str = "*", *, recursive: bool = False
) -> Iterator[tuple[Path, Path]]:
    """Files of a folder in the order of their names, each also relative to it.

    Raises:
        ValueError: no folder.
    """
    root = validate_directory(path)
    for file in sorted(root.rglob("*") if recursive else root.glob("*")):
        if file.is_file() and file.name.startswith(prefix_filter) and fnmatchcase(file.name, pattern):
            yield file, file.relative_to(root)


def target_name(relative: Path, *, basename: bool, prepend: str | None) -> str:
    """Object name for a file of an uploaded folder."""
    return (prepend or "") + (relative.name if basename else relative.as_posix())
