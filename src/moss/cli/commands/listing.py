"""`ais ls`: buckets, objects, files in shards, the properties of an object. Source: spec/cli.md 5.5."""

from moss.cli.arguments import check_count
from moss.cli.buckets.bucket_table import print_buckets, print_summaries
from moss.cli.buckets.object_filter import check_flags
from moss.cli.buckets.object_listing import parse_wanted, print_objects
from moss.cli.buckets.object_table import PROPS
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import REFRESHING, REGEX, TABLE
from moss.cli.listing import complete_buckets
from moss.cli.objects import properties
from moss.cli.options import Command, Option
from moss.cli.refresh import repeat
from moss.errors import MossError
from moss.naming.bucket import Bucket
from moss.naming.uri import UriQuery, parse_query_uri

_IN_CLUSTER = "2"


def _list(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=1)
    text = context.parsed.positionals[0] if context.parsed.positionals else ""
    try:
        query = parse_query_uri(text)
    except MossError as error:
        raise UsageError(error.message) from None
    check_flags(context.parsed)
    repeat(context, lambda: _show(context, query))


def _list_archive(context: Context) -> None:
    """`ais archive ls`: the same, and always with the files in shards."""
    check_count(context.parsed.positionals, ["BUCKET[/SHARD]"], most=1)
    context.parsed.values["archive"] = True
    _list(context)


def _show(context: Context, query: UriQuery) -> None:
    if context.parsed.flag("summary"):
        print_summaries(context, query)
    elif query.bucket is None:
        print_buckets(context, query)
    else:
        _show_bucket(context, query.bucket, query.object_name)


def _show_bucket(context: Context, bucket: Bucket, name: str) -> None:
    parsed = context.parsed
    wanted = parse_wanted(context, bucket, name)
    if name and not name.endswith("/") and not parsed.given("regex"):
        if parsed.flag("archive"):
            is_shard = properties.find_object(context, bucket, name, ("name",)) is not None
            wanted = wanted.of_one_shard(name) if is_shard else wanted
        elif _show_object(context, bucket, name):
            return
    print_objects(context, wanted, name)


def _show_object(context: Context, bucket: Bucket, name: str) -> bool:
    """Show an object's properties when there is one of that name."""
    only_here = context.parsed.flag("check-cached")
    query = {"presence": _IN_CLUSTER} if only_here else {}
    found = properties.find_object(context, bucket, name, properties.PROPS, **query)
    if only_here:
        is_here = found is not None and found.present
        if context.wants_json:
            context.console.document({"name": name, "cached": is_here})
        else:
            context.console.result(f"{bucket.cname_of(name)}: {'in the cluster' if is_here else 'not in the cluster'}")
        return True
    if found is None:
        return False
    properties.show_properties(context, bucket, name, found, properties.wanted_props(context, bucket))
    return True


_OPTIONS = (
    Option("prefix", "only names that start with this", value="PREFIX"),
    Option("template", "only names of this template, or with this prefix", value="TEMPLATE"),
    REGEX,
    Option("show-unmatched", "with '--regex' or '--template': show the other names too"),
    Option("props", f"columns: {', '.join(PROPS)}", value="NAMES"),
    Option("name-only", "names only: fastest"),
    Option("count-only", "print the number of names"),
    Option("nr", "one level only, folders first", aliases=("non-recursive",)),
    Option("no-dirs", "leave folders out"),
    Option("chunked", "only objects that are stored in parts"),
    Option("limit", "at most so many names", value="N", number=True),
    Option("page-size", "names asked for at once", value="N", number=True),
    Option("paged", "show each page as soon as it is there"),
    Option("max-pages", "with '--paged': at most so many pages", value="N", number=True),
    Option("start-after", "only names behind this one", value="NAME"),
    Option("cached", "of a remote bucket: only what is in the cluster"),
    Option("not-cached", "of a remote bucket: only what is not in the cluster"),
    Option("check-cached", "tell whether an object is in the cluster"),
    Option("diff", "of a remote bucket: show what differs from the cloud"),
    Option("all", "also misplaced objects and replicas; also buckets that only a cloud has"),
    Option("skip-lookup", "do not look a remote bucket up first"),
    Option("dont-add", "do not add a remote bucket to the cluster"),
    Option("inventory", "list from the inventory of a remote bucket"),
    Option("inv-name", "name of the inventory", value="NAME"),
    Option("silent", "no footers, no progress"),
    Option("no-footers", "leave the footer out", aliases=("F",)),
    Option("encode-objname", "accepted for compatibility: names are always sent encoded"),
    *REFRESHING,
    *TABLE,
)

LIST = Command(
    usage="[PROVIDER|BUCKET[/PREFIX_or_OBJECT]]",
    summary="list buckets, objects, or files in shards",
    run=_list,
    complete=complete_buckets,
    options=(
        *_OPTIONS,
        Option("archive", "list the files in shards too"),
        Option("summary", "number and size of the objects of buckets"),
        Option("dont-wait", "with '--summary': do not wait for it"),
    ),
    examples=(
        "ais ls",
        "ais ls s3: --all",
        "ais ls ais://speech/en/",
        "ais ls ais://speech --props size,checksum --json",
        "ais ls ais://shards/train-0001.tar --archive",
        "ais ls ais://speech --regex 'utt-0[12]' --count-only",
    ),
)

LIST_ARCHIVE = Command(
    usage="BUCKET[/SHARD]",
    summary="list shards and the files in them",
    run=_list_archive,
    complete=complete_buckets,
    options=_OPTIONS,
    examples=("ais archive ls ais://shards/train-0001.tar",),
)
