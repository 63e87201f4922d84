"""Arguments of listings and the choice of files to upload. Pure but for looking at folders."""

from collections.abc import Iterable
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
    path: str | Path, prefix_filter: str = "", pattern: str = "*", recursive: bool = False
) -> list[tuple[Path, Path]]:
    """Files of a folder in the order of their paths, each also relative to it.

    Args:
        prefix_filter: beginning of the file's own name.
        pattern: shell pattern of the file's own name, or of its path when there is a slash in it.

    Raises:
        ValueError: no folder, or a pattern that is absolute or empty.
    """
    root = validate_directory(path)
    if not pattern or pattern.startswith("/"):
        raise ValueError(f"Unacceptable pattern: {pattern!r}")
    found = root.rglob(pattern) if recursive else root.glob(pattern)
    chosen = sorted(file for file in found if file.name.startswith(prefix_filter) and file.is_file())
    return [(file, file.relative_to(root)) for file in chosen]


def target_name(relative: Path, *, basename: bool, prepend: str | None) -> str:
    """Object name for a file of an uploaded folder."""
    return (prepend or "") + (relative.name if basename else relative.as_posix())
