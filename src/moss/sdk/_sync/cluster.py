# Made by scripts/unasync.py from _async/cluster.py; change that file instead.
"""The cluster as a whole."""

from collections.abc import Sequence
from typing import Any

import msgspec

from moss.errors import MossError
from moss.sdk._sync.session import RequestClient
from moss.sdk.answers import Answer
from moss.sdk.enums import LogSeverity, NodeFilter
from moss.sdk.info_types import decode_etl_list
from moss.sdk.job_types import decode_names, decode_statuses
from moss.sdk.namespace import Namespace
from moss.sdk.operations import Request, action
from moss.sdk.provider import Provider
from moss.sdk.transport.blocking_tasks import for_each
from moss.sdk.types import BucketModel, ETLInfo, JobStatus, Smap
from moss.wire import headers as names
from moss.wire.bucket import decode_buckets

__all__ = ["Cluster"]

_NODES_AT_A_TIME = 8


class Cluster:
    """Questions about the cluster."""

    def __init__(self, client: RequestClient) -> None:
        self._session = client

    @property
    def client(self) -> RequestClient:
        return self._session

    def get_info(self) -> Smap:
        """The cluster map, asked for anew."""
        return self._session.get_smap(refresh=True)

    def get_primary_url(self) -> str:
        """URL of the primary gateway."""
        return (self.get_info()).proxy_si.public_net.direct_url

    def get_uuid(self) -> str:
        """Id of the cluster, which never changes."""
        return (self.get_info()).uuid

    def list_buckets(self, provider: str | Provider = Provider.AIS) -> list[BucketModel]:
        """List buckets, by provider and name.

        Args:
            provider: empty for those of all providers.

        Raises:
            InvalidBckProvider: unknown provider.
        """
        word = Provider.parse(provider).value if provider else ""
        request = Request("GET", "/buckets", [("provider", word)], body=action("list"))
        buckets = decode_buckets((self._session.call(request)).content)
        return [
            BucketModel(
                bucket.name,
                bucket.provider.value,
                None if bucket.namespace.is_global else Namespace(bucket.namespace.uuid, bucket.namespace.name),
            )
            for bucket in buckets
        ]

    def is_ready(self) -> bool:
        """Whether the cluster answers and says that it is ready to serve; never raises."""
        try:
            url = self.get_primary_url()
            request = Request("GET", "/health", [("prr", "true")], base=f"{url.rstrip('/')}/v1")
            return (self._session.call(request)).ok
        except (MossError, ValueError, OSError):
            return False

    def is_aistore_running(self) -> bool:
        """Same as `is_ready`."""
        return self.is_ready()

    def list_jobs_status(self, job_kind: str = "", target_id: str = "") -> list[JobStatus]:
        """Status of every job the cluster remembers.

        Args:
            job_kind: only jobs of this kind.
            target_id: only jobs on this target.
        """
        return decode_statuses(self._query_jobs("status_all", job_kind, target_id, show_active=False))

    def list_running_jobs(self, job_kind: str = "", target_id: str = "") -> list[str]:
        """Jobs that run, idle ones too, each as `kind[id]`. Arguments as for `list_jobs_status`."""
        body = self._query_jobs("running_all", job_kind, target_id, show_active=True)
        return decode_names(body)

    def _query_jobs(self, what: str, kind: str, target_id: str, *, show_active: bool) -> bytes:
        body = msgspec.json.encode({"kind": kind, "node": target_id, "show_active": show_active})
        return (self._session.call(Request("GET", "/cluster", [("what", what)], body=body))).content

    def list_etls(self, stages: Sequence[str] | None = None) -> list[ETLInfo]:
        """Transformations in one of the stages (`Initializing`, `Running`, `Aborted`); None means those that run."""
        wanted = ["Running"] if stages is None else stages
        found = decode_etl_list((self._session.call(Request("GET", "/etl"))).content)
        return [info for info in found if info.stage in wanted]

    def list_running_etls(self) -> list[ETLInfo]:
        """Same as `list_etls()`."""
        return self.list_etls()

    def get_performance(self) -> dict[str, dict[str, Any]]:
        """State and counters of every target, by its id."""
        nodes = sorted((self.get_info()).tmap)

        def ask(node_id: str) -> dict[str, Any]:
            return (self._ask_node(node_id, [("what", "node_status")])).json()

        return dict(zip(nodes, for_each(ask, nodes, _NODES_AT_A_TIME), strict=True))

    def get_node_log(self, node_id: str, severity: str = LogSeverity.INFO) -> str:
        """The current log of a node.

        Args:
            node_id: of a target or a gateway.
            severity: a value of `LogSeverity`.

        Raises:
            AISError: no such node.
        """
        return (self._ask_node(node_id, _log_query(severity))).text

    def get_node_log_archive(self, node_id: str, severity: str = LogSeverity.INFO) -> bytes:
        """All logs that a node keeps, as a `.tar.gz`. Arguments and errors as for `get_node_log`."""
        return (self._ask_node(node_id, [*_log_query(severity), ("all", "true")])).content

    def get_cluster_logs(self, severity: str = LogSeverity.INFO, role: str = NodeFilter.TARGET) -> dict[str, str]:
        """The current logs of all nodes of a role (a value of `NodeFilter`), by their ids."""
        smap, role = self.get_info(), NodeFilter(role)
        nodes = [*(smap.tmap if role != NodeFilter.PROXY else ()), *(smap.pmap if role != NodeFilter.TARGET else ())]

        def ask(node_id: str) -> str:
            return self.get_node_log(node_id, severity)

        return dict(zip(nodes, for_each(ask, nodes, _NODES_AT_A_TIME), strict=True))

    def _ask_node(self, node_id: str, query: list[tuple[str, str]]) -> Answer:
        return self._session.call(Request("GET", "/reverse/daemon", query, {names.NODE_ID: node_id}))

    def query(self, what: str, **parameters: Any) -> Any:
        """Ask `GET /v1/cluster?what=…` and return the decoded JSON."""
        pairs = [("what", what), *((name, str(value)) for name, value in parameters.items())]
        return (self._session.call(Request("GET", "/cluster", pairs))).json()


def _log_query(severity: str) -> list[tuple[str, str]]:
    return [("what", "log"), ("severity", LogSeverity(severity).value)]
