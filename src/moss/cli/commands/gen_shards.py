"""`ais archive gen-shards`: shards of random files, to try things out. Source: spec/cli.md 5.7."""

import io
import os
import tarfile
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from moss.archive.formats import Format
from moss.cli.arguments import check_count, parse_bucket_object
from moss.cli.buckets.actions import act, find_props
from moss.cli.candidates import buckets
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import JSON, UNITS, YES
from moss.cli.formats import format_count, format_size
from moss.cli.objects.announcing import confirm
from moss.cli.objects.local_files import check_name
from moss.cli.objects.pack import format_for, pack
from moss.cli.objects.transfers import Meter, transfer_all
from moss.cli.objects.uploads import Upload, send
from moss.cli.options import Command, Option
from moss.cli.progress import Progress
from moss.errors import MossError
from moss.naming.bucket import Bucket
from moss.naming.template import parse_template

FILES = 5
FILE_BYTES = 1024
WORKERS = 10
SHARD_BYTES_MAX = 1 << 30
TAR_FORMATS = {"USTAR": tarfile.USTAR_FORMAT, "PAX": tarfile.PAX_FORMAT, "GNU": tarfile.GNU_FORMAT}


class Plan(NamedTuple):
    """What a shard holds.

    Attributes:
        files, size: files in a shard, and bytes in a file.
        extensions: every file is there once with each of them.
        names: template of the names of the files; None makes them of the name of the shard.
        tar_format: a value of `tarfile`; None takes the simplest that can hold the name.
    """

    files: int
    size: int
    extensions: tuple[str, ...]
    names: str | None
    tar_format: int | None


def _generate(context: Context) -> None:
    parsed, console = context.parsed, context.console
    check_count(parsed.positionals, ["BUCKET/TEMPLATE.EXT"], most=1)
    bucket, text = parse_bucket_object(parsed.positionals[0])
    if not text:
        raise UsageError(f'missing a template of names, as in "{bucket.cname_of("shard-{000..099}.tar")}"')
    archive_format = format_for(text)
    shards = _names(text, "template")
    plan = _plan(context, archive_format)
    _prepare(context, bucket)
    total = len(shards) * plan.files * plan.size * len(plan.extensions)
    transport = context.transport

    def make(name: str, meter: Meter) -> int:
        out = io.BytesIO()
        if plan.tar_format is None:
            pack(out, archive_format, _entries(name, plan))
        else:
            _write_tar(out, name, plan)
        send(transport, bucket, name, out, out.tell(), meter, Upload())
        return out.tell()

    outcome = transfer_all(
        shards,
        make,
        label=str,
        workers=parsed.number("num-workers", WORKERS),
        goes_on=False,
        progress=Progress(
            console.stderr, "created", verb="Shards", total=total, items_total=len(shards), items="shards"
        ),
    )
    if context.wants_json:
        console.document({"bucket": bucket.cname, "shards": shards, "size": outcome.size})
        return
    shown = format_size(outcome.size, context.units)
    console.result(f"Shards created: {format_count(outcome.done)}/{format_count(len(shards))} in {bucket} ({shown})")


def _names(text: str, what: str) -> list[str]:
    try:
        template = parse_template(text)
        names = [text] if template.is_prefix else list(template.expand())
    except MossError as error:
        raise UsageError(f"invalid {what}: {error.message}") from None
    for name in names:
        check_name(name)
    return names


def _plan(context: Context, archive_format: Format) -> Plan:
    parsed = context.parsed
    count, size = parsed.number("fcount", FILES), context.size("fsize", FILE_BYTES)
    if count < 1:
        raise UsageError(f"'--fcount' must be 1 or more, got {count}")
    extensions = tuple(ext if ext.startswith(".") else f".{ext}" for ext in (parsed.text("fext") or ".test").split(","))
    if count * size * len(extensions) > SHARD_BYTES_MAX:
        raise UsageError(
            f"a shard would have more than {format_size(SHARD_BYTES_MAX)}: smaller '--fcount' or '--fsize'"
        )
    word = parsed.text("tform") or ""
    if word and archive_format is not Format.TAR:
        raise UsageError(f"'--tform' is for .tar shards, not for {archive_format.value}")
    names = parsed.text("output-template")
    if names is not None and len(list(islice(_file_names("", names, count), count))) < count:
        raise UsageError(f"'--output-template' gives fewer than {count} names")
    return Plan(count, size, extensions, names, TAR_FORMATS.get(word))


def _prepare(context: Context, bucket: Bucket) -> None:
    """Make the bucket when it is not there; with `--cleanup` begin with an empty one."""
    there = find_props(context.transport, bucket) is not None
    if there and context.parsed.flag("cleanup"):
        question = f"Proceed to destroy {bucket} with all its objects?"
        confirm(context, question, f"{bucket} would be destroyed (use '--yes' to go on)")
        act(context.transport, "DELETE", bucket, "destroy-bck")
        there = False
    if not there:
        act(context.transport, "POST", bucket, "create-bck")


def _file_names(shard: str, template: str | None, count: int) -> Iterator[str]:
    if template is None:
        stem = shard.rpartition("/")[2].partition(".")[0]
        return (f"{stem}-{number:0{len(str(count))}d}" for number in range(1, count + 1))
    try:
        return parse_template(template).iterate()
    except MossError as error:
        raise UsageError(f"'--output-template': {error.message}") from None


def _entries(shard: str, plan: Plan) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    for stem in islice(_file_names(shard, plan.names, plan.files), plan.files):
        for extension in plan.extensions:
            # A template that gives whole names is not given another ending.
            name = stem if plan.names and os.path.splitext(stem)[1] else stem + extension
            yield name, plan.size, iter([os.urandom(plan.size)] if plan.size else [])


def _write_tar(out: io.BytesIO, shard: str, plan: Plan) -> None:
    with tarfile.open(fileobj=out, mode="w", format=plan.tar_format) as tar:
        for name, size, pieces in _entries(shard, plan):
            info = tarfile.TarInfo(name)
            info.size = size
            tar.addfile(info, io.BytesIO(b"".join(pieces)))


GENERATE = Command(
    usage="BUCKET/TEMPLATE.EXT",
    summary="make shards of random files, to try things out",
    run=_generate,
    complete=buckets,
    options=(
        Option("fcount", f"files in each shard ({FILES})", value="N", number=True),
        Option("fsize", f"size of each file ({FILE_BYTES})", value="SIZE"),
        Option("fext", "extensions, comma-separated: every file is there with each of them (.test)", value="NAMES"),
        Option("tform", f"kind of TAR: {', '.join(TAR_FORMATS)}", value="NAME", choices=tuple(TAR_FORMATS)),
        Option("output-template", "names of the files in a shard, by template", value="TEMPLATE"),
        Option("num-workers", f"shards made at the same time ({WORKERS})", value="N", number=True),
        Option("cleanup", "destroy the bucket and make it anew first"),
        YES,
        UNITS,
        JSON,
    ),
    examples=(
        "ais archive gen-shards 'ais://try/shard-{000..099}.tar'",
        "ais archive gen-shards 'ais://try/shard-{0..9}.tgz' --fcount 100 --fsize 10KiB --fext .wav,.txt",
    ),
)
