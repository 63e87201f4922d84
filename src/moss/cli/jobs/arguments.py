"""What the positionals of job commands mean; they may stand in any order. Source: spec/cli.md 5.8.3."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from moss.cli.arguments import parse_bucket
from moss.cli.cluster.map import find_node, is_node_name
from moss.cli.failures import CommandError, UsageError
from moss.cli.jobs.names import is_job_id, kinds_of
from moss.naming.bucket import Bucket
from moss.wire.cluster import ClusterMap


class JobArguments(NamedTuple):
    """What was meant.

    Attributes:
        name: the name as it was typed, or empty.
        kinds: the kinds that it stands for; all when it is empty.
        job_id: empty for all jobs.
        node: id of a node, empty for all.
    """

    name: str = ""
    kinds: tuple[str, ...] = ()
    job_id: str = ""
    node: str = ""
    bucket: Bucket | None = None


def parse_job_arguments(words: Sequence[str], cluster_map: Callable[[], ClusterMap]) -> JobArguments:
    """Sort positionals: a URI is a bucket, a known node a node, a known name a name, the rest an id.

    Args:
        cluster_map: asked only when a word may be a node.

    Raises:
        UsageError: two words of one sort.
        CommandError: an id that cannot be one, a node that is not there.
    """
    found: dict[str, object] = {}
    for word in words:
        sort, value = _classify(word, cluster_map)
        if sort in found:
            raise UsageError(f'unexpected argument "{word}": there is {_SORTS[sort]} already')
        found[sort] = value
        if sort == "kinds":
            found["name"] = word
    return JobArguments(**found)  # type: ignore[arg-type]


_SORTS = {"bucket": "a bucket", "node": "a node", "kinds": "the name of a job", "job_id": "a job id"}


def _classify(word: str, cluster_map: Callable[[], ClusterMap]) -> tuple[str, object]:
    if "://" in word:
        return "bucket", parse_bucket(word.rstrip("/"))
    kinds = kinds_of(word)
    if kinds:
        return "kinds", kinds
    if is_node_name(word):
        return "node", find_node(cluster_map(), word).daemon_id
    if not is_job_id(word):
        # The ids of small clusters made by hand need not look like job ids.
        if word in (nodes := cluster_map()).tmap or word in nodes.pmap:
            return "node", word
        raise CommandError(f'UUID "{word}" is invalid (typo?)', "See 'ais show job --all' for the jobs there are.")
    nodes = cluster_map()
    return ("node" if word in nodes.tmap or word in nodes.pmap else "job_id"), word
