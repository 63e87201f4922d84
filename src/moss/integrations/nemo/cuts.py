"""Cuts of NeMo's tarred manifests that read their audio by URL: no tar is opened to make them.

Source: spec/python-sdk.md 7. Where the reference gives a segment's duration to the recording that it is in, so that
what is read of it is too short, here a recording reaches at least to the end of its last segment.
"""

import logging
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from lhotse import AudioSource, MonoCut, Recording, SupervisionSegment
from lhotse.utils import compute_num_samples

__all__ = ["cuts_of_shard", "file_of_entry", "group_by_file", "url_cut"]

_logger = logging.getLogger(__name__)
_SEGMENT = re.compile(r"(?P<stem>.+)-sub\d+(?P<extension>\.\w+)?")
_RATE_DEFAULT_HZ: Final = 16_000
_NOT_CUSTOM = ("duration", "audio_filepath")

_MARGIN_S = 0.01
"""What a recording of unknown length is declared longer than the parts of it that are known.

Lhotse reads a recording as a whole when a cut is as long as the recording (within a millisecond), and then refuses a
file that is longer than declared. With a margin it reads the cut and no more.
"""

Entry = Mapping[str, Any]


def file_of_entry(entry: Entry) -> str:
    """Member that an entry of a manifest is a part of: its path without the mark of a segment, `-subN`.

    Raises:
        ValueError: the entry names no file.
    """
    path = entry.get("audio_filepath")
    if not isinstance(path, str) or not path:
        raise ValueError(f"an entry of the manifest has no audio_filepath: {dict(entry)!r}")
    found = _SEGMENT.fullmatch(path)
    return path if found is None else found["stem"] + (found["extension"] or "")


def group_by_file(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Entries by the member that they are parts of, in the order in which members are first named."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(file_of_entry(entry), []).append(entry)
    return groups


def url_cut(
    tar_url: str,
    member: str,
    duration_s: float,
    *,
    offset_s: float = 0.0,
    sampling_rate: int = _RATE_DEFAULT_HZ,
    recording_s: float | None = None,
) -> MonoCut:
    """Make a cut of a member of a shard.

    Args:
        tar_url: URL of the shard.
        member: path of the audio file in it.
        duration_s, offset_s: the part of the file.
        sampling_rate: of the file, in Hz.
        recording_s: length of the file; None when it is not known.

    Raises:
        ValueError: a duration that is not positive, or a negative offset.
    """
    for name, value, is_good in (("duration", duration_s, duration_s > 0), ("offset", offset_s, offset_s >= 0)):
        if not is_good or not math.isfinite(value):
            raise ValueError(f"{member!r} has an impossible {name}: {value!r} seconds")
    length_s = offset_s + duration_s + _MARGIN_S if recording_s is None else recording_s
    url = f"{tar_url.rstrip('/')}/{member.lstrip('/')}"
    recording = Recording(
        id=member,
        sources=[AudioSource(type="url", channels=[0], source=url)],
        sampling_rate=sampling_rate,
        num_samples=compute_num_samples(length_s, sampling_rate),
        duration=length_s,
    )
    suffix = f"-{round(offset_s * 100):06d}-{round(duration_s * 100):06d}" if offset_s > 0 else ""
    return MonoCut(
        id=f"{member}{suffix}", start=offset_s, duration=duration_s, channel=0, supervisions=[], recording=recording
    )


def cuts_of_shard(
    groups: Mapping[str, Iterable[Entry]],
    tar_url: str,
    manifest_path: str,
    *,
    text_field: str = "text",
    lang_field: str = "lang",
) -> Iterator[MonoCut]:
    """Make the cuts of one shard, with their transcripts and all that the manifest says of them.

    Entries with `_skipme` are left out, and those without `duration`, with a warning.

    Args:
        groups: entries by member, see `group_by_file`.
    """
    for member, entries in groups.items():
        usable = [entry for entry in entries if _is_usable(entry, member)]
        is_whole_file = len(usable) == 1 and not usable[0].get("offset") and usable[0]["audio_filepath"] == member
        ends = [_number(entry, "offset") + _number(entry, "duration") for entry in usable]
        recording_s = None if not usable else max(ends) + (0.0 if is_whole_file else _MARGIN_S)
        for entry in usable:
            cut = url_cut(
                tar_url,
                member,
                _number(entry, "duration"),
                offset_s=_number(entry, "offset"),
                sampling_rate=int(entry.get("sampling_rate") or _RATE_DEFAULT_HZ),
                recording_s=recording_s,
            )
            supervision = SupervisionSegment(
                id=cut.id,
                recording_id=cut.recording_id,
                start=0,
                duration=cut.duration,
                text=entry.get(text_field),
                language=entry.get(lang_field),
            )
            cut.supervisions.append(supervision)
            origin = {"manifest_origin": manifest_path, "tar_origin": tar_url}
            cut.custom = {name: value for name, value in entry.items() if name not in _NOT_CUSTOM} | origin
            yield cut


def _number(entry: Entry, name: str) -> float:
    return float(entry.get(name) or 0.0)


def _is_usable(entry: Entry, member: str) -> bool:
    if entry.get("_skipme", False):
        return False
    if entry.get("duration") is None:
        _logger.warning("%r is skipped: its entry in the manifest has no duration", member)
        return False
    return True
