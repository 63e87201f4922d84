"""WAV files: finding the samples behind a header that is read piece by piece, and writing a header for some of them.

Pure. Understands RIFF, RF64 and BW64 with samples of a fixed size: PCM, floating point, A-law, µ-law, and the
extensible format of these. Source: Multimedia Programming Interface and Data Specifications 1.0 (1991); EBU Tech 3306.
"""

import struct
from typing import NamedTuple

from moss.archive.buffers import Buffer

__all__ = ["BadWav", "HeaderWalk", "WavFormat", "build_wav"]

HEADER_BYTES_MIN = 44
"""The shortest header: what comes before the first sample in most files."""
_READ_BYTES_MAX = 4096
_CHUNK_BYTES_MAX = 64 << 10
_CHUNKS_MAX = 64
_UNKNOWN = 0xFFFFFFFF
_PCM, _EXTENSIBLE = 1, 0xFFFE
_FIXED_SIZE = {_PCM, 3, 6, 7}
_OTHERS = {b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3": "MP3", b"\xff\xfb": "MP3", b"FORM": "AIFF", b"NIST": "SPHERE"}


class BadWav(Exception):
    """The bytes are no WAV file whose parts can be cut out; the text says what they are."""


class WavFormat(NamedTuple):
    """How the samples of a file are stored, and where.

    Attributes:
        tag: 1 for PCM, 3 for floating point, 6 and 7 for A-law and µ-law.
        channels: columns of each frame.
        rate: frames a second.
        frame_bytes: bytes of one sample of every channel.
        chunk: the payload of the `fmt ` chunk.
        data_start: position of the first frame in the file.
        frames: number of frames; None when the file was written as a stream and does not say.
    """

    tag: int
    channels: int
    rate: int
    frame_bytes: int
    chunk: bytes
    data_start: int
    frames: int | None


class HeaderWalk:
    """Reads a header: asks for a range of the file, is given its bytes, asks for the next.

    Attributes:
        wanted: first byte and number of bytes to feed next.
    """

    def __init__(self) -> None:
        self.wanted = (0, HEADER_BYTES_MIN)
        self._total: int | None = None
        self._chunk = b""
        self._long_size: int | None = None
        self._chunks = 0

    def feed(self, data: Buffer) -> WavFormat | None:
        """Take the bytes of the wanted range; return the format, or None when more bytes are wanted.

        Raises:
            BadWav: they belong to no WAV file, or to one that is compressed.
        """
        base = at = self.wanted[0]
        if base == 0:
            self._check_magic(bytes(data[:12]))
            at = 12
        return self._walk(bytes(data), base, at)

    def _check_magic(self, head: bytes) -> None:
        if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:12] != b"WAVE":
            kind = next((name for magic, name in _OTHERS.items() if head.startswith(magic)), "")
            raise BadWav(f"{kind} data" if kind else "no WAV header")
        size = int.from_bytes(head[4:8], "little")
        self._total = size + 8 if 36 <= size < _UNKNOWN else None

    def _walk(self, data: bytes, base: int, at: int) -> WavFormat | None:
        """Go from chunk to chunk; positions are those of the file, `base` is that of the first byte at hand."""
        end = base + len(data)
        while end - at >= 8:
            kind, size = data[at - base : at - base + 4], int.from_bytes(data[at - base + 4 : at - base + 8], "little")
            body = at + 8
            if kind == b"data":
                return self._format(body, size)
            if kind in (b"fmt ", b"ds64"):
                if size > _CHUNK_BYTES_MAX:
                    raise BadWav(f"a header chunk of {size} bytes")
                if body + size > end:
                    self.wanted = (at, 8 + size)
                    return None
                self._keep(kind, data[body - base : body - base + size])
            self._chunks += 1
            if self._chunks > _CHUNKS_MAX:
                raise BadWav(f"no samples behind {_CHUNKS_MAX} header chunks")
            at = body + size + (size & 1)
        rest = 8 if self._total is None else min(_READ_BYTES_MAX, self._total - at)
        if rest < 8:
            raise BadWav("a WAV header without samples")
        self.wanted = (at, rest)
        return None

    def _keep(self, kind: bytes, payload: bytes) -> None:
        if kind == b"fmt ":
            self._chunk = payload
        elif len(payload) >= 16:
            self._long_size = int.from_bytes(payload[8:16], "little")

    def _format(self, start: int, size: int) -> WavFormat:
        if len(self._chunk) < 16:
            raise BadWav("a WAV header that does not say how its samples are stored")
        tag, channels, rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", self._chunk)
        if tag == _EXTENSIBLE and len(self._chunk) >= 26:
            tag = int.from_bytes(self._chunk[24:26], "little")
        if tag not in _FIXED_SIZE or not channels or not rate or frame_bytes != channels * ((bits + 7) // 8):
            raise BadWav(f"compressed WAV data (format {tag:#06x})")
        known: int | None = size
        if size in (0, _UNKNOWN):
            known = self._long_size if size == _UNKNOWN else None
        frames = None if known is None else known // frame_bytes
        return WavFormat(tag, channels, rate, frame_bytes, self._chunk, start, frames)


def build_wav(form: WavFormat, columns: tuple[int, ...], samples: bytes) -> bytes:
    """A file of some samples, and of them the given channels in that order.

    Args:
        samples: whole frames, stored as in `form`.

    Raises:
        BadWav: more than a RIFF file can hold.
    """
    picked = _pick(form, samples, columns)
    return b"".join((_header(form, len(columns), len(picked)), picked, b"\0" * (len(picked) & 1)))


def _header(form: WavFormat, channels: int, size: int) -> bytes:
    frame_bytes = form.frame_bytes // form.channels * channels
    chunk = bytearray(form.chunk)
    struct.pack_into("<HIIH", chunk, 2, channels, form.rate, form.rate * frame_bytes, frame_bytes)
    if channels != form.channels and len(chunk) >= 24:
        chunk[20:24] = bytes(4)  # the places of the speakers: whoever picks channels says nothing about them
    body = b"fmt " + struct.pack("<I", len(chunk)) + chunk + b"\0" * (len(chunk) & 1)
    if form.tag != _PCM:
        body += b"fact" + struct.pack("<II", 4, size // frame_bytes)
    total = 4 + len(body) + 8 + size + (size & 1)
    if total >= _UNKNOWN:
        raise BadWav(f"{size} bytes of samples, more than a WAV file holds")
    return b"RIFF" + struct.pack("<I", total) + b"WAVE" + body + b"data" + struct.pack("<I", size)


def _pick(form: WavFormat, samples: bytes, columns: tuple[int, ...]) -> bytes | bytearray:
    if columns == tuple(range(form.channels)):
        return samples
    width = form.frame_bytes // form.channels
    picked = bytearray(len(samples) // form.frame_bytes * width * len(columns))
    step = width * len(columns)
    for place, column in enumerate(columns):
        for byte in range(width):
            picked[place * width + byte :: step] = samples[column * width + byte :: form.frame_bytes]
    return picked
