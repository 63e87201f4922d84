"""`ais object concat`: the content of many files, one behind the other, at the end of one object.

Source: spec/cli.md 5.6. The object changes when everything has arrived, by the last step of the append protocol.
"""

from collections.abc import Sequence

from moss.cli.arguments import check_count, parse_bucket_object
from moss.cli.candidates import buckets, one_of, then
from moss.cli.connection import explained
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import JSON, UNITS
from moss.cli.formats import format_size
from moss.cli.objects.fetch import Wish
from moss.cli.objects.local_files import check_name, find_files
from moss.cli.objects.names import sdk_object
from moss.cli.objects.selecting import SHOWN
from moss.cli.options import Command, Option
from moss.cli.output import printable
from moss.cli.progress import Progress
from moss.cli.transport import ServerError, bucket_query
from moss.errors import MossError
from moss.naming.bucket import Bucket

PIECE_BYTES = 1 << 20


def _concat(context: Context) -> None:
    positionals = context.parsed.positionals
    check_count(positionals, ["FILE|DIRECTORY", "BUCKET/OBJECT"], most=None)
    bucket, name = parse_bucket_object(positionals[-1])
    concat(context, positionals[:-1], bucket, name)


def concat(context: Context, sources: Sequence[str], bucket: Bucket, name: str) -> None:
    """Append files to an object, which is made when it is not there.

    Raises:
        UsageError: no object name, or standard input among the files.
        CommandError: a file or the bucket does not exist; the object has not changed.
    """
    if not name or name.endswith("/"):
        raise UsageError(f'missing destination object name in "{bucket.cname_of(name)}"')
    check_name(name)
    if "-" in sources:
        raise UsageError("standard input cannot be appended: write it to a file, or put it as an object")
    files = [file for source in sources for file in find_files(context.parsed, [source], "").files]
    total = sum(file.size for file in files)
    was_there = _exists(context, bucket, name)
    label = printable(bucket.cname_of(name))
    try:
        with (
            Progress(context.console.stderr, label, verb="Appending to", total=total) as progress,
            sdk_object(context, bucket, name).get_writer().as_file("a") as target,
        ):
            sent = 0
            for file in files:
                with open(file.path, "rb") as source:
                    while piece := source.read(PIECE_BYTES):
                        target.write(piece)
                        sent += len(piece)
                        progress(sent)
    except MossError as error:
        raise CommandError(f"failed to append to {label}: {explained(error, context.settings.url)}") from None
    if context.wants_json:
        document = {"bucket": bucket.cname, "object": name, "size": sent, "appended": was_there}
        context.console.document(document | {"files": [file.path for file in files]})
        return
    shown = format_size(sent, context.units)
    context.console.result(f"\nAppended {shown} to {label}" if was_there else f"\nCreated {label} (size {shown})")


def _exists(context: Context, bucket: Bucket, name: str) -> bool:
    wish = Wish(bucket, name)
    try:
        context.transport.request("HEAD", wish.path, query=bucket_query(bucket)).close()
    except ServerError as error:
        if error.code != 404:
            raise
        return False
    return True


CONCAT = Command(
    usage="FILE|DIRECTORY... BUCKET/OBJECT",
    summary="add the content of files to the end of an object",
    run=_concat,
    complete=then(one_of(), buckets),
    options=(
        Option("recursive", "with a folder: also the files of its folders", aliases=("r",)),
        *SHOWN,
        UNITS,
        JSON,
    ),
    examples=("ais object concat part-1 part-2 ais://data/whole", "ais object concat logs/ ais://data/log -r"),
)
