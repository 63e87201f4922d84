"""Parts of recordings that no byte range gives: FLAC, Ogg, MP3, compressed WAV. Needs the `soundfile` package."""

import io
from importlib.util import find_spec

from moss.cli.cuts.cut import Piece
from moss.cli.cuts.ranges import span_of

__all__ = ["can_decode", "decode_part"]

_SUBTYPES = {"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"}
"""What a WAV file keeps as it is; everything else becomes 16 bits."""


def can_decode() -> bool:
    """Whether there is a decoder."""
    return find_spec("soundfile") is not None


def decode_part(piece: Piece, rate: int | None, data: bytes) -> bytes:
    """The part of a recording that a piece means, as a WAV file.

    Args:
        rate: samples a second that the user expects; None for what the manifest says.
        data: the whole file.

    Raises:
        CommandError: it cannot be decoded, or does not have what the piece says.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            start, length = span_of(piece, file.samplerate, file.frames, rate)
            columns = piece.columns_of(file.channels)
            file.seek(start)
            # Whole numbers stay what they are; everything else is computed as a fraction.
            samples = file.read(length, dtype="int32" if "PCM" in file.subtype else "float64", always_2d=True)
            subtype = file.subtype if file.subtype in _SUBTYPES else "PCM_16"
            if len(samples) != length:
                piece.fail(f'"{piece.source}" gave {len(samples)} of {length} samples')
            out = io.BytesIO()
            soundfile.write(out, samples[:, list(columns)], file.samplerate, format="WAV", subtype=subtype)
    except soundfile.LibsndfileError as error:
        piece.fail(f'"{piece.source}" cannot be decoded: {error.error_string}')
    return out.getvalue()
