"""Samples as members of TAR archives, in the form that WebDataset readers know. Pure but for its input."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from moss.archive.tar import END, PADDINGS, build_header

__all__ = ["encode_part", "frame_sample", "pack_shard"]

KEY = "__key__"
_PIECE_BYTES = 1024 * 1024


def encode_part(key: str, data: Any) -> bytes:
    """The bytes of one part of a sample: bytes as they are, text as UTF-8, numbers as text, the rest as JSON.

    Raises:
        TypeError: JSON has no form for it.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, int | float) and not key.endswith("json"):
        return str(data).encode()
    return json.dumps(data, ensure_ascii=False).encode()


def frame_sample(sample: dict[str, Any]) -> list[bytes]:
    """Header, data and padding of each part, named `<key>.<part>`."""
    pieces: list[bytes] = []
    for name, data in sample.items():
        if name == KEY:
            continue
        content = encode_part(name, data)
        pieces += [build_header(f"{sample[KEY]}.{name}", len(content)), content, PADDINGS[-len(content) & 511]]
    return pieces


def pack_shard(samples: Iterable[dict[str, Any]], maxsize: float) -> Iterator[bytes]:
    """Yield one archive in pieces of about a MiB; it takes samples until it has `maxsize` bytes."""
    size = pending = 0
    pieces: list[bytes] = []
    for sample in samples:
        for piece in frame_sample(sample):
            pieces.append(piece)
            pending += len(piece)
        if pending >= _PIECE_BYTES:
            yield b"".join(pieces)
            size += pending
            pieces, pending = [], 0
        if size + pending >= maxsize:
            break
    yield b"".join([*pieces, END])
