"""The places in cuts that data goes to: which there are, what each wants, how it gets it.

Every track of a mixed cut, every source of a recording and of the impulse responses that it is convolved with, and
every array, image and recording in the custom fields of a cut and of its supervisions.

Source: spec/python-sdk.md 6.4 to 6.6 and 6.8.
"""

import pickle
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from lhotse.array import Array, TemporalArray
from lhotse.audio import AudioSource, Recording
from lhotse.cut import Cut, MixedCut
from lhotse.features.base import Features
from lhotse.image import Image

from moss.archive.tar_parse import walk
from moss.errors import BadArchive
from moss.integrations.lhotse.locations import Location, is_store_url, parse_location, parse_pointer

__all__ = ["Slot", "find_slots", "location_of", "parts_of"]

_NPY = b"\x93NUMPY"

_MEMORY_TYPES = {
    "lilcom_files": "memory_lilcom",
    "lilcom_url": "memory_lilcom",
    "numpy_files": "memory_npy",
    "pillow_files": "pillow_memory",
}
"""Lhotse's storage type of a file, and the one whose reader takes the same bytes from memory."""

_POINTER = "shar_ptr"
_POINTER_TO_ARRAY = "shar_ptr_array"

Stored: TypeAlias = Features | Array | Image


@dataclass(slots=True)
class Slot:
    """One place that data goes to.

    Attributes:
        location: where the data is now.
        put: puts it in its place.
        cuts: positions of the cuts that use it.
    """

    location: Location
    put: Callable[[bytes], None]
    cuts: list[int] = field(default_factory=list)


def find_slots(cuts: Iterable[Any], without: Container[int] = ()) -> list[Slot]:
    """Find what must be fetched for some cuts, in their order; each place once, however many cuts share it.

    What is in memory, in local files or anywhere else that is no store is left alone.

    Args:
        without: the `id` of parts of cuts (see `parts_of`) whose recording is not wanted.

    Raises:
        InvalidName: a URL of a store names no object there.
    """
    slots: dict[int, Slot] = {}
    for position, cut in enumerate(cuts):
        for holder in _holders_of_cut(cut, without):
            slot = slots.get(id(holder))
            if slot is None:
                location = location_of(holder)
                if location is None:
                    continue
                slot = slots[id(holder)] = Slot(location, partial(_put, holder, location))
            if not slot.cuts or slot.cuts[-1] != position:
                slot.cuts.append(position)
    return list(slots.values())


def parts_of(cut: Any) -> list[Any]:
    """The cuts that a cut is mixed from; of one that is not mixed, itself."""
    return [track.cut for track in cut.tracks] if isinstance(cut, MixedCut) else [cut]


def _holders_of_cut(cut: Any, without: Container[int]) -> Iterator[AudioSource | Stored]:
    if isinstance(cut, MixedCut):
        yield from _holders_of_transforms(cut.transforms)
    for part in parts_of(cut):
        for key, manifest in part.iter_data():
            if key != "recording" or id(part) not in without:
                yield from _holders_of(manifest)
        for supervision in getattr(part, "supervisions", ()):
            for value in (supervision.custom or {}).values():
                yield from _holders_of(value)


def _holders_of(manifest: Any) -> Iterator[AudioSource | Stored]:
    if isinstance(manifest, Recording):
        yield from manifest.sources
        yield from _holders_of_transforms(manifest.transforms)
    elif isinstance(manifest, TemporalArray):
        yield manifest.array
    elif isinstance(manifest, Stored):
        yield manifest


def _holders_of_transforms(transforms: Iterable[Any] | None) -> Iterator[AudioSource | Stored]:
    """Impulse responses that audio is convolved with are recordings, or cuts of them, too."""
    for transform in transforms or ():
        response = getattr(transform, "rir", None)
        if isinstance(response, Recording):
            yield from _holders_of(response)
        elif isinstance(response, Cut):
            yield from _holders_of_cut(response, ())


def location_of(holder: AudioSource | Stored) -> Location | None:
    """Where the data of a manifest or of a source is; None when that is no store.

    Raises:
        InvalidName: a URL of a store names no object there.
    """
    if isinstance(holder, AudioSource):
        if holder.type == _POINTER:
            return _pointer(holder.source)
        return parse_location(holder.source) if holder.type == "url" and is_store_url(holder.source) else None
    if holder.storage_type == _POINTER_TO_ARRAY:
        return _pointer(holder.storage_key)
    if holder.storage_type not in _MEMORY_TYPES or not is_store_url(holder.storage_path):
        return None
    # As Lhotse's own readers put them together.
    return parse_location(f"{holder.storage_path.removesuffix('/')}/{holder.storage_key.removeprefix('/')}")


def _pointer(text: Any) -> Location | None:
    if not is_store_url(text):
        return None  # Into a local file: Lhotse reads it.
    return parse_pointer(text)


def _put(holder: AudioSource | Stored, location: Location, data: bytes) -> None:
    """Put data where it belongs: the manifest then reads it from memory.

    Raises:
        BadArchive: a pointer into a Shar file points to something else.
    """
    if location.is_shar_pointer:
        data = _payload_of_entry(data, location)
    if isinstance(holder, AudioSource):
        holder.type, holder.source = "memory", data
        return
    if holder.storage_type == _POINTER_TO_ARRAY:
        memory_type = "memory_npy" if data.startswith(_NPY) else "memory_lilcom"
    else:
        memory_type = _MEMORY_TYPES[holder.storage_type]
    # This reader of Lhotse's takes pickles only; what is pickled here are bytes, whose decoding runs nothing.
    content = pickle.dumps(data) if memory_type == "pillow_memory" else data
    holder.storage_type, holder.storage_path, holder.storage_key = memory_type, "", content


def _payload_of_entry(entry: bytes, location: Location) -> bytes:
    """The payload of one TAR entry, behind its header and the headers that describe that one."""
    try:
        member = next(walk(entry), None)
    except BadArchive as error:
        raise BadArchive(f"{location} is no entry of a Shar file: {error}") from None
    if member is None:
        raise BadArchive(f"{location} is no entry of a Shar file: it is empty")
    return entry[member.data_offset : member.data_offset + member.size]
