"""Which local files become which objects: files, folders, patterns, lists and templates. Source: spec/cli.md 5.6."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.formats import brief, format_size
from moss.cli.options import Option, Parsed
from moss.cli.output import printable
from moss.errors import MossError
from moss.naming.bucket import validate_object_name

__all__ = ["SELECTING", "Found", "LocalFile", "check_name", "extension_rows", "find_files", "warn_of_skipped"]

SELECTING = (
    Option("list", "comma-separated names of files, below the folder if there is one", value="NAMES"),
    Option("template", "names of files by template, below the folder if there is one", value="TEMPLATE"),
    Option("recursive", "with a folder: also the files of its folders", aliases=("r",)),
    Option("include-src-dir", "with a folder: begin the names with its own"),
)


class LocalFile(NamedTuple):
    """One file and the name that it gets in the cluster."""

    path: str
    name: str
    size: int


class Found(NamedTuple):
    """The files of a command line.

    Attributes:
        how: what tells a summary how they were looked for, as in ` (one directory, recursively)`.
        is_one: the source names exactly one file.
        skipped: paths of what cannot be sent: linked folders, broken links, pipes, devices.
    """

    files: list[LocalFile]
    how: str
    is_one: bool = False
    skipped: tuple[str, ...] = ()


def find_files(parsed: Parsed, sources: Sequence[str], prefix: str) -> Found:
    """Find the files that a command line means.

    Args:
        sources: files, folders and patterns; with `--list` and `--template` one folder, or none.
        prefix: put before each name; for one file it is the whole name, unless it ends with a slash.

    Raises:
        CommandError: a source does not exist, nothing is found, or two files would get one name.
        UsageError: options that do not fit, or a name that cannot be used.
    """
    named = [option for option in ("list", "template") if parsed.given(option)]
    if len(named) > 1:
        raise UsageError("flags '--list' and '--template' are mutually exclusive")
    if named:
        if len(sources) > 1:
            raise UsageError(f"'--{named[0]}' works below one folder at most, got {len(sources)}")
        found = Found(list(_named(parsed, named[0], sources[0] if sources else "", prefix)), "")
    elif len(sources) == 1 and os.path.isfile(sources[0]):
        return Found([_one(sources[0], prefix)], "", is_one=True)
    else:
        found = _of_sources(parsed, sources, prefix)
    if not found.files:
        where = f'"{sources[0]}"' if sources else f"'--{named[0]}'"
        hint = ["Use '--recursive' to look into its folders too."] if _has_folders(parsed, sources) else []
        raise CommandError(f"no files in {where}", *hint)
    for file in found.files:
        check_name(file.name)
    counts = Counter(file.name for file in found.files)
    if len(counts) < len(found.files):
        twice = next(name for name, count in counts.items() if count > 1)
        paths = [file.path for file in found.files if file.name == twice]
        raise CommandError(f'several files would become "{twice}": {", ".join(paths[:2])}')
    return found


def _one(path: str, name: str) -> LocalFile:
    base = os.path.basename(path)
    if not name:
        name = base
    elif name.endswith("/"):
        # A relative path is kept below a virtual directory, as long as it does not lead out of it.
        relative = os.path.normpath(path)
        name += base if os.path.isabs(path) or relative.startswith("..") else Path(relative).as_posix()
    check_name(name)
    return LocalFile(path, name, os.path.getsize(path))


def _of_sources(parsed: Parsed, sources: Sequence[str], prefix: str) -> Found:
    files: list[LocalFile] = []
    skipped: list[str] = []
    folders = 0
    for source in sources:
        if os.path.isdir(source):
            folders += 1
            files += _of_folder(parsed, source, prefix, skipped)
        elif os.path.exists(source) and not os.path.isfile(source):
            raise CommandError(f'"{source}" is not a regular file', "Use '... | ais put - BUCKET/OBJECT' for a pipe.")
        elif os.path.exists(source):
            files.append(LocalFile(source, prefix + os.path.basename(source), os.path.getsize(source)))
        elif any(character in source for character in "*?["):
            files += _of_pattern(source, prefix)
        elif "{" in source and "}" in source:
            files += _of_names(_expanded(source, source), "", prefix)
        else:
            raise CommandError(f'"{source}" is not a directory and does not appear to be a filename-matching pattern')
    how = ""
    if folders:
        which = "one directory" if folders == 1 else f"{folders} directories"
        how = f" ({which}, {'recursively' if parsed.flag('recursive') else 'non-recursive'})"
    return Found(files, how, skipped=tuple(skipped))


def _of_folder(parsed: Parsed, folder: str, prefix: str, skipped: list[str]) -> Iterator[LocalFile]:
    keep = os.path.basename(os.path.abspath(folder)) + "/" if parsed.flag("include-src-dir") else ""
    for top, folders, names in os.walk(folder):
        folders.sort()
        if not parsed.flag("recursive"):
            folders.clear()
        skipped += (path for path in (os.path.join(top, name) for name in folders) if os.path.islink(path))
        for name in sorted(names):
            path = os.path.join(top, name)
            if os.path.isfile(path):
                relative = Path(os.path.relpath(path, folder)).as_posix()
                yield LocalFile(path, prefix + keep + relative, os.path.getsize(path))
            else:
                skipped.append(path)


def warn_of_skipped(context: Context, found: Found) -> None:
    """Say what will not be sent."""
    if found.skipped:
        names = printable(brief(found.skipped))
        context.console.warn(f"skipped what is not a regular file, or a link to a folder: {names}")


def _of_pattern(pattern: str, prefix: str) -> list[LocalFile]:
    paths = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
    return [LocalFile(path, prefix + os.path.basename(path), os.path.getsize(path)) for path in paths]


def _named(parsed: Parsed, option: str, folder: str, prefix: str) -> Iterator[LocalFile]:
    if folder and not os.path.isdir(folder):
        raise UsageError(f"'--{option}' works below a folder, and \"{folder}\" is none")
    text = parsed.text(option) or ""
    if option == "list":
        names: Iterable[str] = [name for item in text.split(",") if (name := item.strip())]
    else:
        names = _expanded(text, f"--template '{text}'")
    yield from _of_names(names, folder, prefix)


def _of_names(names: Iterable[str], folder: str, prefix: str) -> Iterator[LocalFile]:
    """Below a folder names keep their folders; without one only base names are kept."""
    for name in names:
        path = os.path.join(folder, os.path.expanduser(name))
        if not os.path.isfile(path):
            raise CommandError(f'"{path}" does not exist' if not os.path.exists(path) else f'"{path}" is not a file')
        inside = Path(os.path.normpath(name)).as_posix() if folder else os.path.basename(name)
        yield LocalFile(path, prefix + inside.lstrip("/"), os.path.getsize(path))


def _expanded(text: str, what: str) -> Iterator[str]:
    from moss.naming.template import parse_template

    try:
        return parse_template(text).expand()
    except MossError as error:
        raise UsageError(f"{what}: {error.message}") from None


def _has_folders(parsed: Parsed, sources: Sequence[str]) -> bool:
    return not parsed.flag("recursive") and any(
        os.path.isdir(source) and any(entry.is_dir() for entry in os.scandir(source)) for source in sources
    )


def extension_rows(files: Iterable[LocalFile], units: str) -> list[tuple[str, str, str]]:
    """How many files of which extension, with their sizes, and the sums."""
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for file in files:
        extension = os.path.splitext(file.path)[1]
        counts[extension] += 1
        sizes[extension] += file.size
    rows = [("EXTENSION", "COUNT", "SIZE")]
    rows += [(ext, str(counts[ext]), format_size(sizes[ext], units)) for ext in sorted(counts)]
    rows.append(("TOTAL", str(counts.total()), format_size(sizes.total(), units)))
    return rows


def check_name(name: str) -> None:
    """Refuse a name that no object can have.

    Raises:
        UsageError: it is one.
    """
    try:
        validate_object_name(name)
    except MossError as error:
        raise UsageError(error.message) from None
