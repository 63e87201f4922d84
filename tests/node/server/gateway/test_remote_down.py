"""A store that cannot be reached: what is cached is listed, and everything else says which store failed and why.

Source: spec/rest-data.md 8.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from moss.testing import start_node
from tests.support.remote import Cloud, wait
from tests.support.rgw import Rgw
from tests.support.wire import Wire


@pytest.fixture(scope="module")
def cloud(rgw: Rgw, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A bucket with the objects a and b in the cache, c and d not, of a service that is gone."""
    data = tmp_path_factory.mktemp("down") / "data"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in rgw.environ.items():
            patch.setenv(name, value)
        with start_node(data) as node:
            cloud = Cloud(rgw, Wire(node.url), a=b"A", b=b"BB", c=b"CCC", d=b"")
            assert cloud.run("POST", "prefetch-listrange", {"objnames": ["a", "b"]})["err"] == ""
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        running = start_node(data)
    with running as node:
        cloud.wire = Wire(node.url)
        yield cloud


def names_the_cause(text: str, cloud: Cloud) -> bool:
    return "AWS backend" in text and f"s3://{cloud.name}" in text and "moss-test-secret" not in text


def test_110_what_is_cached_is_listed_and_read(cloud: Cloud):
    assert cloud.cached() == ["a", "b"]
    assert cloud.get("a").body == b"A"
    assert cloud.wire.send("HEAD", cloud.path()).status == 200


def test_110_listing_names_the_store_and_the_cause(cloud: Cloud):
    answer = cloud.act("GET", "list", {})
    assert (answer.status, answer.error["tcode"]) == (503, "ErrFailedTo")
    assert names_the_cause(answer.error["message"], cloud)


def test_lists_of_buckets_have_what_is_known(cloud: Cloud):
    def listed(query: str) -> Any:
        return cloud.wire.send("GET", f"/v1/buckets?{query}", {"action": "list", "value": None})

    assert cloud.name in [row["name"] for row in json.loads(listed("provider=").body)]
    assert cloud.name in [row["name"] for row in json.loads(listed("provider=aws&presence=2").body)]
    assert listed("provider=aws").status == 503


@pytest.mark.parametrize(
    ("method", "action", "value"),
    [
        ("POST", "prefetch-listrange", {"template": ""}),
        ("POST", "prefetch-listrange", {"objnames": ["c"]}),
        ("DELETE", "delete-listrange", {"objnames": ["a"]}),
        ("POST", "copy-listrange", {"objnames": ["a"]}),
        ("PUT", "archive", {"objnames": ["c"], "archname": "x.tar"}),
    ],
)
def test_110_jobs_end_with_the_cause_and_the_cache_stays(cloud: Cloud, method: str, action: str, value: dict[str, Any]):
    value |= {"tobck": {"name": cloud.name, "provider": "aws"}, "prepend": "copy-"}
    job = cloud.run(method, action, value)
    assert names_the_cause(job["err"], cloud)
    assert cloud.cached() == ["a", "b"]


def test_a_failed_summary_says_why(cloud: Cloud):
    message = {"action": "summary-bck", "name": "", "value": {"uuid": ""}}
    job_id = cloud.wire.send("GET", cloud.path(), message).body.decode()
    wait(cloud.wire, job_id)
    message["value"] = {"uuid": job_id}
    answer = cloud.wire.send("GET", cloud.path(), message)
    assert (answer.status, names_the_cause(answer.error["message"], cloud)) == (503, True)


def test_a_new_bucket_is_not_entered_unseen(cloud: Cloud):
    answer = cloud.wire.send("HEAD", f"/v1/buckets/{cloud.name}-new?provider=aws")
    assert answer.status == 503
    present = cloud.wire.send("HEAD", f"/v1/buckets/{cloud.name}-new?provider=aws&presence=2")
    assert present.status == 404


def test_evicting_asks_nobody(cloud: Cloud):
    # The last test: it takes what the others read.
    assert cloud.run("DELETE", "evict-listrange", {"objnames": ["b"]})["err"] == ""
    assert cloud.cached() == ["a"]
    assert cloud.act("DELETE", "evict-remote-bck", query="&keep_bck_md=true").status == 200
    assert cloud.cached() == []
