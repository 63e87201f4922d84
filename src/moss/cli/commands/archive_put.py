"""`ais archive put`: local files become members of a shard. Source: spec/cli.md 5.7, spec/rest-data.md 7.3."""

import os
import tempfile
from collections.abc import Iterator
from typing import Any

from moss.archive.formats import Format
from moss.cli.arguments import check_count, parse_object
from moss.cli.candidates import buckets, one_of, then
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import DRY_RUN, JSON, UNITS, VERBOSE, YES
from moss.cli.formats import format_count
from moss.cli.objects.announcing import announce
from moss.cli.objects.local_files import SELECTING, LocalFile, find_files, warn_of_skipped
from moss.cli.objects.pack import format_for, pack
from moss.cli.objects.selecting import ACCEPTED, SHOWN, check_exclusive
from moss.cli.objects.transfers import CountedFile, Meter, tolerate, transfer_all
from moss.cli.objects.uploads import Upload, send
from moss.cli.options import Command, Option
from moss.cli.output import printable
from moss.cli.progress import Progress
from moss.cli.transport import ServerError, bucket_query, path_of
from moss.naming.bucket import Bucket
from moss.wire import headers as names

PIECE_BYTES = 1 << 20
MEMORY_BYTES = 64 << 20
REPLACE, APPEND, APPEND_OR_PUT = "", "1", "2"
"""What happens to a shard that is there, or not there: values of `Ais-Pine`, but for the first."""


def _archive_put(context: Context) -> None:
    parsed = context.parsed
    has_names = parsed.given("list") or parsed.given("template")
    check_count(parsed.positionals, ["BUCKET/SHARD"] if has_names else ["FILE|DIRECTORY", "BUCKET/SHARD"], most=None)
    check_exclusive(parsed, ("append", "append-or-put"))
    *sources, target = parsed.positionals
    bucket, shard = parse_object(target)
    archive_format = format_for(shard, parsed.text("archmime") or "")
    mode = APPEND if parsed.flag("append") else APPEND_OR_PUT if parsed.flag("append-or-put") else REPLACE
    if parsed.flag("skip-vc") and mode != REPLACE:
        raise UsageError("'--skip-vc' works for shards that are replaced, not for those that grow")
    member = parsed.text("archpath") or ""
    found = find_files(parsed, sources, "")
    warn_of_skipped(context, found)
    if found.is_one:
        file = found.files[0]
        name = member + file.name if member.endswith("/") or not member else member
        files = [LocalFile(file.path, name, file.size)]
    else:
        folder = member.rstrip("/") + "/" if member else ""
        files = [LocalFile(file.path, folder + file.name, file.size) for file in found.files]
    shown = bucket.cname_of(printable(shard))
    if len(files) > 1 or parsed.flag("dry-run"):
        summary = f"APPEND {format_count(len(files))} files{found.how} => {shown}"
        if not announce(context, files, summary, lambda file: _line(file, shown)):
            return
    if mode == REPLACE:
        _replace(context, files, bucket, shard, archive_format)
    else:
        _append(context, files, bucket, shard, mode)
    if context.wants_json:
        members = [{"source": file.path, "member": file.name, "size": file.size} for file in files]
        context.console.document({"bucket": bucket.cname, "shard": shard, "files": members})
    elif len(files) == 1 or parsed.flag("verbose"):
        for file in files:
            context.console.result(_line(file, shown) + "\n")
    else:
        context.console.result(summary if parsed.flag("yes") else "Done")


def _line(file: LocalFile, shard: str) -> str:
    return f'APPEND {printable(file.path)} to {shard} as "{printable(file.name)}"'


def _append(context: Context, files: list[LocalFile], bucket: Bucket, shard: str, mode: str) -> None:
    """Have the cluster add the files, one behind the other: each of them changes the same object."""
    query = bucket_query(bucket) | {"archmime": context.parsed.text("archmime") or ""}
    transport = context.transport

    def put(file: LocalFile, meter: Meter) -> int:
        with open(file.path, "rb") as source:
            size = os.fstat(source.fileno()).st_size
            if not size:
                raise CommandError(f"{printable(file.path)} is empty, and clusters do not add empty files to shards")
            body: Any = CountedFile(source, meter, size=size)
            try:
                transport.request(
                    "PUT",
                    path_of("objects", bucket.name, shard),
                    query=query | {"archpath": file.name},
                    headers={names.PINE: mode, names.CONTENT_TYPE: names.OCTET_STREAM},
                    body=body,
                    length=size,
                ).close()
            except ServerError as error:
                if error.code == 404 and mode == APPEND and f'bucket "{bucket}"' not in error.message:
                    hint = "Use '--append-or-put' to make it."
                    raise CommandError(f'shard "{bucket.cname_of(shard)}" does not exist', hint) from None
                raise
        return size

    total = sum(file.size for file in files)
    outcome = transfer_all(
        files,
        put,
        label=lambda file: printable(file.path),
        workers=1,
        goes_on=context.parsed.flag("cont-on-err"),
        progress=Progress(
            context.console.stderr, "", verb="Sending", total=total, items_total=len(files), items="files"
        ),
    )
    tolerate(outcome, "APPEND", "files")


def _replace(context: Context, files: list[LocalFile], bucket: Bucket, shard: str, archive_format: Format) -> None:
    """Make the shard here and send it as one object: it is there as a whole or not at all."""
    how = Upload({"skip_vc": "true"} if context.parsed.flag("skip-vc") else {})
    with tempfile.SpooledTemporaryFile(MEMORY_BYTES) as spool:
        size = pack(spool, archive_format, ((file.name, file.size, _pieces(file.path)) for file in files))
        with Progress(context.console.stderr, printable(shard), verb="Sending", total=size) as progress:
            send(context.transport, bucket, shard, spool, size, Meter(progress), how)


def _pieces(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


ARCHIVE_PUT = Command(
    usage="FILE|DIRECTORY[/PATTERN]... BUCKET/SHARD",
    summary="make a shard of files, or add files to one",
    run=_archive_put,
    complete=then(one_of(), buckets),
    options=(
        *SELECTING,
        Option("append", "add to the shard, which must be there"),
        Option("append-or-put", "add to the shard, or make it"),
        Option("archpath", "name in the shard; with a trailing slash, or for many files, their folder", value="PATH"),
        Option("archmime", "format of the shard when its name does not say it", value="MIME"),
        Option("cont-on-err", "when files are added: go on when one fails, and tell at the end which and why"),
        Option("num-workers", "accepted: the files of one shard are added one after the other", value="N", number=True),
        Option("skip-vc", "do not load the metadata of a shard that is replaced"),
        *ACCEPTED,
        *SHOWN,
        DRY_RUN,
        UNITS,
        JSON,
        VERBOSE,
        YES,
    ),
    notes="Without '--append' and '--append-or-put' a shard of that name is replaced.",
    examples=(
        "ais archive put a.wav ais://speech/shard.tar --append-or-put",
        "ais archive put wavs/ ais://speech/shard.tar --recursive --yes",
        "ais archive put a.wav ais://speech/shard.tar --append --archpath en/a.wav",
    ),
)
