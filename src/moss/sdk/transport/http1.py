"""HTTP/1.1 as far as a client needs it: heads, chunked bodies, and the values that both transports exchange. Pure."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlsplit

from moss.sdk.errors import ConnectionLost, compatible

__all__ = ["ChunkedDecoder", "Headers", "Origin", "Settings", "build_head", "lost", "parse_head", "split_url"]

HEAD_BYTES_MAX = 256 * 1024
_CHUNK_LINE_BYTES_MAX = 16 * 1024
_SCHEME_CHARACTERS_MAX = len("https://")

Body = bytes | bytearray | memoryview | BinaryIO | Iterator[bytes] | AsyncIterator[bytes] | None


class Origin(NamedTuple):
    """Where to connect to."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


def split_url(url: str) -> tuple[Origin, str]:
    """Split an absolute URL into its origin and the request target (`/path?query`, still escaped).

    Raises:
        ValueError: no `http` or `https` URL with a host.
    """
    start = url.find("/", _SCHEME_CHARACTERS_MAX)
    if start > 0 and "#" not in url and "?" not in url[:start]:
        return _origin(url[:start]), url[start:]
    parts = urlsplit(url)
    origin = _origin(f"{parts.scheme}://{parts.netloc}")
    return origin, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


@lru_cache(maxsize=1024)
def _origin(base: str) -> Origin:
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"expected an absolute http or https URL, found {base!r}")
    return Origin(parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))


@dataclass(frozen=True)
class Settings:
    """What a transport has to know. Timeouts in seconds, None waits for ever."""

    connect_timeout_s: float | None = 3.0
    read_timeout_s: float | None = 20.0
    verify: bool = True
    ca_cert: str | None = None
    client_cert: str | tuple[str, str] | None = None
    idle_connections_max: int = 10
    expect_continue_bytes_min: int = 64 * 1024
    """Bodies of this size, and bodies of unknown size, wait for `100 Continue`: a redirect then costs no upload."""
    expect_continue_timeout_s: float = 1.0
    user_agent: str = field(default="ais/python/2.0.0")


class Headers(Mapping[str, str]):
    """Header fields of an answer; names match in any letter case, repeated fields are joined with `, `."""

    __slots__ = ("_fields", "_names")

    def __init__(self, pairs: Any = ()) -> None:
        self._fields: dict[str, str] = {}
        self._names: dict[str, str] = {}
        for name, value in pairs.items() if hasattr(pairs, "items") else pairs:
            key = name.lower()
            known = self._fields.get(key)
            self._fields[key] = value if known is None else f"{known}, {value}"
            self._names.setdefault(key, name)

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def get(self, name: str, default: Any = None) -> Any:
        return self._fields.get(name.lower(), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.values())

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Headers({ {self._names[k]: v for k, v in self._fields.items()} })"


def build_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Request line and header fields, with the empty line.

    Raises:
        ValueError: a field holds a line break or another control character.
    """
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1 or "\0" in text:
        raise ValueError("a request header holds a line break or a NUL")
    return (text + "\r\n\r\n").encode("utf-8", "surrogateescape")


def parse_head(head: bytes) -> tuple[int, Headers, bool]:
    """Parse the head of an answer (without the empty line).

    Returns:
        Status, header fields, and whether the server speaks HTTP/1.1 (keeps connections open unless it says otherwise).

    Raises:
        ConnectionLost: it is no HTTP.
    """
    status_line, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    version, _, rest = status_line.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
        raise lost(f"the answer is no HTTP: {status_line[:80]!r}")
    pairs = []
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            pairs.append((name, value.strip(" \t")))
    return int(rest[:3]), Headers(pairs), version != "HTTP/1.0"


def lost(message: str) -> ConnectionLost:
    return compatible(ConnectionLost)(message)


class ChunkedDecoder:
    """Takes the framing out of a chunked body, in place, in the buffer that the bytes were received into.

    Attributes:
        is_done: the last chunk and its trailers were seen.
        has_excess: bytes followed the end of the body: the connection must not be used again.
    """

    __slots__ = ("_line", "_on_line", "_remaining", "has_excess", "is_done")

    def __init__(self) -> None:
        self._remaining = 0
        self._line = b""
        self._on_line: Callable[[bytes], None] = self._on_size
        self.is_done = self.has_excess = False

    def decode(self, buffer: memoryview, size: int) -> int:
        """Compact the payload among the first `size` bytes to the front of `buffer`; return its length.

        Raises:
            ConnectionLost: the framing is broken.
        """
        position = kept = 0
        while position < size:
            if self._remaining:
                stop = min(position + self._remaining, size)
                count = stop - position
                if position != kept:
                    buffer[kept : kept + count] = buffer[position:stop]
                kept += count
                position = stop
                self._remaining -= count
                continue
            if self.is_done:
                self.has_excess = True
                break
            position = self._take_line(buffer, position, size)
        return kept

    def _take_line(self, buffer: memoryview, position: int, size: int) -> int:
        piece = bytes(buffer[position : min(position + 64, size)])
        end = piece.find(b"\n")
        if end < 0:
            self._line += piece
            if len(self._line) > _CHUNK_LINE_BYTES_MAX:
                raise lost("a chunk header is too long")
            return position + len(piece)
        line = (self._line + piece[:end]).rstrip(b"\r")
        self._line = b""
        self._on_line(line)
        return position + end + 1

    def _on_size(self, line: bytes) -> None:
        digits = line.partition(b";")[0].strip()
        try:
            if not digits or not digits.isalnum():
                raise ValueError
            self._remaining = int(digits, 16)
        except ValueError:
            raise lost(f"invalid chunk header {line[:40]!r}") from None
        self._on_line = self._on_data_end if self._remaining else self._on_trailer

    def _on_data_end(self, line: bytes) -> None:
        if line:
            raise lost("a chunk is longer than its header says")
        self._on_line = self._on_size

    def _on_trailer(self, line: bytes) -> None:
        self.is_done = not line
