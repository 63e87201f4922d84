"""Calls between the worker processes of one node, over local sockets in the node's run-time folder.

A worker offers named operations; another one asks all its siblings and gets the answers of those that live. Only
rare control calls go this way, never data.
"""

import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

log = logging.getLogger("moss.links")

_TIMEOUT_S = 5.0
_MESSAGE_BYTES_MAX = 64 << 20
_SIZE = struct.Struct(">I")

Operation = Callable[[Any], Any]


class WorkerLinks:
    """This worker's end. `serve` everything before `start`.

    Args:
        directory: the run-time folder that all workers share.
        worker: number of this worker.
    """

    def __init__(self, directory: Path, worker: int) -> None:
        self._directory, self._worker = directory, worker
        self._operations: dict[str, Operation] = {}
        # A socket's path may have 107 bytes only, a data directory's more: it is reached through its descriptor.
        self._folder_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def serve(self, name: str, operation: Operation) -> None:
        """Offer an operation; it takes and gives what JSON can hold, and runs in a thread of its own."""
        self._operations[name] = operation

    def start(self) -> None:
        """Begin to answer."""
        name = f"worker-{self._worker}.sock"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        (self._directory / name).unlink(missing_ok=True)
        listener.bind(self._path(name))
        (self._directory / name).chmod(0o600)
        listener.listen(64)
        self._listener = listener
        self._thread = threading.Thread(target=self._accept, args=(listener,), name="moss-links", daemon=True)
        self._thread.start()

    @property
    def has_siblings(self) -> bool:
        """Whether another worker may be there; asking none takes no time."""
        return bool(self._siblings())

    def ask_all(self, name: str, argument: Any) -> list[Any]:
        """Ask all siblings at once; the answers of those that are gone, frozen, or fail, are left out.

        Waits for them, five seconds at most: never call it in an event loop.
        """
        begun_s = time.monotonic()
        links = [(sibling, self._begin(sibling, name, argument)) for sibling in self._siblings()]
        answers = []
        for sibling, link in links:
            if link is None:
                continue
            with link:
                try:
                    link.settimeout(max(0.001, _TIMEOUT_S - (time.monotonic() - begun_s)))
                    answer = _receive(link)
                except (OSError, EOFError, msgspec.DecodeError) as error:
                    log.debug("%s does not answer: %s", sibling, error)
                    continue
            if answer is not None:
                answers.append(answer)
        return answers

    def _siblings(self) -> list[str]:
        own = f"worker-{self._worker}.sock"
        return sorted(path.name for path in self._directory.glob("worker-*.sock") if path.name != own)

    def close(self) -> None:
        """Stop answering; calling it twice is fine."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # Wakes the accepting thread; closing alone would not.
            listener.shutdown(socket.SHUT_RDWR)
            if self._thread is not None:
                self._thread.join(_TIMEOUT_S)
            listener.close()
            (self._directory / f"worker-{self._worker}.sock").unlink(missing_ok=True)
        if self._folder_fd >= 0:
            os.close(self._folder_fd)
            self._folder_fd = -1

    def _path(self, name: str) -> str:
        return f"/proc/self/fd/{self._folder_fd}/{name}"

    def _begin(self, socket_name: str, name: str, argument: Any) -> socket.socket | None:
        """Send a question; None when nobody takes it."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            link.settimeout(_TIMEOUT_S)
            link.connect(self._path(socket_name))
            _send(link, {"operation": name, "argument": argument})
        except OSError as error:
            log.debug("%s does not answer: %s", socket_name, error)
            link.close()
            return None
        return link

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(link,), name="moss-link", daemon=True).start()

    def _answer(self, link: socket.socket) -> None:
        with link:
            link.settimeout(_TIMEOUT_S)
            try:
                message = _receive(link)
                _send(link, self._operations[message["operation"]](message["argument"]))
            except (OSError, EOFError, msgspec.DecodeError, KeyError) as error:
                log.debug("a sibling's question failed: %r", error)


def _send(link: socket.socket, value: Any) -> None:
    body = msgspec.json.encode(value)
    link.sendall(_SIZE.pack(len(body)) + body)


def _receive(link: socket.socket) -> Any:
    (size,) = _SIZE.unpack(_receive_exactly(link, _SIZE.size))
    if size > _MESSAGE_BYTES_MAX:
        raise EOFError("message too large")
    return msgspec.json.decode(_receive_exactly(link, size))


def _receive_exactly(link: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = link.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise EOFError("the link ended early")
        data += piece
    return bytes(data)
