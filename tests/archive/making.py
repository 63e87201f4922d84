"""Makes archives with other people's programs, for the tests to read; and reads ours with them."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Sequence

import lz4.frame

from moss.archive.formats import Format
from moss.archive.writer import make_framer

Entries = Sequence[tuple[str, bytes]]


def tar_of(entries: Entries, dialect: int = tarfile.PAX_FORMAT) -> bytes:
    """A TAR as Python's `tarfile` writes it: padded to twenty blocks."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=dialect) as archive:
        for name, payload in entries:
            info = tarfile.TarInfo(name)
            info.size = len(payload)
            archive.addfile(info, io.BytesIO(payload))
    return out.getvalue()


def zip_of(entries: Entries, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, payload in entries:
            archive.writestr(name, payload)
    return out.getvalue()


def packed(tar: bytes, archive_format: Format) -> bytes:
    if archive_format is Format.TGZ:
        return gzip.compress(tar)
    if archive_format is Format.TAR_LZ4:
        return lz4.frame.compress(tar)
    return tar


def foreign(entries: Entries, archive_format: Format) -> bytes:
    """An archive of any format that Moss has not made."""
    return zip_of(entries) if archive_format is Format.ZIP else packed(tar_of(entries), archive_format)


def ours(entries: Entries, archive_format: Format) -> bytes:
    """An archive of any format as Moss writes it."""
    framer = make_framer(archive_format)
    names, payloads = [name for name, _ in entries], [payload for _, payload in entries]
    return b"".join([*framer.frame(names, [len(payload) for payload in payloads], payloads), *framer.finish()])


def read_by_others(archive: bytes, archive_format: Format) -> list[tuple[str, bytes]]:
    if archive_format is Format.ZIP:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            assert opened.testzip() is None
            return [(info.filename, opened.read(info)) for info in opened.infolist()]
    if archive_format is Format.TGZ:
        archive = gzip.decompress(archive)
    elif archive_format is Format.TAR_LZ4:
        archive = lz4.frame.decompress(archive)
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened_tar:
        return [(info.name, opened_tar.extractfile(info).read()) for info in opened_tar]
