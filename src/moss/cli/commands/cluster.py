"""`ais cluster`: statistics, caches, credentials, remote clusters, the end of it all. Source: spec/cli.md 5.9."""

from moss.cli.arguments import check_count
from moss.cli.candidates import nodes, one_of
from moss.cli.cluster.calls import act, call
from moss.cli.cluster.map import fetch_map, find_node, node_name
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import YES
from moss.cli.options import Command, Option
from moss.wire.cluster import NodeInfo
from moss.wire.headers import REMOTE_AIS_ALIAS, REMOTE_AIS_URL

_PORT = 51080
_CLOUDS = ("aws", "gcp", "azure", "oci")

# -- the whole cluster ------------------------------------------------------------------------------


def _shutdown(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=0)
    if not context.parsed.flag("yes"):
        context.console.confirm("Shut down the cluster?", unanswered="the cluster still runs (use '--yes')")
    act(context.transport, "shutdown")
    context.console.result("AIS cluster successfully shut down")


def _decommission(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=0)
    removes_data = context.parsed.flag("rm-user-data")
    if removes_data:  # what cannot be undone is typed in full
        context.console.phrase("Type 'DELETE' to decommission the cluster and destroy all user data:", "DELETE")
    elif not context.parsed.flag("yes"):
        question = "Decommission the cluster (its metadata are lost, user data stay on the disks)?"
        context.console.confirm(question, unanswered="nothing decommissioned (use '--yes')")
    act(context.transport, "decommission", value={"rm_user_data": removes_data})
    context.console.result("AIS cluster successfully decommissioned")


def _reset_stats(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=1)
    node = _optional_node(context)
    errors_only = context.parsed.flag("errors-only")
    act(context.transport, "reset-stats", value=errors_only, node=node.daemon_id if node else "")
    what = "error metrics" if errors_only else "metrics"
    context.console.result(f"{node_name(node) if node else 'Cluster'}: {what} successfully reset")


def _optional_node(context: Context) -> NodeInfo | None:
    words = context.parsed.positionals
    return find_node(fetch_map(context.transport), words[0]) if words else None


def _drop_lcache(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=1)
    node = _optional_node(context)
    act(context.transport, "clear-lcache", name=node.daemon_id if node else "")
    context.console.result(f"{node_name(node) if node else 'Cluster'}: metadata cache dropped")


def _reload_creds(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=1)
    word = context.parsed.positionals[0] if context.parsed.positionals else ""
    if word:
        from moss.naming.bucket import parse_provider

        word = parse_provider(word.partition(":")[0]).value
    act(context.transport, "reload-creds", name=word)
    context.console.result(f"{word or 'All'} backend credentials reloaded")


# -- remote clusters --------------------------------------------------------------------------------


def _attach(context: Context) -> None:
    words = context.parsed.positionals
    check_count(words, ["ALIAS=URL"], most=2)
    alias, equals, url = words[0].partition("=")
    if not equals and len(words) > 1:
        url = words[1]
    if not alias or not url:
        raise UsageError(f'expecting ALIAS=URL, got "{" ".join(words)}"')
    _remote(context, "attach", alias, url)
    context.console.result(f"Remote cluster ({alias}={url}) successfully attached")


def _detach(context: Context) -> None:
    check_count(context.parsed.positionals, ["ALIAS"], most=1)
    alias = context.parsed.positionals[0]
    _remote(context, "detach", alias, "")
    context.console.result(f"Remote cluster {alias} successfully detached")


def _remote(context: Context, what: str, alias: str, url: str) -> None:
    headers = {REMOTE_AIS_ALIAS: alias} | ({REMOTE_AIS_URL: url} if url else {})
    call(context.transport, "PUT", "cluster", what, query={"what": "remote"}, headers=headers)


SHUTDOWN = Command(
    usage="",
    summary="shut the cluster down",
    run=_shutdown,
    options=(YES,),
    examples=("ais cluster shutdown",),
)
DECOMMISSION = Command(
    usage="",
    summary="end the cluster for good",
    run=_decommission,
    options=(Option("rm-user-data", "destroy all user data; asks for a phrase"), YES),
    examples=("ais cluster decommission",),
)
RESET_STATS = Command(
    usage="[NODE_ID]",
    summary="set the counters of all nodes, or of one, to zero",
    run=_reset_stats,
    complete=nodes,
    options=(Option("errors-only", "only those of errors"),),
    examples=("ais cluster reset-stats --errors-only",),
)
DROP_LCACHE = Command(
    usage="[TARGET_ID]",
    summary="drop what targets keep of objects' metadata in memory",
    run=_drop_lcache,
    complete=nodes,
    examples=("ais cluster drop-lcache",),
)
RELOAD_CREDS = Command(
    usage="[PROVIDER]",
    summary="have the cluster read the credentials of cloud backends again",
    run=_reload_creds,
    complete=one_of(*_CLOUDS),
    examples=("ais cluster reload-backend-creds gcp",),
)
ATTACH = Command(
    usage="ALIAS=URL",
    summary="attach a remote cluster",
    run=_attach,
    examples=("ais cluster remote-attach far=http://10.0.0.9:51080",),
)
DETACH = Command(
    usage="ALIAS",
    summary="detach a remote cluster",
    run=_detach,
    examples=("ais cluster remote-detach far",),
)
