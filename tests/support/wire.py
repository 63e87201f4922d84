"""A plain HTTP client for tests: what was sent is what the wire got, and a broken answer is a value, not an error."""

import http.client
import io
import json
import tarfile
import urllib.parse
import uuid
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    """One answer; `hops` are the statuses of the redirects before it."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_broken: bool = False
    hops: list[int] = field(default_factory=list)

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.body)

    def members(self) -> list[tuple[str, bytes]]:
        """Names and contents of a TAR body, in order."""
        with tarfile.open(fileobj=io.BytesIO(self.body)) as tar:
            return [(member.name, tar.extractfile(member).read()) for member in tar]

    def parts(self) -> tuple[dict[str, Any], bytes]:
        """Metadata and archive of a buffered batch."""
        boundary = self.headers["content-type"].partition("boundary=")[2].encode()
        _, metadata, archive, _ = self.body.split(b"--" + boundary)
        return json.loads(metadata.partition(b"\r\n\r\n")[2]), archive.partition(b"\r\n\r\n")[2][:-2]


class Wire:
    """Talks to a node."""

    def __init__(self, url: str) -> None:
        self.url = url

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        *,
        follow: bool = True,
        timeout_s: float = 30,
    ) -> Answer:
        """Send a request; a dict is sent as JSON, `path` may be a whole URL."""
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        url, hops = path if path.startswith("http") else self.url + path, []
        while True:
            answer = self._exchange(method, url, data, headers or {}, timeout_s)
            if not follow or answer.status not in (301, 307):
                answer.hops = hops
                return answer
            hops.append(answer.status)
            url = urllib.parse.urljoin(url, answer.headers["location"])

    def _exchange(self, method: str, url: str, data: bytes | None, headers: dict[str, str], timeout_s: float) -> Answer:
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(method, target, data, headers)
            response = connection.getresponse()
            low = {name.lower(): value for name, value in response.getheaders()}
            try:
                return Answer(response.status, low, response.read())
            except http.client.IncompleteRead as error:
                return Answer(response.status, low, error.partial, is_broken=True)
            except ConnectionError:
                return Answer(response.status, low, b"", is_broken=True)
        finally:
            connection.close()

    # -- what nearly every test needs ----------------------------------------------------------------

    def new_bucket(self) -> str:
        name = "t" + uuid.uuid4().hex[:12]
        assert self.send("POST", f"/v1/buckets/{name}", {"action": "create-bck"}).status == 200
        return name

    def put(self, bucket: str, name: str, data: bytes) -> None:
        answer = self.send("PUT", f"/v1/objects/{bucket}/{urllib.parse.quote(name)}", data)
        assert answer.status == 200, answer.body

    def batch(
        self, bucket: str | None, entries: list[Any], headers: dict[str, str] | None = None, **options: Any
    ) -> Answer:
        """Ask for a batch; entries may be bare object names."""
        listed = [{"objname": entry} if isinstance(entry, str) else entry for entry in entries]
        body = {"in": listed, "strm": True, **options}
        return self.send("GET", f"/v1/ml/moss/{bucket}" if bucket else "/v1/ml/moss", body, headers)


def make_tar(members: dict[str, bytes] | list[tuple[str, bytes]], mode: str = "w") -> bytes:
    """Build a TAR (`w`) or TGZ (`w:gz`) with Python's own writer."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items() if isinstance(members, dict) else members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
