"""What all nodes say of themselves, as tables: memory, load, capacity, alerts. Source: spec/cli.md 5.9."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from moss.cli.cluster.calls import ask_node
from moss.cli.cluster.map import node_name
from moss.cli.failures import CommandError
from moss.cli.formats import UNSET, format_elapsed, format_size
from moss.cli.output import PLAIN, RED
from moss.cli.transport import Transport
from moss.wire.cluster import ClusterMap, NodeInfo

RELEASE = (5, 0)
"""The release of the reference that this program speaks."""

_AT_A_TIME = 8
_MAINTENANCE, _DECOMMISSION = 1 << 2, 1 << 3
_HEALTHY_BITS = 1 << 1 | 1 << 2  # cluster started, node started
_ALERTS = {
    0: "vote-in-progress", 3: "rebalancing", 4: "rebalance-interrupted", 5: "resilvering", 6: "resilver-interrupted",
    7: "node-restarted", 8: "out-of-space", 9: "out-of-memory", 10: "in-maintenance-mode", 11: "low-usable-capacity",
    12: "low-memory", 13: "disk-fault", 14: "many-workers", 15: "too-many-workers", 16: "certificate-will-soon-expire",
    17: "certificate-expired", 18: "certificate-invalid", 19: "keep-alive-errors", 20: "out-of-cpu", 21: "low-cpu",
    22: "disk-out-of-space", 23: "disk-low-capacity",
}  # fmt: skip
_RED_BITS = (8, 9, 13, 15, 17, 20, 22)  # alerts that cannot wait

# Columns that are left out when they say nothing, or the same of every node; that all are online says nothing either.
_OPTIONAL_EMPTY = ("SYS CPU(%)", "THROTTLED(%)", "LOAD AVERAGE", "K8s POD", "REBALANCE", "ALERT")
_OPTIONAL_UNIFORM = ("VERSION", "BUILD TIME")


class NodeStatus(NamedTuple):
    """A node of the map with what it says of itself; `document` is empty when it does not answer."""

    node: NodeInfo
    document: Mapping[str, Any]
    error: str = ""

    def part(self, *keys: str) -> Any:
        """A value inside the document; an empty mapping where a part is missing or null."""
        found: Any = self.document
        for key in keys:
            found = (found.get(key) if isinstance(found, Mapping) else None) or {}
        return found

    @property
    def state(self) -> str:
        """`online`, `maintenance`, `decommission`, or why there is no answer."""
        if self.error:
            return f"[{self.error}]"
        if self.node.flags & _DECOMMISSION:
            return "decommission"
        if self.node.flags & _MAINTENANCE:
            return "maintenance"
        return str(self.document.get("status") or "online")

    @property
    def _flags(self) -> int:
        return int(self.part("cluster", "flags") or 0) & ~_HEALTHY_BITS

    @property
    def alerts(self) -> list[str]:
        return [name for bit, name in _ALERTS.items() if self._flags >> bit & 1]

    @property
    def is_red(self) -> bool:
        """Whether there is an alert that cannot wait."""
        return bool(self.error) or any(self._flags >> bit & 1 for bit in _RED_BITS)

    @property
    def uptime_s(self) -> float:
        return int(self.part("tracker", "up.ns.time") or 0) / 1e9

    @property
    def used(self) -> int:
        return int(self.part("capacity", "total_used") or 0)

    @property
    def available(self) -> int:
        return int(self.part("capacity", "total_avail") or 0)


def fetch_statuses(transport: Transport, nodes: Iterable[NodeInfo]) -> list[NodeStatus]:
    """Ask nodes how they are, several at a time; by id."""

    def one(node: NodeInfo) -> NodeStatus:
        try:
            return NodeStatus(node, ask_node(transport, node.daemon_id, "node_status") or {})
        except CommandError as error:
            return NodeStatus(node, {}, str(error))

    ordered = sorted(nodes, key=lambda node: node.daemon_id)
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return list(pool.map(one, ordered))


def status_rows(
    nodes: ClusterMap, statuses: Sequence[NodeStatus], kind: str, units: str, *, color: bool = False
) -> list[list[str]]:
    """The table of the gateways or of the targets.

    Args:
        kind: `proxy` or `target`.
        color: paint the names of nodes with alerts that cannot wait.
    """
    columns = [column for column in _COLUMNS if kind == "target" or not column.targets_only]
    rows = [[kind.upper(), *(column.header for column in columns)]]
    for status in statuses:
        name = node_name(status.node, primary_id=nodes.primary.daemon_id)
        name = f"{RED}{name}{PLAIN}" if color and status.is_red else name
        cells = [column.text(status, units) if status.document or column.always else UNSET for column in columns]
        rows.append([name, *cells])
    return _without_silent_columns(rows)


class _Column(NamedTuple):
    header: str
    text: Callable[[NodeStatus, str], str]
    targets_only: bool = False
    always: bool = False
    """Told also of a node that does not answer."""


def percent(value: Any, digits: int = 2) -> str:
    """`12.34%`."""
    return f"{float(value or 0):.{digits}f}%"


def load_average(status: NodeStatus) -> str:
    """`[0.51 0.62 0.70]`; empty when unknown."""
    load = status.part("sys_info", "load_avg")
    values = [float(load.get(key) or 0) for key in ("One", "Five", "Fifteen")] if load else []
    return f"[{' '.join(f'{value:.2f}' for value in values)}]" if any(values) else ""


def _rebalance(status: NodeStatus) -> str:
    snap = status.part("rebalance_snap")
    if not snap:
        return ""
    if snap.get("aborted"):
        return f"aborted[{snap.get('id', '')}]"
    is_over = not str(snap.get("end-time", "0001")).startswith("0001")
    return f"{'finished' if is_over else 'running'}[{snap.get('id', '')}]"


def _size(key: str) -> Callable[[NodeStatus, str], str]:
    return lambda status, units: format_size(int(status.part("sys_info", key) or 0), units)


def _nonzero(*keys: str) -> Callable[[NodeStatus, str], str]:
    def text(status: NodeStatus, _: str) -> str:
        value = status.part("sys_info", *keys)
        return f"{int(value)}%" if value else ""

    return text


_COLUMNS = (
    _Column("MEM USED(%)", lambda status, _: percent(status.part("sys_info", "pct_mem_used"))),
    _Column("MEM AVAIL", _size("mem_avail")),
    _Column("CAP USED(%)", lambda status, _: f"{status.part('capacity', 'pct_avg') or 0}%", targets_only=True),
    _Column("CAP AVAIL", lambda status, units: format_size(status.available, units), targets_only=True),
    _Column("SYS CPU(%)", _nonzero("cpu_util")),
    _Column("THROTTLED(%)", _nonzero("cpu_throttled")),
    _Column("LOAD AVERAGE", lambda status, _: load_average(status)),
    _Column("REBALANCE", lambda status, _: _rebalance(status), targets_only=True),
    _Column("UPTIME", lambda status, _: format_elapsed(round(status.uptime_s)) if status.uptime_s else UNSET),
    _Column("K8s POD", lambda status, _: str(status.document.get("k8s_pod_name") or "")),
    _Column("STATUS", lambda status, _: status.state, always=True),
    _Column("VERSION", lambda status, _: str(status.document.get("ais_version") or "")),
    _Column("BUILD TIME", lambda status, _: str(status.document.get("build_time") or "")),
    _Column("ALERT", lambda status, _: ", ".join(status.alerts)),
)


def _without_silent_columns(rows: list[list[str]]) -> list[list[str]]:
    header, *body = rows

    def is_silent(at: int) -> bool:
        values = {row[at] for row in body} - {"", UNSET}
        if header[at] in _OPTIONAL_EMPTY:
            return not values
        if header[at] == "STATUS":
            return values <= {"online"}
        return header[at] in _OPTIONAL_UNIFORM and len(values) <= 1

    kept = [at for at in range(len(header)) if not is_silent(at)]
    return [[row[at] or UNSET for at in kept] for row in rows]


def summary(
    nodes: ClusterMap, statuses: Sequence[NodeStatus], config: Mapping[str, Any], endpoint: str, units: str
) -> list[tuple[str, str]]:
    """The block `Cluster:`: names and values."""
    targets = [status for status in statuses if status.node.daemon_type == "target"]
    gateways = [status for status in statuses if status.node.daemon_type != "target"]
    used, available = sum(one.used for one in targets), sum(one.available for one in targets)
    share = f"{used * 100 // (used + available)}%" if used + available else "n/a"
    states: dict[str, int] = {}
    for status in statuses:
        states[status.state] = states.get(status.state, 0) + 1
    electable = "all electable" if all(not one.node.flags & 1 for one in gateways) else "some non-electable"
    primary = node_name(nodes.primary, primary_id=nodes.primary.daemon_id)
    auth = config.get("auth") or {}
    backends = [name for name in config.get("backend") or {} if name != "conf"]
    return [
        ("CLI Endpoint", endpoint),
        ("Proxies", f"{len(nodes.pmap)} ({electable})"),
        (
            "Targets",
            f"{len(nodes.tmap)} (mountpaths: {sum(len(one.part('capacity', 'mountpaths')) for one in targets)})",
        ),
        ("Capacity", f"used {format_size(used, units)} ({share}), available {format_size(available, units)}"),
        ("Cluster Map", f"version {nodes.version}, UUID {nodes.uuid}, primary {primary}"),
        ("Software", _told(statuses, "ais_version")),
        ("Backend", ", ".join(backends) or "n/a"),
        ("Deployment", _told(statuses, "deployment")),
        ("Status", ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "n/a"),
        ("Rebalance", next((text for one in targets if (text := _rebalance(one))), "n/a")),
        ("Authentication", "enabled" if auth.get("client_auth_required") or auth.get("enabled") else "disabled"),
        ("Version", _told(statuses, "ais_version")),
        ("Build", _told(statuses, "build_time")),
    ]


def _told(statuses: Sequence[NodeStatus], key: str) -> str:
    """What nodes say, each value once."""
    return ", ".join(dict.fromkeys(str(one.document[key]) for one in statuses if one.document.get(key))) or "n/a"


def block(title: str, pairs: Sequence[tuple[str, str]]) -> str:
    """A title and indented `Name: value` lines."""
    width = max(len(name) for name, _ in pairs) + 2
    return "\n".join([f"{title}:", *(f"   {name + ':':<{width}}{value}".rstrip() for name, value in pairs)])


def version_warning(versions: Iterable[str]) -> str:
    """What to say when a node's release is another one than this program is made for; empty when it is the same."""
    for version in dict.fromkeys(versions):
        numbers = version.strip().split(".")[:2]
        if len(numbers) < 2 or not all(number.isdigit() for number in numbers):
            continue
        major, minor = map(int, numbers)
        distance = abs(minor - RELEASE[1]) if major == RELEASE[0] else 2
        if distance:
            verdict = "may not be fully compatible" if distance == 1 else "is not compatible"
            return f"the cluster's software {version.strip()} {verdict} with this program ({RELEASE[0]}.{RELEASE[1]})"
    return ""
