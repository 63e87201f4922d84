"""`ais object put`: files, folders, patterns and standard input as objects. Source: spec/cli.md 5.6."""

import os
import sys
from typing import IO, Any

from moss.cli.arguments import check_count, parse_bucket_object
from moss.cli.candidates import buckets, one_of, then
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import DRY_RUN, JSON, UNITS, VERBOSE, YES
from moss.cli.formats import format_count
from moss.cli.objects.announcing import announce
from moss.cli.objects.local_files import SELECTING, Found, LocalFile, check_name, find_files, warn_of_skipped
from moss.cli.objects.selecting import ACCEPTED, SHOWN
from moss.cli.objects.transfers import RETRIES_MAX, Meter, tolerate, transfer_all, with_retries
from moss.cli.objects.uploads import Upload, send
from moss.cli.options import Command, Option, Parsed
from moss.cli.output import printable
from moss.cli.progress import Progress
from moss.cli.transport import ServerError
from moss.naming.bucket import Bucket
from moss.wire import headers as names

STDIN = "-"
WORKERS = 10
STDIN_MEMORY_BYTES = 64 << 20
CHECKSUMS = ("crc32c", "md5", "sha256", "sha512", "xxhash", "xxhash2")


def _put(context: Context) -> None:
    parsed = context.parsed
    has_names = parsed.given("list") or parsed.given("template")
    check_count(parsed.positionals, ["BUCKET"] if has_names else ["FILE|DIRECTORY", "BUCKET"], most=None)
    *sources, target = parsed.positionals
    bucket, name = parse_bucket_object(target)
    if parsed.flag("append"):
        from moss.cli.commands.concat import concat

        concat(context, sources, bucket, name)
        return
    if sources == [STDIN]:
        _put_stdin(context, bucket, name)
        return
    found = find_files(parsed, sources, name)
    warn_of_skipped(context, found)
    if found.is_one:
        _put_one(context, found.files[0], bucket)
        return
    if name and not name.endswith("/"):
        context.console.warn(
            f"'{name}' does not end with '/': names will begin with it, as in \"{found.files[0].name}\""
        )
    _put_many(context, found, bucket, name)


class Sender:
    """Sends files as the options say.

    Args:
        is_one: there is one file only.

    Raises:
        UsageError: options that do not go together.
        CommandError: the bucket does not exist, or the cluster cannot be reached.
    """

    def __init__(self, context: Context, bucket: Bucket, *, is_one: bool) -> None:
        parsed = context.parsed
        self._bucket = bucket
        self._transport = context.transport
        self._retries = parsed.number("retries", 1)
        if not 0 <= self._retries <= RETRIES_MAX:
            raise UsageError(f"'--retries' must be 0 to {RETRIES_MAX}, got {self._retries}")
        headers = _given_checksum(parsed, is_one=is_one)
        computes = parsed.flag("compute-checksum")
        chunk_bytes = context.size("chunk-size")
        if chunk_bytes and (headers or computes):
            raise UsageError("checksums are those of whole objects: they exclude '--chunk-size'")
        self._how = Upload({"skip_vc": "true"} if parsed.flag("skip-vc") else {}, headers, chunk_bytes)
        self._kind = _kind_of_bucket(context, bucket) if computes else "none"

    def __call__(self, file: LocalFile, meter: Meter) -> int:
        """Send a file; return its size."""
        with open(file.path, "rb") as source:
            # The size of this moment, not that of the search: a file may have grown.
            size = os.fstat(source.fileno()).st_size
            self.send(source, size, os.path.abspath(file.path), file.name, meter)
        return size

    def send(self, source: IO[bytes], size: int, path: str, name: str, meter: Meter) -> None:
        """Send what is in an open file.

        Args:
            path: what it is called when it fails.
        """
        how = self._how
        if self._kind != "none":
            how = Upload(how.query, _checksum(self._kind, _digest(source, self._kind)))
        try:
            with_retries(
                lambda: send(self._transport, self._bucket, name, source, size, meter, how), self._retries, meter.pause
            )
        except CommandError as error:
            hints = error.hints
            if isinstance(error, ServerError) and f'bucket "{self._bucket}" does not exist' in error.message:
                hints = (f"Create it with 'ais bucket create {self._bucket}'.",)
            where = f"{path} => {self._bucket.cname_of(printable(name))}"
            raise CommandError(f"failed to PUT {where}: {error}", *hints) from None


def _given_checksum(parsed: Parsed, *, is_one: bool) -> dict[str, str]:
    """Header fields of the checksum that the user gave, none without one."""
    given = [kind for kind in CHECKSUMS if parsed.given(kind)]
    if not given:
        return {}
    if len(given) > 1:
        raise UsageError(f"flags '--{given[0]}' and '--{given[1]}' are mutually exclusive")
    if not is_one:
        raise UsageError(f"'--{given[0]}' is the checksum of one file (for many use '--compute-checksum')")
    return _checksum(given[0], parsed.text(given[0]) or "")


def _checksum(kind: str, value: str) -> dict[str, str]:
    return {names.CHECKSUM_TYPE: kind, names.CHECKSUM_VALUE: value}


def _kind_of_bucket(context: Context, bucket: Bucket) -> str:
    """The type of the checksums of a bucket."""
    from moss.cli.buckets.actions import fetch_props

    return (fetch_props(context.transport, bucket).get("checksum") or {}).get("type") or "none"


def _digest(file: IO[bytes], kind: str) -> str:
    from moss.hashing import make_hasher

    hasher = make_hasher(kind)
    file.seek(0)
    while piece := file.read(1 << 20):
        hasher.update(piece)
    return hasher.hexdigest()


def _put_stdin(context: Context, bucket: Bucket, name: str) -> None:
    import shutil
    import tempfile

    if not name or name.endswith("/"):
        raise UsageError("missing destination object name - required when writing directly from standard input")
    check_name(name)
    if context.parsed.flag("dry-run"):
        context.console.result(f"[DRY RUN] PUT (standard input) => {bucket.cname_of(printable(name))}\n")
        return
    sender = Sender(context, bucket, is_one=True)
    # The request may be redirected and then has to be sent again, which a pipe cannot do.
    with tempfile.SpooledTemporaryFile(max_size=STDIN_MEMORY_BYTES) as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool, 1 << 20)
        size = spool.tell()
        with Progress(context.console.stderr, printable(name), verb="Sending", total=size) as progress:
            sender.send(spool, size, "(standard input)", name, Meter(progress))
    _report_one(context, "(standard input)", bucket, name, size)


def _put_one(context: Context, file: LocalFile, bucket: Bucket) -> None:
    shown = f'"{os.path.abspath(file.path)}"'
    if context.parsed.flag("dry-run"):
        context.console.result(f"[DRY RUN] PUT {shown} => {bucket.cname_of(printable(file.name))}\n")
        return
    with Progress(context.console.stderr, printable(file.path), verb="Sending", total=file.size) as progress:
        Sender(context, bucket, is_one=True)(file, Meter(progress))
    _report_one(context, shown, bucket, file.name, file.size)


def _report_one(context: Context, source: str, bucket: Bucket, name: str, size: int) -> None:
    if context.wants_json:
        context.console.document({"bucket": bucket.cname, "object": name, "source": source.strip('"'), "size": size})
        return
    context.console.result(f"PUT {source} => {bucket.cname_of(printable(name))}\n")


def _put_many(context: Context, found: Found, bucket: Bucket, prefix: str) -> None:
    parsed, console, files = context.parsed, context.console, found.files
    summary = f"PUT {format_count(len(files))} files{found.how} => {bucket.cname_of(prefix) if prefix else bucket}"
    if not announce(
        context, files, summary, lambda file: f"PUT {file.path} -> {bucket.cname_of(printable(file.name))}"
    ):
        if context.wants_json:
            console.document(_document(files, bucket, sum(file.size for file in files)))
        return
    total = sum(file.size for file in files)
    outcome = transfer_all(
        files,
        Sender(context, bucket, is_one=False),
        label=lambda file: f"{printable(file.path)} => {bucket.cname_of(printable(file.name))}",
        workers=parsed.number("num-workers", WORKERS),
        goes_on=parsed.flag("cont-on-err"),
        progress=Progress(console.stderr, "", verb="Sending", total=total, items_total=len(files), items="files"),
    )
    tolerate(outcome, "PUT", "files")
    if context.wants_json:
        console.document(_document(files, bucket, outcome.size))
        return
    if parsed.flag("verbose"):
        for file in files:
            console.result(f"PUT {printable(file.path)} => {bucket.cname_of(printable(file.name))}")
    console.result(summary if parsed.flag("yes") else "Done")


def _document(files: list[LocalFile], bucket: Bucket, size: int) -> dict[str, Any]:
    rows = [{"source": file.path, "object": file.name, "size": file.size} for file in files]
    return {"bucket": bucket.cname, "size": size, "files": rows}


PUT = Command(
    usage="FILE|DIRECTORY[/PATTERN]|-... BUCKET[/OBJECT_or_PREFIX]",
    summary="put a file, the files of a folder or pattern, or standard input",
    run=_put,
    complete=then(one_of(), buckets),
    options=(
        *SELECTING,
        Option("append", "add the content of the files to the end of one object"),
        Option("cont-on-err", "go on when a file fails, and tell at the end which and why"),
        Option("retries", f"tries after a failure of the network or the server (1, at most {RETRIES_MAX})", value="N",
               number=True),
        Option("num-workers", f"files sent at the same time ({WORKERS}); -1 for one", value="N", number=True),
        Option("chunk-size", "send larger files in parts of this size, some at a time", value="SIZE"),
        Option("compute-checksum", "compute checksums here, for the cluster to compare with what arrives"),
        *(Option(kind, f"{kind} checksum of the one file, for the cluster to compare with", value="HEX")
          for kind in CHECKSUMS),
        Option("skip-vc", "do not load the metadata of objects that are replaced"),
        *ACCEPTED,
        *SHOWN,
        DRY_RUN,
        UNITS,
        JSON,
        VERBOSE,
        YES,
    ),
    examples=(
        "ais put a.wav ais://speech/en/a.wav",
        "ais put wavs/ ais://speech/en/ --recursive --yes",
        "ais put 'wavs/*.wav' ais://speech --yes",
        "ais put wavs/ ais://speech/en/ --template 'utt-{000..099}.wav'",
        "tar c folder | ais put - ais://data/shard.tar",
    ),
)  # fmt: skip
