"""How the bytes of an answer reach a client: head, chunk frames, back-pressure, stalled readers.

Small answers are one write through the event loop's transport. Long ones (`Writer.stream`) are driven by a
worker thread straight from memory maps to the socket: the kernel copies once, with Python's lock released, and no
page fault can stop the event loop. A reader that does not keep up gives its thread back and waits in the event
loop, so a thousand slow readers cost a thousand small buffers and no thread.

After the head is sent an error can only break the connection (`Writer.abort`): no answer may look whole that is not.
"""

import asyncio
import os
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

Buffer = bytes | bytearray | memoryview

# One writev takes at most IOV_MAX buffers (1,024 on Linux).
_IOVEC_MAX = 1024
# A thread waits so long for a full socket before it leaves the waiting to the event loop.
_THREAD_PATIENCE_MS = 20
# A thread serves one batch so long before others get their turn.
_TURN_S = 0.05
# SO_LINGER, on, 0 seconds: the end of the connection is a reset.
_RESET = struct.pack("ii", 1, 0)
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class ClientStalled(ConnectionError):
    """The client read nothing for longer than the limit."""


def head_bytes(status: int, headers: dict[str, str]) -> bytes:
    """Build status line and headers.

    Raises:
        ValueError: a header holds CR, LF or NUL: nothing may split an answer in two.
    """
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    text = "\r\n".join(lines)
    if "\0" in text or text.count("\r") != len(lines) - 1 or text.count("\n") != len(lines) - 1:
        raise ValueError("a response header holds a control character")
    return (text + "\r\n\r\n").encode("utf-8", "surrogateescape")


class Writer:
    """Writes one answer.

    Args:
        transport: the connection; owned by the HTTP library.
        drain: coroutine function that waits until the transport's buffer is low again.
        is_head: the request was a HEAD, so no body byte may be sent.
        keep_alive: the client may send another request on this connection.
        is_http10: chunk frames are not understood; the end of the connection ends the body.
        stall_s_max: a client that takes no byte for so long is cut off; 0 waits for ever.
    """

    def __init__(
        self,
        transport: asyncio.Transport | None,
        drain: Any,
        *,
        pool: ThreadPoolExecutor,
        is_head: bool = False,
        keep_alive: bool = True,
        is_http10: bool = False,
        stall_s_max: float = 0.0,
    ) -> None:
        self._transport = transport
        self._drain = drain
        self._pool = pool
        self._is_head = is_head
        self._is_http10 = is_http10
        self._is_chunked = False
        self._body_left: int | None = None
        self._ends_with_connection = False
        self.keep_alive = keep_alive
        self.stall_s_max = stall_s_max
        self.is_started = False
        self.is_finished = False
        # Every byte of the answer has been handed to the system; an aborted answer never has.
        self.is_complete = False

    # -- whole answers ---------------------------------------------------------------------------

    def send_whole(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Send a complete answer in one write."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the client is gone")
        if status not in (204, 304) and not self._is_head:
            headers.setdefault("Content-Length", str(len(body)))
        self._add_connection(headers)
        head = head_bytes(status, headers)
        self.is_started = self.is_finished = self.is_complete = True
        self._transport.write(head if self._is_head else head + body)

    async def drain(self) -> None:
        """Wait until the client keeps up.

        Raises:
            ClientStalled: it took nothing for `stall_s_max` seconds; the connection is cut.
        """
        if not self._transport.get_write_buffer_size():
            return
        try:
            async with asyncio.timeout(self.stall_s_max or None):
                await self._drain()
        except TimeoutError:
            self.abort()
            raise ClientStalled(f"the client read nothing for {self.stall_s_max:g}s") from None

    # -- streamed answers ------------------------------------------------------------------------

    def _start_head(self, status: int, headers: dict[str, str], length: int | None) -> bytes:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the client is gone")
        if length is not None:
            headers.setdefault("Content-Length", str(length))
            self._body_left = length
        elif self._is_http10:
            self.keep_alive = False
            self._ends_with_connection = True
        else:
            headers["Transfer-Encoding"] = "chunked"
            self._is_chunked = True
        self._add_connection(headers)
        self.is_started = True
        return head_bytes(status, headers)

    async def start(self, status: int, headers: dict[str, str], length: int | None = None) -> None:
        """Send the head; the body follows in `length` bytes, or chunked."""
        self._transport.write(self._start_head(status, dict(headers), length))
        if self._is_head:
            self.is_finished = True

    def _framed(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        size = sum(map(len, buffers))
        if self._body_left is not None:
            self._body_left -= size
            return list(buffers)
        if not self._is_chunked or not size:
            return list(buffers)
        return [b"%x\r\n" % size, *buffers, b"\r\n"]

    async def write(self, buffers: Sequence[Buffer]) -> None:
        """Write body bytes through the event loop and wait until the client keeps up.

        Raises:
            ClientStalled: the client took nothing for `stall_s_max` seconds; the connection is cut.
        """
        if self._is_head:
            return
        if self._transport.is_closing():
            raise ConnectionResetError("the client is gone")
        self._transport.write(b"".join(self._framed(buffers)))
        await self.drain()

    async def send_streamed(self, status: int, headers: dict[str, str], buffers: Sequence[Buffer]) -> None:
        """Send a short answer that is complete already, framed like a streamed one, in one write.

        The way for answers of up to about 1 MiB that are in memory: no thread is woken.
        """
        head = self._start_head(status, dict(headers), None)
        body = [] if self._is_head else self._framed(buffers)
        end = b"0\r\n\r\n" if self._is_chunked and not self._is_head else b""
        self._transport.write(b"".join([head, *body, end]))
        self.is_finished = self.is_complete = True
        await self.drain()

    async def finish(self) -> None:
        """End the body. Aborts when fewer bytes were written than declared."""
        if self._body_left:
            self.abort()
            raise ConnectionError(f"the answer is {self._body_left} bytes short")
        if self._is_chunked and not self._is_head:
            self._transport.write(b"0\r\n\r\n")
        self.is_finished = self.is_complete = True

    def abort(self) -> None:
        """Break the connection at once; the client sees an answer that was cut, never one that looks whole."""
        self.keep_alive = False
        self.is_finished = True
        if self._transport is None:
            return
        if self._ends_with_connection and not self._transport.is_closing():
            # A regular end of the connection would be the regular end of this body.
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    async def stream(
        self, status: int, headers: dict[str, str], source: Iterator[Sequence[Buffer]], length: int | None = None
    ) -> None:
        """Send a whole answer whose body comes from `source`, one list of buffers (a window) at a time.

        The first window is asked for before the head is sent: an error up to there reaches the caller with
        nothing written (`is_started` False). After that any error breaks the connection and is raised.
        A source that still prepares its answer yields empty windows: they send nothing, not even the head.
        `source` runs in a worker thread, never in two at once, and is closed in any case.
        """
        if self._is_head:
            source.close()
            await self.start(status, headers, length)
            return
        loop = asyncio.get_running_loop()
        sender = _Sender(self, status, dict(headers), source, length)
        try:
            await self._flush_transport()
            sender.attach(self._transport)
            while True:
                state = await _uncancelled(loop.run_in_executor(self._pool, sender.turn))
                if state == _DONE:
                    break
                if state == _BLOCKED:
                    await self._writable(loop, sender.fd)
            self.is_finished = True
        except BaseException:
            if self.is_started:
                self.abort()
            raise
        finally:
            sender.close()

    async def _flush_transport(self) -> None:
        """Wait until what was written through the transport has left it: the thread writes to the same socket."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the client is gone")
        if self._transport.get_write_buffer_size():
            self._transport.set_write_buffer_limits(high=0)
            await self.drain()
            if self._transport.is_closing():
                raise ConnectionResetError("the client is gone")
            self._transport.set_write_buffer_limits()

    async def _writable(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        ready = asyncio.Event()
        loop.add_writer(fd, ready.set)
        try:
            async with asyncio.timeout(self.stall_s_max or None):
                await ready.wait()
        except TimeoutError:
            raise ClientStalled(f"the client read nothing for {self.stall_s_max:g}s") from None
        finally:
            loop.remove_writer(fd)

    def _add_connection(self, headers: dict[str, str]) -> None:
        if not self.keep_alive:
            headers["Connection"] = "close"
        elif self._is_http10:
            headers["Connection"] = "keep-alive"


_MORE, _BLOCKED, _DONE = range(3)


class _Sender:
    """The part of a streamed answer that runs in worker threads, one turn at a time."""

    def __init__(
        self,
        writer: Writer,
        status: int,
        headers: dict[str, str],
        source: Iterator[Sequence[Buffer]],
        length: int | None,
    ) -> None:
        self._writer, self._status, self._headers, self._length = writer, status, headers, length
        self._source = source
        self._pending: list[Buffer] = []
        self._has_ended = False
        self.fd = -1

    def attach(self, transport: asyncio.Transport) -> None:
        # A descriptor of our own: the transport may close its socket, and the number be used again, while a
        # thread still writes.
        self.fd = os.dup(transport.get_extra_info("socket").fileno())

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self._pending = []
        self._source.close()

    def turn(self) -> int:
        """Send until the source ends, the socket stays full, or the turn is over."""
        until = time.monotonic() + _TURN_S
        while True:
            if not self._pending:
                if self._has_ended:
                    self._writer.is_complete = True
                    return _DONE
                self._fill()
            if not self._send():
                return _BLOCKED
            if time.monotonic() >= until and not self._has_ended:
                return _MORE

    def _fill(self) -> None:
        writer = self._writer
        window = next(self._source, None)
        if window is not None and not window:
            return
        if not writer.is_started:
            # Here, and not before: an error up to now is still an ordinary error answer.
            self._pending.append(writer._start_head(self._status, self._headers, self._length))
        if window is not None:
            self._pending += writer._framed(window)
            return
        self._has_ended = True
        if writer._body_left:
            raise ConnectionError(f"the answer is {writer._body_left} bytes short")
        if writer._is_chunked:
            self._pending.append(b"0\r\n\r\n")

    def _send(self) -> bool:
        """Write what is pending; False when the socket stays full."""
        pending, position, fd = self._pending, 0, self.fd
        while position < len(pending):
            group = pending[position : position + _IOVEC_MAX]
            try:
                sent = os.writev(fd, group)
            except BlockingIOError:
                poll = select.poll()
                poll.register(fd, select.POLLOUT)
                if poll.poll(_THREAD_PATIENCE_MS):
                    continue
                self._pending = pending[position:]
                return False
            position = _skip_sent(pending, position, sent)
        self._pending = []
        return True


def _skip_sent(pending: list[Buffer], position: int, sent: int) -> int:
    """Return the position of the first buffer that is not sent whole, cut to what is left of it."""
    while sent:
        size = len(pending[position])
        if sent < size:
            pending[position] = memoryview(pending[position])[sent:]
            return position
        sent -= size
        position += 1
    # Empty buffers would make writev send nothing for ever.
    while position < len(pending) and not len(pending[position]):
        position += 1
    return position


async def _uncancelled(future: "asyncio.Future[int]") -> int:
    """Wait for a thread's turn however often cancelled, so that nothing is closed under it; then pass the cancel on.

    Not when that turn was the last: a client that closes the connection as soon as it has the whole answer did not
    disconnect in the middle of it.
    """
    cancels: list[asyncio.CancelledError] = []
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancels.append(error)
    try:
        if not cancels:
            return future.result()
        if future.cancelled() or future.exception() is not None or future.result() != _DONE:
            raise cancels[0]
        for _ in cancels:
            asyncio.current_task().uncancel()
        return _DONE
    finally:
        # An error knows this frame: if the frame still knew the error, both would keep every buffer of the answer
        # until the next garbage collection.
        del future, cancels
