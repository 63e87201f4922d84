"""URIs of buckets and objects, and the place where an object name turns into a path inside a shard.

Pure. Source: spec/cli.md 1.2, 1.10 (E5, E13), 5.1.
"""

from dataclasses import dataclass

from moss.errors import InvalidName, InvalidProvider
from moss.naming.bucket import (
    GLOBAL,
    Bucket,
    Namespace,
    Provider,
    parse_namespace,
    parse_provider,
    validate_bucket_name,
)
from moss.units import quote

__all__ = ["ARCHIVE_EXTENSIONS", "UriQuery", "is_uri", "parse_query_uri", "parse_uri", "split_archive_path"]

ARCHIVE_EXTENSIONS = (".tar", ".tgz", ".tar.gz", ".zip", ".tar.lz4")
"""In the order in which `split_archive_path` tries them."""

_SEPARATOR = "://"


@dataclass(frozen=True, slots=True)
class UriQuery:
    """What a URI says when not all of it need be there; empty parts select everything.

    Attributes:
        provider: None when the text names none.
        namespace: as written; with `any_cluster` it is global and means nothing.
        any_cluster: the text was `ais://@`, all attached clusters.
        bucket_name: may be empty.
        object_name: may be empty.
    """

    provider: Provider | None = None
    namespace: Namespace = GLOBAL
    any_cluster: bool = False
    bucket_name: str = ""
    object_name: str = ""

    @property
    def bucket(self) -> Bucket | None:
        """The bucket, when the query names one; without provider it is an `ais` bucket."""
        if not self.bucket_name:
            return None
        return Bucket(self.bucket_name, self.provider or Provider.AIS, self.namespace)


def is_uri(text: str) -> bool:
    """Tell whether a command-line word is meant as a URI (and must then parse as one) rather than as a local path."""
    return ":/" in text


def parse_uri(text: str) -> tuple[Bucket, str]:
    """Parse `provider://[@uuid#namespace/]bucket[/object]`; the object name is verbatim and may be empty.

    Raises:
        InvalidProvider: `backend provider cannot be empty (did you mean "ais://b"?)`, or an unknown provider.
        InvalidName: no bucket name, or an invalid one; an invalid namespace.
    """
    word, separator, rest = text.partition(_SEPARATOR)
    if not separator:
        _refuse_without_provider(text)
    # Before "://" an empty word is no default provider.
    provider = parse_provider(word) if word else None
    if provider is None:
        raise InvalidProvider(f'backend provider cannot be empty (did you mean "ais://{rest}"?)')
    namespace, name, object_name = _split_path(rest)
    try:
        validate_bucket_name(name)
    except InvalidName as error:
        raise InvalidName(error.message.replace("bucket name is", f"bucket name in {quote(text)} is", 1)) from None
    return Bucket(name, provider, namespace), object_name


def parse_query_uri(text: str) -> UriQuery:
    """Parse a URI of which any part may be missing: ``, `s3`, `gs:`, `ais://`, `ais://@`, `ais://#ns`, `ais://b/o`.

    A bare word is a provider when it is one, otherwise it is refused.

    Raises:
        InvalidProvider, InvalidName: as `parse_uri`.
    """
    word, separator, rest = text.partition(_SEPARATOR)
    if not separator:
        if not text:
            return UriQuery()
        bare = text.removesuffix(":")
        try:
            return UriQuery(parse_provider(bare))
        except InvalidProvider:
            _refuse_without_provider(text)
    provider = parse_provider(word) if word else None
    if rest.rstrip("/") == "@":
        return UriQuery(provider, any_cluster=True)
    namespace, name, object_name = _split_path(rest)
    if name:
        validate_bucket_name(name)
    return UriQuery(provider, namespace, False, name, object_name)


def _split_path(path: str) -> tuple[Namespace, str, str]:
    """Split `[@uuid#ns/]bucket[/object]`."""
    namespace = GLOBAL
    if path.startswith(("@", "#")):
        prefix, _, path = path.partition("/")
        namespace = parse_namespace(prefix)
    name, _, object_name = path.partition("/")
    return namespace, name, object_name


def _refuse_without_provider(text: str) -> None:
    word, _, rest = text.partition(":/")
    try:
        provider = parse_provider(word) if rest and word else None
    except InvalidProvider:
        provider = None
    if provider is not None:
        raise InvalidName(
            f"bucket name in {quote(text)} is invalid: may only contain letters, numbers, dashes (-), underscores (_), "
            f'and dots (.) (did you mean "{word}://{rest.lstrip("/")}"?)'
        )
    raise InvalidProvider(f'backend provider cannot be empty (did you mean "ais://{text}"?)')


def split_archive_path(name: str) -> tuple[str, str]:
    """Split a name behind its archive into object name and member path: `data/s.tar/a/b` → (`data/s.tar`, `a/b`).

    The member path is empty when the name leads through no archive. Extensions are tried in the order of
    `ARCHIVE_EXTENSIONS`, each at its first occurrence before a slash, hence `a.tgz/b.tar/c` → (`a.tgz/b.tar`, `c`).
    """
    for extension in ARCHIVE_EXTENSIONS:
        at = name.find(extension + "/")
        if at >= 0:
            end = at + len(extension)
            return name[:end], name[end + 1 :]
    return name, ""
