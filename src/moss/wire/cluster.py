"""The cluster map as clients see it, and the rule by which everyone finds an object's owner in it.

A node of ours has two faces, a gateway and a target, and stands in both halves of the map.

Source: spec/rest-control.md 4.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec
import xxhash

from moss.errors import MalformedAnswer, NotFound

__all__ = ["ClusterMap", "NetInfo", "NodeFlag", "NodeInfo", "build_cluster_map", "decode_cluster_map", "node_digest"]

_SEED = 1103515245
_MASK = (1 << 64) - 1


class NodeFlag:
    """Bits of `NodeInfo.flags`."""

    NON_ELECTABLE = 1
    IC_MEMBER = 2
    MAINTENANCE = 4
    DECOMMISSION = 8
    POST_REBALANCE = 16
    INACTIVE = MAINTENANCE | DECOMMISSION


class NetInfo(msgspec.Struct, frozen=True):
    """One address of a node."""

    node_ip_addr: str = ""
    """Address or host name."""
    daemon_port: str = ""
    """Decimal text."""
    direct_url: str = ""
    """Absolute, without trailing slash."""

    @classmethod
    def of_url(cls, url: str) -> "NetInfo":
        """Take an address apart; a URL without port has its scheme's."""
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.hostname or "", str(port), url.rstrip("/"))


class NodeInfo(msgspec.Struct, frozen=True):
    """One node of the map. Field order is the order on the wire."""

    public_net: NetInfo
    intra_data_net: NetInfo
    intra_control_net: NetInfo
    daemon_type: str
    """`proxy` or `target`."""
    daemon_id: str
    flags: int = 0
    id_digest: int = 0
    """XXH64 of the id; an unsigned 64-bit number, never a float."""

    @classmethod
    def build(
        cls, node_id: str, kind: str, public_url: str, *, data_url: str = "", control_url: str = "", flags: int = 0
    ) -> "NodeInfo":
        """Describe a node; networks that it does not have are its public one."""
        public = NetInfo.of_url(public_url)
        return cls(
            public_net=public,
            intra_data_net=NetInfo.of_url(data_url) if data_url else public,
            intra_control_net=NetInfo.of_url(control_url) if control_url else public,
            daemon_type=kind,
            daemon_id=node_id,
            flags=flags,
            id_digest=node_digest(node_id),
        )

    @property
    def is_active(self) -> bool:
        return not self.flags & NodeFlag.INACTIVE

    @property
    def url(self) -> str:
        """Where clients reach the node."""
        return self.public_net.direct_url


class ClusterMap(msgspec.Struct, kw_only=True):
    """The map of one version. Field order is the order on the wire."""

    pmap: dict[str, NodeInfo]
    """Gateways by id."""
    proxy_si: NodeInfo
    """The primary, its entry in full."""
    tmap: dict[str, NodeInfo]
    """Targets by id."""
    uuid: str = ""
    creation_time: str = ""
    version: str = "1"
    """Decimal text, monotonic, above 0."""

    @property
    def primary(self) -> NodeInfo:
        return self.proxy_si

    @property
    def active_targets(self) -> list[NodeInfo]:
        """Targets that are neither in maintenance nor being decommissioned."""
        return [node for node in self.tmap.values() if node.is_active]

    def owner_of(self, uname: str) -> NodeInfo:
        """Return the target that owns an object, by its unique name (`ais/@#/b/o`).

        Raises:
            NotFound: no active target.
        """
        return self.owners_of(uname, 1)[0]

    def owners_of(self, uname: str, count: int) -> list[NodeInfo]:
        """Return the first `count` targets that hold an object, the owner first; fewer when there are fewer.

        Raises:
            NotFound: no active target.
        """
        targets = self.active_targets
        if not targets:
            inactive = len(self.tmap)
            suffix = f" ({inactive} targets in maintenance mode or being decommissioned)" if inactive else ""
            raise NotFound(f"no storage targets in the cluster{suffix}")
        digest = xxhash.xxh64_intdigest(uname.encode("utf-8", "surrogateescape"), seed=_SEED)
        # Equal scores do not happen; the lower id first makes even that deterministic.
        ranked = sorted(targets, key=lambda node: (-_mix(node.id_digest ^ digest), node.daemon_id))
        return ranked[:count]


def node_digest(node_id: str) -> int:
    """Return the number of a node that placement mixes with that of an object's name."""
    return xxhash.xxh64_intdigest(node_id.encode(), seed=_SEED)


_GAMMA = 0x9E3779B97F4A7C15


def _mix(seed: int) -> int:
    """Scramble 64 bits: two chained rounds of splitmix64, then the output function of xoshiro256**."""
    state = (seed + _GAMMA) & _MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
    state = ((state ^ (state >> 31)) + _GAMMA) & _MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
    state = ((state ^ (state >> 31)) * 5) & _MASK
    return (((state << 7) | (state >> 57)) * 9) & _MASK


def build_cluster_map(
    gateways: Iterable[NodeInfo], targets: Iterable[NodeInfo], *, primary_id: str, uuid: str, created: str, version: int
) -> ClusterMap:
    """Put a map together; of an embedded node both faces are given, each under its own id."""
    gateways_by_id = {node.daemon_id: node for node in gateways}
    return ClusterMap(
        pmap=gateways_by_id,
        proxy_si=gateways_by_id[primary_id],
        tmap={node.daemon_id: node for node in targets},
        uuid=uuid,
        creation_time=created,
        version=str(version),
    )


_decoder = msgspec.json.Decoder(ClusterMap)


def decode_cluster_map(body: bytes | bytearray | memoryview) -> ClusterMap:
    """Read the map that any server sends; keys that we do not know are ignored.

    Raises:
        MalformedAnswer: not a cluster map.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"not a cluster map: {error}") from None
