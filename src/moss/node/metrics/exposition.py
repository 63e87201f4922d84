"""The text that Prometheus scrapes.

Written here and not with `prometheus_client`, whose counters must end in `_total`; the documented names do not.
Source: spec/getbatch.md 12.1, spec/rest-control.md 14.1.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from moss.node.metrics.names import AT_ONCE, COUNTERS, GATEWAY_SERIES
from moss.node.metrics.names import Counter as CounterRow

if TYPE_CHECKING:
    from moss.node.metrics.counters import Metrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_AUTH_LATENCY_BOUNDS = ("0.05", "0.2", "5", "+Inf")


def render(
    metrics: "Metrics",
    node_id: str,
    *,
    primary_id: str = "",
    face: str = "t",
    others: Iterable[Mapping[str, Mapping[str, int]]] = (),
) -> bytes:
    """Render all series of a face, both name sets of the batch counters included.

    Args:
        others: what `Metrics.gateway_series` gives in the other worker processes; it is added.
    """
    node = node_id.replace(".", "_")
    prefix = "ais_proxy_" if face == "p" else "ais_target_"
    lines: list[str] = []
    values = metrics.snapshot()
    for counter in COUNTERS:
        if face in counter.faces and (counter.name in AT_ONCE or values[counter.name]):
            _append_counter(lines, prefix, counter, values[counter.name], node)
    if face == "p":
        _append_gateway(lines, prefix, [metrics.gateway_series(), *others], node)
    uptime = f"{metrics.uptime_ns() / 1e9:.3f}"
    _append(lines, f"{prefix}uptime", "gauge", "seconds since the start", [({}, uptime)], node)
    _append(lines, f"{prefix}state_flags", "gauge", "alert bits, 0 when healthy", [({}, "0")], node)
    if primary_id:
        primary = {"primary_id": primary_id.replace(".", "_")}
        _append(lines, "ais_node_primary_info", "gauge", "who is the primary gateway", [(primary, "1")], node)
    return ("\n".join(lines) + "\n").encode()


def _append_counter(lines: list[str], prefix: str, counter: CounterRow, value: int, node: str) -> None:
    samples = [(dict.fromkeys(counter.labels, ""), str(value))]
    _append(lines, prefix + counter.exported, "counter", counter.text, samples, node)
    if counter.alias and counter.alias != counter.exported:
        _append(lines, prefix + counter.alias, "counter", counter.text, samples, node)


def _append_gateway(lines: list[str], prefix: str, parts: Iterable[Mapping[str, Mapping[str, int]]], node: str) -> None:
    sums: dict[str, Counter[str]] = {name: Counter() for name in GATEWAY_SERIES}
    for part in parts:
        for name in sums.keys() & part.keys():
            sums[name].update(part[name])
    for name, series in sums.items():
        exported, labels = GATEWAY_SERIES[name]
        samples = [(dict.fromkeys(labels, "") | {"bucket": bucket}, str(count)) for bucket, count in series.items()]
        if samples:
            _append(lines, prefix + exported, "counter", "requests by bucket, redirected ones included", samples, node)
    for word in ("iss", "jwks"):
        name = f"{prefix}auth_{word}"
        lines += [f"# HELP {name} seconds spent on token issuers", f"# TYPE {name} histogram"]
        lines += [f'{name}_bucket{{node_id="{node}",le="{bound}"}} 0' for bound in _AUTH_LATENCY_BOUNDS]
        lines += [f'{name}_sum{{node_id="{node}"}} 0', f'{name}_count{{node_id="{node}"}} 0']


def _append(
    lines: list[str], name: str, kind: str, text: str, samples: Iterable[tuple[dict[str, str], str]], node: str
) -> None:
    lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        pairs = sorted(({"node_id": node} | labels).items())
        written = ",".join(f'{label}="{_escape(found)}"' for label, found in pairs)
        lines.append(f"{name}{{{written}}} {value}")


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
