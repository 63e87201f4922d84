"""Buckets of clouds on a node without backends. Source: spec/rest-data.md 3.1, 3.3, 8."""

import json
import time

import pytest

from moss.testing import NodeProcess
from tests.support.wire import Wire


@pytest.fixture(scope="module")
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def name(wire: Wire) -> str:
    return wire.new_bucket()


@pytest.mark.parametrize(
    ("given", "cname", "word"),
    [
        ("aws", "s3", "AWS"), ("s3", "s3", "AWS"), ("gcp", "gs", "GCP"), ("gs", "gs", "GCP"),
        ("azure", "az", "Azure"), ("az", "az", "Azure"), ("oci", "oc", "OCI"), ("oc", "oc", "OCI"),
    ],
)  # fmt: skip
def test_every_verb_names_the_missing_backend_at_once(wire: Wire, name: str, given: str, cname: str, word: str):
    listing = {"action": "list", "value": {}}
    requests = [
        ("GET", f"/v1/objects/{name}/o", None),
        ("PUT", f"/v1/objects/{name}/o", b"x"),
        ("DELETE", f"/v1/objects/{name}/o", None),
        ("PATCH", f"/v1/objects/{name}/o", {"value": {}}),
        ("HEAD", f"/v1/objects/{name}/o", None),
        ("GET", f"/v1/buckets/{name}", listing),
        ("HEAD", f"/v1/buckets/{name}", None),
        ("GET", f"/v1/buckets/{name}", {"action": "summary-bck", "value": {"uuid": ""}}),
    ]
    for method, path, body in requests:
        begin = time.monotonic()
        answer = wire.send(method, f"{path}?provider={given}", body)
        assert time.monotonic() - begin < 1
        error = json.loads(answer.headers["hdr-error"]) if method == "HEAD" else answer.error
        assert (answer.status, error["status"], error["tcode"]) == (404, 404, "ErrFailedTo")
        assert f"failed to lookup bucket {cname}://{name}, err: {word} backend is missing" in error["message"]


def test_creating_one_fails_unless_it_is_not_to_be_looked_up(wire: Wire, name: str):
    create = {"action": "create-bck", "value": None}
    answer = wire.send("POST", f"/v1/buckets/{name}?provider=s3", create)
    assert (answer.status, answer.error["tcode"]) == (501, "ErrRemoteBckNotFound")
    assert answer.error["message"].startswith(f'aws bucket "s3://{name}" does not exist')
    path = f"/v1/buckets/{name}?provider=oci"
    assert wire.send("POST", f"{path}&dont_head_remote_bck=true", create).status == 200
    assert wire.send("POST", f"{path}&dont_head_remote_bck=true", create).status == 409
    head = wire.send("HEAD", path)
    assert head.status == 200
    assert int(json.loads(head.headers["ais-bucket-props"])["bid"]) < 1 << 63
    # Known by name, and still nobody to ask.
    assert wire.send("GET", f"/v1/objects/{name}/o?provider=oci").status == 404
    assert wire.send("PUT", f"/v1/objects/{name}/o?provider=oci", b"x").status == 404
    # The bucket of this cluster with the same name is another one.
    assert wire.send("PUT", f"/v1/objects/{name}/o", b"mine").status == 200
    assert wire.send("DELETE", path, {"action": "destroy-bck"}).status == 405
    evict = {"action": "evict-remote-bck"}
    assert wire.send("DELETE", f"{path}&keep_bck_md=True", evict).status == 200
    assert wire.send("HEAD", path).status == 200
    assert wire.send("DELETE", path, evict).status == 200
    assert wire.send("HEAD", path).status == 404
    assert wire.send("DELETE", path, evict).status == 200
    assert wire.send("GET", f"/v1/objects/{name}/o").body == b"mine"


def test_unknown_properties_register_nothing(wire: Wire, name: str):
    path = f"/v1/buckets/{name}?provider=gs"
    wrong = {"action": "create-bck", "value": {"nonsense": 1}}
    assert wire.send("POST", f"{path}&dont_head_remote_bck=true", wrong).status == 400
    assert wire.send("HEAD", path).status == 404


def test_a_bucket_of_another_cluster_cannot_be_created(wire: Wire, name: str):
    path = f"/v1/buckets/{name}?namespace=@abcdefghi"
    assert wire.send("POST", path, {"action": "create-bck", "value": None}).status == 404
    assert wire.send("DELETE", path, {"action": "evict-remote-bck"}).status == 200


@pytest.mark.parametrize("provider", ["ht", "http", "AIS", "s4", "nope"])
def test_other_providers_are_refused_on_every_verb(wire: Wire, name: str, provider: str):
    for method, path in (
        ("GET", f"/v1/objects/{name}/o"),
        ("PUT", f"/v1/objects/{name}/o"),
        ("DELETE", f"/v1/buckets/{name}"),
    ):
        answer = wire.send(method, f"{path}?provider={provider}", {"action": "destroy-bck"})
        assert (answer.status, answer.error["tcode"]) == (400, "ErrInvalidBackendProvider")
