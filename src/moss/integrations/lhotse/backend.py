"""Lhotse's `open_best` for URLs of a store: reading, members of archives, writing, gzip, text.

Source: spec/python-sdk.md 6.3 (what is broken elsewhere) and 6.8.
"""

import gzip
import io
from pathlib import Path
from typing import IO, Any

from lhotse.serialization import IOBackend, get_default_io_backend

from moss.integrations.lhotse.fetch import object_of
from moss.integrations.lhotse.locations import Location, is_store_url, parse_location
from moss.sdk import ArchiveConfig, Client, Object

__all__ = ["MossIOBackend", "install_io_backend", "open_url"]

_SCHEMES = ("ais://", "moss://")
_KEPT_BYTES_MAX = 4 * 1024 * 1024
_KEPT_MAX = 4


class MossIOBackend(IOBackend):
    """Opens objects, and members of archives, by URL.

    - Mode `r` is text and `rb` is binary, as with files. Both can seek.
    - `w` replaces the object when the file is closed, `a` appends; an exception in the `with` block changes nothing.
    - A name that ends with `.gz` is gunzipped and gzipped on the way.
    - `ais://bucket/shard.tar/member` is read from the archive; members cannot be written.

    Args:
        client: the connection to use; None makes one for `MOSS_ENDPOINT` or `AIS_ENDPOINT` when it is first needed.
    """

    def __init__(self, client: Client | None = None) -> None:
        self._client = client
        self._manifests = _Manifests()

    def open(self, identifier: str | Path, mode: str = "r") -> IO[Any]:
        """Open a URL; `mode` is one of `r w a`, with `b` for bytes.

        Raises:
            ValueError: another mode, or writing a member of an archive.
            InvalidName: the URL names no object.
            ErrObjNotFound: it does not exist.
        """
        if self._client is None:
            self._client = Client()
        return _open(self._client, str(identifier), mode, self._manifests)

    def handles_special_case(self, identifier: str | Path) -> bool:
        """True for `ais://` and `moss://`, before every other backend."""
        return str(identifier).startswith(_SCHEMES)

    def is_applicable(self, identifier: str | Path) -> bool:
        """True for buckets of clouds too, which the cluster reads through."""
        return is_store_url(str(identifier))


def install_io_backend(client: Client | None = None) -> MossIOBackend:
    """Make `open_best`, and with it all of Lhotse, open `ais://` URLs with this backend. Once is enough."""
    backends = get_default_io_backend().backends
    backend = next((known for known in backends if isinstance(known, MossIOBackend)), None)
    if backend is None:
        backend = MossIOBackend(client)
        backends.insert(0, backend)
    elif client is not None:
        backend._client = client
    return backend


def open_url(url: str, mode: str = "r", *, client: Client | None = None) -> IO[Any]:
    """Open one URL without Lhotse's machinery; arguments and errors as `MossIOBackend.open`."""
    return _open(client or Client(), url, mode, None)


def _open(client: Client, url: str, mode: str, manifests: "_Manifests | None") -> IO[Any]:
    kind, is_binary = mode.replace("b", "").replace("t", "") or "r", "b" in mode
    if kind not in ("r", "w", "a") or {"b", "t"} <= set(mode):
        raise ValueError(f"mode must be r, w or a, with b for bytes, found {mode!r}")
    location = parse_location(url)
    is_gzip = (location.member or location.name).endswith(".gz")
    obj = object_of(client, location)
    if kind == "r":
        file: Any = manifests.open(obj, location) if manifests and not is_binary else _open_binary(obj, location)
        if is_gzip:
            file = _GzipSource(file)
        return file if is_binary else io.TextIOWrapper(file, encoding="utf-8")
    if location.member:
        raise ValueError(f"{url!r} is a member of an archive: members cannot be written")
    sink: Any = obj.get_writer().as_file(kind)
    if is_gzip:
        sink = _GzipSink(sink)
    return sink if is_binary else _TextSink(sink)


def _open_binary(obj: Object, location: Location) -> IO[bytes]:
    if location.member:
        # An archive's member comes as one stream that cannot start in its middle.
        config = ArchiveConfig(archpath=location.member)
        return io.BytesIO(bytes(obj.get_reader(archive_config=config).read_all()))
    reader = obj.get_reader()
    reader.start()  # A missing object is an error of opening it, not of the first read.
    return reader.as_file()


class _Manifests:
    """Small texts that were read last. Lhotse opens a manifest three times to find out what it is and to read it.

    Each is checked with a HEAD before it is used again: what was replaced is read anew.
    """

    def __init__(self) -> None:
        self._kept: dict[Location, tuple[tuple[str, ...], bytes]] = {}

    def open(self, obj: Object, location: Location) -> IO[bytes]:
        if location.member:
            return _open_binary(obj, location)
        kept = self._kept.get(location)
        if kept is not None and kept[0] == _identity(obj.head()):
            return io.BytesIO(kept[1])
        reader = obj.get_reader()
        reader.start()
        attributes = reader.attributes
        if attributes.size > _KEPT_BYTES_MAX:
            return reader.as_file()
        content = bytes(reader.read_all())
        identity = _identity(attributes)
        if all(identity):
            self._kept[location] = identity, content
            for surplus in list(self._kept)[:-_KEPT_MAX]:
                self._kept.pop(surplus, None)
        return io.BytesIO(content)


def _identity(attributes: Any) -> tuple[str, ...]:
    """What differs when an object was replaced: the checksum of its bytes, and their number."""
    return attributes.checksum_type, attributes.checksum_value, str(attributes.size)


class _GzipSource(gzip.GzipFile):
    """Unpacks a file that it closes."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        super().__init__(fileobj=source, mode="rb")

    def close(self) -> None:
        super().close()
        self._source.close()


class _GzipSink(gzip.GzipFile):
    """Compresses into a file that it closes, and that it drops when the `with` block fails."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink
        # Without name and time: equal contents give equal objects.
        super().__init__(filename="", mode="wb", fileobj=sink, mtime=0)

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        self._sink.close()

    def abort(self) -> None:
        """Leave the object as it was."""
        self._sink.abort()
        self.fileobj = io.BytesIO()  # What the base class still wants to write goes nowhere.
        super().close()

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


class _TextSink(io.TextIOWrapper):
    """Encodes into a file that it closes, and that it drops when the `with` block fails."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink
        super().__init__(sink, encoding="utf-8", newline="\n")

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is None:
            self.close()
        else:
            self.detach()
            self._sink.abort()
