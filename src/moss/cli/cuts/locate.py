"""From the text of an audio source to an entry of a request. Source: spec/cli.md 3.4, "URI forms"."""

from functools import lru_cache

from moss.cli.cuts.cut import Piece
from moss.cli.spec import bucket_fields
from moss.errors import MossError
from moss.naming.bucket import Bucket, Provider, validate_bucket_name, validate_object_name
from moss.naming.uri import parse_uri, split_archive_path
from moss.wire.batch import Entry

__all__ = ["entry_of"]

_SCHEME = "://"


def entry_of(piece: Piece) -> Entry:
    """The whole recording of a piece; without bucket when its source is an absolute path.

    Raises:
        CommandError: the source cannot be parsed, with the cut and the line.
    """
    source = piece.source
    try:
        if source.startswith("/"):
            fields, name = {}, source.lstrip("/")
        else:
            prefix, name = _split(source)
            fields = _fields(prefix) if name else {}
        if not name:
            piece.fail(f'cannot parse source "{source}": expecting BUCKET/OBJECT')
        objname, member = split_archive_path(name)
        validate_object_name(objname)
    except MossError as error:
        piece.fail(error.message)
    return Entry(objname=objname, archpath=member, **fields)


def _split(source: str) -> tuple[str, str]:
    """The part that names the bucket, and the object name."""
    start = source.find(_SCHEME) + len(_SCHEME) if _SCHEME in source else 0
    if source.startswith(("@", "#"), start):
        start = source.find("/", start) + 1 or len(source)
    at = source.find("/", start)
    return (source, "") if at < 0 else (source[:at], source[at + 1 :])


@lru_cache(maxsize=256)  # a manifest names few buckets, each very often
def _fields(prefix: str) -> dict[str, str]:
    if _SCHEME in prefix:
        return bucket_fields(parse_uri(prefix)[0])
    validate_bucket_name(prefix)
    return bucket_fields(Bucket(prefix, Provider.AIS))
