"""Download jobs over HTTP, against a real node and a real source."""

import http.server
import json
import threading
import time
import urllib.parse
from collections.abc import Iterator

import pytest

from moss.testing import NodeProcess, start_node
from tests.support.wire import Answer, Wire

_BODY = bytes(range(256)) * 8
_LARGE = _BODY * 2000  # more than is stored in one piece


class _Source(http.server.ThreadingHTTPServer):
    """What a web server may do to a client; notes every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.failures = 0
        self.release = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Source

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = urllib.parse.urlsplit(self.path).path
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if path.startswith("/missing"):
            return self._send(404, b"no")
        if path.startswith("/flaky") and self.server.failures:
            self.server.failures -= 1
            return self._send(503, b"later")
        if path.startswith("/redirect/"):
            return self._send(302, b"", Location=urllib.parse.unquote(path.removeprefix("/redirect/")))
        if path.startswith("/cut"):
            self._head(200, {"Content-Length": "100000"})
            self.wfile.write(b"x" * 10)
            self.close_connection = True
            return None
        if path.startswith("/stall"):
            self._head(200, {"Content-Length": "100000"})
            self.wfile.write(b"x" * 10)
            self.wfile.flush()
            self.server.release.wait(20)
            self.close_connection = True
            return None
        if self.headers.get("If-None-Match") == '"v1"':
            return self._send(304, b"")
        body = _LARGE if path.startswith("/large") else _BODY
        return self._send(200, body, ETag='"v1"', **{"Last-Modified": "Mon, 02 Mar 2026 04:05:06 GMT"})

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self._head(status, {"Content-Length": str(len(body)), **headers})
        self.wfile.write(body)


@pytest.fixture
def source() -> Iterator[_Source]:
    server = _Source()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def open_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node that may fetch from this machine."""
    with start_node(tmp_path_factory.mktemp("open") / "data", download_hosts=["127.0.0.1"]) as running:
        yield running


@pytest.fixture
def wire(open_node: NodeProcess) -> Wire:
    return Wire(open_node.url)


@pytest.fixture
def bucket(wire: Wire) -> str:
    return wire.new_bucket()


def _start(wire: Wire, bucket: str, **fields: object) -> str:
    body = {"bucket": {"name": bucket, "provider": "ais", "namespace": None}, **fields}
    answer = wire.send("POST", "/v1/download", body)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)["id"]


def _ask(wire: Wire, **fields: object) -> Answer:
    return wire.send("GET", "/v1/download", fields)


def _status(wire: Wire, job_id: str) -> dict:
    return json.loads(_ask(wire, id=job_id).body)


def _end(wire: Wire, job_id: str) -> dict:
    """Ask until the job has ended."""
    deadline = time.monotonic() + 20
    while (found := _status(wire, job_id))["finished_time"] == "1970-01-01T00:00:00Z":
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    return found


def _counts(found: dict) -> tuple[int, int, int, int]:
    return found["total"], found["finished_cnt"], found["skipped_cnt"], found["error_cnt"]


def _read(wire: Wire, bucket: str, name: str) -> bytes:
    answer = wire.send("GET", f"/v1/objects/{bucket}/{urllib.parse.quote(name)}")
    assert answer.status == 200, answer.body
    return answer.body


# -- what is fetched ---------------------------------------------------------------------------------------


def test_one_object_and_its_marks(wire: Wire, bucket: str, source: _Source):
    job_id = _start(wire, bucket, type="single", link=f"{source.url}/dir/a%20b.bin?sig=secret", description="one")
    assert job_id.startswith("dnl-")
    found = _end(wire, job_id)
    assert _counts(found) == (1, 1, 0, 0)
    assert found["all_dispatched"]
    assert found["scheduled_cnt"] == found["finished_cnt"] + found["error_cnt"]
    (task,) = found["finished_tasks"]
    assert (task["name"], task["downloaded"], task["total"]) == ("a b.bin", str(len(_BODY)), str(len(_BODY)))
    answer = wire.send("HEAD", f"/v1/objects/{bucket}/a%20b.bin")
    assert answer.headers["content-length"] == str(len(_BODY))
    custom = dict(part.split("=", 1) for part in answer.headers["ais-custom-md"].split(", "))
    assert custom["source"] == "web"
    assert custom["ETag"] == '"v1"'
    assert custom["LastModified"] == "2026-03-02T04:05:06Z"
    assert "secret" not in answer.headers["ais-custom-md"]
    assert _read(wire, bucket, "a b.bin") == _BODY


def test_a_range_into_a_folder(wire: Wire, bucket: str, source: _Source):
    template = f"{source.url}/x-{{08..11}}.bin"
    job_id = _start(wire, bucket, type="range", template=template, subdir="in/here/", limits={"connections": 2})
    assert _counts(_end(wire, job_id)) == (4, 4, 0, 0)
    for number in ("08", "09", "10", "11"):
        assert _read(wire, bucket, f"in/here/x-{number}.bin") == _BODY


def test_many_by_name_and_by_list(wire: Wire, bucket: str, source: _Source):
    by_name = _start(wire, bucket, type="multi", objects={"p/q": f"{source.url}/1", "r": f"{source.url}/large"})
    by_list = _start(wire, bucket, type="multi", objects=[f"{source.url}/s", f"{source.url}/t"])
    for job_id in (by_name, by_list):
        assert _counts(_end(wire, job_id)) == (2, 2, 0, 0)
    assert [_read(wire, bucket, name) for name in ("p/q", "r", "s", "t")] == [_BODY, _LARGE, _BODY, _BODY]


def test_the_bucket_is_made(wire: Wire, source: _Source):
    bucket = f"dl-new-{time.monotonic_ns()}"
    _end(wire, _start(wire, bucket, type="single", link=f"{source.url}/o"))
    assert _read(wire, bucket, "o") == _BODY


def test_what_is_there_and_the_same_is_skipped(wire: Wire, bucket: str, source: _Source):
    for skipped in (0, 1):
        found = _end(wire, _start(wire, bucket, type="single", link=f"{source.url}/o"))
        assert _counts(found) == (1, 1, skipped, 0)
    wire.put(bucket, "o", b"something else")
    assert _counts(_end(wire, _start(wire, bucket, type="single", link=f"{source.url}/o"))) == (1, 1, 0, 0)
    assert _read(wire, bucket, "o") == _BODY


def test_headers_are_sent_but_not_to_another_host(wire: Wire, bucket: str, source: _Source):
    other = _Source()
    thread = threading.Thread(target=other.serve_forever, args=(0.05,))
    thread.start()
    try:
        link = f"{source.url}/redirect/{urllib.parse.quote(other.url + '/o', safe='')}"
        headers = {"Authorization": ["Bearer t"], "X-Mine": "1"}
        found = _end(wire, _start(wire, bucket, type="single", link=link, object_name="o", headers=headers))
        assert _counts(found) == (1, 1, 0, 0)
        assert source.asked[0][1]["authorization"] == "Bearer t"
        assert source.asked[0][1]["x-mine"] == "1"
        assert "authorization" not in other.asked[0][1]
        assert "x-mine" not in other.asked[0][1]
    finally:
        other.shutdown()
        thread.join()
        other.server_close()


# -- what goes wrong ---------------------------------------------------------------------------------------


def test_single_failures_do_not_end_a_job(wire: Wire, bucket: str, source: _Source):
    objects = {"good": f"{source.url}/1", "bad": f"{source.url}/missing?key=secret", "../x": f"{source.url}/2"}
    job_id = _start(wire, bucket, type="multi", objects=objects)
    found = _end(wire, job_id)
    assert _counts(found) == (3, 1, 0, 2)
    errors = {entry["name"]: entry["error"] for entry in found["download_errors"]}
    assert set(errors) == {"bad", "../x"}
    assert "404" in errors["bad"]
    assert "secret" not in errors["bad"]
    (snapshot,) = json.loads(wire.send("GET", "/v1/cluster?what=qryxstats", {"id": job_id}).body).values()
    assert snapshot[0]["kind"] == "download"
    assert snapshot[0]["err"]
    assert _read(wire, bucket, "good") == _BODY


def test_a_source_that_recovers_is_asked_again(wire: Wire, bucket: str, source: _Source):
    source.failures = 1
    assert _counts(_end(wire, _start(wire, bucket, type="single", link=f"{source.url}/flaky"))) == (1, 1, 0, 0)
    assert len(source.asked) == 2


def test_a_cut_body_is_not_stored(wire: Wire, bucket: str, source: _Source):
    found = _end(wire, _start(wire, bucket, type="single", link=f"{source.url}/cut"))
    assert _counts(found) == (1, 0, 0, 1)
    assert wire.send("GET", f"/v1/objects/{bucket}/cut").status == 404


def test_a_source_that_falls_silent_costs_no_more_than_its_time(wire: Wire, bucket: str, source: _Source):
    job_id = _start(wire, bucket, type="single", link=f"{source.url}/stall", timeout="300ms")
    found = _end(wire, job_id)
    assert _counts(found) == (1, 0, 0, 1)
    assert "timeout" in found["download_errors"][0]["error"]


def test_a_running_job_is_listed_stopped_and_forgotten(wire: Wire, bucket: str, source: _Source):
    job_id = _start(wire, bucket, type="single", link=f"{source.url}/stall", description=f"stalled {bucket}")
    while not _status(wire, job_id).get("current_tasks"):
        pass
    listed = json.loads(_ask(wire, regex=f"^stalled {bucket}$", only_active_tasks=True).body)
    assert [found["id"] for found in listed] == [job_id]
    refused = wire.send("DELETE", "/v1/download/remove", {"id": job_id})
    assert (refused.status, "is still running" in refused.error["message"]) == (400, True)
    assert wire.send("DELETE", "/v1/download/abort", {"id": job_id}).status == 200
    found = _end(wire, job_id)
    assert found["aborted"]
    assert json.loads(_ask(wire, regex=bucket, only_active_tasks=True).body) == []
    assert wire.send("DELETE", "/v1/download/abort", {"id": job_id}).status == 200  # nothing to do
    assert wire.send("DELETE", "/v1/download/remove", {"id": job_id}).status == 200
    gone = _ask(wire, id=job_id)
    assert (gone.status, gone.error["message"].endswith(f"download job {job_id} does not exist")) == (404, True)


def test_redirects_end_and_are_checked(wire: Wire, bucket: str, source: _Source):
    loop = f"{source.url}/redirect/%2Fredirect%2F%252Fredirect%252F%25252Fredirect%25252F%2525252Fo"
    found = _end(wire, _start(wire, bucket, type="single", link=loop, object_name="a"))
    assert "redirects" in found["download_errors"][0]["error"]
    aside = f"{source.url}/redirect/{urllib.parse.quote('http://169.254.169.254/latest', safe='')}"
    found = _end(wire, _start(wire, bucket, type="single", link=aside, object_name="b"))
    assert "169.254.169.254" in found["download_errors"][0]["error"]
    local = f"{source.url}/redirect/{urllib.parse.quote('file:///etc/passwd', safe='')}"
    found = _end(wire, _start(wire, bucket, type="single", link=local, object_name="c"))
    assert _counts(found) == (1, 0, 0, 1)


def test_names_that_lead_to_this_machine_are_refused(tmp_path, source: _Source):
    port = source.server_address[1]
    with start_node(tmp_path / "data", download_hosts=["localhost", "*"]) as running:
        wire = Wire(running.url)
        bucket = wire.new_bucket()
        link = f"http://localhost:{port}/o"
        found = _end(wire, _start(wire, bucket, type="single", link=link))
        assert "private or loopback" in found["download_errors"][0]["error"]
        # Other spellings of an address do not help.
        for host in ("１２７.0.0.1", "127。0.0.1", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"):
            found = _end(wire, _start(wire, bucket, type="single", link=f"http://{host}:{port}/o"))
            assert _counts(found) == (1, 0, 0, 1), host
        assert not source.asked
        # The feature flag of the cluster opens private addresses, for hosts of the list only.
        assert wire.send("PUT", f"/v1/cluster/set-config?features={1 << 26}").status == 200
        assert _counts(_end(wire, _start(wire, bucket, type="single", link=link))) == (1, 1, 0, 0)


def test_without_a_list_of_hosts_nothing_is_fetched(node: NodeProcess, source: _Source):
    wire = Wire(node.url)
    found = _end(wire, _start(wire, wire.new_bucket(), type="single", link=f"{source.url}/o"))
    assert _counts(found) == (1, 0, 0, 1)
    assert not source.asked


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"type": "single"},
        {"type": "nosuch", "link": "http://h/a"},
        {"type": 7},
        {"type": "single", "link": "ftp://h/a"},
        {"type": "single", "link": "http://h/"},
        {"type": "single", "link": ["http://h/a"]},
        {"type": "single", "link": "http://[::1/a"},
        {"type": "single", "link": "http://h/a", "from_remote": True},
        {"type": "range", "template": "http://h/a"},
        {"type": "range", "template": "http://h/{0..99999999999}"},
        {"type": "multi"},
        {"type": "multi", "objects": "http://h/a"},
        {"type": "multi", "objects": [7]},
        {"type": "multi", "objects": {"": "http://h/a"}},
        {"type": "backend", "prefix": "a"},
        {"type": "single", "link": "http://h/a", "limits": {"bytes_per_hour": -1}},
        {"type": "single", "link": "http://h/a", "limits": {"connections": "2"}},
        {"type": "single", "link": "http://h/a", "limits": [1]},
        {"type": "single", "link": "http://h/a", "headers": {"A\r\nB": "x"}},
        {"type": "single", "link": "http://h/a", "headers": {"A": "x\r\nB: y"}},
        {"type": "single", "link": "http://h/a", "headers": {"Host": "other"}},
        {"type": "single", "link": "http://h/a", "timeout": "-1s"},
        {"type": "single", "link": "http://h/a", "timeout": 7},
        {"type": "single", "link": "http://h/a", "bucket": {"name": "a/b"}},
        {"type": "single", "link": "http://h/a", "bucket": {"name": "b", "provider": "nosuch"}},
    ],
)
def test_impossible_requests_start_nothing(wire: Wire, bucket: str, fields: dict):
    answer = wire.send("POST", "/v1/download", {"bucket": {"name": bucket}, "description": bucket, **fields})
    assert answer.status == 400, answer.body
    assert answer.error["status"] == 400
    assert json.loads(_ask(wire, regex=bucket).body) == []


def test_jobs_of_all_workers_are_seen(tmp_path, source: _Source):
    with start_node(tmp_path / "data", workers=2, download_hosts=["127.0.0.1"]) as running:
        wire = Wire(running.url)
        bucket = wire.new_bucket()
        started = {_start(wire, bucket, type="single", link=f"{source.url}/{n}") for n in range(8)}
        for job_id in started:
            assert _counts(_end(wire, job_id)) == (1, 1, 0, 0)
        for _ in range(8):
            assert {found["id"] for found in json.loads(_ask(wire).body)} == started
        for job_id in started:
            assert wire.send("DELETE", "/v1/download/remove", {"id": job_id}).status == 200
        assert json.loads(_ask(wire).body) == []
