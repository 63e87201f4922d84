"""A small server that speaks the wire format, with a gateway and a target port, and faults on demand.

It shares no code with the node: archives come from the standard library. Tests look at `requests` and set `fault`.
"""

import gzip
import http.server
import io
import json
import tarfile
import threading
import urllib.parse
import zipfile
from typing import Any

import lz4.frame
import msgspec

BOUNDARY = "b0123456789"
STRIP_ZEROS = 10240


class WireServer:
    """Both ports of one node, data in memory.

    Attributes:
        url: the gateway.
        buckets: bucket name to object name to content; ais:// only, `#ns/name` for those with a namespace.
        requests: (method, path with query, headers, body) of what came to the gateway, in order.
        fault: name of the misbehaviour of the next answers, see `_Handler`.
        busy: so many requests are refused first, with `busy_code`.
        refuse: status and message of every batch.
        meeting: batches are answered only when so many requests are there.
        stall: batches are answered by half and then not until it is set; `stalled` tells that one has come so far.
    """

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, bytes]] = {}
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.fault = ""
        self.busy = 0
        self.busy_code = 503
        self.refuse: tuple[int, str] | None = None
        self.meeting: threading.Barrier | None = None
        self.stall: threading.Event | None = None
        self.stalled = threading.Event()
        self._gateway, self._target = self._listen(True), self._listen(False)
        self.url = f"http://127.0.0.1:{self._gateway.server_address[1]}"
        self.target_url = f"http://127.0.0.1:{self._target.server_address[1]}"

    def _listen(self, is_gateway: bool) -> http.server.ThreadingHTTPServer:
        handler = type("Handler", (_Handler,), {"node": self, "is_gateway": is_gateway})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def close(self) -> None:
        for server in (self._gateway, self._target):
            server.shutdown()
            server.server_close()

    def batches(self) -> list[tuple[str, dict[str, Any]]]:
        """Path and decoded body of the batch requests so far."""
        return [(path, json.loads(body)) for _, path, _, body in self.requests if path.startswith("/v1/ml/")]


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        self.status, self.message = status, message


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    node: WireServer
    is_gateway: bool

    def log_message(self, *_: object) -> None:
        pass

    def handle_expect_100(self) -> bool:
        if self.is_gateway:
            return True  # the redirect comes instead
        return super().handle_expect_100()

    def _serve(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        self.query = {k: v[0] for k, v in urllib.parse.parse_qs(parts.query).items()}
        self.items = [urllib.parse.unquote(item) for item in parts.path.strip("/").split("/")]
        announced = self.is_gateway and self.headers.get("Expect")
        body = b"" if announced else self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.is_gateway:
            self.node.requests.append((self.command, self.path, dict(self.headers.items()), body))
        try:
            self._route(body)
        except _Refused as refused:
            error = {"tcode": "ErrNotFound", "message": refused.message, "status": refused.status}
            again = {"Retry-After": "0"} if refused.status in (429, 503) else {}
            self._answer(refused.status, json.dumps(error).encode(), {"Hdr-Error": json.dumps(error)} | again)
        if announced:
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _route(self, body: bytes) -> None:
        kind = self.items[1]
        if self.is_gateway and self.node.busy:
            self.node.busy -= 1
            raise _Refused(self.node.busy_code, "starting up")
        if self.is_gateway and kind in ("objects", "ml"):
            where = f"{self.node.target_url}{self.path}{'&' if '?' in self.path else '?'}pid=p1&utm=2"
            self._answer(301 if kind == "objects" and self.command == "GET" else 307, b"", {"Location": where})
        elif kind == "buckets":
            self._buckets(json.loads(body or b"{}"))
        elif kind == "objects":
            self._objects(body)
        else:
            self._batch(json.loads(body))

    def _key(self, name: str) -> str:
        namespace = self.query.get("namespace", "@#").partition("#")[2]
        return f"#{namespace}/{name}" if namespace else name

    def _bucket(self, key: str) -> dict[str, bytes]:
        found = self.node.buckets.get(key)
        if found is None:
            raise _Refused(404, f'bucket "ais://{key}" does not exist')
        return found

    def _buckets(self, message: dict[str, Any]) -> None:
        if self.command == "GET" and message.get("value") is None:
            rows = [{"name": name, "provider": "ais", "namespace": {}} for name in sorted(self.node.buckets)]
            self._answer(200, json.dumps(rows).encode(), {"Content-Type": "application/json"})
            return
        key = self._key(self.items[2])
        if self.command == "POST":
            if key in self.node.buckets:
                raise _Refused(409, f'bucket "ais://{key}" already exists')
            self.node.buckets[key] = {}
        elif self.command == "DELETE":
            self._bucket(key)
            del self.node.buckets[key]
        else:
            self._list(self._bucket(key), message["value"])
            return
        self._answer(200, b"")

    def _list(self, objects: dict[str, bytes], wanted: dict[str, Any]) -> None:
        size = wanted["pagesize"] or 3
        names = sorted(n for n in objects if n.startswith(wanted["prefix"]) and n > wanted["continuation_token"])[:size]
        rows = [{"n": name, "s": len(objects[name]), "f": 64} for name in names]
        token = names[-1] if len(names) == size else ""
        page = {"UUID": "listing-1", "ContinuationToken": token, "Entries": rows, "Flags": 0}
        self._answer(200, msgspec.msgpack.encode(page), {"Content-Type": "application/msgpack"})

    def _objects(self, body: bytes) -> None:
        objects, name = self._bucket(self._key(self.items[2])), "/".join(self.items[3:])
        if self.command == "PUT":
            objects[name] = body
            self._answer(200, b"")
            return
        if name not in objects:
            raise _Refused(404, f"t[abc]: ais://{self.items[2]}/{name} does not exist")
        if self.command == "DELETE":
            del objects[name]
            self._answer(200, b"")
            return
        data = objects[name]
        headers = {"Ais-Checksum-Type": "xxhash2", "Ais-Checksum-Value": "00ff", "Ais-Atime": "1700000000000000000"}
        if self.query.get("archpath"):
            data = _member(data, self.query["archpath"])
            if data is None:
                raise _Refused(404, f"{self.query['archpath']} in ais://{name} does not exist")
        if span := self.headers.get("Range"):
            first, last = span.removeprefix("bytes=").split("-")
            self._answer(206, data[int(first) : int(last) + 1], headers)
        elif self.node.fault == "cut":
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        else:
            self._answer(200, data, headers | {"Content-Length": str(len(data))})

    # --- batches ---

    def _batch(self, request: dict[str, Any]) -> None:
        default = self.items[3] if len(self.items) > 3 else ""
        fault = self.node.fault
        if self.node.meeting is not None:
            self.node.meeting.wait(30)
        if self.node.refuse is not None:
            raise _Refused(*self.node.refuse)
        members: list[tuple[str, bytes, str]] = []
        for entry in request["in"]:
            bucket = entry.get("bucket") or default
            own = self._key(default) if bucket == default else bucket
            data = self._bucket(own).get(entry["objname"])
            name = entry["objname"] if request["onob"] else f"{bucket}/{entry['objname']}"
            if data is not None and entry.get("archpath"):
                data, name = _member(data, entry["archpath"]), f"{name}/{entry['archpath']}"
            if data is not None and (start := entry.get("start", 0)) + entry.get("length", 0) > 0:
                length = entry["length"]
                data = data[start:] if length < 0 else data[start : start + length]
            if data is None and not (request.get("coer") or fault == "placeholders"):
                raise _Refused(404, f"t[abc]: ais://{bucket}/{entry['objname']} does not exist")
            members.append(
                (name, data, "") if data is not None else (f"__404__/{name}", b"", "t[abc]: object does not exist")
            )
        if fault == "short":
            members = members[:-1]
        archive = _archive(request.get("mime", ".tar"), members, bool(self.headers.get("Moss-Batch-Status")))
        if request["strm"]:
            self._stream(archive)
        else:
            self._two_parts(request["in"], members, archive)

    def _stream(self, archive: bytes) -> None:
        fault = self.node.fault
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if fault == "html" else "application/x-tar")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if fault == "no-end-mark":
            archive = archive.rstrip(b"\0").ljust(-(-len(archive.rstrip(b"\0")) // 512) * 512, b"\0")
        if fault == "cut":
            archive = archive[: len(archive) - 900 if len(archive) < 3000 else 1600]
        for at in range(0, len(archive), 700):
            piece = archive[at : at + 700]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if fault == "cut":
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _two_parts(self, entries: list[dict], members: list[tuple[str, bytes, str]], archive: bytes) -> None:
        rows: list[dict[str, Any]] = []
        for entry, (_, data, error) in zip(entries, members, strict=False):
            row = {"objname": entry["objname"], "bucket": entry.get("bucket", ""), "provider": "ais", "size": len(data)}
            rows.append(row | ({"err_msg": error} if error else {}))
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n'.encode()
        middle = f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="archive"; filename="x"\r\n\r\n'.encode()
        body = head + json.dumps({"uuid": "gbt-1", "out": rows}).encode() + b"\n" + middle + archive
        if self.node.fault != "cut":
            body += f"\r\n--{BOUNDARY}--\r\n".encode()
        if self.node.stall is not None:
            self._stall(body, self.node.stall)
            return
        self._answer(200, body, {"Content-Type": f"multipart/mixed; boundary={BOUNDARY}"})

    def _stall(self, body: bytes, gate: threading.Event) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary={BOUNDARY}\r\n"
        self.wfile.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body[: len(body) // 2])
        self.node.stalled.set()
        gate.wait(60)
        self.close_connection = True


def _member(shard: bytes, path: str) -> bytes | None:
    with tarfile.open(fileobj=io.BytesIO(shard)) as tar:
        try:
            found = tar.extractfile(path)
        except KeyError:
            return None
        return found.read() if found else None


def _archive(mime: str, members: list[tuple[str, bytes, str]], status: bool) -> bytes:
    out = io.BytesIO()
    if mime.endswith("zip"):
        with zipfile.ZipFile(out, "w") as archive:
            for name, data, _ in members:
                archive.writestr(zipfile.ZipInfo(name), data)
        return out.getvalue()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for index, (name, data, error) in enumerate(members):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if error and status:
                info.pax_headers = {"MOSS.index": str(index), "MOSS.error": error}
            archive.addfile(info, io.BytesIO(data))
    data = out.getvalue()
    if mime.endswith("gz"):
        return gzip.compress(data)
    return lz4.frame.compress(data) if mime.endswith("lz4") else data
