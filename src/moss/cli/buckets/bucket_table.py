"""Tables of buckets: what there is, and with `--summary` how much is in it. Source: spec/cli.md 5.5."""

import re
from collections.abc import Sequence
from typing import Any

from moss.cli.buckets.counting import count_objects
from moss.cli.buckets.summaries import Summary, decode_summaries
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.formats import format_size
from moss.cli.listing import list_buckets
from moss.naming.bucket import Bucket
from moss.naming.uri import UriQuery

__all__ = ["print_buckets", "print_summaries"]

_SUMMARY_HEADER = ("NAME", "PRESENT", "OBJECTS", "SIZE (apparent, objects, remote)", "USAGE(%)")


def print_buckets(context: Context, query: UriQuery) -> None:
    """The buckets of a provider and a namespace, or all; without `--all` only those that the cluster has."""
    wants_all = context.parsed.flag("all")
    present = _find(context, query, present=True)
    buckets = _find(context, query, present=False) if wants_all else present
    if context.wants_json:
        here = set(present)
        context.console.document([_fields(bucket) | ({"present": bucket in here} if wants_all else {})
                                  for bucket in buckets])  # fmt: skip
        return
    if not buckets:
        _say_none(context, query)
        return
    shows_footer = not context.parsed.flag("no-footers") and not context.parsed.flag("silent")
    for provider in dict.fromkeys(bucket.provider for bucket in buckets):
        of_provider = [bucket for bucket in buckets if bucket.provider is provider]
        there = {bucket for bucket in present if bucket.provider is provider}
        context.show([("NAME", "PRESENT"), *((b.cname, "yes" if b in there else "no") for b in of_provider)])
        if shows_footer:
            count = f"{len(of_provider)}" + (f" ({len(there)} present)" if wants_all else "")
            context.console.result(f"Total: [{provider.display_name} buckets: {count}] ========\n")


def _find(context: Context, query: UriQuery, *, present: bool) -> list[Bucket]:
    namespace = "@" if query.any_cluster else "" if query.namespace.is_global else query.namespace.uname
    provider = query.provider.value if query.provider else ""
    found = list_buckets(
        context.transport, provider, present=present, **({"namespace": namespace} if namespace else {})
    )  # fmt: skip
    try:
        pattern = re.compile(context.parsed.text("regex") or "")
    except re.error as error:
        raise UsageError(f"invalid regular expression: {error}") from None
    return [bucket for bucket in found if pattern.search(bucket.name)]


def _say_none(context: Context, query: UriQuery) -> None:
    kind = f"{query.provider.display_name} buckets" if query.provider else "buckets"
    matching = " matching" if context.parsed.given("regex") else ""
    context.console.result(f"No{matching} {kind} in the cluster.")
    if query.provider and query.provider.is_cloud and not context.parsed.flag("all"):
        context.console.note("use '--all' to list buckets that are in the cloud only")


def _fields(bucket: Bucket) -> dict[str, Any]:
    namespace = {"uuid": bucket.namespace.uuid, "name": bucket.namespace.name}
    return {"name": bucket.name, "provider": bucket.provider.value, "namespace": namespace}


def print_summaries(context: Context, query: UriQuery) -> None:
    """Buckets with the number and size of their objects, and totals below."""
    found = count_objects(context, query, present=not context.parsed.flag("all"))
    if found is None:
        return
    summaries = decode_summaries(found)
    if not summaries and not context.wants_json:
        _say_none(context, query)
        return
    context.show([_SUMMARY_HEADER, *(_row(context, summary) for summary in summaries)], found)
    if not (context.wants_json or context.parsed.flag("no-footers") or context.parsed.flag("silent")):
        context.console.result(_totals(context, summaries))


def _row(context: Context, summary: Summary) -> tuple[str, ...]:
    totals, units = summary.totals, context.units
    sizes = (totals.on_disk, totals.present, totals.remote)
    return (
        summary.bucket.cname if summary.bucket else "-",
        "yes",
        f"{summary.count.present} {summary.count.remote}",
        " ".join(format_size(size, units) for size in sizes),
        f"{summary.used_percent}%",
    )


def _totals(context: Context, summaries: Sequence[Summary]) -> str:
    present, remote = (sum(getattr(s.count, name) for s in summaries) for name in ("present", "remote"))
    apparent, objects, far = (
        format_size(sum(getattr(s.totals, name) for s in summaries), context.units)
        for name in ("on_disk", "present", "remote")
    )
    used = sum(summary.used_percent for summary in summaries)
    return (
        f"Total: [buckets: {len(summaries)}, objects: {present:,} (remote: {remote:,}), apparent size: {apparent}, "
        f"objects size: {objects}, remote size: {far}, usage: {used}%] ========\n"
    )
