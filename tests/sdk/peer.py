"""A small server that speaks the documented wire format, for the SDK to talk to.

It keeps objects in a dict and makes archives with the standard library, so that it shares no code with the SDK. Faults
are asked for through its attributes: cut connections, missing entries, short archives, error statuses, redirects.
"""

import base64
import gzip
import io
import json
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

import lz4.frame

BOUNDARY = "b0" * 30


@dataclass
class Received:
    """One request that the peer received."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query, True).items()}

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Reply:
    """What the peer answers. `cut_at` breaks the connection after so many bytes of the body."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunk_bytes: int = 0  # 0: with Content-Length
    until_close: bool = False
    cut_at: int | None = None
    content_length: int | None = None


class Peer:
    """A cluster of one node.

    Attributes:
        objects: payload by `bucket/name` (or `bucket/name/member`).
        received: all requests so far.
        scripted: replies that are given first, in this order; a callable makes the reply from the request.
        faults: applied to the next batch answers, in this order.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.received: list[Received] = []
        self.scripted: list[Reply | Callable[[Received], Reply]] = []
        self.faults: list[Callable[[Reply], Reply]] = []
        self.build_tar: Callable[[list[tuple[str, bytes]]], bytes] = build_tar
        self.chunk_bytes = 100_000
        self.confirmed: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self.smap_urls: list[str] = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._closing = False
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        self._closing = True
        self._socket.close()
        for sock in list(self._open):
            sock.close()

    def paths(self, prefix: str = "/v1/") -> list[str]:
        return [r.path for r in self.received if r.path.startswith(prefix)]

    # --- connections ---

    def _accept(self) -> None:
        while not self._closing:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        file = sock.makefile("rb")
        try:
            while (request := self._read(file, sock, number)) is not None:
                if not self._answer(sock, request):
                    break
        except OSError:
            pass
        finally:
            file.close()
            self._open.discard(sock)
            sock.close()

    def _read(self, file, sock: socket.socket, number: int) -> Received | None:
        line = file.readline()
        if not line:
            return None
        method, target, _ = line.decode().split(" ", 2)
        headers = {}
        while (line := file.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        request = Received(method, target, headers, b"", number)
        if headers.get("expect") == "100-continue":
            early = self.before_body(request)
            if early is not None:
                self.received.append(request)
                self._write(sock, request, early)
                return None
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding") == "chunked":
            while size := int(file.readline(), 16):
                request.body += file.read(size)
                file.readline()
            file.readline()
        else:
            request.body = file.read(int(headers.get("content-length", 0)))
        self.received.append(request)
        return request

    def before_body(self, request: Received) -> Reply | None:
        """What to answer to an announced body before it is sent; None asks for it."""
        return None

    def _answer(self, sock: socket.socket, request: Received) -> bool:
        if self.scripted:
            scripted = self.scripted.pop(0)
            reply = scripted(request) if callable(scripted) else scripted
        else:
            reply = self.handle(request)
        return self._write(sock, request, reply)

    def _write(self, sock: socket.socket, request: Received, reply: Reply) -> bool:
        lines = [f"HTTP/1.1 {reply.status} Status"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        body = b"" if request.method == "HEAD" else reply.body
        if reply.chunk_bytes:
            lines.append("Transfer-Encoding: chunked")
            body = b"".join(
                b"%x\r\n%b\r\n" % (len(part), part)
                for at in range(0, len(body), reply.chunk_bytes)
                if (part := body[at : at + reply.chunk_bytes])
            )
            body += b"0\r\n\r\n"
        elif not reply.until_close and "content-length" not in {name.lower() for name in reply.headers}:
            lines.append(f"Content-Length: {reply.content_length or len(body)}")
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        if reply.cut_at is not None:
            sock.sendall(head + body[: reply.cut_at])
            sock.shutdown(socket.SHUT_RDWR)
            return False
        sock.sendall(head + body)
        return not reply.until_close

    # --- the wire format ---

    def handle(self, request: Received) -> Reply:
        if request.path.startswith("/v1/ml/moss"):
            reply = self.batch(request)
            return self.faults.pop(0)(reply) if self.faults else reply
        if request.path.startswith("/v1/objects/"):
            return self.object(request)
        if request.path == "/v1/daemon":
            return json_reply(self.smap())
        return Reply(status=404, body=b"no such path")

    def smap(self) -> dict:
        def node(kind: str, name: str, url: str) -> dict:
            net = {"node_ip_addr": "127.0.0.1", "daemon_port": url.rsplit(":", 1)[1], "direct_url": url}
            nets = dict.fromkeys(("public_net", "intra_data_net", "intra_control_net"), net)
            return {**nets, "daemon_type": kind, "daemon_id": name, "flags": 0, "id_digest": 1}

        targets = {f"t{i}": node("target", f"t{i}", url) for i, url in enumerate(self.smap_urls)}
        gateway = node("proxy", "p1", self.url)
        return {"pmap": {"p1": gateway}, "proxy_si": gateway, "tmap": targets, "uuid": "u", "version": "3"}

    def object(self, request: Received) -> Reply:
        name = request.path.removeprefix("/v1/objects/")
        if request.method == "PUT":
            self.objects[name] = request.body
            return Reply(headers={"Ais-Version": "1"})
        if name not in self.objects:
            return error_reply(404, f"t[x]: ais://{name} does not exist", tcode="ErrNotFound")
        if request.method == "DELETE":
            del self.objects[name]
            return Reply()
        data, status = self.objects[name], 200
        if "range" in request.headers:
            first, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
            stop = int(last) + 1 if last else len(data)
            data, status = (data[int(first) : stop] if first else data[-int(last) :]), 206
        headers = {"Ais-Version": "7", "Ais-Custom-Md": "a=b", "Ais-Present": "true"}
        if request.method == "HEAD":
            headers["Content-Length"] = str(len(data))
        return Reply(status=status, headers=headers, body=data)

    def batch(self, request: Received) -> Reply:
        body, members, out = request.json, [], []
        default = request.path.removeprefix("/v1/ml/moss").strip("/")
        for index, entry in enumerate(body["in"]):
            row = {"objname": entry["objname"], "bucket": entry.get("bucket", default), "provider": "ais"}
            row |= {key: entry[key] for key in ("archpath", "opaque") if key in entry}
            full = f"{row['bucket']}/{entry['objname']}"
            if entry.get("archpath"):
                full += f"/{entry['archpath'].removeprefix('/')}"
            data = self.objects.get(full)
            if data is None and not body.get("coer"):
                return error_reply(404, f"t[x]: ais://{full} does not exist", tcode="ErrNotFound")
            name = full.split("/", 1)[1] if body.get("onob") else full
            if data is None:
                row |= {"err_msg": f"t[x]: ais://{full} does not exist", "size": 0}
                self.errors[str(index)] = row["err_msg"]
                members.append((f"__404__/{name}", b""))
            else:
                start, length = entry.get("start", 0), entry.get("length", 0)
                data = data[start : start + length] if length > 0 else data[start:]
                row["size"] = len(data)
                members.append((name, data))
            out.append(row)
        return self.archive_reply(body, members, out)

    def archive_reply(self, body: dict, members: list[tuple[str, bytes]], out: list[dict]) -> Reply:
        data = pack(body.get("mime", ".tar"), members, self.build_tar)
        if body.get("strm"):
            kind = {"Content-Type": "application/x-tar", **self.confirmed}
            return Reply(headers=kind, body=data, chunk_bytes=self.chunk_bytes)
        metadata = json.dumps({"uuid": "gbt-1", "out": out}).encode() + b"\n"
        return Reply(
            headers={"Content-Type": f"multipart/mixed; boundary={BOUNDARY}"},
            body=multipart(metadata, data),
            chunk_bytes=self.chunk_bytes,
        )


def multipart(metadata: bytes, archive: bytes) -> bytes:
    line = f"--{BOUNDARY}".encode()
    return b"".join(
        (
            line,
            b'\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n',
            metadata,
            b"\r\n" + line,
            b'\r\nContent-Disposition: form-data; name="archive"; filename="get-batch[gbt-1]"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n",
            archive,
            b"\r\n" + line + b"--\r\n",
        )
    )


def json_reply(value: object) -> Reply:
    return Reply(headers={"Content-Type": "application/json"}, body=json.dumps(value).encode())


def error_reply(status: int, message: str, tcode: str = "", **headers: str) -> Reply:
    document = {"tcode": tcode, "message": message, "method": "GET", "url_path": "/v1", "status": status}
    return Reply(
        status=status,
        headers={"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}},
        body=json.dumps(document).encode() + b"\n",
    )


def build_tar(members: list[tuple[str, bytes]], pax: dict[int, dict[str, str]] | None = None) -> bytes:
    """A TAR as the protocol has it: two zero blocks at the end and no further padding."""
    file = io.BytesIO()
    end = 0
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for index, (name, data) in enumerate(members):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.pax_headers = (pax or {}).get(index, {})
            tar.addfile(info, io.BytesIO(data))
        end = tar.offset
    return file.getvalue()[:end] + bytes(1024)


def build_zip(members: list[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)
    return file.getvalue()


def pack(mime: str, members: list[tuple[str, bytes]], make_tar: Callable) -> bytes:
    mime = mime.lower()
    if mime == ".zip":
        return build_zip(members)
    tar = make_tar(members)
    if mime in (".tgz", ".tar.gz"):
        return gzip.compress(tar, 1)
    return lz4.frame.compress(tar) if mime == ".tar.lz4" else tar


def opaque(data: bytes) -> str:
    return base64.b64encode(data).decode()
