"""`ais download`: the cluster fetches from the internet, or from the Hugging Face hub, into a bucket.

Source: spec/rest-control.md 12, spec/python-sdk.md 8.
"""

import json
from collections.abc import Sequence
from typing import Any

from moss.cli.arguments import check_count, parse_bucket_object
from moss.cli.candidates import buckets, one_of, then
from moss.cli.cluster.calls import call
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import JSON, QUIET, REFRESH, WAITING
from moss.cli.formats import format_count
from moss.cli.objects.selecting import check_exclusive
from moss.cli.options import Command, Option
from moss.cli.waiting import monitor_hint, wants_to_wait
from moss.errors import NotFound
from moss.naming.bucket import Bucket

CLOUDS = {"gs": "https://storage.googleapis.com/{bucket}/{name}", "s3": "https://{bucket}.s3.amazonaws.com/{name}"}
"""Where public objects of clouds are when they are read without an account."""

Message = dict[str, Any]


def _download(context: Context) -> None:
    parsed = context.parsed
    check_exclusive(parsed, ("hf-model", "hf-dataset"), ("hf-file", "object-list"), ("sync", "object-list"))
    is_hub = parsed.given("hf-model") or parsed.given("hf-dataset")
    check_count(parsed.positionals, ["DESTINATION"] if is_hub else ["SOURCE", "DESTINATION"], most=1 if is_hub else 2)
    bucket, name = parse_bucket_object(parsed.positionals[-1])
    if is_hub:
        messages = _of_hub(context, name)
    else:
        for option in ("hf-file", "hf-revision", "hf-auth", "blob-threshold"):
            if parsed.given(option):
                raise UsageError(f"'--{option}' needs '--hf-model' or '--hf-dataset'")
        messages = [_of_source(context, parsed.positionals[0], bucket, name)]
    what = (parsed.text("hf-model") or parsed.text("hf-dataset")) if is_hub else parsed.positionals[0]
    common = _common(context, bucket) | {"description": parsed.text("description") or f"{what} -> {bucket}"}
    jobs = [_start(context, common | message | _headers(common, message)) for message in messages]
    _report(context, jobs)


def _headers(*messages: Message) -> Message:
    """The header fields of all of them."""
    headers = {key: value for message in messages for key, value in message.get("headers", {}).items()}
    return {"headers": headers} if headers else {}


def _start(context: Context, message: Message) -> str:
    answer = call(context.transport, "POST", "download", message=message)
    try:
        return str(json.loads(answer)["id"])
    except (ValueError, TypeError, KeyError):
        raise CommandError("the cluster started a download and did not tell its id") from None


def _report(context: Context, jobs: Sequence[str]) -> None:
    """Say what was started, and stay until its end when the user asked for that."""
    console, is_quiet = context.console, context.parsed.flag("non-verbose")
    if not wants_to_wait(context):
        if context.wants_json:
            console.document({"jobs": list(jobs)})
            return
        for job_id in jobs:
            console.result(job_id if is_quiet else f"Started download[{job_id}]. {monitor_hint(job_id)}")
        return
    from moss.cli.jobs.downloads import wait_for_download

    ends = []
    for job_id in jobs:
        if not (is_quiet or context.wants_json):
            console.result(f"Started download[{job_id}] ...")
        found = wait_for_download(context, job_id)
        ends.append(found)
        if not (is_quiet or context.wants_json):
            skipped = int(found.get("skipped_cnt", 0))
            there = f" ({format_count(skipped)} there already)" if skipped else ""
            count = int(found.get("finished_cnt", 0))
            console.result(f"Done: {format_count(count)} file{'s' if count != 1 else ''}{there}.")
    if context.wants_json:
        console.document({"jobs": ends})


def _common(context: Context, bucket: Bucket) -> Message:
    """What every message says."""
    parsed = context.parsed
    space = bucket.namespace
    limits = {
        "connections": parsed.number("max-conns", 0),
        "bytes_per_hour": context.size("limit-bytes-per-hour"),
    }
    message: Message = {
        "bucket": {
            "name": bucket.name,
            "provider": bucket.provider.value,
            "namespace": {"uuid": space.uuid, "name": space.name},
        },
        "timeout": parsed.text("download-timeout") or "",
        "progress_interval": parsed.text("progress-interval") or "",
        "limits": limits,
    }
    headers = {}
    if text := parsed.text("header"):
        key, is_header, value = text.partition(":")
        if not is_header or not key.strip():
            raise UsageError(f"invalid '--header' \"{text}\" (expecting 'Name: value')")
        headers[key.strip()] = [value.strip()]
    return message | ({"headers": headers} if headers else {})


def _of_source(context: Context, source: str, bucket: Bucket, name: str) -> Message:
    """One link, a range of links, a list of links below one, or objects of the bucket's own cloud."""
    if "://" not in source:
        source = f"https://{source}"
    scheme, _, rest = source.partition("://")
    if scheme in CLOUDS:
        cloud_bucket, _, cloud_name = rest.partition("/")
        if bucket.is_cloud and bucket.name == cloud_bucket and bucket.provider.scheme == scheme:
            return {"type": "backend", "prefix": cloud_name, "suffix": "", "synchronize": context.parsed.flag("sync")}
        source = CLOUDS[scheme].format(bucket=cloud_bucket, name=cloud_name)
    elif scheme not in ("http", "https"):
        raise UsageError(f'unsupported source "{source}" (expecting http://, https://, gs:// or s3://)')
    if context.parsed.flag("sync"):
        raise UsageError("'--sync' is for downloads of a cloud bucket into itself")
    if context.parsed.given("object-list"):
        return _of_list(context, source, name)
    if "{" in source and "}" in source:
        if name and not name.endswith("/"):
            raise UsageError(f"several files cannot all be named \"{name}\" (end it with '/' for a folder)")
        return {"type": "range", "template": source, "subdir": name.rstrip("/")}
    base = source.partition("?")[0].rstrip("/").rpartition("/")[2]
    return {"type": "single", "link": source, "object_name": name + base if not name or name.endswith("/") else name}


def _of_list(context: Context, source: str, name: str) -> Message:
    """`--object-list`: a JSON file with names below the source, or with names of objects and their paths there."""
    path = context.parsed.text("object-list") or ""
    try:
        with open(path, "rb") as file:
            listed = json.load(file)
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}") from None
    pairs = listed if isinstance(listed, dict) else {item: item for item in listed} if _is_list(listed) else {}
    if not pairs or not _is_list(list(pairs.values())):
        raise UsageError(f"{path}: expecting a JSON list of names, or an object of names and paths")
    if name and not name.endswith("/"):
        raise UsageError(f"several files cannot all be named \"{name}\" (end it with '/' for a folder)")
    below = source.rstrip("/")
    return {"type": "multi", "objects": {name + key: _link(below, item) for key, item in pairs.items()}}


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _link(below: str, item: str) -> str:
    return item if "://" in item else f"{below}/{item.lstrip('/')}"


def _of_hub(context: Context, folder: str) -> list[Message]:
    """A file of the Hugging Face hub, or all files of a repository; large files get jobs of their own."""
    from moss.sdk.hugging_face import HUB, HubFile, Repository, fetch_files, messages_for

    parsed = context.parsed
    if parsed.given("object-list") or parsed.flag("sync"):
        raise UsageError("'--object-list' and '--sync' are not for repositories of the Hugging Face hub")
    is_model = parsed.given("hf-model")
    repository = Repository(
        "models" if is_model else "datasets",
        (parsed.text("hf-model") if is_model else parsed.text("hf-dataset")) or "",
        parsed.text("hf-revision") or "main",
        (context.environ.get("HF_ENDPOINT") or HUB).rstrip("/"),
        parsed.text("hf-auth") or context.environ.get("HF_TOKEN", ""),
    )
    if file := parsed.text("hf-file"):
        object_name = folder + file if not folder or folder.endswith("/") else folder
        return [messages_for(repository, [HubFile(file, 0)])[0] | {"objects": {object_name: repository.link(file)}}]
    if folder and not folder.endswith("/"):
        raise UsageError(f"a repository has many files: they cannot all be named \"{folder}\" (end it with '/')")
    try:
        files = fetch_files(repository)
    except NotFound as error:
        raise CommandError(error.message, "For what is private use '--hf-auth' or set HF_TOKEN.") from None
    return messages_for(repository, files, folder, context.size("blob-threshold"))


DOWNLOAD = Command(
    usage="SOURCE DESTINATION",
    summary="have the cluster download from the internet, or from the Hugging Face hub, into a bucket",
    run=_download,
    complete=then(one_of(), buckets),
    options=(
        Option("object-list", "JSON file with the names of many files below SOURCE", value="FILE", aliases=("from",)),
        Option("description", "what the job is called in lists", value="TEXT", aliases=("desc",)),
        Option("max-conns", "connections of each target at the same time", value="N", number=True,
               aliases=("limit-connections", "conns")),
        Option("limit-bytes-per-hour", "at most so much in an hour", value="SIZE", aliases=("limit-bph", "bph")),
        Option("download-timeout", "give a file up after so long", value="DURATION"),
        Option("progress-interval", "how often the targets report", value="DURATION"),
        Option("header", "send this with every request, as in 'Name: value'", value="HEADER"),
        Option("sync", "of a cloud bucket: also remove what is gone there"),
        Option("hf-model", "download a model of the Hugging Face hub, as in openai/whisper-tiny", value="NAME"),
        Option("hf-dataset", "download a data set of the hub", value="NAME"),
        Option("hf-file", "one file of the model or data set; all of them without it", value="PATH"),
        Option("hf-revision", "branch, tag or commit (main)", value="NAME"),
        Option("hf-auth", "token for the hub (HF_TOKEN)", value="TOKEN"),
        Option("blob-threshold", "files of the hub from this size on get jobs of their own", value="SIZE"),
        *WAITING,
        REFRESH,
        JSON,
        QUIET,
    ),
    notes="The bucket is made when it is not there. SOURCE is a link, a template of links, gs://… or s3://…",
    examples=(
        "ais download https://example.org/data.tar ais://data",
        "ais download 'https://example.org/shard-{000..099}.tar' ais://data/shards/ --progress",
        "ais download --hf-model openai/whisper-tiny ais://models/whisper/ --wait",
    ),
)  # fmt: skip
