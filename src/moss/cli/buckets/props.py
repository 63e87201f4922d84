"""Properties of buckets as people read and write them: dotted keys, names instead of bits. Pure.

Source: spec/cli.md 5.4, spec/rest-data.md 3.5 and 3.6.
"""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from moss.cli.arguments import parse_pairs
from moss.cli.failures import UsageError
from moss.cli.formats import UNSET, format_day
from moss.cli.options import FALSE_WORDS, TRUE_WORDS
from moss.errors import MossError
from moss.naming.uri import parse_uri
from moss.units import parse_size
from moss.wire.masks import ACCESS_LEVELS, FEATURES, OPERATIONS, names_of, parse_access, parse_features

__all__ = ["Value", "compact", "flatten", "parse_changes", "shown", "unflatten"]

Value = str | int | bool
READ_ONLY = frozenset({"provider", "Renamed", "bid", "created"})
BACKEND = "backend_bck"
_EXTRA = ("extra.aws.", "extra.gcp.", "extra.oci.", "extra.http.", "extra.custom")
_EXTRA_NUMBERS = frozenset({"extra.aws.max_pagesize", "extra.aws.multipart_size"})


def flatten(document: Mapping[str, Any]) -> dict[str, Value]:
    """The leaves of a document by their dotted keys, sorted; the bucket behind a bucket is one leaf, `s3://abc`."""
    found: dict[str, Value] = {}
    for key, value in document.items():
        if key == BACKEND and isinstance(value, Mapping):
            found[key] = _backend_text(value)
        elif isinstance(value, Mapping):
            found |= {f"{key}.{leaf}": inner for leaf, inner in flatten(value).items()}
        else:
            found[key] = value
    return dict(sorted(found.items()))


def unflatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """The nested document of dotted keys."""
    document: dict[str, Any] = {}
    for key, value in values.items():
        *outer, leaf = key.split(".")
        into = document
        for name in outer:
            into = into.setdefault(name, {})
        into[leaf] = _backend_document(str(value)) if key == BACKEND else value
    return document


def parse_changes(words: Sequence[str], current: Mapping[str, Value]) -> dict[str, Value]:
    """Read `KEY=VALUE` words, or one JSON document, into values of the types that the properties have.

    Args:
        current: the properties by dotted keys, see `flatten`.

    Raises:
        UsageError: no such property, one that cannot be set, or a value that it cannot have.
    """
    changes: dict[str, Value] = {}
    for key, value in _pairs(words):
        known = key in current or key.startswith(_EXTRA)
        if not known:
            near = difflib.get_close_matches(key, current, 1)
            meant = f'did you mean "{near[0]}"?' if near else "see 'ais bucket props show BUCKET'"
            raise UsageError(f'unknown property "{key}" ({meant})')
        if key in READ_ONLY:
            raise UsageError(f'property "{key}" cannot be set')
        if key in changes:
            raise UsageError(f'property "{key}" is given twice')
        changes[key] = _typed(key, value, current.get(key, 0 if key in _EXTRA_NUMBERS else ""))
    return changes


def _pairs(words: Sequence[str]) -> Iterable[tuple[str, Any]]:
    if words and words[0].lstrip().startswith("{"):
        try:
            document = json.loads(" ".join(words))
        except ValueError as error:
            raise UsageError(f"bucket properties are no JSON: {error}") from None
        yield from flatten(document).items()
        return
    yield from parse_pairs(words, expected="KEY=VALUE, or a JSON document")


def _typed(key: str, value: Any, current: Value) -> Value:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    try:
        if key == "access":
            return str(parse_access(text))
        if key == "features":
            return str(parse_features(text))
        if key == BACKEND:
            return "" if text in ("none", "") else _backend_of(text)
        if isinstance(current, bool):
            return _boolean(text)
        return parse_size(text) if isinstance(current, int) else text
    except (MossError, ValueError) as error:
        raise UsageError(f'invalid value of "{key}": {error}') from None


def _boolean(text: str) -> bool:
    if text.lower() in TRUE_WORDS:
        return True
    if text.lower() in FALSE_WORDS:
        return False
    raise ValueError(f'expecting true or false, got "{text}"')


def _backend_of(text: str) -> str:
    bucket, name = parse_uri(text)
    if name:
        raise ValueError(f'expecting a bucket, got "{text}"')
    return bucket.cname


def _backend_text(value: Mapping[str, Any]) -> str:
    from moss.wire.bucket import BucketModel, NamespaceModel

    space = value.get("namespace") or {}
    namespace = NamespaceModel(str(space.get("uuid") or ""), str(space.get("name") or ""))
    bucket = BucketModel(str(value.get("name") or ""), str(value.get("provider") or ""), namespace).to_bucket()
    return bucket.cname if bucket else ""


def _backend_document(text: str) -> dict[str, Any]:
    if not text:
        return {"name": "", "provider": ""}
    bucket, _ = parse_uri(text)
    namespace = {"uuid": bucket.namespace.uuid, "name": bucket.namespace.name}
    return {"name": bucket.name, "provider": bucket.provider.value, "namespace": namespace}


def shown(key: str, value: Value) -> str:
    """A value as the table shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    if key in ("access", "features") and text.isdigit():
        return _mask(key, int(text))
    if key == "created" and text.isdigit():
        return format_day(int(text) / 1e9)
    if key == "bid" and text.isdigit():
        return f"0x{int(text):x}"
    return text or UNSET


def _mask(key: str, mask: int) -> str:
    if key == "features":
        return ",".join(names_of(mask, FEATURES)) or "none"
    short = next((name for name, level in ACCESS_LEVELS.items() if level == mask), None)
    return short or ",".join(names_of(mask, OPERATIONS)) or "none"


def compact(values: Mapping[str, Value]) -> dict[str, str]:
    """One line for each subject instead of one for each property.

    Args:
        values: by dotted keys; subjects that are not there are left out.
    """

    def switch(section: str, details: str) -> str:
        return f"Enabled | {details}" if values.get(f"{section}.enabled") else "Disabled"

    def text(key: str) -> str:
        return shown(key, values.get(key, ""))

    checks = [name for name in ("cold_get", "warm_get", "obj_move") if values.get(f"checksum.validate_{name}")]
    lines = {
        "access": text("access"),
        BACKEND: text(BACKEND),
        "checksum": f"Type: {text('checksum.type')} | Validate: {', '.join(checks) or 'Nothing'}",
        "chunks": f"Size: {text('chunks.chunk_size')} | Objects from: {text('chunks.objsize_limit')}",
        "created": text("created"),
        "ec": switch("ec", f"{text('ec.data_slices')}:{text('ec.parity_slices')} ({text('ec.objsize_limit')})"),
        "lru": switch("lru", f"Not evicted for: {text('lru.dont_evict_time')}"),
        "mirror": switch("mirror", f"{text('mirror.copies')} copies"),
        "present": "yes",
        "provider": text("provider"),
        "versioning": switch("versioning", f"Validate on warm GET: {text('versioning.validate_warm_get')}"),
    }
    if not values.get(BACKEND):
        del lines[BACKEND]
    return lines
