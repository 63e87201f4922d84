"""A TCP proxy between a node and a service: counts bytes, delays answers, cuts and stalls them."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

_PIECE = 64 << 10


@dataclass
class Trouble:
    """What the proxy does to the connections that it has, and to new ones. Nothing by default.

    Attributes:
        delay_s: each answer comes so much later.
        is_refusing: connections are closed as soon as they are made.
        cut_after: a connection is reset when so many bytes of answers went through it, None for never.
        is_stalling: answers are held back for as long as this is set.
    """

    delay_s: float = 0.0
    is_refusing: bool = False
    cut_after: int | None = None
    is_stalling: bool = False


class Proxy:
    """A proxy that runs.

    Attributes:
        url: where clients go.
        sent, received: bytes from clients, bytes of answers, since `reset`.
        connections: made since `reset`.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.trouble = Trouble()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.reset()
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self) -> None:
        self.sent = self.received = self.connections = 0

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Reset all connections."""
        with self._lock:
            for sock in self._open:
                _reset(sock)
            self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.trouble.is_refusing:
                _reset(client)
                continue
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), socket.create_connection(self._upstream) as server, client:
            with self._lock:
                self._open |= {client, server}
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._relay(client, server)
            finally:
                with self._lock:
                    self._open -= {client, server}

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        passed, was_client = 0, True
        with selectors.DefaultSelector() as selector:
            for sock in (client, server):
                selector.register(sock, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    data = key.fileobj.recv(_PIECE)
                    if not data:
                        return
                    if key.fileobj is client:
                        self.sent += len(data)
                        was_client = True
                        server.sendall(data)
                        continue
                    if was_client and self.trouble.delay_s:
                        time.sleep(self.trouble.delay_s)
                    was_client = False
                    while self.trouble.is_stalling:
                        time.sleep(0.01)
                    if self.trouble.cut_after is not None and passed + len(data) > self.trouble.cut_after:
                        client.sendall(data[: self.trouble.cut_after - passed])
                        _reset(client)
                        return
                    passed += len(data)
                    self.received += len(data)
                    client.sendall(data)


@contextlib.contextmanager
def running_proxy(upstream: str) -> Iterator[Proxy]:
    """Run a proxy in front of a service for the length of the block."""
    proxy = Proxy(upstream)
    try:
        yield proxy
    finally:
        proxy.close()


def _reset(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.shutdown(socket.SHUT_RDWR)
