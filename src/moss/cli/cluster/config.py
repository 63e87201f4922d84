"""Configuration as properties: flat keys in order, selections, `KEY=VALUE` words. Pure. Source: spec/cli.md 5.10."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from moss.cli.arguments import parse_pairs
from moss.cli.failures import UsageError
from moss.errors import MossError
from moss.wire.masks import FEATURES, names_of, parse_features

_REST_OF_LINE = ("features", "log.modules")
"""Keys whose value is the rest of the command line."""
_SHARED_FIRST = ("compression", "bundle_multiplier", "burst_buffer")
"""What sections of jobs have in common is shown before what is theirs."""
RESTART_NEEDED = ("memsys", "net", "tracing", "timeout.cplane_operation", "timeout.max_keepalive")
LOCAL_PART = ("confdir", "log_dir", "host_net", "fspaths", "test_fspaths")
"""Top-level keys of a node's configuration that are its own."""

Tree = dict[str, Any]


class Change(NamedTuple):
    """What a command line wants to change: plain values by key, or whole sections as JSON; never both."""

    pairs: dict[str, str]
    tree: Tree

    @property
    def keys(self) -> list[str]:
        return [*self.pairs, *self.tree]


def flat(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """All leaves by dotted key, section by section in the order given."""
    leaves: dict[str, Any] = {}
    for key in sorted(tree, key=lambda key: key not in _SHARED_FIRST) if path else tree:
        value, name = tree[key], f"{path}.{key}" if path else key
        leaves |= flat(value, name) if isinstance(value, Mapping) and value else {name: value}
    return leaves


def select(leaves: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The leaves of a key, a section, or the beginning of keys; empty when there are none."""
    name = name.lower().rstrip(".")
    if name in leaves:
        return {name: leaves[name]}
    section = {key: value for key, value in leaves.items() if key.startswith(name + ".")}
    return section or {key: value for key, value in leaves.items() if key.startswith(name)}


def unflat(leaves: Mapping[str, Any]) -> Tree:
    """The tree of dotted keys; the opposite of `flat`."""
    tree: Tree = {}
    for key, value in leaves.items():
        *parts, last = key.split(".")
        into = tree
        for part in parts:
            into = into.setdefault(part, {})
        into[last] = value
    return tree


def shown(key: str, value: Any) -> str:
    """A value as it is shown: flags by their names, lists as the command line takes them, nothing as `-`."""
    if key == "features" and str(value).isdigit():
        return ", ".join(names_of(int(value), FEATURES)) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{' '.join(map(str, value))}]" if value else "-"
    return "-" if value in (None, "", {}) else str(value)


def rows(leaves: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Properties and their values."""
    return [(key, shown(key, value)) for key, value in leaves.items()]


def is_change(words: Sequence[str]) -> bool:
    """Whether words behind the command set something: `K=V`, `K V`, `K = V`; a single word shows."""
    return len(words) > 1 or any("=" in word for word in words)


def parse_change(words: Sequence[str]) -> Change:
    """Read `KEY=VALUE...`, `KEY VALUE`, `KEY = VALUE`, `KEY='{json}'`.

    Raises:
        UsageError: a key without value, malformed JSON, JSON beside plain values, an unknown feature flag.
    """
    pairs: dict[str, str] = {}
    tree: Tree = {}
    for key, value in _pairs(words):
        if value.startswith("{"):
            tree |= {key.removesuffix(".conf"): _json(key, value)}
        else:
            pairs[key] = value
    if pairs and tree:
        raise UsageError("JSON and plain values cannot be mixed")
    return Change(pairs, tree)


def _pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    pairs = parse_pairs(words, rest_of_line=lambda key: key.strip().lower() in _REST_OF_LINE)
    lowered = [(key.lower(), value) for key, value in pairs]
    return [(key, _features(value) if key == "features" else value) for key, value in lowered]


def _features(text: str) -> str:
    try:
        return str(parse_features(",".join(text.strip("[]").replace(",", " ").split())))
    except MossError as error:
        raise UsageError(error.message) from None


def _json(key: str, text: str) -> Tree:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f'invalid JSON value of "{key}": {error}') from None
    return value


def needs_restart(key: str) -> bool:
    """Whether a change takes effect only when the cluster starts again."""
    return any(key == name or key.startswith(name + ".") for name in RESTART_NEEDED)


def differences(node: Mapping[str, Any], cluster: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Properties of a node, with the cluster's value where it is another one."""
    return [
        (key, shown(key, value), "-" if key in cluster and cluster[key] == value else shown(key, cluster.get(key)))
        for key, value in node.items()
    ]
