"""Clients that a library would not let us be: they send what they like, stop reading, or vanish."""

import http.client
import json
import os
import socket
import urllib.parse
from pathlib import Path
from typing import Any, Self


class RawClient:
    """One connection. `begin` sends a request and waits for the first byte of its answer, no more."""

    def __init__(self, url: str, *, timeout_s: float = 30, receive_buffer: int = 0, source: str = "") -> None:
        at = urllib.parse.urlsplit(url)
        self.socket = socket.socket()
        if receive_buffer:
            # Before connecting: the window is agreed on then.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.settimeout(timeout_s)
        self.socket.connect((at.hostname, at.port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body or b""
        lines = {"Host": "x", "Content-Length": str(len(data)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + data)

    def begin(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Self:
        self.send(method, path, body, headers)
        self.socket.recv(1, socket.MSG_PEEK)
        return self

    def begin_batch(self, bucket: str, names: list[str], **options: Any) -> Self:
        """Ask for a streamed batch that the gateway serves itself."""
        body = {"in": [{"objname": name} for name in names], "strm": True, **options}
        return self.begin("GET", f"/v1/ml/moss/{bucket}", body, {"Moss-Direct": "1"})

    def response(self) -> http.client.HTTPResponse:
        """Read the head of the answer; the body is read from what is returned."""
        answer = http.client.HTTPResponse(self.socket)
        answer.begin()
        return answer

    def read_to_end(self) -> bytes:
        """Read until the node closes, or breaks, the connection."""
        received = bytearray()
        try:
            while part := self.socket.recv(1 << 20):
                received += part
        except ConnectionError:
            pass
        return bytes(received)


def anonymous_bytes(pid: int) -> int:
    """Return the memory that a process has for itself; pages of mapped files are not in it."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    raise ValueError(f"the status of process {pid} does not tell")


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
