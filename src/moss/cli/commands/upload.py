"""`ais object put`: files, folders, globs and standard input as objects. Source: spec/cli.md 5.6."""

import glob
import os
import shutil
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

from moss.cli.arguments import check_count, parse_bucket_object
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.listing import complete_buckets
from moss.cli.options import Command, Option
from moss.cli.output import format_size, printable, table
from moss.cli.transport import bucket_query, path_of
from moss.errors import MossError
from moss.naming.bucket import Bucket, validate_object_name
from moss.wire.headers import CONTENT_TYPE, OCTET_STREAM

WORKERS = 10
DRY_RUN_NAMES = 10
STDIN_MEMORY_BYTES = 64 << 20


class Upload(NamedTuple):
    """One file and the object that it becomes."""

    path: str
    name: str
    size: int


def _put(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["FILE|DIRECTORY[/PATTERN]|-", "BUCKET[/OBJECT_or_PREFIX]"], most=2)
    source, target = parsed.positionals
    bucket, name = parse_bucket_object(target)
    if source == "-":
        _put_stdin(context, bucket, name)
    elif os.path.isdir(source):
        _put_many(context, source, _files_of_folder(context, source, name), bucket, name)
    elif os.path.exists(source):
        _put_file(context, source, bucket, name)
    elif any(c in source for c in "*?["):
        files = sorted(path for path in glob.glob(source) if os.path.isfile(path))
        uploads = [Upload(path, name + os.path.basename(path), os.path.getsize(path)) for path in files]
        _put_many(context, source, uploads, bucket, name)
    else:
        raise CommandError(f'"{source}" is not a directory and does not appear to be a filename-matching pattern')


def _put_stdin(context: Context, bucket: Bucket, name: str) -> None:
    if not name or name.endswith("/"):
        raise UsageError("missing destination object name - required when writing directly from standard input")
    _check_name(name)
    # The request may be redirected and then has to be sent again, which a pipe cannot do.
    with tempfile.SpooledTemporaryFile(max_size=STDIN_MEMORY_BYTES) as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool, 1 << 20)
        size = spool.tell()
        _send(context, bucket, name, spool, size)
    context.console.result(f"PUT (standard input) => {bucket.cname_of(printable(name))}\n")


def _put_file(context: Context, source: str, bucket: Bucket, name: str) -> None:
    if not name:
        name = os.path.basename(source)
    elif name.endswith("/"):
        name += os.path.normpath(source) if not os.path.isabs(source) else os.path.basename(source)
    _check_name(name)
    line = f'PUT "{os.path.abspath(source)}" => {bucket.cname_of(printable(name))}\n'
    if context.parsed.flag("dry-run"):
        context.console.result(f"[DRY RUN] {line}")
        return
    _send_file(context, bucket, Upload(source, name, os.path.getsize(source)))
    context.console.result(line)


def _files_of_folder(context: Context, folder: str, prefix: str) -> list[Upload]:
    found = []
    keep = os.path.basename(os.path.abspath(folder)) + "/" if context.parsed.flag("include-src-dir") else ""
    for top, folders, files in os.walk(folder):
        folders.sort()
        if not context.parsed.flag("recursive"):
            folders.clear()
        for file in sorted(files):
            path = os.path.join(top, file)
            if os.path.isfile(path):
                relative = Path(os.path.relpath(path, folder)).as_posix()
                found.append(Upload(path, prefix + keep + relative, os.path.getsize(path)))
    return found


def _put_many(context: Context, source: str, uploads: list[Upload], bucket: Bucket, prefix: str) -> None:
    parsed, console = context.parsed, context.console
    if not uploads:
        raise CommandError(f'no files in "{source}"')
    for upload in uploads:
        _check_name(upload.name)
    how = ""
    if os.path.isdir(source):
        how = f" (one directory, {'recursively' if parsed.flag('recursive') else 'non-recursive'})"
    summary = f"PUT {len(uploads)} files{how} => {bucket.cname_of(prefix) if prefix else bucket}"
    dry = parsed.flag("dry-run")
    if dry:
        console.result("[DRY RUN] with no modifications to the cluster")
    console.result("Files to upload:")
    console.result(_extensions(uploads, parsed.text("units") or "iec"))
    if dry:
        console.result(f"[DRY RUN] {summary}")
        for upload in uploads[:DRY_RUN_NAMES]:
            console.result(f"PUT {upload.path} -> {bucket.cname_of(printable(upload.name))}")
        if len(uploads) > DRY_RUN_NAMES:
            console.result(f"(and {len(uploads) - DRY_RUN_NAMES} more)")
        return
    asked = not parsed.flag("yes")
    if asked:
        console.confirm(f"{summary}?", unanswered=f"{len(uploads)} files to put (use '--yes' to go on)")
    failed = _send_all(context, bucket, uploads)
    if failed:
        raise CommandError(f"failed to PUT {failed} of {len(uploads)} files")
    console.result("Done" if asked else summary)


def _extensions(uploads: list[Upload], units: str) -> str:
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for upload in uploads:
        extension = os.path.splitext(upload.path)[1]
        counts[extension] += 1
        sizes[extension] += upload.size
    rows = [("EXTENSION", "COUNT", "SIZE")]
    rows += [(ext, str(counts[ext]), format_size(sizes[ext], units)) for ext in sorted(counts)]
    rows.append(("TOTAL", str(counts.total()), format_size(sizes.total(), units)))
    return table(rows)


def _send_all(context: Context, bucket: Bucket, uploads: list[Upload]) -> int:
    """Put all files, some at a time; return how many failed."""
    workers = context.parsed.number("num-workers", WORKERS)
    tolerate = context.parsed.flag("cont-on-err")
    transport = context.transport
    del transport  # made before the threads start
    failed = 0
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        futures = [pool.submit(_send_file, context, bucket, upload) for upload in uploads]
        for future in futures:
            try:
                future.result()
            except (CommandError, OSError) as error:
                failed += 1
                if not tolerate:
                    pool.shutdown(cancel_futures=True)
                    raise
                context.console.error(str(error))
    return failed


def _send_file(context: Context, bucket: Bucket, upload: Upload) -> None:
    with open(upload.path, "rb") as file:
        try:
            _send(context, bucket, upload.name, file, upload.size)
        except CommandError as error:
            where = f"{os.path.abspath(upload.path)} => {bucket.cname_of(upload.name)}"
            raise CommandError(f"failed to PUT {where}: {error}", *error.hints) from None


def _send(context: Context, bucket: Bucket, name: str, file: IO[bytes], size: int) -> None:
    path = path_of("objects", bucket.name, name)
    headers = {CONTENT_TYPE: OCTET_STREAM}
    query = bucket_query(bucket)
    context.transport.request("PUT", path, query=query, headers=headers, body=file, length=size).close()


def _check_name(name: str) -> None:
    try:
        validate_object_name(name)
    except MossError as error:
        raise UsageError(error.message) from None


PUT = Command(
    usage="FILE|DIRECTORY[/PATTERN]|- BUCKET[/OBJECT_or_PREFIX]",
    summary="put a file, the files of a folder or pattern, or standard input",
    run=_put,
    complete=complete_buckets,
    options=(
        Option("recursive", "with a folder: also the files of its folders", aliases=("r",)),
        Option("include-src-dir", "with a folder: begin the names with its own"),
        Option("dry-run", "show what would be put"),
        Option("cont-on-err", "go on when a file fails"),
        Option("num-workers", "files sent at the same time; -1 for one", value="N", number=True),
        Option("units", "units of sizes: iec, si or raw", value="UNITS"),
        Option("yes", "do not ask", aliases=("y",)),
    ),
    examples=(
        "ais put a.wav ais://speech/en/a.wav",
        "ais put wavs/ ais://speech/en/ --recursive --yes",
        "ais put 'wavs/*.wav' ais://speech --yes",
        "tar c folder | ais put - ais://data/shard.tar",
    ),
)
