"""Reading positionals that name buckets and objects, for the commands outside `ais ml`."""

from collections.abc import Sequence

from moss.cli.failures import UsageError
from moss.errors import MossError
from moss.naming.bucket import Bucket, validate_object_name
from moss.naming.uri import parse_uri


def parse_bucket(text: str) -> Bucket:
    """A bucket without an object name.

    Raises:
        UsageError: it does not parse, or names an object too.
    """
    bucket, name = parse_bucket_object(text)
    if name:
        raise UsageError(f'expecting a bucket, got "{text}"')
    return bucket


def parse_object(text: str) -> tuple[Bucket, str]:
    """A bucket and an object name.

    Raises:
        UsageError: it does not parse, or the object name is missing or invalid.
    """
    bucket, name = parse_bucket_object(text)
    if not name:
        raise UsageError(f'missing object name in "{text}"')
    try:
        validate_object_name(name)
    except MossError as error:
        raise UsageError(error.message) from None
    return bucket, name


def parse_bucket_object(text: str) -> tuple[Bucket, str]:
    """A bucket and an object name or prefix, which may be empty.

    Raises:
        UsageError: it does not parse.
    """
    try:
        return parse_uri(text)
    except MossError as error:
        raise UsageError(error.message) from None


def check_count(positionals: Sequence[str], names: Sequence[str], *, most: int | None) -> None:
    """Check the number of positionals.

    Args:
        names: what must be there, for the message.
        most: how many are allowed; None for any number.

    Raises:
        UsageError: too few or too many.
    """
    if len(positionals) < len(names):
        raise UsageError(f'missing "{names[len(positionals)]}" argument')
    if most is not None and len(positionals) > most:
        raise UsageError(f'unexpected argument "{positionals[most]}"')
