"""Summaries of buckets: what the cluster counted, and the lines that show it. Source: spec/rest-data.md 3.8."""

from typing import Any

import msgspec

from moss.cli.formats import format_size
from moss.errors import MalformedAnswer
from moss.naming.bucket import Bucket
from moss.wire.bucket import BucketModel, NamespaceModel

__all__ = ["HEADER", "Summary", "decode_summaries", "summary_row"]

HEADER = (
    *("NAME", "OBJECTS (cached, remote)", "OBJECT SIZES (min, avg, max)", "TOTAL OBJECT SIZE (cached, remote)"),
    "USAGE(%)",
)


class _Counts(msgspec.Struct):
    present: int = msgspec.field(default=0, name="obj_count_present")
    remote: int = msgspec.field(default=0, name="obj_count_remote")


class _Sizes(msgspec.Struct):
    smallest: int = msgspec.field(default=0, name="obj_min_size")
    average: int = msgspec.field(default=0, name="obj_avg_size")
    largest: int = msgspec.field(default=0, name="obj_max_size")


class _Totals(msgspec.Struct):
    on_disk: int = msgspec.field(default=0, name="size_on_disk")
    present: int = msgspec.field(default=0, name="size_all_present_objs")
    remote: int = msgspec.field(default=0, name="size_all_remote_objs")
    disks: int = msgspec.field(default=0, name="total_disks_size")


class Summary(msgspec.Struct):
    """One bucket: counts, sizes in bytes, and the share of the disks in percent."""

    name: str = ""
    provider: str = ""
    namespace: NamespaceModel | None = None
    count: _Counts = msgspec.field(default_factory=_Counts, name="ObjCount")
    sizes: _Sizes = msgspec.field(default_factory=_Sizes, name="ObjSize")
    totals: _Totals = msgspec.field(default_factory=_Totals, name="TotalSize")
    used_percent: int = msgspec.field(default=0, name="used_pct")
    is_present: bool = False

    @property
    def bucket(self) -> Bucket | None:
        return BucketModel(self.name, self.provider, self.namespace).to_bucket()


def decode_summaries(document: Any) -> list[Summary]:
    """Read the summaries of an answer; None stands for none.

    Raises:
        MalformedAnswer: they are something else.
    """
    try:
        return msgspec.convert(document or [], list[Summary], strict=False)  # totals are decimal text
    except msgspec.ValidationError as error:
        raise MalformedAnswer(f"not a summary: {error}") from None


def summary_row(summary: Summary, units: str) -> tuple[str, ...]:
    """The cells under `HEADER`."""

    def size(number: int) -> str:
        return format_size(number, units)

    sizes = summary.sizes
    return (
        summary.bucket.cname if summary.bucket else "-",
        f"{summary.count.present} {summary.count.remote}",
        f"{size(sizes.smallest):<10} {size(sizes.average):<10} {size(sizes.largest):<10}",
        f"{size(summary.totals.present)} {size(summary.totals.remote)}",
        f"{summary.used_percent}%",
    )
