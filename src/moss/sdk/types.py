"""Values that the cluster answers with: cluster map, buckets, listings, jobs, transformations.

Source: spec/python-sdk.md 1.3, 1.9 and 1.13.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from moss.errors import MalformedAnswer
from moss.sdk.bucket_model import BucketModel
from moss.sdk.errors import NoTargetError
from moss.sdk.info_types import ETLDetails, ETLInfo, ETLInitMsg, ETLNodeLogs, ETLObjError, NBIInfo
from moss.sdk.job_types import AggregatedJobSnap, JobSnap, JobStats, JobStatus
from moss.sdk.namespace import Namespace
from moss.sdk.obj.object_props import ObjectProps
from moss.sdk.utils import get_digest, xoshiro256_hash
from moss.wire.object import EntryFlag, ObjectEntry, decode_list_page

__all__ = [
    "AggregatedJobSnap",
    "BucketEntry",
    "BucketList",
    "BucketModel",
    "ETLDetails",
    "ETLInfo",
    "ETLInitMsg",
    "ETLNodeLogs",
    "ETLObjError",
    "JobSnap",
    "JobStats",
    "JobStatus",
    "NBIInfo",
    "Namespace",
    "NetInfo",
    "Smap",
    "Snode",
    "decode_smap",
]


class NetInfo(msgspec.Struct, frozen=True):
    """One address of a node."""

    node_hostname: str = ""
    node_ip_addr: str = ""
    daemon_port: str = ""
    direct_url: str = ""


class Snode(msgspec.Struct, frozen=True):
    """One node of the cluster."""

    daemon_id: str
    daemon_type: str
    public_net: NetInfo
    intra_control_net: NetInfo = NetInfo()
    intra_data_net: NetInfo = NetInfo()
    flags: int = 0
    id_digest: int = 0

    def in_maint_or_decomm(self) -> bool:
        """True when the node is in maintenance or leaving."""
        return bool(self.flags & (1 << 2 | 1 << 3))


class Smap(msgspec.Struct, kw_only=True):
    """The cluster map: gateways (`pmap`) and targets (`tmap`) by id, and the primary gateway."""

    tmap: dict[str, Snode]
    pmap: dict[str, Snode]
    proxy_si: Snode
    version: int = 0
    uuid: str = ""
    creation_time: str = ""

    def get_target_for_object(self, uname: str) -> Snode:
        """The target that owns an object, by the rule that the cluster uses itself.

        Raises:
            NoTargetError: no target that is neither in maintenance nor leaving.
        """
        digest = get_digest(uname)
        candidates = [node for node in self.tmap.values() if not node.in_maint_or_decomm()]
        if not candidates:
            raise NoTargetError(len(self.tmap))
        return min(candidates, key=lambda node: (-xoshiro256_hash(node.id_digest ^ digest), node.daemon_id))

    def urls(self) -> set[str]:
        """Every address of every node."""
        nodes = [*self.tmap.values(), *self.pmap.values(), self.proxy_si]
        nets = (net for node in nodes for net in (node.public_net, node.intra_control_net, node.intra_data_net))
        return {net.direct_url for net in nets if net.direct_url}


_smap_decoder = msgspec.json.Decoder(Smap, strict=False)  # `version` is decimal text.


def decode_smap(body: bytes) -> Smap:
    """Read a cluster map.

    Raises:
        MalformedAnswer: no cluster map.
    """
    try:
        return _smap_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedAnswer(f"not a cluster map: {error}") from None


class BucketEntry(ObjectEntry, eq=False, gc=False):
    """One line of a listing.

    Attributes:
        name, checksum, atime, version, location, custom: text, empty when not asked for.
        size: bytes.
        copies, flags: numbers.
    """

    # Set here, never by an answer: the type lets nothing but null through.
    _bucket: None = None
    _object: None = None

    @property
    def object(self) -> Any:
        """The `Object` of this entry, made when it is first asked for; None outside of a listing."""
        if self._object is None and self._bucket is not None:
            self._object = self._bucket.object(self.name)
        return self._object

    @object.setter
    def object(self, value: Any) -> None:
        self._object = value

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, BucketEntry):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in ObjectEntry.__struct_fields__)

    __hash__ = None  # type: ignore[assignment]

    def is_cached(self) -> bool:  # type: ignore[override]
        """True when the object is stored in the cluster."""
        return bool(self.flags & EntryFlag.CACHED)

    def is_ok(self) -> bool:
        """True when the object is where it should be."""
        return not self.flags & EntryFlag.STATUS_MASK

    def generate_object_props(self) -> ObjectProps:
        """The listed properties in the form that `Object.props_cached` has."""
        fields = {"Content-Length": str(self.size), "Ais-Name": self.name}
        for header, value in (
            ("Ais-Checksum-Value", self.checksum),
            ("Ais-Atime", self.atime),
            ("Ais-Version", self.version),
            ("Ais-Location", self.location),
            ("Ais-Mirror-Copies", self.copies),
        ):
            if value:
                fields[header] = str(value)
        return ObjectProps(fields)

    def __repr__(self) -> str:
        return f"BucketEntry(name={self.name!r}, size={self.size})"


class BucketList:
    """One page of a listing; iterates over its entries.

    Attributes:
        uuid: id of the listing, the same on all pages.
        continuation_token: empty on the last page.
        entries: never None.
        flags: bit 0 set means that the page may be incomplete.
    """

    __slots__ = ("continuation_token", "entries", "flags", "uuid")

    def __init__(
        self, uuid: str = "", continuation_token: str = "", flags: int = 0, entries: list[BucketEntry] | None = None
    ) -> None:
        self.uuid, self.continuation_token, self.flags, self.entries = uuid, continuation_token, flags, entries or []

    @classmethod
    def decode(cls, body: bytes, content_type: str, bucket: Any = None) -> "BucketList":
        """Read a page that a cluster answered with.

        Args:
            content_type: of the answer.
            bucket: makes the objects of the entries.

        Raises:
            MalformedAnswer: no page of a listing.
        """
        page = decode_list_page(body, content_type, BucketEntry)
        for entry in page.entries or ():
            entry._bucket = bucket
        return cls(page.uuid, page.continuation_token, page.flags, page.entries)

    def get_entries(self) -> list[BucketEntry]:
        return self.entries

    def __iter__(self) -> Iterator[BucketEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"BucketList({len(self.entries)} entries, continuation_token={self.continuation_token!r})"
