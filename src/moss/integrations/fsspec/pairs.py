"""Which file goes where when many are copied at once: the rules of fsspec for `get`, `put` and `copy`.

Source: https://filesystem-spec.readthedocs.io/en/latest/copying.html
"""

from collections.abc import Callable, Mapping
from glob import has_magic

from fsspec.implementations.local import trailing_sep
from fsspec.utils import other_paths

from moss.integrations.fsspec.paths import Info

__all__ = ["pair_paths"]


def pair_paths(
    source: str | list[str],
    target: str | list[str],
    found: Mapping[str, Info | None],
    *,
    drops_directories: bool,
    is_directory: Callable[[str], bool],
) -> list[tuple[str, str, Info | None]]:
    """Pair the files and directories that a source stands for with the places they go to.

    Args:
        source: as given: a path, a pattern, or a list of them.
        target: where to: a directory when it ends with a slash or is one; a list gives every place by itself.
        found: descriptions of what the source stands for, by path; None where nobody looked.
        drops_directories: the directories themselves are not copied.
        is_directory: whether the target is a directory.

    Returns:
        Source, place, and description of the source.
    """
    if isinstance(source, list) and isinstance(target, list):
        return [(path, place, found.get(path)) for path, place in zip(source, target, strict=True)]
    is_one = isinstance(source, str)
    paths = sorted(found)
    if is_one and drops_directories:
        paths = [path for path in paths if not trailing_sep(path) and not _is_directory(found[path])]
        if not paths:
            return []
    is_into = False
    if is_one and isinstance(target, str):
        if has_magic(source):
            is_into = len(paths) == 1
        else:
            is_into = not trailing_sep(source) and (trailing_sep(target) or is_directory(target))
    places = other_paths(paths, target, exists=is_into, flatten=not is_one)
    return [(path, place, found[path]) for path, place in zip(paths, places, strict=True)]


def _is_directory(info: Info | None) -> bool:
    return info is not None and info["type"] == "directory"
