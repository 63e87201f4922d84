"""Bodies of the requests that start jobs on buckets and on groups of objects. Pure.

Source: spec/python-sdk.md 1.3 and 1.8, spec/rest-data.md 3.10 and 6.
"""

from collections.abc import Sequence
from typing import Any

from moss.sdk.bucket_model import BucketModel

__all__ = [
    "archive_value",
    "bucket_value",
    "copy_value",
    "group_value",
    "inventory_value",
    "prefetch_value",
    "transform_value",
]

Value = dict[str, Any]


def bucket_value(model: BucketModel) -> Value:
    """A bucket inside of a message; the namespace is null when there is none."""
    return {"namespace": None, **model.as_dict()}


def copy_value(
    *,
    prefix: str = "",
    prepend: str = "",
    ext: dict[str, str] | None = None,
    dry_run: bool = False,
    force: bool = False,
    latest: bool = False,
    sync: bool = False,
    num_workers: int | None = None,
    continue_on_error: bool = False,
) -> Value:
    """What to copy of a bucket, and how."""
    value: Value = {
        "prefix": prefix,
        "prepend": prepend,
        "dry_run": dry_run,
        "force": force,
        "latest-ver": latest,
        "synchronize": sync,
    }
    if ext:
        value["ext"] = ext
    if num_workers:
        value["num-workers"] = num_workers
    if continue_on_error:
        value["coer"] = True
    return value


def transform_value(etl_name: str, timeout: str, pipeline: Sequence[str] | None, **copy_options: Any) -> Value:
    """A copy through a transformation, and those behind it."""
    value = copy_value(**copy_options)
    return value | {"id": etl_name, "request_timeout": timeout, "pipeline": list(pipeline) if pipeline else None}


def group_value(selection: Value, value: Value, to_bck: BucketModel, *, continue_on_error: bool) -> Value:
    """A copy or a transformation of selected objects into a bucket."""
    return {**selection, **value, "tobck": bucket_value(to_bck), "coer": continue_on_error}


def prefetch_value(
    selection: Value,
    *,
    blob_threshold: int | None,
    num_workers: int | None,
    latest: bool,
    continue_on_error: bool,
) -> Value:
    """Objects to fetch from the bucket's cloud."""
    value = {**selection, "coer": continue_on_error, "latest-ver": latest}
    if blob_threshold is not None:
        value["blob-threshold"] = blob_threshold
    if num_workers is not None:
        value["num-workers"] = num_workers
    return value


def archive_value(
    selection: Value,
    archive_name: str,
    mime: str,
    to_bck: BucketModel,
    *,
    include_source_name: bool,
    allow_append: bool,
    continue_on_error: bool,
) -> Value:
    """Objects to put into an archive."""
    value = {
        **selection,
        "archname": archive_name,
        "isbn": include_source_name,
        "aate": allow_append,
        "coer": continue_on_error,
        "tobck": bucket_value(to_bck),
    }
    if mime:
        value["mime"] = mime
    return value


def inventory_value(name: str, prefix: str, props: str, names_per_chunk: int, force: bool) -> Value:
    """Which inventory to make; what is left to the cluster is not sent."""
    options = {"name": name, "prefix": prefix, "props": props, "names_per_chunk": names_per_chunk, "force": force}
    return {key: value for key, value in options.items() if value}
