"""Getting one object, one archived file or one byte range. Source: spec/cli.md 5.6, spec/rest-data.md 5.3, 7.1."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import NamedTuple

from moss.cli.failures import CommandError
from moss.cli.transport import Answer, ServerError, Transport, bucket_query, path_of
from moss.naming.bucket import Bucket
from moss.wire.headers import CONTENT_LENGTH, RANGE


class Wish(NamedTuple):
    """What is to be read.

    Attributes:
        member: file inside the object, or empty.
        start, length: byte range; None for everything.
    """

    bucket: Bucket
    name: str
    member: str = ""
    start: int | None = None
    length: int | None = None

    @property
    def label(self) -> str:
        return self.bucket.cname_of(f"{self.name}/{self.member}" if self.member else self.name)


@contextmanager
def opened(transport: Transport, wish: Wish):
    """Ask for it and give the answer.

    Raises:
        CommandError: it does not exist, or the cluster says something else.
    """
    query = bucket_query(wish.bucket)
    headers = {}
    if wish.member:
        query["archpath"] = wish.member
    if wish.start is not None and wish.length is not None:
        headers[RANGE] = f"bytes={wish.start}-{wish.start + wish.length - 1}"
    try:
        answer = transport.request("GET", path_of("objects", wish.bucket.name, wish.name), query=query, headers=headers)
    except ServerError as error:
        if error.code == 404 and f'bucket "{wish.bucket}"' not in error.message:
            what = "file" if wish.member else "object"
            raise CommandError(f'{what} "{wish.label}" does not exist') from None
        raise
    with answer:
        yield answer


def copy(answer: Answer, write: Callable[[bytes], object], progress: Callable[[int], None]) -> int:
    """Copy a body; return its size in bytes.

    Raises:
        CommandError: it ended early.
    """
    expected = answer.headers.get(CONTENT_LENGTH)
    size = 0
    while data := answer.read():
        write(data)
        size += len(data)
        progress(size)
    if expected is not None and size != int(expected):
        raise CommandError(f"got {size} of {expected} bytes")
    return size
