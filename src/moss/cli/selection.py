"""What the words of a get-batch command line select: sources, the destination, and the entries they stand for.

Pure but for listing, which is asked of a function. Source: spec/cli.md 1.1, 1.2, 1.5, 1.6.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from moss.cli.arguments import list_items
from moss.cli.failures import CommandError, UsageError
from moss.cli.options import Parsed
from moss.errors import InvalidTemplate, MossError
from moss.naming.bucket import Bucket, is_valid_object_name
from moss.naming.template import Template, parse_template
from moss.naming.uri import parse_uri, split_archive_path
from moss.wire.batch import Entry

EXTENSIONS = (".tar.gz", ".tar.lz4", ".tar", ".tgz", ".zip")
SELECTORS = ("list", "template", "prefix")
NAMES_MAX = 10_000_000
EXPECTING_NAMES = (
    "with no ('--spec', '--cuts') options expecting object names and/or archived filenames in the command line"
)
_EXCLUSIVE = (
    ("list", "template"), ("list", "spec"), ("template", "spec"), ("prefix", "template"), ("prefix", "list"),
)  # fmt: skip


class Listing(NamedTuple):
    """All objects of a bucket whose names start with the prefix."""

    bucket: Bucket
    prefix: str

    def __str__(self) -> str:
        return self.bucket.cname_of(self.prefix) if self.prefix else self.bucket.cname


class Names(NamedTuple):
    """Names as the user gave them, each perhaps with a member path behind the name of a shard."""

    bucket: Bucket
    names: Iterable[str]


class Selection(NamedTuple):
    """What a command line selects.

    Attributes:
        default_bucket: of the first source; None without sources.
        parts: in the order of the command line.
    """

    default_bucket: Bucket | None
    parts: list[Listing | Names]


def check_exclusive(parsed: Parsed) -> None:
    """Refuse options that exclude each other.

    Raises:
        UsageError: `flags '--list' and '--template' are mutually exclusive`.
    """
    for one, other in _EXCLUSIVE:
        if parsed.given(one) and parsed.given(other):
            raise UsageError(f"flags '--{one}' and '--{other}' are mutually exclusive")


def split_positionals(positionals: Sequence[str]) -> tuple[list[tuple[Bucket, str]], str | None]:
    """Parse the sources and find the destination, which is the last word; None when it is missing.

    Raises:
        UsageError: a source that is no URI or does not parse, or a URI as destination.
    """
    if not positionals:
        return [], None
    *words, last = positionals
    sources = [parse_source(word) for word in words]
    if ":/" not in last:
        return sources, last
    source = parse_source(last)
    if words:
        raise UsageError(f"destination must be a local file, '-' or '/dev/null' (got \"{last}\")")
    return [source], None


def parse_source(text: str) -> tuple[Bucket, str]:
    """A source as bucket and object name (perhaps empty).

    Raises:
        UsageError: with the text of the naming rules.
    """
    try:
        return parse_uri(text)
    except MossError as error:
        raise UsageError(error.message) from None


def select(
    parsed: Parsed, sources: Sequence[tuple[Bucket, str]], *, has_spec: bool, warn: Callable[[str], None]
) -> Selection:
    """Work out what sources and selecting options stand for, without asking the cluster.

    Raises:
        UsageError: they contradict each other, or a template is malformed.
    """
    chosen = [name for name in SELECTORS if parsed.given(name)]
    if chosen:
        return _by_option(parsed, chosen[0], sources, warn)
    parts = [part for bucket, name in sources if (part := _by_name(bucket, name, has_spec)) is not None]
    if not sources and not has_spec:
        raise UsageError(EXPECTING_NAMES)
    return Selection(sources[0][0] if sources else None, parts)


def _by_option(
    parsed: Parsed, option: str, sources: Sequence[tuple[Bucket, str]], warn: Callable[[str], None]
) -> Selection:
    if not sources:
        raise UsageError(f"option '--{option}' requires bucket in the command line")
    if len(sources) > 1:
        raise UsageError(f"'--{option}' requires exactly one bucket")
    bucket, name = sources[0]
    if name:
        what = "pattern or template" if is_pattern(name) else "object name or prefix"
        raise UsageError(
            f"{what} ({name}) cannot be used together with flags '--list' and '--template' (tip: use one or the other)"
        )
    value = parsed.text(option) or ""
    if option == "prefix":
        part: Listing | Names = Listing(bucket, value)
    elif option == "list":
        part = Names(bucket, list_items(value, warn))
    else:
        part = _by_template(bucket, value)
    return Selection(bucket, [part])


def _by_template(bucket: Bucket, text: str) -> Listing | Names:
    """`*` and empty select the whole bucket, a template without a range is a prefix."""
    if text in ("", "*"):
        return Listing(bucket, "")
    template = _parse_template(text)
    if template.is_prefix:
        return Listing(bucket, template.prefix)
    return Names(bucket, template.expand())


def _by_name(bucket: Bucket, name: str, has_spec: bool) -> Listing | Names | None:
    if not name:
        return None if has_spec else Listing(bucket, "")
    if is_pattern(name):
        if name == "*":
            raise UsageError("empty range template")
        template = _parse_template(name) if "{" in name and "}" in name else None
        if template is None or template.is_prefix:
            raise UsageError(f'prefix-only template not supported (prefix: "{name}")')
        return Names(bucket, template.expand())
    return Listing(bucket, name) if name.endswith("/") else Names(bucket, [name])


def is_pattern(name: str) -> bool:
    """Whether the object part of a source is a template rather than a name."""
    return any(c in name for c in "*?\\") or ("{" in name and "}" in name)


def parse_names(text: str) -> Template:
    """A template as the user typed it.

    Raises:
        UsageError: it is malformed; without what the reference would say in the words of its language (D15).
    """
    try:
        return parse_template(text)
    except InvalidTemplate as error:
        raise UsageError(error.message.partition(" (strconv.")[0]) from None


def _parse_template(text: str) -> Template:
    template = parse_names(text)
    count = template.count
    if not template.is_prefix and (count is None or count > NAMES_MAX):
        if count is None:
            raise UsageError(f'template "{text}" is endless and names no finite set of objects')
        raise UsageError(f"parsed-template: too large to expand ({count} vs {NAMES_MAX} max)")
    return template


def resolve(selection: Selection, list_names: Callable[[Listing], Iterable[str]]) -> list[Entry]:
    """Turn a selection into entries, asking for listings where it names no objects itself.

    Raises:
        CommandError: a listing is empty, or a name is invalid.
    """
    entries: list[Entry] = []
    for part in selection.parts:
        fields = entry_fields(part.bucket, selection.default_bucket)
        if isinstance(part, Listing):
            found = [Entry(objname=name, **fields) for name in list_names(part)]
            if not found:
                raise CommandError(f"no objects match {part}")
            entries += found
        else:
            entries += [_entry(name, fields) for name in part.names]
    return entries


def entry_fields(bucket: Bucket, default: Bucket | None) -> dict[str, str]:
    """The fields that name the bucket of a command-line name (spec/cli.md D9 and 1.8.1)."""
    if bucket == default and not bucket.namespace.is_global:
        return {}
    fields = {"bucket": bucket.name, "provider": bucket.provider.value}
    return fields if bucket.namespace.is_global else fields | {"uname": bucket.uname}


def _entry(name: str, fields: dict[str, str]) -> Entry:
    objname, member = split_archive_path(name)
    if not is_valid_object_name(objname):
        raise CommandError(f'invalid object name "{objname}"')
    return Entry(objname=objname, archpath=member, **fields)


def archive_extension(path: str) -> str:
    """The extension of an output archive, as typed.

    Raises:
        UsageError: it names no archive format.
    """
    base = path.rpartition("/")[2]
    extension = base[base.index(".") :] if "." in base else ""
    for known in EXTENSIONS:
        if extension.endswith(known):
            return known
    raise UsageError(
        f'unknown filename extension ("{extension}", "{extension}"): expecting one of {", ".join(sorted(EXTENSIONS))}'
    )
