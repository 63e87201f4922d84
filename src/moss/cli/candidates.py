"""What may stand at the next place of a command line, for the shell: live names of the cluster, keys, values.

Each function takes the `Context` of the words typed so far; failures are for the caller to swallow.
Source: spec/cli.md 5.15.
"""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moss.cli.context import Context

__all__ = [
    "any_of",
    "buckets",
    "config_keys",
    "jobs",
    "names_below",
    "nodes",
    "one_of",
    "providers",
    "sections",
    "then",
]

Candidates = Callable[["Context"], Iterable[str]]
_VALUES = {
    "checksum.type": ("none", "xxhash2", "md5", "sha256", "sha512", "crc32c"),
    ".compression": ("never", "always"),
    "write_policy.data": ("immediate", "delayed", "never"),
    "write_policy.md": ("immediate", "delayed", "never"),
}
_NAMES_MAX = 200
_JOB = re.compile(r"(.+)\[(.+)\]")


def buckets(context: "Context") -> list[str]:
    """The buckets of the cluster."""
    from moss.cli.listing import complete_buckets

    return complete_buckets(context)


def names_below(context: "Context", address: str) -> list[str]:
    """Objects and virtual folders that begin with an address, one level deep: `ais://b/d` gives `ais://b/dir/`."""
    from moss.cli.arguments import parse_bucket_object
    from moss.cli.listing import NAME_ONLY, NO_RECURSION, list_objects

    bucket, prefix = parse_bucket_object(address)
    rows = list_objects(
        context.transport, bucket, prefix=prefix, props="name", flags=NAME_ONLY | NO_RECURSION, limit=_NAMES_MAX
    )
    beginning = address[: len(address) - len(prefix)]
    # Names with blanks or control characters would fall apart in the shell.
    return [beginning + row.name for row in rows if row.name.isprintable() and " " not in row.name]


def providers(context: "Context") -> list[str]:
    """Buckets, and the beginnings of their addresses."""
    return [*buckets(context), "ais://", "s3://", "gs://", "az://", "oc://"]


def nodes(context: "Context") -> list[str]:
    """Ids of nodes: `p[ID]` for gateways, `t[ID]` for targets."""
    smap = context.client.cluster().get_info()
    return [f"p[{node}]" for node in sorted(smap.pmap)] + [f"t[{node}]" for node in sorted(smap.tmap)]


def jobs(context: "Context") -> list[str]:
    """Kinds and ids of the jobs that run; also of finished ones with `--all`."""
    cluster = context.client.cluster()
    if context.parsed.flag("all"):
        found = [(job.kind, job.uuid) for job in cluster.list_jobs_status()]
    else:
        matches = (_JOB.fullmatch(job) for job in cluster.list_running_jobs())
        found = [(match[1], match[2]) for match in matches if match]
    typed = set(context.parsed.positionals)
    kinds = dict.fromkeys(kind for kind, _ in found)
    ids = [job_id for kind, job_id in found if not typed & set(kinds) or kind in typed]
    return [word for word in (*kinds, *ids) if word not in typed]


def config_keys(context: "Context") -> list[str]:
    """Sections and keys of the cluster's configuration; behind `KEY=`, or a key alone, its values."""
    import json

    from moss.cli.transport import path_of

    with context.transport.request("GET", path_of("cluster"), query={"what": "cluster_config"}) as answer:
        config = json.loads(answer.read_all())
    leaves = dict(_leaves(config))
    last = context.parsed.positionals[-1] if context.parsed.positionals else ""
    if last in leaves:
        return _values(last, leaves[last])
    return sorted({key.partition(".")[0] for key in leaves}) + [
        f"{key}={value}" for key, old in sorted(leaves.items()) for value in _values(key, old) or [""]
    ]


def sections(context: "Context") -> list[str]:
    """Sections of the cluster's configuration."""
    return [key for key in config_keys(context) if "=" not in key]


def one_of(*words: str) -> Candidates:
    """Always the same words."""
    return lambda _context: words


def any_of(*parts: Candidates) -> Candidates:
    """The candidates of several functions, one after another."""
    return lambda context: [word for part in parts for word in part(context)]


def then(*places: Candidates) -> Candidates:
    """Candidates by place: the first function for the first positional, and so on; the last one goes on for ever."""
    return lambda context: places[min(len(context.parsed.positionals), len(places) - 1)](context)


def _leaves(tree: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _values(key: str, old: Any) -> list[str]:
    """The values that a key may have, when these are few."""
    if isinstance(old, bool):
        return ["true", "false"]
    if key == "features":
        from moss.wire.masks import FEATURES

        return ["none", *FEATURES]
    return next(([*values] for ending, values in _VALUES.items() if key.endswith(ending)), [])
