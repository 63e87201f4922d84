"""`ais advanced`: helpers for those who develop and operate clusters. Source: spec/cli.md 5.9."""

import random

from msgspec import to_builtins

from moss.cli.arguments import check_count, parse_bucket, parse_object
from moss.cli.candidates import buckets, nodes, one_of
from moss.cli.cluster.calls import act, ask_cluster, call
from moss.cli.cluster.map import fetch_map, find_node, node_name
from moss.cli.context import Context
from moss.cli.failures import CommandError, UsageError
from moss.cli.flags import QUIET, WAITING, YES
from moss.cli.options import Command
from moss.cli.transport import ServerError, bucket_query, path_of
from moss.cli.waiting import follow
from moss.naming.bucket import parse_provider
from moss.wire.bucket import BucketModel
from moss.wire.headers import CONTENT_TYPE, JSON

_LOCK_STATES = {200: "not locked", 202: "read-locked", 423: "write-locked"}
_CLOUDS = ("aws", "gcp", "azure", "oci")


def _random_node(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=0)
    known = fetch_map(context.transport)
    everyone = [*known.pmap.values(), *known.tmap.values()]
    context.console.result(node_name(random.choice(everyone)))


def _random_mountpath(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=0)
    found = ask_cluster(context.transport, "mountpaths").get("targets") or {}
    paths = [(node, path) for node, lists in found.items() for path in lists.get("available") or ()]
    if not paths:
        raise CommandError("no target has a mountpath")
    node, path = random.choice(paths)
    context.console.result(f"t[{node}]: {path}")


def _check_lock(context: Context) -> None:
    check_count(context.parsed.positionals, ["OBJECT"], most=1)
    bucket, name = parse_object(context.parsed.positionals[0])
    body = b'{"action":"check-lock","name":"","value":null}'
    path, headers = path_of("objects", bucket.name, name), {CONTENT_TYPE: JSON}
    try:
        with context.transport.request("POST", path, query=bucket_query(bucket), headers=headers, body=body) as answer:
            status = answer.status
    except ServerError as error:
        if error.code not in _LOCK_STATES:
            raise
        status = error.code
    context.console.result(f"{bucket.cname_of(name)}: {_LOCK_STATES.get(status, f'status {status}')}")


def _preload(context: Context) -> None:
    check_count(context.parsed.positionals, ["BUCKET"], most=1)
    bucket = parse_bucket(context.parsed.positionals[0].rstrip("/"))
    value = {"Kind": "load-lom-cache", "Bck": to_builtins(BucketModel.of(bucket))}
    job_id = act(context.transport, "start", value=value)
    name = f"load-lom-cache[{job_id}]"
    follow(context, job_id, kind="load-lom-cache", started=f"Started {name}", finished=f"{name} finished")


def _rotate_logs(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=1)
    words = context.parsed.positionals
    node = find_node(fetch_map(context.transport), words[0]) if words else None
    act(context.transport, "rotate-logs", node=node.daemon_id if node else "")
    context.console.result(f"{node_name(node) if node else 'Cluster'}: rotated logs")


def _remove_from_map(context: Context) -> None:
    check_count(context.parsed.positionals, ["NODE_ID"], most=1)
    node = find_node(fetch_map(context.transport), context.parsed.positionals[0])
    name = node_name(node)
    if not context.parsed.flag("yes"):
        question = f"Remove {name} from the cluster map at once, without moving its objects?"
        context.console.confirm(question, unanswered=f"{name} stays (use '--yes')")
    act(context.transport, "rm-unsafe", value={"sid": node.daemon_id, "skip_rebalance": True})
    context.console.result(f"{name} removed from the cluster map")


def _switch_backend(item: str, done: str):
    def run(context: Context) -> None:
        check_count(context.parsed.positionals, ["PROVIDER"], most=1)
        word = context.parsed.positionals[0].partition(":")[0]
        if word not in _CLOUDS and word not in ("s3", "gs", "az", "oc"):
            raise UsageError(f'invalid cloud provider "{word}" (expecting one of: {", ".join(_CLOUDS)})')
        provider = parse_provider(word)
        call(context.transport, "PUT", "cluster", item, provider.value)
        context.console.result(f"{provider.display_name} backend {done}")

    return run


RANDOM_NODE = Command("", "print the id of some node", _random_node, examples=("ais advanced random-node",))
RANDOM_MOUNTPATH = Command(
    "", "print some mountpath of some target", _random_mountpath, examples=("ais advanced random-mountpath",)
)
CHECK_LOCK = Command(
    usage="OBJECT",
    summary="tell whether an object is being read or written",
    run=_check_lock,
    complete=buckets,
    examples=("ais advanced check-lock ais://speech/en/utt-00.wav",),
)
PRELOAD = Command(
    usage="BUCKET",
    summary="load the metadata of a bucket's objects into memory",
    run=_preload,
    complete=buckets,
    options=(*WAITING, QUIET),
    examples=("ais advanced preload ais://speech --wait",),
)
ROTATE_LOGS = Command(
    usage="[NODE_ID]",
    summary="have nodes begin a new log",
    run=_rotate_logs,
    complete=nodes,
    examples=("ais advanced rotate-logs",),
)
REMOVE_FROM_MAP = Command(
    usage="NODE_ID",
    summary="remove a node from the cluster map at once (what it stores is not moved)",
    run=_remove_from_map,
    complete=nodes,
    options=(YES,),
    examples=("ais advanced remove-from-smap t[QkxWVZGJR]",),
)
ENABLE_BACKEND = Command(
    usage="PROVIDER",
    summary="enable a cloud backend again",
    run=_switch_backend("enable-bend", "enabled"),
    complete=one_of(*_CLOUDS),
    examples=("ais advanced enable-backend gcp",),
)
DISABLE_BACKEND = Command(
    usage="PROVIDER",
    summary="disable a cloud backend",
    run=_switch_backend("disable-bend", "disabled"),
    complete=one_of(*_CLOUDS),
    examples=("ais advanced disable-backend gcp",),
)
