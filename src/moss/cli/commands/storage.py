"""`ais storage`: cleanup, validation, mountpaths. Source: spec/cli.md 5.9."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import to_builtins

from moss.cli.arguments import check_count, parse_bucket, parse_bucket_object
from moss.cli.candidates import buckets, nodes
from moss.cli.cluster.calls import act, call
from moss.cli.cluster.map import fetch_map, find_node
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import JSON, NO_HEADERS, QUIET, WAITING
from moss.cli.formats import UNSET, format_count
from moss.cli.listing import list_buckets, list_objects
from moss.cli.options import Command, Option
from moss.cli.progress import Progress
from moss.cli.waiting import follow
from moss.naming.bucket import Bucket
from moss.wire.bucket import BucketModel
from moss.wire.object import EntryFlag, ListFlag, ObjectEntry

# -- cleanup ----------------------------------------------------------------------------------------


def _cleanup(context: Context) -> None:
    words = context.parsed.positionals
    models = [to_builtins(BucketModel.of(parse_bucket(word.rstrip("/")))) for word in words]
    value = {
        "Kind": "cleanup-store",
        "Bck": models[0] if len(models) == 1 else None,
        "Buckets": models if len(models) > 1 else None,
        "Force": context.parsed.flag("force"),
    }
    query = {"frc": "true"} if context.parsed.flag("force") else None
    job_id = act(context.transport, "start", value=value, query=query)
    name = f"cleanup-store[{job_id}]"
    follow(context, job_id, kind="cleanup-store", started=f"Started {name}", finished=f"{name} finished")


# -- validation -------------------------------------------------------------------------------------


class _Check(NamedTuple):
    """One column of the report: what is counted."""

    header: str
    applies: Callable[[ObjectEntry], bool]


def _status(entry: ObjectEntry) -> int:
    return entry.flags & EntryFlag.STATUS_MASK


_MISPLACED_NODE, _MISPLACED_MOUNTPATH, _COPY_WITHOUT_MAIN = 1, 2, 4


def _validate(context: Context) -> None:
    small, large = context.size("small-size", 0), context.size("large-size", 5 << 30)
    if small >= large:
        raise UsageError(f"'--small-size' ({small}) must be less than '--large-size' ({large})")
    words = context.parsed.positionals
    chosen = [parse_bucket_object(word) for word in words]
    if not chosen:
        chosen = [(bucket, "") for bucket in list_buckets(context.transport)]
    rows: list[list[str]] = []
    counts: list[dict[str, str | int]] = []
    for bucket, prefix in chosen:
        checks = _checks(bucket, small, large, latest=context.parsed.flag("latest"))
        found = _count(context, bucket, prefix, checks, latest=context.parsed.flag("latest"))
        name = bucket.cname_of(prefix) if prefix else bucket.cname
        rows = rows or [["BUCKET", "OBJECTS", *(check.header for check in checks)]]
        rows.append([name, *(format_count(number) if number else UNSET for number in found)])
        keys = ["objects", *(check.header.lower() for check in checks)]
        counts.append({"bucket": name, **dict(zip(keys, found, strict=True))})
    if not rows and not context.wants_json:
        context.console.result("No buckets in the cluster.")
        return
    context.show(rows, counts)


def _checks(bucket: Bucket, small: int, large: int, *, latest: bool) -> list[_Check]:
    is_remote = bucket.provider.is_cloud or bucket.namespace.is_remote
    return [
        _Check("NOT-CACHED", lambda entry: is_remote and not entry.flags & EntryFlag.CACHED),
        _Check("MISPLACED(cluster)", lambda entry: _status(entry) == _MISPLACED_NODE),
        _Check("MISPLACED(mountpath)", lambda entry: _status(entry) == _MISPLACED_MOUNTPATH),
        _Check("MISSING-COPIES", lambda entry: _status(entry) == _COPY_WITHOUT_MAIN),
        _Check("SMALL", lambda entry: entry.size <= small),
        _Check("LARGE", lambda entry: entry.size >= large),
        _Check("VER-CHANGED", lambda entry: latest and bool(entry.flags & EntryFlag.VERSION_CHANGED)),
        _Check("DELETED", lambda entry: latest and bool(entry.flags & EntryFlag.VERSION_REMOVED)),
    ]


def _count(context: Context, bucket: Bucket, prefix: str, checks: list[_Check], *, latest: bool) -> list[int]:
    """Objects in all, and how many of them each check applies to."""
    counts = [0] * (len(checks) + 1)
    flags = ListFlag.MISSING | (ListFlag.DIFF if latest else 0)
    show = not context.parsed.flag("non-verbose")
    entries = list_objects(context.transport, bucket, prefix=prefix, props="name,size,status,copies", flags=flags)
    with Progress(context.console.stderr, str(bucket), verb="Validating", enabled=show) as progress:
        for number, entry in enumerate(entries, 1):
            counts[0] = number
            for at, check in enumerate(checks, 1):
                counts[at] += check.applies(entry)
            progress(0, number)
    return counts


# -- mountpaths -------------------------------------------------------------------------------------


def _mountpath(action: str, method: str, done: str) -> Callable[[Context], None]:
    """What runs a change of mountpaths, `TARGET_ID=MOUNTPATH` or `TARGET_ID MOUNTPATH` each."""

    def run(context: Context) -> None:
        query = {"dntres": "true"} if context.parsed.flag("no-resilver") else {}
        if label := context.parsed.text("label"):
            query["mountpath_label"] = label
        known = fetch_map(context.transport)
        for word, path in _pairs(context.parsed.positionals):
            node = find_node(known, word)
            if node.daemon_id not in known.tmap:
                raise UsageError(f"{word} is not a target")
            message = {"action": action, "name": "", "value": path}
            items = ("reverse", "daemon", "mountpaths")
            call(context.transport, method, *items, query=query, message=message, node=node.daemon_id)
            context.console.result(f"t[{node.daemon_id}]: mountpath {path} {done}")

    return run


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    check_count(words, ["TARGET_ID=MOUNTPATH"], most=None)
    if len(words) == 2 and "=" not in words[0]:
        return [(words[0], words[1])]
    pairs = [word.partition("=") for word in words]
    for (node, equals, path), word in zip(pairs, words, strict=True):
        if not (node and equals and path):
            raise UsageError(f'expecting TARGET_ID=MOUNTPATH, got "{word}"')
    return [(node, path) for node, _, path in pairs]


_NO_RESILVER = Option("no-resilver", "do not redistribute objects between mountpaths then")
_LABEL = Option("label", "name of what the mountpath is on", value="LABEL")


def _mountpath_command(summary: str, action: str, method: str, done: str, *options: Option) -> Command:
    return Command(
        usage="TARGET_ID=MOUNTPATH [TARGET_ID=MOUNTPATH...]",
        summary=summary,
        run=_mountpath(action, method, done),
        complete=nodes,
        options=options,
        examples=(f"ais storage mountpath {action.removesuffix('-mp')} t[QkxWVZGJR]=/mnt/data2",),
    )


CLEANUP = Command(
    usage="[BUCKET...]",
    summary="remove what is not needed any more: deleted objects, abandoned work files",
    run=_cleanup,
    complete=buckets,
    options=(*WAITING, QUIET, Option("force", "even when the cluster is busy moving objects", aliases=("f",))),
    examples=("ais storage cleanup", "ais space-cleanup ais://tmp --wait"),
)
VALIDATE = Command(
    usage="[BUCKET[/PREFIX]...]",
    summary="check where objects are, and how many are misplaced, lack copies, are small or large",
    run=_validate,
    complete=buckets,
    options=(
        Option("small-size", "count objects up to this size as small (default 0)", value="SIZE"),
        Option("large-size", "count objects from this size on as large (default 5GiB)", value="SIZE"),
        Option("latest", "compare with the versions in the cloud"),
        QUIET,
        JSON,
        NO_HEADERS,
    ),
    examples=("ais storage validate", "ais scrub ais://speech --small-size 1KiB"),
)
ATTACH = _mountpath_command("attach mountpaths to targets", "attach-mp", "PUT", "attached", _LABEL)
ENABLE = _mountpath_command("enable mountpaths again", "enable-mp", "POST", "enabled")
DETACH = _mountpath_command("detach mountpaths from targets", "detach-mp", "DELETE", "detached", _NO_RESILVER)
DISABLE = _mountpath_command("disable mountpaths", "disable-mp", "POST", "disabled", _NO_RESILVER)
RESCAN = _mountpath_command("look for new disks under mountpaths", "rescan-mp", "POST", "rescanned", _NO_RESILVER)
CHECK = _mountpath_command("check the file systems of mountpaths", "fshc-mp", "POST", "is being checked")
