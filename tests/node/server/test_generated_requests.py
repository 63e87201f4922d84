"""Requests made up from the shipped description: whatever is sent, the answer is a clean one and the node lives on.

The description is the source of paths, methods, parameters, headers and actions, so that a new route is tried as soon
as it is there. `MOSS_GENERATED_REQUESTS` says how many requests are made up (600 by default).
"""

import json
import os
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moss.node.server.openapi import build_description
from moss.testing import NodeProcess, start_node
from tests.support.wire import Answer, Wire

_ROOT = Path(__file__).resolve().parents[3]
_DESCRIPTION = yaml.safe_load((_ROOT / "docs" / "openapi.yaml").read_text())
_REQUESTS = int(os.environ.get("MOSS_GENERATED_REQUESTS", "600"))
_ERROR_KEYS = {"message", "method", "url_path", "remote_addr", "caller", "node", "status"}
_VERBS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
_BUCKET, _OBJECT = "generated", "a.tar"


def _shape(description: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (path, method, reference["$ref"])
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
        for reference in [*operation.get("parameters", ()), {"$ref": ""}]
    }


def test_the_description_has_every_route_and_nothing_else():
    assert _shape(build_description()) == _shape(_DESCRIPTION), "run python scripts/openapi.py"


def test_the_description_has_every_parameter_that_is_read():
    described = {found["name"] for found in _DESCRIPTION["components"]["parameters"].values() if found["in"] == "query"}
    source = "".join(path.read_text() for path in (_ROOT / "src/moss/node/server").rglob("*.py"))
    read = set(re.findall(r'query\.(?:get|boolean|signed|unsigned)\(\s*"([^"]+)"', source))
    assert read <= described


# -- making requests up -----------------------------------------------------------------------------------


def _operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method.upper(), operation)
        for path, operations in sorted(_DESCRIPTION["paths"].items())
        for method, operation in sorted(operations.items())
    ]


_TEXTS = st.one_of(
    st.sampled_from(
        [
            *(
                "",
                "a",
                _BUCKET,
                _OBJECT,
                "no-such",
                "..",
                "../x",
                "a/../b",
                "/a",
                "a/",
                "~/a",
                "%",
                "%00",
                "a\x00b",
                "é",
                "😀",
            ),
            *("{0..9}", "{0..99999999999}", "{9..0}", "@9", "%06d", "x-{", "*", "(", "[", "a" * 300, "b" * 2000),
            *("ais", "aws", "s3", "gs", "nosuch", "@#ns", "@uuid#ns", "#ns", "ais://generated", "http://127.0.0.1:9/x"),
            *(
                "-1",
                "0",
                "1",
                "99999999999999999999",
                "1e9",
                "true",
                "maybe",
                "10s",
                "1h",
                "64MiB",
                "none",
                "md5",
                "sha0",
            ),
            *(
                "tar",
                ".tgz",
                "application/zip",
                "bytes=0-1",
                "bytes=9-1",
                "bytes=-5",
                "bytes=a",
                "lru",
                "cleanup",
                "dsort",
            ),
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12),
)
_NUMBERS = st.sampled_from([-(2**63), -1, 0, 1, 7, 2**31, 2**63 - 1, 2**63, 2**64, 10**30, 0.5, 1e308])
_KEYS = st.sampled_from(
    [
        *("name", "provider", "namespace", "uuid", "bck", "tobck", "objnames", "template", "prefix", "prepend", "ext"),
        *("dry_run", "force", "num-workers", "archname", "mime", "aate", "isbn", "coer", "pagesize", "props", "flags"),
        *("continuation_token", "start_after", "id", "kind", "ID", "Kind", "Bck", "DaemonID", "sid", "sids", "value"),
        *("in", "objname", "archpath", "start", "length", "strm", "onob", "opaque", "checksum", "type", "versioning"),
        *("enabled", "access", "extra", "lru", "mirror", "copies", "get_batch", "max_wait", "link", "objects", "regex"),
        *("bucket", "limits", "src", "dst", "parts", "part-number", "etag", "cached", "bck_present", "text"),
    ]
)
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(_KEYS, _TEXTS), inner, max_size=5)),
    max_leaves=12,
)
_RAW = st.one_of(
    st.sampled_from(
        [b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"\xef\xbb\xbf{}", b"[" * 20_000, b'{"a":' * 5000, b"9" * 5000]
    ),
    st.binary(max_size=40),
)


@st.composite
def _requests(draw: st.DrawFn) -> tuple[str, str, dict[str, str], bytes | None, str]:
    path, method, operation = draw(st.sampled_from(_operations()))
    for name in re.findall(r"\{(\w+)\}", path):
        usual = {"bucket": _BUCKET, "object": _OBJECT}.get(name)
        value = usual if usual and draw(st.booleans()) else draw(_TEXTS)
        path = path.replace(f"{{{name}}}", urllib.parse.quote(value, safe=draw(st.sampled_from(["", "/", "/%&=+"]))))
    query, headers = [], {}
    for reference in operation.get("parameters", ()):
        found = _DESCRIPTION["components"]["parameters"][reference["$ref"].rpartition("/")[2]]
        if found["in"] == "path" or draw(st.integers(0, 3)):
            continue
        if found["in"] == "query":
            query.append((found["name"], draw(_TEXTS)))
        else:
            value = draw(_TEXTS)
            headers[found["name"]] = value if value.isascii() and value.isprintable() else urllib.parse.quote(value)
    if query:
        path += "?" + urllib.parse.urlencode(query)
    face = draw(st.sampled_from(operation["x-moss-faces"]))
    return method, path, headers, draw(_bodies(operation)), face


def _bodies(operation: dict[str, Any]) -> st.SearchStrategy[bytes | None]:
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    actions = [part["properties"]["action"]["enum"] for part in schema.get("allOf", ()) if "properties" in part]
    messages = _JSON
    if actions:
        messages = st.fixed_dictionaries(
            {"action": st.one_of(st.sampled_from(actions[0]), _TEXTS)}, optional={"name": _JSON, "value": _JSON}
        )
    return st.one_of(st.none(), _RAW, messages.map(lambda value: json.dumps(value).encode()))


# -- what must hold ---------------------------------------------------------------------------------------


def _check(answer: Answer, method: str, shown: object) -> None:
    assert answer.status < 500 or answer.status == 501, (answer.status, answer.body, shown)
    if answer.status < 400:
        return
    if answer.status == 405 and not answer.headers.get("content-type", "").startswith("application/json"):
        assert answer.headers["allow"], shown
        return
    text = answer.headers["hdr-error"] if method == "HEAD" else answer.body
    document = json.loads(text)
    assert document.keys() >= _ERROR_KEYS, (document, shown)
    assert document["status"] == answer.status, (document, shown)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with start_node(tmp_path_factory.mktemp("generated") / "data") as running:
        yield running
        assert running.is_running


def _prepare(wire: Wire) -> None:
    """Have the usual bucket and object there, which an earlier request may have removed."""
    if wire.send("PUT", f"/v1/objects/{_BUCKET}/{_OBJECT}", b"x" * 10).status != 200:
        wire.send("DELETE", f"/v1/buckets/{_BUCKET}", {"action": "destroy-bck"})
        wire.send("POST", f"/v1/buckets/{_BUCKET}", {"action": "create-bck"})


@settings(
    max_examples=_REQUESTS,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(request=_requests())
def test_btr_14_generated_requests_get_clean_answers(target: NodeProcess, request):
    method, path, headers, body, face = request
    wire = Wire(target.url)
    _prepare(wire)
    address = path if face == "gateway" else target.target_url + path
    _check(wire.send(method, address, body, headers, timeout_s=20), method, request)
    assert target.is_running
    assert wire.send("GET", "/v1/health", timeout_s=10).status == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"action":null,"value":null}', b'{"action":7}', b"\xff"])
def test_btr_14_every_verb_on_every_path_gets_a_clean_answer(target: NodeProcess, body: bytes):
    wire = Wire(target.url)
    _prepare(wire)
    for template in _DESCRIPTION["paths"]:
        path = template.replace("{bucket}", _BUCKET).replace("{object}", _OBJECT)
        path = re.sub(r"\{\w+\}", "word", path)
        for verb in _VERBS:
            for address in (path, target.target_url + path):
                _check(
                    wire.send(verb, address, body, {"Ais-Node-Id": "nosuchnode"}, timeout_s=20), verb, (verb, address)
                )
    assert target.is_running
    assert wire.send("GET", "/v1/health").status == 200
