"""Functions as transformations, as older releases started them. Source: spec/rest-control.md 10.11."""

import importlib
import io
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from moss.sdk.etl.etl_const import LEGACY_COMM_TYPES
from moss.sdk.etl.webserver.http_multi_threaded_server import HTTPMultiThreadedServer

__all__ = ["make_server_class"]


def make_server_class(
    transform: Callable[..., Any],
    kind: str,
    *,
    modules: Sequence[str] | None = None,
    chunk_size: int | None = None,
    transform_url: bool = False,
) -> type[HTTPMultiThreadedServer]:
    """A server class that calls a function.

    Args:
        transform: see `Etl.init_code`.
        kind: way of communication that the caller named.
        modules: imported before the first call.
        chunk_size: the function gets a reader, which yields pieces of this size, and a writer.
        transform_url: the function gets the URL of the object.

    Raises:
        ValueError: unknown communication type, or `transform_url` with another one than `hpull`.
    """
    if kind not in LEGACY_COMM_TYPES:
        raise ValueError(f"communication type must be one of {', '.join(LEGACY_COMM_TYPES)}, found {kind!r}")
    if transform_url and kind != "hpull":
        raise ValueError("transform_url needs communication type hpull")
    call = _make_call(transform, "url" if transform_url else "io" if kind == "io" else "chunks" if chunk_size else "")
    names = list(modules or ())

    class FunctionServer(HTTPMultiThreadedServer):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            for name in names:
                importlib.import_module(name)

        def transform(self, data: Any, path: str, etl_args: str) -> bytes:
            return call(self, data, path, chunk_size or 0)

    return FunctionServer


def _make_call(transform: Callable[..., Any], style: str) -> Callable[[Any, bytes, str, int], bytes]:
    if style == "url":
        return lambda server, data, path, size: transform(f"{server.host_target}/{path}")
    if style == "chunks":
        return lambda server, data, path, size: _through_files(transform, data, size)
    if style == "io":
        lock = _Lock()
        return lambda server, data, path, size: _through_standard_files(transform, data, lock)
    return lambda server, data, path, size: transform(data)


def _through_files(transform: Callable[..., Any], data: bytes, chunk_size: int) -> bytes:
    writer = io.BytesIO()
    transform(_ChunkReader(data, chunk_size), writer)
    return writer.getvalue()


class _ChunkReader(io.BytesIO):
    """Yields pieces instead of lines."""

    def __init__(self, data: bytes, chunk_size: int) -> None:
        super().__init__(data)
        self._chunk_size = chunk_size

    def __iter__(self) -> Iterator[bytes]:  # type: ignore[override]
        while piece := self.read(self._chunk_size):
            yield piece


class _Lock:
    """A lock that can be pickled: on the other side it is a new one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return type(self), ()


def _through_standard_files(transform: Callable[..., Any], data: bytes, lock: _Lock) -> bytes:
    with lock.lock:  # There is one standard input and output in a process.
        saved = sys.stdin, sys.stdout
        output = io.BytesIO()
        sys.stdin, sys.stdout = io.TextIOWrapper(io.BytesIO(data)), io.TextIOWrapper(output, write_through=True)
        try:
            transform()
            sys.stdout.flush()
            return output.getvalue()
        finally:
            sys.stdin, sys.stdout = saved
