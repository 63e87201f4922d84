"""A node in front of a real S3 service, with a proxy between the two that can make trouble."""

import urllib.parse
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from moss.testing import NodeProcess, start_node
from tests.support.proxy import Proxy, Trouble, running_proxy
from tests.support.rgw import Rgw
from tests.support.wire import Answer, Wire


@pytest.fixture(scope="package")
def store_proxy(rgw: Rgw) -> Iterator[Proxy]:
    with running_proxy(rgw.url) as running:
        yield running


@pytest.fixture(scope="package")
def store_node(tmp_path_factory: pytest.TempPathFactory, rgw: Rgw, store_proxy: Proxy) -> Iterator[NodeProcess]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**rgw.environ, "AWS_ENDPOINT_URL": store_proxy.url}.items():
            patch.setenv(name, value)
        with start_node(tmp_path_factory.mktemp("store") / "data") as running:
            yield running


class Cloud:
    """One bucket of the store, seen through the node, and by another client (`s3`)."""

    def __init__(self, wire: Wire, proxy: Proxy, rgw: Rgw) -> None:
        self.wire, self.proxy, self.s3 = wire, proxy, rgw.client()
        self.name = f"one-{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.name)

    def url(self, name: str, **query: Any) -> str:
        text = urllib.parse.urlencode({"provider": "aws", **query})
        return f"/v1/objects/{self.name}/{urllib.parse.quote(name)}?{text}"

    def send(
        self, method: str, name: str, body: Any = None, headers: dict[str, str] | None = None, **query: Any
    ) -> Answer:
        return self.wire.send(method, self.url(name, **query), body, headers)

    def evict(self, name: str) -> Answer:
        return self.send("DELETE", name, {"action": "evict-listrange"})

    def set_props(self, **props: Any) -> None:
        """Set properties of the bucket; it has to be known to the node."""
        body = {"action": "set-bprops", "value": props}
        answer = self.wire.send("PATCH", f"/v1/buckets/{self.name}?provider=aws", body)
        assert answer.status == 200, answer.body

    def is_present(self, name: str) -> bool:
        return self.send("HEAD", name).headers["ais-present"] == "true"

    # -- the other client --

    def store(self, name: str, content: bytes, **options: Any) -> None:
        self.s3.put_object(Bucket=self.name, Key=name, Body=content, **options)

    def stored(self, name: str) -> bytes:
        return self.s3.get_object(Bucket=self.name, Key=name)["Body"].read()

    def metadata(self, name: str) -> dict[str, str]:
        return self.s3.head_object(Bucket=self.name, Key=name)["Metadata"]

    def names(self) -> list[str]:
        return [row["Key"] for row in self.s3.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def break_down(self) -> None:
        """The store answers nobody any more, until the end of the test."""
        self.proxy.trouble.is_refusing = True
        self.proxy.cut()


@pytest.fixture
def cloud(store_node: NodeProcess, store_proxy: Proxy, rgw: Rgw) -> Iterator[Cloud]:
    store_proxy.reset()
    yield Cloud(Wire(store_node.url), store_proxy, rgw)
    store_proxy.trouble = Trouble()


def custom(answer: Answer) -> dict[str, str]:
    """The custom metadata of an answer."""
    found: dict[str, str] = {}
    for part in answer.headers.get("ais-custom-md", "").split(", "):
        key, mark, value = part.partition("=")
        if mark:  # dates hold a comma too
            found[key] = value
    return found
