"""Headers of WAV files, read piece by piece, and files made of some samples. The oracle is libsndfile."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from moss.archive.wav import BadWav, HeaderWalk, WavFormat, build_wav

SPEECH = Path(__file__).resolve().parents[2] / "examples" / "data" / "speech"
WORD = (SPEECH / "letters" / "w.wav").read_bytes()
OTHER = (SPEECH / "letters" / "x.wav").read_bytes()


def stereo(kind: str, subtype: str) -> bytes:
    """Two spoken letters, one on each channel."""
    left, rate = soundfile.read(io.BytesIO(WORD))
    right, _ = soundfile.read(io.BytesIO(OTHER))
    count = min(len(left), len(right)) // 2 * 2 - 1
    out = io.BytesIO()
    soundfile.write(out, np.stack([left[:count], right[:count]], axis=1), rate, format=kind, subtype=subtype)
    return out.getvalue()


def walk(data: bytes) -> tuple[WavFormat, list[tuple[int, int]]]:
    """The format, and which ranges were wanted for it."""
    header, ranges = HeaderWalk(), []
    while True:
        start, length = header.wanted
        ranges.append((start, length))
        assert start + length <= len(data), "a range past the end fails"
        if (form := header.feed(data[start : start + length])) is not None:
            return form, ranges


def test_a_plain_header_takes_one_look() -> None:
    form, ranges = walk(WORD)
    assert ranges == [(0, 44)]
    assert form[:4] == (1, 1, 8000, 2) and form.data_start == 44
    assert form.frames == soundfile.info(io.BytesIO(WORD)).frames


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"),
        ("WAV", "ULAW"), ("WAV", "ALAW"), ("WAVEX", "PCM_16"), ("WAVEX", "PCM_24"), ("RF64", "PCM_16"),
    ],
)  # fmt: skip
def test_parts_play_and_are_the_same_samples(kind: str, subtype: str) -> None:
    data = stereo(kind, subtype)
    whole, _ = soundfile.read(io.BytesIO(data), dtype="float64")
    form, _ = walk(data)
    assert (form.channels, form.rate, form.frames) == (2, 8000, len(whole))
    begin, end = 1001, 2002
    samples = data[form.data_start + begin * form.frame_bytes : form.data_start + end * form.frame_bytes]
    for columns in ((0, 1), (1,), (0,)):
        made = build_wav(form, columns, samples)
        got, rate = soundfile.read(io.BytesIO(made), dtype="float64", always_2d=True)
        assert rate == 8000 and np.array_equal(got, whole[begin:end, columns])
        info = soundfile.info(io.BytesIO(made))
        assert info.subtype == subtype and len(made) % 2 == 0
        assert int.from_bytes(made[4:8], "little") == len(made) - 8


def with_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


FMT = (b"fmt ", WORD[20:36])
DATA = (b"data", bytes(range(200)))


@pytest.mark.parametrize("before", [1, 30, 33, 5000, 100_000])
def test_chunks_before_the_samples_are_passed_over(before: int) -> None:
    for chunks in (((b"LIST", b"x" * before), FMT, DATA), (FMT, (b"LIST", b"x" * before), DATA)):
        form, ranges = walk(with_chunks(*chunks))
        assert form.frames == 100 and len(ranges) <= 4
        assert form.data_start == 12 + 8 + before + before % 2 + 8 + 16 + 8


def test_files_written_as_streams_do_not_know_their_length() -> None:
    for size in (0, 0xFFFFFFFF):
        data = b"RIFF" + struct.pack("<I", size) + WORD[8:40] + struct.pack("<I", size) + WORD[44:]
        form, _ = walk(data)
        assert form.frames is None and form.data_start == 44


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"fLaC" + bytes(40), "FLAC data"),
        (b"OggS" + bytes(40), "Ogg data"),
        (b"ID3" + bytes(41), "MP3 data"),
        (b"NIST_1A" + bytes(40), "SPHERE data"),
        (bytes(44), "no WAV header"),
        (b"RIFF" + bytes(4) + b"AVI " + bytes(32), "no WAV header"),
        (with_chunks(DATA), "does not say how its samples are stored"),
        (with_chunks((b"fmt ", b"\x11\0" + WORD[22:36]), DATA), r"compressed WAV data \(format 0x0011\)"),
        (with_chunks((b"fmt ", WORD[20:22] + bytes(14)), DATA), "compressed WAV data"),
        (with_chunks(FMT, (b"LIST", bytes(50))), "without samples"),
        (with_chunks(FMT, *[(b"junk", b"")] * 100, DATA), "no samples behind 64 header chunks"),
        (with_chunks((b"fmt ", bytes(1 << 17)), DATA), "a header chunk of 131072 bytes"),
    ],
)
def test_what_cannot_be_cut_says_what_it_is(data: bytes, reason: str) -> None:
    with pytest.raises(BadWav, match=reason):
        walk(data)


def test_more_than_a_file_holds() -> None:
    form, _ = walk(WORD)

    class Endless(bytes):
        def __len__(self) -> int:
            return 1 << 32

    with pytest.raises(BadWav, match="more than a WAV file holds"):
        build_wav(form, (0,), Endless())
