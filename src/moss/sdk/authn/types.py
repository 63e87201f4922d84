"""What the authentication server stores: users, roles, clusters. Source: spec/rest-control.md 13.1."""

from collections.abc import ItemsView, Iterator
from typing import Any

import msgspec

from moss.errors import MalformedAnswer
from moss.sdk.authn.access_attr import AccessAttr
from moss.sdk.bucket_model import BucketModel

__all__ = [
    "BucketPermission",
    "ClusterInfo",
    "ClusterList",
    "ClusterPermission",
    "RoleInfo",
    "RolesList",
    "UserInfo",
    "UserMap",
    "decode",
]


class ClusterInfo(msgspec.Struct):
    """A registered cluster."""

    id: str
    alias: str | None = None
    urls: list[str] = []


class ClusterList(msgspec.Struct):
    """Registered clusters by id."""

    clusters: dict[str, ClusterInfo] = {}


class ClusterPermission(msgspec.Struct):
    """What a role may do in a cluster; `perm` is the decimal text of an `AccessAttr`."""

    id: str
    perm: str

    def describe(self) -> str:
        """Names of the permissions."""
        return AccessAttr.describe(int(self.perm))


class BucketPermission(msgspec.Struct):
    """What a role may do in a bucket; the `uuid` of the bucket's namespace is the cluster."""

    bck: BucketModel
    perm: str

    def describe(self) -> str:
        """Names of the permissions."""
        return AccessAttr.describe(int(self.perm))


class RoleInfo(msgspec.Struct):
    """A role."""

    name: str
    desc: str = ""
    clusters: list[ClusterPermission] | None = None
    buckets: list[BucketPermission] | None = None
    admin: bool = False


class RolesList:
    """Roles, in the order of the server.

    Attributes:
        root: the list.
    """

    def __init__(self, root: list[RoleInfo] | None = None) -> None:
        self.root = root or []

    def __iter__(self) -> Iterator[RoleInfo]:
        return iter(self.root)

    def __len__(self) -> int:
        return len(self.root)

    def __getitem__(self, index: int) -> RoleInfo:
        return self.root[index]

    def __eq__(self, other: object) -> bool:
        return self.root == (other.root if isinstance(other, RolesList) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"RolesList({self.root!r})"


class UserInfo(msgspec.Struct):
    """A user; the server never tells the password."""

    id: str
    roles: RolesList
    password: str | None = None


class UserMap:
    """Users by name.

    Attributes:
        root: the dict.
    """

    def __init__(self, root: dict[str, UserInfo] | None = None) -> None:
        self.root = root or {}

    def items(self) -> ItemsView[str, UserInfo]:
        return self.root.items()

    def __iter__(self) -> Iterator[str]:
        return iter(self.root)

    def __len__(self) -> int:
        return len(self.root)

    def __getitem__(self, name: str) -> UserInfo:
        return self.root[name]

    def __repr__(self) -> str:
        return f"UserMap({self.root!r})"


def _read_special(kind: type, value: Any) -> Any:
    if kind is RolesList:
        return RolesList(msgspec.convert(value or [], list[RoleInfo]))
    raise NotImplementedError(kind)


def decode(body: bytes, kind: Any) -> Any:
    """Read an answer of the authentication server.

    Raises:
        MalformedAnswer: it is not of this kind.
    """
    try:
        return msgspec.json.decode(body, type=kind, dec_hook=_read_special)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"not an answer of the authentication server: {error}") from None
