"""The part of a transformation server that every framework shares. Source: spec/rest-control.md 10.6 and 10.7."""

import io
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from time import sleep
from typing import Any, BinaryIO
from urllib.parse import quote, unquote

from moss.sdk.errors import ETLDirectPutTransientError, TransportError
from moss.sdk.etl.webserver.exchange import (
    DIRECT_PUT_LENGTH,
    NODE_URL,
    RETRY_REASON,
    RETRY_TRANSIENT,
    Reply,
    Task,
    refusal,
)
from moss.sdk.etl.webserver.utils import compose_etl_direct_put_url, parse_etl_pipeline
from moss.sdk.transport.blocking import Response, Transport
from moss.sdk.transport.http1 import Settings
from moss.sdk.utils import parse_bool

__all__ = ["CountingIterator", "ETLServer"]

_RETRY_WAIT_S = 1.0
_READ_BYTES = 256 * 1024


class _Refused(Exception):
    def __init__(self, reply: Reply) -> None:
        self.reply = reply


class CountingIterator:
    """Passes pieces on and counts their bytes.

    Attributes:
        bytes_yielded: so far.
    """

    def __init__(self, inner: Iterator[bytes]) -> None:
        self._inner, self.bytes_yielded = inner, 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._inner:
            self.bytes_yielded += len(piece)
            yield piece


class _ResponseFile(io.RawIOBase):
    """The body of an answer as a file."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._response.receive_into(memoryview(buffer).cast("B"))

    def close(self) -> None:
        self._response.close()
        super().close()


class ETLServer(ABC):
    """A server that transforms objects. Derive a class from one of the servers, and implement `transform`, or
    `transform_stream` for objects that are too large for memory. When both are there, `transform` is used.

    The environment says where it runs: `AIS_TARGET_URL`, `ETL_DIRECT_FQN`, `AIS_DIRECT_PUT_RETRIES`,
    `AIS_DIRECT_PUT_CHUNK_SIZE`, `MAX_KEEPALIVE_CONN`.

    Raises:
        TypeError: neither method is implemented.
        OSError: `AIS_TARGET_URL` is not set.
    """

    def __init__(self) -> None:
        kind = type(self)
        self._is_buffered = kind.transform is not ETLServer.transform
        if not self._is_buffered and kind.transform_stream is ETLServer.transform_stream:
            raise TypeError(f"{kind.__name__} must implement transform() or transform_stream()")
        self.logger = logging.getLogger(f"moss.etl.{kind.__name__}")
        self.host_target = os.environ.get("AIS_TARGET_URL", "").rstrip("/")
        if not self.host_target:
            raise OSError("the environment variable AIS_TARGET_URL must be set")
        self.use_direct_fqn = parse_bool(os.environ.get("ETL_DIRECT_FQN"))
        self.direct_put_retries = _number("AIS_DIRECT_PUT_RETRIES", 3)
        self.direct_put_chunk_size = max(_number("AIS_DIRECT_PUT_CHUNK_SIZE", 1 << 20), 1)
        self._transport = Transport(
            Settings(
                read_timeout_s=None,
                idle_connections_max=_number("MAX_KEEPALIVE_CONN", 128),
                expect_continue_bytes_min=1 << 62,
            )
        )

    def transform(self, data: bytes | str, path: str, etl_args: str) -> bytes:
        """Make the output of one object of its input.

        Args:
            data: the content; with `ETL_DIRECT_FQN`, in the first stage of a pipeline, the path of its file.
            path: `bucket/object`, or what the way of communication has instead.
            etl_args: arguments of the request, JSON text if they were given as a dict.
        """
        raise NotImplementedError

    def transform_stream(self, reader: BinaryIO, path: str, etl_args: str) -> Iterator[bytes]:
        """Make the output piece by piece while the input is read. Arguments as for `transform`."""
        raise NotImplementedError

    def get_mime_type(self) -> str:
        """Content type of the output."""
        return "application/octet-stream"

    @abstractmethod
    def start(self) -> None:
        """Serve until the process ends."""

    @staticmethod
    def sanitize_fqn(fqn: str) -> str:
        """The normalised absolute path of an escaped file name."""
        return os.path.normpath("/" + unquote(fqn).lstrip("/"))

    def handle(self, task: Task) -> Reply:
        """Transform one object, and send the result on or give it back. Never raises for a failure of the task."""
        try:
            next_url, rest = parse_etl_pipeline(task.pipeline)
        except ValueError as error:
            self.logger.error("Invalid pipeline header: %s", error)
            return refusal(400, f"Invalid pipeline header: {error}")
        try:
            output = self._transformed(task)
            if next_url:
                url = compose_etl_direct_put_url(next_url, self.host_target, task.path, task.etl_args)
                return self._direct_put(url, output, rest)
            return Reply(200, output, {"Content-Type": self.get_mime_type()})
        except _Refused as refused:
            return refused.reply
        except TransportError as error:
            self.logger.error("Network error at object %r: %s", task.path, error)
            return refusal(502, f"Network error: {error}")
        except Exception as error:  # Whatever the user's code raises is an answer to the one request.
            self.logger.exception("Error processing object %r", task.path)
            return refusal(500, f"Processing error: {error}")

    def _transformed(self, task: Task) -> bytes | Iterator[bytes]:
        if self._is_buffered:
            if task.etl_fqn and self.use_direct_fqn:
                path = self.sanitize_fqn(task.etl_fqn)
                if not os.path.isfile(path):
                    raise _Refused(self._no_file(task.path, path))
                return self.transform(path, task.path, task.etl_args)
            with self._open(task) as reader:
                content = reader.read()
            return self.transform(content, task.path, task.etl_args)
        reader = self._open(task)
        try:
            pieces = iter(self.transform_stream(reader, task.path, task.etl_args))
            # An error before the first piece can still be answered as one.
            first = next(pieces, b"")
        except BaseException:
            reader.close()
            raise
        return self._rest(first, pieces, reader)

    def _rest(self, first: bytes, pieces: Iterator[bytes], reader: BinaryIO) -> Iterator[bytes]:
        try:
            pending = [first]
            size = len(first)
            for piece in pieces:
                if size >= self.direct_put_chunk_size:
                    yield b"".join(pending)
                    pending, size = [], 0
                pending.append(piece)
                size += len(piece)
            if size:
                yield b"".join(pending)
        finally:
            reader.close()

    def _open(self, task: Task) -> BinaryIO:
        """The content of an object, from the file, the request or the target."""
        if task.etl_fqn:
            path = self.sanitize_fqn(task.etl_fqn)
            try:
                return open(path, "rb")  # The caller closes it.
            except OSError:
                raise _Refused(self._no_file(task.path, path)) from None
        if task.body is not None:
            return task.body
        response = self._transport.send("GET", f"{self.host_target}/{quote(task.path, safe='@')}", {})
        if response.status >= 400:
            response.finish()
            raise _Refused(refusal(response.status, "Target request failed"))
        return io.BufferedReader(_ResponseFile(response), _READ_BYTES)  # type: ignore[return-value]

    def _no_file(self, name: str, path: str) -> Reply:
        self.logger.error("Error processing object %r: file not found at %r", name, path)
        return refusal(404, f"Error processing object {name!r}: file not found at {path!r}.")

    def _direct_put(self, url: str, output: bytes | Iterator[bytes], rest: str) -> Reply:
        headers = {NODE_URL: rest} if rest else {}
        for attempt in range(self.direct_put_retries + 1):
            counter = None if isinstance(output, bytes) else CountingIterator(output)
            try:
                response = self._transport.send("PUT", url, headers, output if counter is None else iter(counter))
                body = response.read()
                break
            except TransportError as error:
                failure = ETLDirectPutTransientError(url, error, counter is not None and counter.bytes_yielded > 0)
                if failure.bail_without_local_retry:
                    self.logger.error("Direct put bailed (one-shot body); the cluster will retry: %s", failure)
                    transient = {RETRY_REASON.replace("-", "_"): RETRY_TRANSIENT}
                    return refusal(503, f"Direct put bailed (one-shot body): {failure}", **transient)
                self.logger.warning("Direct put attempt %d failed: %s", attempt + 1, failure)
                if attempt == self.direct_put_retries:
                    return refusal(502, f"Direct put failed after {attempt + 1} attempts: {failure}")
                sleep(_RETRY_WAIT_S * 2**attempt)
        size = len(output) if isinstance(output, bytes) else counter.bytes_yielded if counter is not None else 0
        if response.status >= 400:
            self.logger.error("Direct put failed to %s: HTTP %d", url, response.status)
            return Reply(response.status, body)
        if response.status == 204 or not body:
            length = response.headers.get(DIRECT_PUT_LENGTH) if response.status == 204 else None
            return Reply(204, b"", {DIRECT_PUT_LENGTH: length or str(size)})
        return Reply(200, body)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else default
