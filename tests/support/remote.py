"""What tests of buckets in stores need: a bucket of their own at the S3 service, and the node's calls on it."""

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import msgspec

from tests.support.rgw import Rgw
from tests.support.wire import Answer, Wire

CACHED, DIRECTORY, CHANGED, REMOVED = 1 << 6, 1 << 8, 1 << 10, 1 << 11


class Cloud:
    """One bucket of the S3 service, seen through the service itself and through a node.

    Attributes:
        s3: a client of another make.
        name: of the bucket.
    """

    def __init__(self, rgw: Rgw, wire: Wire, s3: Any = None, **objects: bytes) -> None:
        self.rgw, self.wire, self.s3 = rgw, wire, s3 or rgw.client()
        self.name = "m" + uuid.uuid4().hex[:12]
        self.s3.create_bucket(Bucket=self.name)
        for name, body in objects.items():
            self.store(name, body)

    # -- at the service --

    def store(self, name: str, body: bytes, **options: Any) -> None:
        self.s3.put_object(Bucket=self.name, Key=name, Body=body, **options)

    def store_many(self, names: list[str], body: bytes = b"") -> None:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda name: self.store(name, body), names))

    def remove(self, name: str) -> None:
        self.s3.delete_object(Bucket=self.name, Key=name)

    def stored(self, bucket: str = "", prefix: str = "") -> dict[str, bytes]:
        """Return what the service has."""
        bucket = bucket or self.name
        rows = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return {row["Key"]: self.s3.get_object(Bucket=bucket, Key=row["Key"])["Body"].read() for row in rows}

    # -- through the node --

    def path(self, name: str = "", query: str = "") -> str:
        kind = f"objects/{self.name}/{quote(name)}" if name else f"buckets/{self.name}"
        return f"/v1/{kind}?provider=aws{query}"

    def get(self, name: str, query: str = "") -> Answer:
        return self.wire.send("GET", self.path(name, query))

    def act(self, method: str, action: str, value: Any = None, query: str = "") -> Answer:
        message = {"action": action, "name": "", "value": value}
        return self.wire.send(method, self.path(query=query), message)

    def run(self, method: str, action: str, value: Any = None, query: str = "") -> dict[str, Any]:
        """Start a job and return its last snapshot."""
        answer = self.act(method, action, value, query)
        assert answer.status == 200, answer.body
        return wait(self.wire, answer.body.decode())

    def entries(self, query: str = "", **value: Any) -> list[dict[str, Any]]:
        """Return the entries of all pages."""
        return list_all(self.wire, self.path(query=query), **value)

    def cached(self) -> list[str]:
        return [row["n"] for row in self.entries(flags="1")]


def list_page(wire: Wire, path: str, **value: Any) -> dict[str, Any]:
    answer = wire.send("GET", path, {"action": "list", "value": value}, {"Accept": "application/msgpack"})
    assert answer.status == 200, answer.body
    return msgspec.msgpack.decode(answer.body)


def list_all(wire: Wire, path: str, **value: Any) -> list[dict[str, Any]]:
    """Return the entries of all pages of a listing."""
    found: list[dict[str, Any]] = []
    uuid_, token = "", ""
    while True:
        page = list_page(wire, path, uuid=uuid_, continuation_token=token, **value)
        found += page["Entries"]
        assert not uuid_ or uuid_ == page["UUID"]
        assert page["ContinuationToken"] != token or not token
        uuid_, token = page["UUID"], page["ContinuationToken"]
        if not token:
            return found


def wait(wire: Wire, job_id: str, *, max_s: float = 20) -> dict[str, Any]:
    """Wait until a job is done; the state is asked for."""
    deadline = time.monotonic() + max_s
    while time.monotonic() < deadline:
        answer = wire.send("GET", "/v1/cluster?what=qryxstats", {"id": job_id})
        assert answer.status == 200, answer.body
        ((snapshot,),) = json.loads(answer.body).values()
        if snapshot["is_idle"]:
            return snapshot
    raise AssertionError(f"{job_id} is not done after {max_s} s")
