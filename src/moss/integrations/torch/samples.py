"""What a sample is: an object, a byte range, a member of a shard, or several of these by name; and lists of samples."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import xxhash

from moss.archive.formats import format_of_name
from moss.sdk import Bucket, ListObjectFlag
from moss.sdk.batch.batch import Batch
from moss.sdk.batch.build import entries_of_names
from moss.sdk.batch.types import MossIn
from moss.sdk.request_client import RequestClient
from moss.wire.object import EntryFlag

__all__ = ["Sample", "fingerprint", "group_members", "list_members", "list_objects", "sample_name", "to_samples"]

Sample = MossIn | dict[str, MossIn]

_log = logging.getLogger("moss.integrations.torch")
_ENTRY_KEYS = frozenset({"obj", "obj_name", "name"})


def to_samples(items: Iterable[Any], session: RequestClient, bucket: Bucket | None) -> list[Sample]:
    """Samples of whatever names them.

    Args:
        items: each a name, a URL, a `(name, member)` pair, an `Object`, a dict with the arguments of `Batch.add`, a
            `MossIn`, or for a sample of several parts a dict of such items, with no part called `obj` or `name`.
        bucket: of names that name none.

    Raises:
        ValueError: an item is nothing of this, or names no bucket.
    """
    items = list(items)
    if not any(_has_parts(item) for item in items):
        return Batch(session, items, bucket).requests_list
    return [_sample(item, session, bucket) for item in items]


def _has_parts(item: Any) -> bool:
    return isinstance(item, dict) and not _ENTRY_KEYS & item.keys()


def _sample(item: Any, session: RequestClient, bucket: Bucket | None) -> Sample:
    if not _has_parts(item):
        return Batch(session, [item], bucket).requests_list[0]
    if not item:
        raise ValueError("a sample needs at least one part")
    entries = Batch(session, list(item.values()), bucket).requests_list
    return dict(zip(item, entries, strict=True))


def list_objects(bucket: Bucket, prefix: str = "") -> list[Sample]:
    """Each object is a sample; in byte order of the names."""
    names = [entry.name for entry in bucket.list_objects_iter(prefix, "name")]
    return entries_of_names(names, bucket) or []


def list_members(bucket: Bucket, prefix: str = "") -> list[MossIn]:
    """Each member of each archive is an entry; other objects are left out.

    The cluster tells them from its tables of members; nothing is downloaded.

    Raises:
        ValueError: the prefix is that of members, without the whole name of their archive.
    """
    archives: dict[str, MossIn] = {}
    members: list[MossIn] = []
    for listed in bucket.list_objects_iter(prefix, "name", flags=[ListObjectFlag.ARCH_DIR]):
        if listed.flags & EntryFlag.IN_ARCHIVE:
            members.append(_member(listed.name, archives))
        elif format_of_name(listed.name) is not None:
            (archives[listed.name],) = entries_of_names([listed.name], bucket) or ()
    filled = {member.obj_name for member in members}
    for name in archives.keys() - filled:
        _log.warning("archive %r has no members, or cannot be read", name)
    return members


def _member(name: str, archives: dict[str, MossIn]) -> MossIn:
    """Other objects may stand between an archive and its members: `a.tar`, `a.tar.txt`, `a.tar/member`."""
    end = name.find("/")
    while end > 0:
        archive = archives.get(name[:end])
        if archive is not None:
            return msgspec.structs.replace(archive, archpath=name[end + 1 :])
        end = name.find("/", end + 1)
    raise ValueError(f"the listing names the member {name!r} without its archive; list archives by their own names")


def group_members(entries: Iterable[MossIn]) -> list[Sample]:
    """Put the entries of one stem together, as in WebDataset shards: `a/0007.jpg` and `a/0007.cls.txt` are the parts
    `jpg` and `cls.txt` of one sample. The samples stand in the order of their first entries.

    Raises:
        ValueError: two entries are the same part of one sample.
    """
    groups: dict[tuple[str, str], dict[str, MossIn]] = {}
    for entry in entries:
        path = entry.archpath or entry.obj_name
        folder, slash, file = path.rpartition("/")
        stem, _, part = file.partition(".")
        shard = entry.obj_name if entry.archpath else ""
        parts = groups.setdefault((shard, f"{folder}{slash}{stem}"), {})
        if parts.setdefault(part, entry) is not entry:
            raise ValueError(f"{sample_name(entry)!r} is there twice")
    return list(groups.values())


def sample_name(sample: Sample) -> str:
    """`object`, or `object/member`; of a sample with parts, their common beginning up to the dot."""
    if isinstance(sample, dict):
        part, entry = next(iter(sample.items()))
        return sample_name(entry).removesuffix(f".{part}")
    return f"{sample.obj_name}/{sample.archpath}" if sample.archpath else sample.obj_name


def fingerprint(samples: Sequence[Sample]) -> str:
    """32 hex digits that other samples, or others in another order, do not have. It takes about a second for a
    million samples."""
    hasher = xxhash.xxh3_128()
    for sample in samples:
        parts = sample.items() if isinstance(sample, dict) else (("", sample),)
        for part, entry in parts:
            fields = (part, entry.provider, entry.uname or entry.bck, entry.obj_name, entry.archpath)
            text = "\0".join(field or "" for field in fields)
            hasher.update(f"{text}\0{entry.start or 0}\0{entry.length or 0}\1".encode())
        hasher.update(b"\2")
    return hasher.hexdigest()
