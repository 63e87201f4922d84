"""The batch request and its report: the only home of `in`, `coer`, `onob`, `strm`, `coloc` and their like.

    bytes ─ decode_request ─► BatchRequest      encode_request, encode_cli_request ─► bytes     (here)
    BatchReport ─ encode_metadata, multipart_prologue ─► bytes ─ MultipartParser, decode_metadata   (batch_report)

Decoding has two paths. Canonical requests (what every known client sends) go through `msgspec` straight into typed
entries and are validated as a whole: about 0.3 µs an entry. Whatever that path refuses goes through the exact decoder
(`batch_exact`), entry by entry, and comes out right or with the first error in entry order.

Names are text; bytes that are no UTF-8 are surrogate escapes (see `moss.naming.bucket`), lone surrogates of JSON
escapes are U+FFFD. Both are names like any other, merely not found.

Source: spec/getbatch.md 1.2, 1.3, 1.9, 3, 5, 6, 9.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import msgspec

from moss.errors import InvalidQuery, MossError
from moss.naming.bucket import Bucket, find_invalid_member_path, find_invalid_object_name
from moss.wire.batch_entries import (
    BucketResolver,
    Entry,
    ObjectEntry,
    PlacedEntry,
    decode_opaque,
    is_valid_range,
    validate_entry,
)
from moss.wire.batch_exact import decode_entry, decode_exactly
from moss.wire.batch_report import (
    BatchReport,
    MultipartParser,
    ReportRow,
    decode_metadata,
    encode_metadata,
    multipart_epilogue,
    multipart_prologue,
    new_boundary,
    parse_boundary,
    split_multipart,
)
from moss.wire.query import Query

__all__ = [
    "COLOCATION_MAX",
    "MISSING_PREFIX",
    "BatchReport",
    "BatchRequest",
    "Entry",
    "MultipartParser",
    "ReportRow",
    "decode_metadata",
    "decode_opaque",
    "decode_request",
    "encode_cli_request",
    "encode_metadata",
    "encode_request",
    "member_name",
    "multipart_epilogue",
    "multipart_prologue",
    "new_boundary",
    "parse_boundary",
    "parse_colocation",
    "split_multipart",
    "validate_entry",
]

COLOCATION_MAX = 2
MISSING_PREFIX = "__404__/"
"""What the name of a placeholder begins with."""


@dataclass(slots=True)
class BatchRequest:
    """A valid batch request, its buckets resolved (not looked up: whether they exist is the node's question).

    Attributes:
        entries: what is asked for, in order; at least one. Of the leanest model that holds them all.
        names: object name of every entry; the same strings as in `entries`.
        mime: output format as the client wrote it; empty means TAR. `moss.archive.formats.parse_mime` reads it.
        continue_on_error: soft errors become placeholders.
        omit_bucket: names in the archive lack the bucket.
        streaming: the answer is the bare archive; otherwise multipart with metadata.
        colocation: hint of the body, 0 to 2; the URL's (`parse_colocation`) goes before it.
        has_members: some entry names a member path.
        has_ranges: some entry names a range.
        has_buckets: some entry names a bucket of its own.
        has_opaque: some entry has opaque data.
        buckets: distinct buckets in order of first use; never empty.
        bucket_of: index in `buckets` for every entry, or None when all entries use `buckets[0]`.
    """

    entries: list[Entry]
    names: list[str]
    mime: str
    continue_on_error: bool
    omit_bucket: bool
    streaming: bool
    colocation: int
    has_members: bool
    has_ranges: bool
    has_buckets: bool
    has_opaque: bool
    buckets: list[Bucket]
    bucket_of: list[int] | None

    def bucket_at(self, index: int) -> Bucket:
        """Return the bucket of one entry."""
        return self.buckets[self.bucket_of[index] if self.bucket_of is not None else 0]


# --- decoding ---


_AnyEntry = TypeVar("_AnyEntry", ObjectEntry, PlacedEntry, Entry)


class _Canonical(msgspec.Struct, Generic[_AnyEntry], gc=False, forbid_unknown_fields=True, rename={"entries": "in"}):
    entries: Annotated[list[_AnyEntry], msgspec.Meta(min_length=1)]
    mime: str = ""
    coer: bool = False
    onob: bool = False
    strm: bool = False
    coloc: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0


class _Wrapped(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    action: str
    value: _Canonical[Entry]
    name: str = ""


# From the leanest model of an entry to the full one. A model that does not fit shows at the first entry that has more,
# usually the very first.
_bare_decoders = [msgspec.json.Decoder(_Canonical[model]) for model in (ObjectEntry, PlacedEntry, Entry)]
_wrapped_decoder = msgspec.json.Decoder(_Wrapped)
_NOT_CANONICAL = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decode_request(body: bytes, default_bucket: Bucket | None = None) -> BatchRequest:
    """Decode and validate a batch request, bare or wrapped in `action` and `value`.

    Args:
        body: the request body; bytes behind the first JSON value are ignored.
        default_bucket: bucket of the request's path, for entries that name none.

    Raises:
        InvalidBody: malformed JSON, a wrong type, another action, no entries.
        InvalidName, InvalidProvider, InvalidRange: the first entry that breaks a rule, in entry order.
    """
    canonical = _decode_canonical(body)
    if canonical is not None:
        request = _check_whole(canonical, default_bucket)
        if request is not None:
            return request
    return _decode_one_by_one(body, default_bucket)


def _decode_canonical(body: bytes) -> _Canonical | None:
    for decoder in _bare_decoders:
        try:
            return decoder.decode(body)
        except _NOT_CANONICAL:
            continue
    try:
        wrapped = _wrapped_decoder.decode(body)
    except _NOT_CANONICAL:
        return None
    return wrapped.value if wrapped.action in ("getbatch", "get-batch") else None


def _check_whole(canonical: _Canonical, default_bucket: Bucket | None) -> BatchRequest | None:
    """Validate all entries at once; None when there is any error, which the exact path then finds and names.

    Column by column: a list comprehension and a C-level test over it cost 10 to 30 ns an entry.
    """
    entries = canonical.entries
    names = [entry.objname for entry in entries]
    if find_invalid_object_name(names) >= 0:
        return None
    is_full = isinstance(entries[0], Entry)
    has_members = has_ranges = False
    if is_full:
        paths = [entry.archpath for entry in entries]
        has_members = any(paths)
        if has_members and find_invalid_member_path(paths) >= 0:
            return None
        lengths = [entry.length for entry in entries]
        starts = [entry.start for entry in entries]
        has_ranges = any(lengths) or any(starts)
        if has_ranges and not _are_valid_ranges(starts, lengths):
            return None
    resolver = BucketResolver(default_bucket)
    try:
        bucket_of, has_buckets = _resolve_whole(entries, resolver)
    except MossError:
        return None
    return BatchRequest(
        entries=entries,
        names=names,
        mime=canonical.mime,
        continue_on_error=canonical.coer,
        omit_bucket=canonical.onob,
        streaming=canonical.strm,
        colocation=_known_colocation(canonical.coloc),
        has_members=has_members,
        has_ranges=has_ranges,
        has_buckets=has_buckets,
        has_opaque=is_full and _tidy_opaque(entries),
        buckets=resolver.buckets,
        bucket_of=bucket_of,
    )


def _are_valid_ranges(starts: list[int], lengths: list[int]) -> bool:
    if min(starts) < 0 or min(lengths) < -1:
        return False
    return 0 not in lengths or all(map(is_valid_range, starts, lengths))


def _resolve_whole(entries: list[Entry], resolver: BucketResolver) -> tuple[list[int] | None, bool]:
    """Resolve the bucket of every entry.

    Returns:
        The index of each entry's bucket, or None when they all mean the same one; and whether any entry names one.

    Raises:
        MossError: some entry's bucket cannot be resolved (not necessarily the error of the first such entry).
    """
    if type(entries[0]) is ObjectEntry:
        resolver.index_of(entries[0])
        return None, False
    unames = [entry.uname for entry in entries] if isinstance(entries[0], Entry) else [""] * len(entries)
    buckets = [entry.bucket for entry in entries]
    providers = [entry.provider for entry in entries]
    count = len(entries)
    has_buckets = any(buckets) or any(unames)
    is_uniform = not any(unames) and buckets.count(buckets[0]) == count and providers.count(providers[0]) == count
    if is_uniform or not has_buckets:
        resolver.index_of(entries[0])
        return None, has_buckets
    index_of: dict[tuple[str, str, str], int] = {}
    bucket_of = [0] * count
    for position, spec in enumerate(zip(unames, buckets, providers, strict=True)):
        index = index_of.get(spec)
        if index is None:
            index = index_of[spec] = resolver.index_of(entries[position])
        bucket_of[position] = index
    return bucket_of if len(resolver.buckets) > 1 else None, True


def _tidy_opaque(entries: list[Entry]) -> bool:
    """Make empty opaque data absent; tell whether any is left."""
    values = [entry.opaque for entry in entries]
    if b"" in values:
        for entry in entries:
            entry.opaque = entry.opaque or None
    return any(values)


def _known_colocation(hint: int) -> int:
    # The reference serves a body with any hint: it looks at the URL's only.
    return hint if 0 <= hint <= COLOCATION_MAX else 0


def _decode_one_by_one(body: bytes, default_bucket: Bucket | None) -> BatchRequest:
    """The exact path: type, names, range and bucket of each entry in turn, so that the first error wins."""
    raw = decode_exactly(body)
    resolver = BucketResolver(default_bucket)
    entries: list[Entry] = []
    bucket_of: list[int] = []
    for index, value in enumerate(raw.entries):
        entry = decode_entry(value, index)
        validate_entry(entry)
        bucket_of.append(resolver.index_of(entry))
        entries.append(entry)
    return BatchRequest(
        entries=entries,
        names=[entry.objname for entry in entries],
        mime=raw.mime,
        continue_on_error=raw.continue_on_error,
        omit_bucket=raw.omit_bucket,
        streaming=raw.streaming,
        colocation=_known_colocation(raw.colocation),
        has_members=any(entry.archpath for entry in entries),
        has_ranges=any(entry.has_range for entry in entries),
        has_buckets=any(entry.uname or entry.bucket for entry in entries),
        has_opaque=any(entry.opaque for entry in entries),
        buckets=resolver.buckets,
        bucket_of=bucket_of if len(resolver.buckets) > 1 else None,
    )


def parse_colocation(query: Query) -> int | None:
    """Return the colocation hint of the URL, or None when it has none.

    Raises:
        InvalidQuery: `invalid 'coloc=3' (expecting 0, 1, or 2)`, or the text for what is no uint8.
    """
    hint = query.unsigned("coloc", bits=8)
    if hint is not None and hint > COLOCATION_MAX:
        raise InvalidQuery(f"invalid 'coloc={hint}' (expecting 0, 1, or 2)")
    return hint


# --- encoding ---

_encoder = msgspec.json.Encoder()


def encode_request(
    entries: Sequence[Entry],
    *,
    mime: str = ".tar",
    continue_on_error: bool = True,
    omit_bucket: bool = False,
    streaming: bool = True,
    colocation: int = 0,
) -> bytes:
    """Build the body that the SDK sends: `in, mime, coer, onob, strm` always, `coloc` only when above 0."""
    return b"".join(
        (
            b'{"in":', _encode(list(entries)),
            b',"mime":', _encode(mime),
            b',"coer":', _encode(continue_on_error),
            b',"onob":', _encode(omit_bucket),
            b',"strm":', _encode(streaming),
            b',"coloc":%d}' % colocation if colocation else b"}",
        )
    )  # fmt: skip


def encode_cli_request(
    entries: Sequence[Entry],
    *,
    mime: str = "",
    continue_on_error: bool = False,
    omit_bucket: bool = False,
    streaming: bool = False,
    colocation: int = 0,
) -> bytes:
    """Build the body that the command line sends: `mime, in, coer, onob, strm, coloc`.

    `mime`, `coer` and `coloc` are left out when empty, false or 0. Source: spec/cli.md 1.8.1.
    """
    return b"".join(
        (
            b'{"mime":' + _encode(mime) + b"," if mime else b"{",
            b'"in":', _encode(list(entries)),
            b',"coer":true' if continue_on_error else b"",
            b',"onob":', _encode(omit_bucket),
            b',"strm":', _encode(streaming),
            b',"coloc":%d}' % colocation if colocation else b"}",
        )
    )  # fmt: skip


def _encode(value: object) -> bytes:
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        # A name that is no UTF-8: its bytes go out as they are, and decode_request takes them as they are.
        text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "surrogateescape")


def member_name(entry: Entry, bucket_name: str, *, omit_bucket: bool, missing: bool = False) -> str:
    """Return the name of an entry in the output archive, of its placeholder when `missing`.

    Args:
        bucket_name: name of the resolved bucket, without provider and namespace.

    Source: spec/getbatch.md 6.
    """
    name = entry.objname if omit_bucket else f"{bucket_name}/{entry.objname}"
    if entry.archpath:
        name = f"{name}/{entry.archpath.removeprefix('/')}"
    return MISSING_PREFIX + name if missing else name
