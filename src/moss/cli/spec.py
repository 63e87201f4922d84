"""Request specifications for `--spec`: JSON, JSON with comments, YAML; from a file, standard input or the command line.

Both syntaxes take the same keys, in any letter case, under the wire's names or the documented longer ones. A key that
is given twice, also under two names, is an error; an unknown one too, except inside entries, where it is only named.
Source: spec/cli.md 2.
"""

import json
import re
from collections.abc import Callable
from typing import IO, Any, NamedTuple, NoReturn

from moss.cli.failures import CommandError
from moss.errors import MossError
from moss.naming.bucket import parse_bucket_uname, parse_provider
from moss.naming.uri import parse_uri, split_archive_path
from moss.wire.batch import Entry, decode_opaque, validate_entry

SPEC_BYTES_MAX = 64 << 20
STDIN = "-"

REQUEST_KEYS = {
    "mime": "mime", "output_format": "mime", "outputformat": "mime", "format": "mime",
    "in": "in", "moss_in": "in", "entries": "in",
    "coer": "coer", "cont_on_err": "coer", "continue_on_err": "coer", "continueonerr": "coer",
    "continue_on_error": "coer",
    "onob": "onob", "only_obj_name": "onob", "onlyobjname": "onob", "omit_src_bck": "onob",
    "strm": "strm", "streaming_get": "strm", "streamingget": "strm", "streaming": "strm",
    "coloc": "coloc", "colocation": "coloc",
}  # fmt: skip
ENTRY_KEYS = {
    "objname": "objname", "obj_name": "objname", "name": "objname",
    "bucket": "bucket", "bck": "bucket",
    "provider": "provider", "uname": "uname",
    "archpath": "archpath", "arch_path": "archpath",
    "opaque": "opaque", "start": "start", "length": "length",
}  # fmt: skip
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,19}")
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_JSON_EXTENSIONS = (".json", ".jsonc", ".js")
_INT64 = 1 << 63


class Spec(NamedTuple):
    """A request as the specification gives it; None where a key is absent."""

    entries: list[Entry]
    mime: str | None = None
    continue_on_error: bool | None = None
    omit_bucket: bool | None = None
    streaming: bool | None = None
    colocation: int | None = None
    warnings: tuple[str, ...] = ()


class Pairs(list):
    """A mapping as read: (key, value) pairs in order, duplicates included."""


def load_spec(value: str, stdin: Callable[[], IO[bytes]]) -> Spec:
    """Read and check the value of `--spec`.

    Args:
        value: a path, `-`, or the text itself.
        stdin: gives standard input when it is wanted.

    Raises:
        CommandError: it cannot be read, parsed (with line and column) or is no valid request.
    """
    text = value.strip()
    if is_inline(value):
        return read_request(parse_text(value, "inline", ""))
    if text == STDIN:
        data = stdin().read(SPEC_BYTES_MAX + 1)
        return read_request(parse_text(_decode(data, "standard input"), "standard input", ""))
    try:
        with open(value, "rb") as file:
            data = file.read(SPEC_BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CommandError(f"open {value}: {reason}") from None
    base = value.rpartition("/")[2]
    extension = base[base.index(".") :].lower() if "." in base else ""
    return read_request(parse_text(_decode(data, base), base, extension))


def is_inline(value: str) -> bool:
    text = value.strip()
    return (text[:1] in ("{", "-", "[") and text != STDIN) or "\n" in text


def _decode(data: bytes, name: str) -> str:
    if len(data) > SPEC_BYTES_MAX:
        raise CommandError(f"spec file too big (max {SPEC_BYTES_MAX >> 20}MiB)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        _fail_parse(name, line, column, "not valid UTF-8")


def parse_text(text: str, name: str, extension: str) -> Any:
    """Parse as JSON when it looks so, else or failing that as YAML; mappings come as `Pairs`.

    Raises:
        CommandError: `failed to parse '--spec' "NAME": line L, column C: ...`.
    """
    if not text.strip():
        return None
    if extension in _JSON_EXTENSIONS or text.lstrip()[:1] in ("{", "["):
        try:
            return _parse_json(_without_comments(text) if extension == ".jsonc" else text)
        except json.JSONDecodeError as error:
            problem = (error.lineno, error.colno, _json_reason(error))
        except RecursionError:
            raise CommandError(f"failed to parse '--spec' \"{name}\": nested too deeply") from None
        if extension in _JSON_EXTENSIONS:
            try:
                return _parse_yaml(text, name)
            except CommandError:
                _fail_parse(name, *problem)
    return _parse_yaml(text, name)


def _parse_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=Pairs)


def _json_reason(error: json.JSONDecodeError) -> str:
    if error.msg == "Extra data":
        return "unexpected text after the end of the document"
    return error.msg[:1].lower() + error.msg[1:]


def _without_comments(text: str) -> str:
    """Blank out `//` and `/* */` comments outside strings; every other character keeps its place."""
    pattern = r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/'

    def blank(match: re.Match[str]) -> str:
        found = match.group()
        return found if found[0] == '"' else re.sub(r"[^\n]", " ", found)

    return re.sub(pattern, blank, text, flags=re.DOTALL)


def _parse_yaml(text: str, name: str) -> Any:
    from moss.cli.spec_yaml import SpecYamlError, parse_yaml

    try:
        return parse_yaml(text, Pairs)
    except SpecYamlError as error:
        _fail_parse(name, error.line, error.column, error.reason)
    except RecursionError:
        raise CommandError(f"failed to parse '--spec' \"{name}\": nested too deeply") from None


def _fail_parse(name: str, line: int, column: int, reason: str) -> NoReturn:
    raise CommandError(f"failed to parse '--spec' \"{name}\": line {line}, column {column}: {reason}")


# --- from parsed text to a request ---


def read_request(document: Any) -> Spec:
    """Check a parsed document and turn it into a request.

    Raises:
        CommandError: unknown or repeated key, value of the wrong kind, invalid name or range.
    """
    if document is None:
        return Spec([])
    if not isinstance(document, Pairs):
        raise CommandError(f"'--spec': expected an object (a mapping with the key \"in\"), found {_kind(document)}")
    values: dict[str, Any] = {}
    for key, value in _known(document, REQUEST_KEYS, "", None):
        values[key] = value
    rows = values.get("in")
    if rows is None:
        rows = []
    if not isinstance(rows, list) or isinstance(rows, Pairs):
        raise CommandError(f'"in": expected a list of entries, found {_kind(rows)}')
    unknown: dict[str, None] = {}
    entries = [_entry(index, row, unknown) for index, row in enumerate(rows)]
    colocation = _whole(values.get("coloc"), '"coloc"')
    if colocation not in (None, 0, 1, 2):
        raise CommandError(f'"coloc": expected 0, 1 or 2, found {colocation}')
    return Spec(
        entries,
        _text(values.get("mime"), '"mime"'),
        _truth(values.get("coer"), '"coer"'),
        _truth(values.get("onob"), '"onob"'),
        _truth(values.get("strm"), '"strm"'),
        colocation,
        tuple(f"ignoring unknown field \"{key}\" of entries in '--spec'" for key in unknown),
    )


def _known(pairs: Pairs, keys: dict[str, str], where: str, unknown: dict[str, None] | None):
    """Yield (wire key, value); unknown keys are collected, or an error where nothing collects them."""
    spelled: dict[str, str] = {}
    for given, value in pairs:
        key = keys.get(given) or keys.get(str(given).lower())
        if key is None:
            if unknown is None:
                raise CommandError(f'{where}unknown field "{given}"')
            unknown[str(given)] = None
            continue
        if key in spelled:
            both = f'"{given}"' if given == spelled[key] else f'"{spelled[key]}" and "{given}"'
            raise CommandError(f"{where}duplicate key: {both}")
        spelled[key] = given
        yield key, value


def _entry(index: int, row: Any, unknown: dict[str, None]) -> Entry:
    where = f"entry {index}: "
    if isinstance(row, str):
        entry = _entry_of_text(row, where)
    elif isinstance(row, Pairs):
        entry = _entry_of_pairs(row, where, unknown)
    else:
        raise CommandError(f'{where}expected a mapping with "objname", found {_kind(row)}')
    _check(entry, where)
    return entry


def _entry_of_text(text: str, where: str) -> Entry:
    if text == "...":
        raise CommandError(f'{where}expected a mapping with "objname" or the name of an object, found an ellipsis')
    if "://" not in text:
        return Entry(objname=text)
    try:
        bucket, name = parse_uri(text)
    except MossError as error:
        raise CommandError(where + error.message) from None
    objname, member = split_archive_path(name)
    return Entry(objname=objname, archpath=member, **bucket_fields(bucket))


def _entry_of_pairs(row: Pairs, where: str, unknown: dict[str, None]) -> Entry:
    fields: dict[str, Any] = {}
    for key, value in _known(row, ENTRY_KEYS, where, unknown):
        if key in ("start", "length"):
            value = _whole(value, f'{where}"{key}"')
        else:
            value = _text(value, f'{where}"{key}"')
        if value is not None:
            fields[key] = value
    if "opaque" in fields:
        try:
            fields["opaque"] = decode_opaque(fields["opaque"])
        except MossError as error:
            raise CommandError(f'{where}"opaque": {error.message}') from None
    if "://" in fields.get("bucket", ""):
        bucket, name = _parse_bucket(fields.pop("bucket"), where)
        if name:
            raise CommandError(f'{where}"bucket": not expecting an object name (got "{bucket.cname_of(name)}")')
        fields = bucket_fields(bucket) | fields
    return Entry(**fields)


def _parse_bucket(text: str, where: str):
    try:
        return parse_uri(text)
    except MossError as error:
        raise CommandError(f'{where}"bucket": {error.message}') from None


def bucket_fields(bucket) -> dict[str, str]:
    """The fields that name a bucket in an entry; `uname` only where the other two cannot."""
    fields = {"bucket": bucket.name, "provider": bucket.provider.value}
    return fields if bucket.namespace.is_global else fields | {"uname": bucket.uname}


def _check(entry: Entry, where: str) -> None:
    try:
        validate_entry(entry)
        if entry.provider:
            parse_provider(entry.provider)
        if entry.uname:
            parse_bucket_uname(entry.uname)
    except MossError as error:
        raise CommandError(where + error.message) from None


def _text(value: Any, what: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise CommandError(f"{what}: expected text, found {_kind(value)}")


def _truth(value: Any, what: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    word = _WORDS.get(value.lower()) if isinstance(value, str) else None
    if word is None:
        raise CommandError(f"{what}: expected true or false, found {_kind(value)}")
    return word


def _whole(value: Any, what: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise CommandError(f"{what}: expected a whole number, found {_kind(value)}")
    if not -_INT64 <= value < _INT64:
        raise CommandError(f"{what}: {value} is out of range")
    return value


def _kind(value: Any) -> str:
    if isinstance(value, Pairs):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
