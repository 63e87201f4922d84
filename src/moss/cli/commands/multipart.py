"""`ais mpu`: one object in parts, step by step. Source: spec/cli.md 5.6, spec/rest-data.md 5.8."""

import os
import sys
import tempfile

from moss.cli.arguments import check_count, parse_object
from moss.cli.candidates import buckets, one_of, then
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import JSON, VERBOSE
from moss.cli.objects.selecting import SHOWN
from moss.cli.objects.transfers import CountedFile, Meter
from moss.cli.objects.uploads import PARTS_MAX, object_action, put_part, start_upload
from moss.cli.options import Command, Option
from moss.cli.output import printable
from moss.cli.progress import Progress

STDIN = "-"
STDIN_MEMORY_BYTES = 64 << 20


def _create(context: Context) -> None:
    check_count(context.parsed.positionals, ["BUCKET/OBJECT"], most=1)
    bucket, name = parse_object(context.parsed.positionals[0])
    upload_id = start_upload(context.transport, bucket, name)
    if context.wants_json:
        context.console.document({"bucket": bucket.cname, "object": name, "upload_id": upload_id})
        return
    context.console.result(f"Upload ID: {upload_id}")
    if context.parsed.flag("verbose"):
        where = bucket.cname_of(printable(name))
        context.console.plain_message(
            f"Next: 'ais mpu put-part {where} FILE --upload-id {upload_id} --part-number 1',\n"
            f"      'ais mpu complete {where} --upload-id {upload_id} --part-numbers 1'"
        )


def _put_part(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["BUCKET/OBJECT", "FILE"], most=2)
    bucket, name = parse_object(parsed.positionals[0])
    path = parsed.positionals[1]
    upload_id, number = _upload_id(context), parsed.number("part-number", 0)
    if not 1 <= number <= PARTS_MAX:
        found = number if parsed.given("part-number") else "none"
        raise UsageError(f"'--part-number' must be 1 to {PARTS_MAX}, got {found}")
    with tempfile.SpooledTemporaryFile(STDIN_MEMORY_BYTES) if path == STDIN else open(path, "rb") as file:
        if path == STDIN:
            import shutil

            shutil.copyfileobj(sys.stdin.buffer, file)
        size = file.seek(0, os.SEEK_END)
        with Progress(context.console.stderr, f"part {number}", verb="Sending", total=size) as progress:
            body = CountedFile(file, Meter(progress), size=size)
            put_part(context.transport, bucket, name, upload_id, number, body, size)
    where = bucket.cname_of(printable(name))
    context.console.result(f"Uploaded part {number} for {where} (upload ID: {upload_id})")


def _complete(context: Context) -> None:
    check_count(context.parsed.positionals, ["BUCKET/OBJECT"], most=1)
    bucket, name = parse_object(context.parsed.positionals[0])
    upload_id = _upload_id(context)
    numbers = _part_numbers(context.parsed.text("part-numbers") or "")
    parts = [{"part-number": number, "etag": ""} for number in numbers]
    object_action(context.transport, "POST", bucket, name, "mpt-complete", parts, {"uploadId": upload_id})
    context.console.result(f"Successfully completed multipart upload for {bucket.cname_of(printable(name))}")


def _abort(context: Context) -> None:
    check_count(context.parsed.positionals, ["BUCKET/OBJECT"], most=1)
    bucket, name = parse_object(context.parsed.positionals[0])
    upload_id = _upload_id(context)
    object_action(context.transport, "DELETE", bucket, name, "mpt-abort", None, {"uploadId": upload_id})
    where = bucket.cname_of(printable(name))
    context.console.result(f"Aborted multipart upload for {where} (upload ID: {upload_id})")


def _upload_id(context: Context) -> str:
    upload_id = context.parsed.text("upload-id")
    if not upload_id:
        raise UsageError("missing '--upload-id' (it is what 'ais mpu create' printed)")
    return upload_id


def _part_numbers(text: str) -> list[int]:
    """Numbers with commas between them; `1-5` stands for all from 1 to 5."""
    if not text:
        raise UsageError("missing '--part-numbers', as in 1,2,3 or 1-3")
    numbers: list[int] = []
    for item in text.split(","):
        first, is_range, last = item.strip().partition("-")
        if not first.isdigit() or (is_range and not last.isdigit()) or int(last or first) > PARTS_MAX:
            raise UsageError(
                f"invalid '--part-numbers' \"{item}\" (expecting numbers up to {PARTS_MAX}, as in 1,2 or 1-3)"
            )
        numbers += range(int(first), int(last or first) + 1)
    return numbers


_UPLOAD_ID = Option("upload-id", "the upload, as 'create' printed it", value="ID")

CREATE = Command(
    usage="BUCKET/OBJECT",
    summary="begin an upload in parts",
    run=_create,
    complete=buckets,
    options=(JSON, VERBOSE),
    examples=("ais mpu create ais://data/big.tar",),
)

PUT_PART = Command(
    usage="BUCKET/OBJECT FILE|-",
    summary="send one part of an upload; parts may be sent in any order and at the same time",
    run=_put_part,
    complete=then(buckets, one_of()),
    options=(
        _UPLOAD_ID,
        Option(
            "part-number", f"1 to {PARTS_MAX}; a part that is sent again replaces the first", value="N", number=True
        ),
        SHOWN[0],
        VERBOSE,
    ),
    examples=("ais mpu put-part ais://data/big.tar part-1 --upload-id ID --part-number 1",),
)

COMPLETE = Command(
    usage="BUCKET/OBJECT",
    summary="make the object of its parts",
    run=_complete,
    complete=buckets,
    options=(
        _UPLOAD_ID,
        Option("part-numbers", "the parts that were sent, as in 1,2,3 or 1-3", value="NUMBERS"),
        VERBOSE,
    ),
    examples=("ais mpu complete ais://data/big.tar --upload-id ID --part-numbers 1-3",),
)

ABORT = Command(
    usage="BUCKET/OBJECT",
    summary="forget an upload and its parts",
    run=_abort,
    complete=buckets,
    options=(_UPLOAD_ID, VERBOSE),
    examples=("ais mpu abort ais://data/big.tar --upload-id ID",),
)
