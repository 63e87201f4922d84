"""A TCP proxy that delays each answer of a service and counts bytes. Run by `cloud.running_proxy`.

    python -m benchmarks.slow_proxy PORT

It forwards to PORT on loopback; its first line says where it listens. A line on its standard input is a command, one
line answers it: `delay SECONDS`; `counts`: connections, bytes of requests, bytes of answers since the last `counts`.
"""

import asyncio
import sys
from collections import deque
from typing import cast

import uvloop


class Totals:
    """What went through since it was asked last."""

    delay_s = 0.0
    connections = sent = received = 0

    def take(self) -> str:
        counts = f"{self.connections} {self.sent} {self.received}"
        self.connections = self.sent = self.received = 0
        return counts


class Side(asyncio.Protocol):
    """One end of a connection; what comes in here goes out at `other`."""

    transport: asyncio.Transport
    other: "Side"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if hasattr(self, "other"):
            self.other.transport.close()

    def pause_writing(self) -> None:
        self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.other.transport.resume_reading()


class Client(Side):
    """The end of who asks."""

    def __init__(self, upstream_port: int, totals: Totals) -> None:
        self._upstream_port, self._totals = upstream_port, totals
        self._asked: list[bytes] = []  # before there was a connection to the service

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._totals.connections += 1
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, self.service = await loop.create_connection(
                lambda: Service(self, self._totals), "127.0.0.1", self._upstream_port
            )
        except OSError:
            self.transport.close()
            return
        self.other = self.service
        if self._asked:
            self._ask(b"".join(self._asked))

    def data_received(self, data: bytes) -> None:
        self._totals.sent += len(data)
        if hasattr(self, "other"):
            self._ask(data)
        else:
            self._asked.append(data)

    def _ask(self, data: bytes) -> None:
        self.service.is_asked = True
        self.service.transport.write(data)


class Service(Side):
    """The end of the service: the first bytes after a request, and what follows them, come later."""

    def __init__(self, client: Client, totals: Totals) -> None:
        self.other, self._totals = client, totals
        self.is_asked = False
        self._held: deque[bytes] = deque()

    def data_received(self, data: bytes) -> None:
        self._totals.received += len(data)
        if self._held:
            self._held.append(data)
        elif self.is_asked and self._totals.delay_s:
            self._held.append(data)
            asyncio.get_running_loop().call_later(self._totals.delay_s, self._release)
        else:
            self.other.transport.write(data)
        self.is_asked = False

    def _release(self) -> None:
        held = b"".join(self._held)
        self._held.clear()
        if not self.other.transport.is_closing():
            self.other.transport.write(held)


async def serve(upstream_port: int) -> None:
    loop = asyncio.get_running_loop()
    totals = Totals()
    server = await loop.create_server(lambda: Client(upstream_port, totals), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        name, *arguments = line.decode().split()
        if name == "delay":
            totals.delay_s = float(arguments[0])
            print("done", flush=True)
        else:
            print(totals.take(), flush=True)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
