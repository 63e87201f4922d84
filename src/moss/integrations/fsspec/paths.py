"""Paths of the file system, `bucket/object`, and the descriptions that listings are turned into. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from moss.naming.uri import split_archive_path
from moss.wire.object import EntryFlag

__all__ = [
    "Info",
    "Location",
    "describe_directory",
    "describe_entries",
    "describe_file",
    "locate",
    "select_below",
    "version_of",
]

Info = dict[str, Any]
"""What fsspec says about a path: `name`, `size` in bytes, `type`, and for files what tells their versions apart."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a path leads.

    Attributes:
        root: the bucket, with its namespace in front if it has one (`@uuid#ns/bucket`); empty at the very top.
        name: the object, or the prefix that a directory is; empty for the bucket itself.
    """

    root: str
    name: str = ""

    @property
    def path(self) -> str:
        return f"{self.root}/{self.name}" if self.name else self.root

    @property
    def prefix(self) -> str:
        """What the names of all objects below begin with."""
        return f"{self.name}/" if self.name else ""

    @property
    def namespace(self) -> str:
        """The part of `root` in front of the bucket, empty for buckets of the global namespace."""
        return self.root.rpartition("/")[0]

    @property
    def bucket(self) -> str:
        return self.root.rpartition("/")[2]

    def split_member(self) -> tuple["Location", str] | None:
        """The shard and the member behind it when the name leads through an archive, else None."""
        shard, member = split_archive_path(self.name)
        return (Location(self.root, shard), member) if member else None


def locate(path: str) -> Location:
    """Split a path without its protocol.

    Raises:
        ValueError: a namespace without a bucket.
    """
    root, _, name = path.lstrip("/").partition("/")
    if root[:1] in ("@", "#"):
        bucket, _, name = name.partition("/")
        if not bucket:
            raise ValueError(f"{path!r} has a namespace and no bucket: expected @uuid#namespace/bucket/object")
        root = f"{root}/{bucket}"
    return Location(root, name)


def describe_directory(path: str) -> Info:
    return {"name": path, "size": 0, "type": "directory"}


def describe_file(path: str, size: int, version: str = "", checksum: str = "") -> Info:
    """The same from a listing as from a HEAD, so that `ukey` and caches agree whoever asked.

    `ETag` is made of version and checksum, which change with the content and not when it is read.
    """
    info: Info = {"name": path, "size": size, "type": "file"}
    if version or checksum:
        info |= {"version": version, "checksum": checksum, "ETag": f"{version}-{checksum}"}
    return info


def version_of(attributes: Any) -> str:
    """What changes when an object is replaced, from the answer to a GET of a part of it.

    Version and size of the whole; the checksum of such an answer may be that of the part.
    """
    total = attributes.get("content-range", "").rpartition("/")[2] or attributes.get("content-length", "")
    return f"{attributes.obj_version}-{total}"


def describe_entries(root: str, entries: Iterable[Any]) -> Iterator[Info]:
    """Descriptions of the entries of a bucket's listing; virtual directories are directories."""
    for entry in entries:
        path = f"{root}/{entry.name}"
        if entry.flags & EntryFlag.IS_DIRECTORY or entry.name.endswith("/"):
            yield describe_directory(path.rstrip("/"))
        else:
            yield describe_file(path, entry.size, entry.version, entry.checksum)


def select_below(top: str, infos: Iterable[Info], maxdepth: int | None, withdirs: bool) -> dict[str, Info]:
    """What `find` answers from a flat listing.

    Args:
        top: path of the directory that was listed.
        infos: descriptions of everything below it.
        maxdepth: levels below `top`; None for all.
        withdirs: add the directories on the way, and `top` itself.

    Returns:
        Descriptions by path, in the order of the paths.
    """
    start = len(top) + 1 if top else 0
    found: dict[str, Info] = {}
    directories: dict[str, Info] = {}
    for info in infos:
        path = info["name"]
        slash = path.rfind("/", start)
        while withdirs and slash > 0 and (parent := path[:slash]) not in directories:
            if not parent.endswith("/"):
                directories[parent] = describe_directory(parent)
            slash = path.rfind("/", start, slash)
        (found if info["type"] == "file" else directories)[path] = info
    if withdirs:
        # An object wins over the directory of the same name: it is what reading the path gives.
        found = directories | found
        if top:
            found.setdefault(top, describe_directory(top))
    if maxdepth is not None:
        found = {path: info for path, info in found.items() if path == top or path.count("/", start) < maxdepth}
    return dict(sorted(found.items()))
