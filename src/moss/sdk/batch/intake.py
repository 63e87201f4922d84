"""What stands between the socket and the TAR parser: multipart, gzip, LZ4, ZIP. Pure.

An intake offers room for received bytes (`space`), is told how many came (`received`), and at last that no more will
come (`end`). A plain streamed TAR is received straight into the parser's buffer.
"""

import io
import zipfile
from collections.abc import Iterator
from typing import Any, Protocol

from moss.archive.formats import Format
from moss.archive.limits import Limits
from moss.errors import BadArchive, MalformedAnswer, TruncatedArchive
from moss.sdk.batch.errors import MultipartDecodeError
from moss.sdk.batch.tar import TarInput
from moss.sdk.batch.types import MossResp
from moss.wire.batch import MultipartParser, parse_boundary

__all__ = ["Intake", "TarIntake", "UnpackingIntake", "ZipSpool", "make_intake"]

_PIECE_BYTES = 256 * 1024


class Sink(Protocol):
    """The next stage: takes bytes of the archive."""

    def feed(self, data: Any) -> None: ...


class Intake(Protocol):
    metadata: MossResp | None

    def space(self) -> memoryview: ...

    def received(self, count: int) -> None: ...

    def end(self) -> None: ...


class TarIntake:
    """A plain streamed TAR: no stage at all."""

    def __init__(self, tar: TarInput) -> None:
        self.metadata = None
        self.space, self.received = tar.space, tar.received

    def end(self) -> None:
        pass


class UnpackingIntake:
    """Everything else: bytes pass an optional multipart stage and an unpacker before they reach the sink."""

    def __init__(self, sink: Sink, multipart: MultipartParser | None) -> None:
        self.metadata: MossResp | None = None
        self._buffer = memoryview(bytearray(_PIECE_BYTES))
        self._sink, self._multipart = sink, multipart

    def space(self) -> memoryview:
        return self._buffer

    def received(self, count: int) -> None:
        data = self._buffer[:count]
        if self._multipart is None:
            self._sink.feed(data)
            return
        try:
            pieces = self._multipart.feed(data)
        except MalformedAnswer as error:
            raise MultipartDecodeError(str(error)) from error
        self._read_metadata()
        for piece in pieces:
            self._sink.feed(piece)

    def _read_metadata(self) -> None:
        if self.metadata is None and self._multipart is not None and self._multipart.metadata is not None:
            try:
                self.metadata = MossResp.model_validate_json(self._multipart.metadata)
            except ValueError as error:
                raise MultipartDecodeError(f"the metadata part cannot be read: {error}") from error

    def end(self) -> None:
        """No more bytes will come.

        Raises:
            TruncatedArchive: the multipart body has no closing delimiter.
        """
        if self._multipart is not None:
            self._multipart.finish()


_LIMITS = Limits(members_max=1 << 62, unpacked_bytes_max=1 << 62, ratio_max=1100)
"""The server is trusted with the amount of data; nothing packs better than 1,032 to 1."""


class _Unpacker:
    """Feeds a TAR from compressed bytes, a bounded piece at a time."""

    def __init__(self, tar: TarInput, format: Format) -> None:
        from moss.archive.decompression import make_decompressor  # The codecs are imported when they are needed.

        self._tar = tar
        self._decompressor = make_decompressor(format, _LIMITS)

    def feed(self, data: Any) -> None:
        for piece in self._decompressor.feed(data):
            self._tar.feed(piece)


class ZipSpool:
    """Keeps a whole ZIP; its directory stands at the end."""

    def __init__(self) -> None:
        self._spool = io.BytesIO()

    def feed(self, data: Any) -> None:
        self._spool.write(data)

    def members(self) -> Iterator[tuple[str, bytes]]:
        """Names and payloads in the order of the directory, folders left out.

        Raises:
            TruncatedArchive: no directory: the answer was cut off, or it is no ZIP.
            BadArchive: a member cannot be read.
        """
        try:
            archive = zipfile.ZipFile(self._spool)
        except zipfile.BadZipFile as error:
            raise TruncatedArchive(f"unexpected EOF: {error}") from error
        with archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                try:
                    payload = archive.read(info)
                except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
                    raise BadArchive(f"zip: {info.filename!r} cannot be read: {error}") from error
                yield info.filename, payload


def make_intake(
    format: Format, tar: TarInput, content_type: str, *, is_buffered: bool
) -> tuple[Intake, ZipSpool | None]:
    """Choose the stages for an answer.

    Returns:
        The intake, and the spool when the archive is a ZIP.

    Raises:
        MultipartDecodeError: a buffered answer is not labelled as multipart.
        ValueError: a multipart answer has no boundary.
    """
    multipart = None
    if is_buffered:
        if "multipart" not in content_type.lower():
            raise MultipartDecodeError(f"expected multipart response, got {content_type!r}")
        try:
            multipart = MultipartParser(parse_boundary(content_type))
        except MalformedAnswer as error:
            raise ValueError(str(error)) from error
    if format is Format.ZIP:
        spool = ZipSpool()
        return UnpackingIntake(spool, multipart), spool
    if format is Format.TAR:
        return (TarIntake(tar) if multipart is None else UnpackingIntake(tar, multipart)), None
    return UnpackingIntake(_Unpacker(tar, format), multipart), None
