"""`ais nbi`: inventories of remote buckets. Source: spec/cli.md 5.9."""

from moss.cli.arguments import check_count, parse_bucket, parse_bucket_object
from moss.cli.candidates import buckets
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import JSON, NO_HEADERS, QUIET, UNITS, WAITING
from moss.cli.formats import UNSET, format_count, format_size, format_time
from moss.cli.listing import list_buckets
from moss.cli.options import Command, Option
from moss.cli.waiting import follow
from moss.naming.bucket import Bucket
from moss.sdk.errors import AISError
from moss.sdk.info_types import NBIInfo
from moss.sdk.namespace import Namespace

_PROPS_NAME, _PROPS = "name", "name,size,cached"


def _handle(context: Context, bucket: Bucket):
    space = bucket.namespace
    namespace = None if space.is_global else Namespace(space.uuid, space.name)
    return context.client.bucket(bucket.name, bucket.provider.value, namespace)


def _create(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["BUCKET"], most=1)
    bucket, prefix = parse_bucket_object(parsed.positionals[0])
    if prefix and parsed.given("prefix"):
        raise UsageError(f"prefix given twice: \"{prefix}\" and '--prefix'")
    job_id = _handle(context, bucket).create_inventory(
        name=parsed.text("inv-name") or "",
        prefix=parsed.text("prefix") or prefix,
        props=_PROPS_NAME if parsed.flag("name-only") else _PROPS,
        names_per_chunk=parsed.number("names-per-chunk", 0),
        force=parsed.flag("force"),
    )
    name = f"create-inventory[{job_id}]"
    started = f"Started {name} of {bucket}"
    follow(context, job_id, kind="create-inventory", started=started, finished=f"{name} finished")


def _remove(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, ["BUCKET"], most=1)
    bucket = parse_bucket(parsed.positionals[0])
    name = parsed.text("inv-name") or ""
    if not name and not parsed.flag("all"):
        found = _handle(context, bucket).show_inventory()
        if not found:
            context.console.result(f"{bucket} has no inventories, nothing to do")
            return
        names = ", ".join(sorted(info.name for info in found.values()))
        if len(found) > 1:
            raise UsageError(f"{bucket} has {len(found)} inventories ({names}): expecting '--inv-name' or '--all'")
    _handle(context, bucket).destroy_inventory(name)
    which = f'Inventory "{name}"' if name else "All inventories"
    context.console.result(f"{which} of {bucket} removed")


def _show(context: Context) -> None:
    parsed = context.parsed
    check_count(parsed.positionals, [], most=1)
    name = parsed.text("inv-name") or ""
    if parsed.positionals:
        chosen = [parse_bucket(parsed.positionals[0])]
    else:
        chosen = [one for one in list_buckets(context.transport) if one.provider.is_cloud or one.namespace.is_remote]
    found: list[tuple[Bucket, NBIInfo]] = []
    for bucket in chosen:
        try:
            infos = _handle(context, bucket).show_inventory(name)
        except AISError as error:
            if error.status_code != 404 or parsed.positionals:
                raise
            continue
        found += [(bucket, info) for _, info in sorted(infos.items())]
    if not found and not context.wants_json:
        where = f" of {chosen[0]}" if parsed.positionals else ""
        context.console.result(f"No inventories{where} (make one with 'ais nbi create').")
        return
    rows = [["BUCKET", "NAME", "SIZE", "OBJECTS", "STARTED", "FINISHED", "PREFIX"]]
    rows += [_row(bucket, info, context.units) for bucket, info in found]
    context.show(rows, [info for _, info in found])


def _row(bucket: Bucket, info: NBIInfo, units: str) -> list[str]:
    times = [format_time((moment or 0) / 1e9, with_date=True) for moment in (info.started, info.finished)]
    count = format_count(info.ntotal) if info.ntotal else UNSET
    return [str(bucket), info.name, format_size(info.size, units), count, *times, info.prefix or UNSET]


_NAME = Option("inv-name", "name of the inventory", value="NAME")

CREATE = Command(
    usage="BUCKET[/PREFIX]",
    summary="make an inventory of a remote bucket, to list from instead of the cloud",
    run=_create,
    complete=buckets,
    options=(
        _NAME,
        Option("prefix", "only objects whose names begin with it", value="PREFIX"),
        Option("name-only", "keep names only"),
        Option("names-per-chunk", "size of its parts, in names", value="N", number=True),
        Option("force", "even if the bucket has an inventory", aliases=("f",)),
        *WAITING,
        QUIET,
    ),
    examples=("ais nbi create s3://speech --inv-name monday --wait",),
)
REMOVE = Command(
    usage="BUCKET",
    summary="remove inventories",
    run=_remove,
    complete=buckets,
    options=(_NAME, Option("all", "all of the bucket")),
    examples=("ais nbi rm s3://speech --inv-name monday",),
)
SHOW = Command(
    usage="[BUCKET]",
    summary="show inventories",
    run=_show,
    complete=buckets,
    options=(_NAME, UNITS, JSON, NO_HEADERS),
    examples=("ais nbi show", "ais show nbi s3://speech"),
)
