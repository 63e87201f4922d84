"""Reading positionals that name buckets and objects, for the commands outside `ais ml`."""

import re
from collections.abc import Callable, Sequence

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


def parse_pairs(
    words: Sequence[str], *, expected: str = "KEY=VALUE", rest_of_line: Callable[[str], bool] = lambda key: False
) -> list[tuple[str, str]]:
    """Read `KEY=VALUE...`, `KEY VALUE` and `KEY = VALUE`; a value may be empty only behind `=`.

    Args:
        expected: the form of a pair, for the message.
        rest_of_line: whether all further words belong to the value of a key.

    Raises:
        UsageError: a word without a value.
    """
    found: list[tuple[str, str]] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        key, sign, value = word.partition("=")
        if not sign and queue and "=" not in queue[0][1:]:  # `KEY VALUE`, `KEY = VALUE`, `KEY =VALUE`
            sign, value = "=", queue.pop(0).removeprefix("=")
            if not value and queue:
                value = queue.pop(0)
        if not (sign and key.strip()):
            raise UsageError(f'missing value in "{word}" (expecting {expected})')
        if rest_of_line(key):
            value, queue = " ".join([value, *queue]), []
        found.append((key.strip(), value))
    return found


def parse_pattern(text: str, option: str = "regex", *, ignore_case: bool = False) -> re.Pattern[str]:
    """Compile the regular expression of an option.

    Raises:
        UsageError: it is malformed.
    """
    try:
        return re.compile(text, re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise UsageError(f"'--{option}': invalid regular expression \"{text}\": {error}") from None


def list_items(value: str, warn: Callable[[str], None]) -> list[str]:
    """The names of a `--list`: commas between them, blanks around them ignored.

    Raises:
        UsageError: there is none.
    """
    items = [item.strip() for item in value.split(",")]
    names = [item for item in items if item]
    if not names:
        raise UsageError("option '--list' is empty: expecting comma-separated object names")
    if len(names) < len(items):
        warn(f"ignoring {len(items) - len(names)} empty name(s) in '--list'")
    return names
