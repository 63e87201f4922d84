"""Jobs that the cluster lists apart from the others: downloads, sorts, transformations. Source: spec/cli.md 5.8.3."""

from typing import Any

from moss.cli.cluster.calls import ask
from moss.cli.formats import UNSET, format_count, format_time, parse_timestamp
from moss.cli.jobs.snapshots import bucket_name
from moss.cli.output import printable
from moss.cli.transport import ServerError, Transport
from moss.sdk.bucket_model import BucketModel
from moss.sdk.namespace import Namespace

DOWNLOAD_ID, SORT_ID = "dnl-", "srt-"
_EPOCH = "1970-01-01T00:00:00Z"

Rows = list[list[str]]


def fetch_downloads(transport: Transport, *, active_only: bool, pattern: str = "") -> list[dict[str, Any]]:
    """All downloads, or those whose description matches."""
    message = {"id": "", "regex": pattern, "only_active_tasks": active_only}
    return _listed(transport, "download", message=message)


def fetch_download(transport: Transport, job_id: str) -> dict[str, Any]:
    """One download with its objects."""
    return ask(transport, "download", message={"id": job_id, "regex": "", "only_active_tasks": False})


def fetch_sorts(transport: Transport, *, active_only: bool, pattern: str = "") -> list[dict[str, Any]]:
    """All sorts, or those whose description matches."""
    query = {"regex": pattern} | ({"only_active": "true"} if active_only else {})
    return _listed(transport, "sort", query=query)


def fetch_etls(transport: Transport) -> list[dict[str, Any]]:
    """All transformations."""
    return _listed(transport, "etl")


def _listed(transport: Transport, *items: str, **request: Any) -> list[dict[str, Any]]:
    try:
        return ask(transport, *items, **request) or []
    except ServerError as error:
        if error.code in (404, 501):  # a cluster without them has none
            return []
        raise


def download_status(download: dict[str, Any]) -> str:
    """`Finished`, `Aborted`, or how far it is."""
    if download.get("aborted"):
        return "Aborted"
    done, total = int(download.get("finished_cnt", 0)), int(download.get("total", 0))
    if is_download_over(download):
        return "Finished"
    return f"{format_count(done)}/{format_count(total)} files" if total else f"{format_count(done)} files"


def is_download_over(download: dict[str, Any]) -> bool:
    """Whether a download ended, in whatever way; an end in 1970 means that it runs."""
    return bool(download.get("aborted")) or download.get("finished_time", _EPOCH) not in (_EPOCH, "")


def download_rows(downloads: list[dict[str, Any]]) -> Rows:
    """`JOB ID XACTION STATUS ERRORS DESCRIPTION`, the latest start last."""
    rows = [["JOB ID", "XACTION", "STATUS", "ERRORS", "DESCRIPTION"]]
    for one in sorted(downloads, key=lambda found: found.get("started_time", "")):
        errors = int(one.get("error_cnt", 0))
        description = printable(one.get("description") or UNSET)
        rows.append([one["id"], one.get("xaction_id") or UNSET, download_status(one), _count(errors), description])
    return rows


def is_sort_over(sort: dict[str, Any]) -> bool:
    """Whether a sort ended, in whatever way."""
    metrics = sort.get("Metrics") or {}
    return bool(
        sort.get("aborted") or sort.get("archived") or metrics.get("aborted")
        or (metrics.get("shard_creation") or {}).get("finished")
    )  # fmt: skip


def sort_status(sort: dict[str, Any]) -> str:
    """`Running`, `Finished` or `Aborted`."""
    if sort.get("aborted") or (sort.get("Metrics") or {}).get("aborted"):
        return "Aborted"
    return "Finished" if is_sort_over(sort) else "Running"


def sort_rows(sorts: list[dict[str, Any]], *, with_date: bool = False) -> Rows:
    """`JOB ID STATUS START FINISH "SRC BUCKET" "DST BUCKET" "SRC SHARDS"`."""
    rows = [["JOB ID", "STATUS", "START", "FINISH", "SRC BUCKET", "DST BUCKET", "SRC SHARDS"]]
    for one in sorts:
        times = [moment_text(one.get(key), with_date=with_date) for key in ("started_time", "finish_time")]
        extraction = (one.get("Metrics") or {}).get("local_extraction") or {}
        shards = int(extraction.get("extracted_count") or one.get("loc-objs") or 0)
        buckets = [_bucket(one.get(key)) for key in ("src-bck", "dst-bck")]
        rows.append([one["id"], sort_status(one), *times, *buckets, _count(shards)])
    return rows


def etl_rows(etls: list[dict[str, Any]]) -> Rows:
    """`NAME STAGE XACTION OBJECTS`, by name."""
    rows = [["NAME", "STAGE", "XACTION", "OBJECTS"]]
    for one in sorted(etls, key=etl_name):
        count = int(one.get("obj_count", 0))
        rows.append([etl_name(one), one.get("stage") or UNSET, one.get("xaction_id") or UNSET, _count(count)])
    return rows


def etl_name(etl: dict[str, Any]) -> str:
    """The name of a transformation; older clusters call it its id."""
    return str(etl.get("name") or etl.get("id") or "")


def moment_text(text: str | None, *, with_date: bool = False) -> str:
    """A time of the wire as it is shown; `-` when it is absent or unset."""
    return format_time(parse_timestamp(text or ""), with_date=with_date)


def _count(number: int) -> str:
    return format_count(number) if number else UNSET


def _bucket(document: dict[str, Any] | None) -> str:
    if not document or not document.get("name"):
        return UNSET
    space = document.get("namespace") or {}
    namespace = Namespace(space.get("uuid", ""), space.get("name", ""))
    return bucket_name(BucketModel(document["name"], document.get("provider", ""), namespace))
