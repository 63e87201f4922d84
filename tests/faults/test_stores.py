"""A node whose store refuses, breaks off, stalls or is gone: what clients are told, and what stays as it was."""

import contextlib
import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from moss.testing import NodeProcess, start_node
from tests.support.faulty import Faulty, in_front_of, refusal
from tests.support.proxy import Proxy, Trouble, running_proxy
from tests.support.raw import RawClient
from tests.support.remote import Cloud, wait
from tests.support.rgw import ACCESS_KEY, SECRET_KEY, Rgw
from tests.support.wire import Answer, Wire

MIB = 1 << 20
LARGE = random.Random(1).randbytes(9 * MIB)
COLD = {name: f"content of {name}".encode() * 50 for name in ("get", "range", "head", "strict", "buffered", "soft")}
CACHED = {name: f"cached {name}".encode() for name in ("put", "delete", "patch", "validated", "stays", "appended")}


@pytest.fixture(scope="module")
def _front(rgw: Rgw) -> Iterator[Faulty]:
    with in_front_of(rgw.url) as service:
        yield service


@pytest.fixture(scope="module")
def _proxy(_front: Faulty) -> Iterator[Proxy]:
    with running_proxy(_front.url) as running:
        yield running


def start(tmp_path_factory: pytest.TempPathFactory, rgw: Rgw, **environ: str) -> NodeProcess:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**rgw.environ, **environ}.items():
            patch.setenv(name, value)
        return start_node(tmp_path_factory.mktemp("faults") / "data")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, rgw: Rgw, _proxy: Proxy) -> Iterator[NodeProcess]:
    """A node that reaches the store through the proxy, and through a service that answers some requests itself."""
    with start(tmp_path_factory, rgw, AWS_ENDPOINT_URL=_proxy.url) as running:
        yield running


@pytest.fixture
def proxy(_proxy: Proxy) -> Iterator[Proxy]:
    yield _proxy
    _proxy.trouble = Trouble()


@pytest.fixture
def front(_front: Faulty) -> Iterator[Faulty]:
    yield _front
    _front.rule = lambda request: None
    _front.next.clear()


@pytest.fixture
def wire(node: NodeProcess) -> Wire:
    return Wire(node.url)


@pytest.fixture
def cloud(rgw: Rgw, wire: Wire, proxy: Proxy, front: Faulty) -> Cloud:
    """A bucket with objects, some of which the node has."""
    made = Cloud(rgw, wire, **COLD, **CACHED)
    for name, content in CACHED.items():
        assert made.get(name).body == content
    return made


def batch(cloud: Cloud, names: list[str], **options: bool) -> Answer:
    return cloud.wire.send(
        "GET",
        f"/v1/ml/moss/{cloud.name}?provider=aws",
        {"in": [{"objname": name} for name in names], **options},
    )


def flush(cloud: Cloud) -> Answer:
    begun = cloud.wire.send("PUT", cloud.path("appended", "&append_type=append"), b" and more")
    if begun.status != 200:
        return begun
    handle = quote(begun.headers["ais-append-handle"], safe="")
    return cloud.wire.send("PUT", cloud.path("appended", f"&append_type=flush&append_handle={handle}"))


Use = Callable[[Cloud], Answer]
READS: dict[str, Use] = {
    "get": lambda cloud: cloud.get("get"),
    "get of a large object": lambda cloud: cloud.get("large"),
    "range": lambda cloud: cloud.wire.send("GET", cloud.path("range"), None, {"Range": "bytes=5-9"}),
    "head": lambda cloud: cloud.wire.send("HEAD", cloud.path("head")),
    "validated get": lambda cloud: cloud.get("validated", "&latest-ver=true"),
    "strict batch": lambda cloud: batch(cloud, ["stays", "strict"], strm=True),
    "buffered batch": lambda cloud: batch(cloud, ["stays", "buffered"]),
    "list": lambda cloud: cloud.act("GET", "list", {}),
    "bucket that is not known yet": lambda cloud: cloud.wire.send("GET", "/v1/objects/not-known-yet/o?provider=aws"),
    "list of buckets": lambda cloud: cloud.wire.send("GET", "/v1/buckets?provider=aws"),
}
WRITES: dict[str, Use] = {
    "put": lambda cloud: cloud.wire.send("PUT", cloud.path("put"), b"new"),
    "put of a large object": lambda cloud: cloud.wire.send("PUT", cloud.path("large put"), LARGE),
    "delete": lambda cloud: cloud.wire.send("DELETE", cloud.path("delete")),
    "patch": lambda cloud: cloud.wire.send("PATCH", cloud.path("patch"), {"action": "", "value": {"a": "1"}}),
    "append": flush,
}


def check_text(text: str, cloud: Cloud) -> None:
    assert "AWS backend" in text or "s3://" in text, text
    check_secrets(text)


def check_secrets(text: str) -> None:
    assert SECRET_KEY not in text and ACCESS_KEY not in text
    assert "Signature=" not in text and "AWS4-HMAC" not in text


def check_unchanged(cloud: Cloud) -> None:
    """The store has what it had, the node what it had, and everything is right again."""
    stored = cloud.stored()
    assert {name: content for name, content in stored.items() if name != "large"} == COLD | CACHED
    for name, content in stored.items():
        assert cloud.get(name).body == content
    assert batch(cloud, [*COLD, *CACHED], strm=True).status == 200


def check_consistent(cloud: Cloud) -> None:
    """Changes whose answer was lost are made or not, nobody knows: all of one or all of the other."""
    allowed = {name: {content} for name, content in (COLD | CACHED).items()}
    allowed["put"].add(b"new")
    allowed["appended"].add(CACHED["appended"] + b" and more")
    allowed |= {"large": {LARGE}, "large put": {LARGE}}
    stored = cloud.stored()
    for name, content in stored.items():
        assert content in allowed[name]
        assert cloud.get(name, "&latest-ver=true").body == content
    assert allowed.keys() - stored.keys() <= {"large put", "delete"}


def throttled(status: int) -> Callable[[Faulty, Proxy], None]:
    def set_up(front: Faulty, proxy: Proxy) -> None:
        front.rule = lambda request: refusal(status, "SlowDown", {"Retry-After": "3600"})

    return set_up


def denied(front: Faulty, proxy: Proxy) -> None:
    said = f"<AWSAccessKeyId>{ACCESS_KEY}</AWSAccessKeyId><StringToSign>AWS4-HMAC {SECRET_KEY}</StringToSign>"
    front.rule = lambda request: refusal(403, "SignatureDoesNotMatch", text=said)


def failing(front: Faulty, proxy: Proxy) -> None:
    front.rule = lambda request: refusal(500, "InternalError")


def refusing(front: Faulty, proxy: Proxy) -> None:
    proxy.trouble = Trouble(is_refusing=True)
    proxy.cut()


def breaking_off(front: Faulty, proxy: Proxy) -> None:
    proxy.trouble = Trouble(cut_after=20)
    proxy.cut()


TROUBLES = {
    "429 with a long pause": (throttled(429), 503),
    "503 with a long pause": (throttled(503), 503),
    "500": (failing, 503),
    "403": (denied, 403),
    "connections refused": (refusing, 503),
    "answers break off": (breaking_off, 503),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_btr_34_errors_say_what_failed_and_all_stays_as_it_was(cloud: Cloud, front: Faulty, proxy: Proxy, trouble: str):
    """All operations at once; the answers come within the client's 30 s."""
    set_up, status = TROUBLES[trouble]
    uses = READS | WRITES
    cloud.store("large", LARGE)
    set_up(front, proxy)
    with ThreadPoolExecutor(len(uses)) as threads:
        answers = dict(zip(uses, threads.map(lambda use: use(cloud), uses.values()), strict=True))
        assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(uses, status)
        for answer in answers.values():
            if answer.body:
                check_text(answer.error["message"], cloud)
                assert answer.error["tcode"] == "ErrFailedTo"
        # What is here is served meanwhile.
        for name, content in CACHED.items():
            assert cloud.get(name).body == content
        assert batch(cloud, list(CACHED), strm=True).members() == [
            (f"{cloud.name}/{name}", content) for name, content in CACHED.items()
        ]
        assert sorted(cloud.cached()) == sorted(CACHED)
    front.rule = lambda request: None
    proxy.trouble = Trouble()
    if set_up is breaking_off:
        check_consistent(cloud)
    else:
        check_unchanged(cloud)


def test_btr_34_soft_errors_of_a_batch_name_the_cause(cloud: Cloud, front: Faulty, proxy: Proxy):
    names = ["stays", "soft", "put", "buffered"]
    for set_up in (throttled(503), denied, refusing, breaking_off):
        set_up(front, proxy)
        metadata, _ = batch(cloud, names, coer=True).parts()
        errors = [row.get("err_msg", "") for row in metadata["out"]]
        assert [bool(error) for error in errors] == [False, True, False, True]
        for error in (errors[1], errors[3]):
            assert "AWS backend" in error and "does not exist" not in error
            check_secrets(error)
        found = batch(cloud, names, coer=True, strm=True).members()
        assert [content for _, content in found] == [CACHED["stays"], b"", CACHED["put"], b""]
        front.rule = lambda request: None
        proxy.trouble = Trouble()


def test_troubles_that_pass_are_not_noticed(cloud: Cloud, front: Faulty):
    cloud.store("large", LARGE)
    for name, use in (READS | WRITES).items():
        if name != "bucket that is not known yet":
            front.refuse(1, 503, "SlowDown")
            front.refuse(1, 500, "InternalError")
            assert (name, use(cloud).status) in ((name, 200), (name, 206))
            assert not front.next


def test_jobs_tell_what_failed(cloud: Cloud, front: Faulty, proxy: Proxy):
    denied(front, proxy)
    for method, action in (("POST", "prefetch-listrange"), ("DELETE", "delete-listrange")):
        answer = cloud.act(method, action, {"objnames": ["get", "stays"]})
        assert answer.status == 200, answer.body
        snapshot = wait(cloud.wire, answer.body.decode())
        told = json.dumps(snapshot)
        check_secrets(told)
        assert "403" in told or "refused" in told, told
    front.rule = lambda request: None
    check_unchanged(cloud)


def test_nobody_else_waits_for_a_store_that_stalls(cloud: Cloud, proxy: Proxy, wire: Wire):
    own = wire.new_bucket()
    wire.put(own, "o", b"local")
    names = [f"many-{number}" for number in range(100)]
    cloud.store_many(names, b"x")
    proxy.trouble = Trouble(is_stalling=True)
    with ThreadPoolExecutor(2) as threads:
        # More cold objects than may be under way at one time.
        waiting = [threads.submit(batch, cloud, names, strm=True), threads.submit(cloud.get, "get")]
        for _ in range(3):
            assert cloud.get("stays").body == CACHED["stays"]
            assert wire.send("GET", f"/v1/objects/{own}/o").body == b"local"
            assert wire.batch(own, ["o"]).members() == [(f"{own}/o", b"local")]
            assert batch(cloud, ["stays", "put"], strm=True).status == 200
            assert sorted(cloud.cached()) == sorted(CACHED)
            assert wire.send("GET", "/v1/health?prr=true").status == 200
        assert not any(one.done() for one in waiting)
        proxy.trouble = Trouble()
        many, one = (one.result(30) for one in waiting)
    assert [content for _, content in many.members()] == [b"x"] * 100
    assert one.body == COLD["get"]


def test_clients_that_go_away_leave_nothing_waiting(cloud: Cloud, proxy: Proxy, node: NodeProcess):
    names = [f"many-{number}" for number in range(200)]
    cloud.store_many(names, b"x")
    proxy.trouble = Trouble(is_stalling=True)
    path = f"/v1/ml/moss/{cloud.name}?provider=aws"
    for _ in range(3):
        with RawClient(node.url) as client:
            client.send("GET", path, {"in": [{"objname": name} for name in names], "strm": True}, {"Moss-Direct": "1"})
    proxy.trouble = Trouble()
    assert cloud.get("get").body == COLD["get"]
    assert [content for _, content in batch(cloud, names, strm=True).members()] == [b"x"] * 200


@pytest.mark.parametrize("size", [100 << 10, 9 * MIB])
def test_a_body_that_breaks_off_is_never_taken_for_whole(cloud: Cloud, proxy: Proxy, size: int):
    """In its midst, on every connection: what is missing is asked for again, or the answer is an error."""
    content = random.Random(size).randbytes(size)
    for cut_after in (size // 2, 300):
        name = f"broken-{cut_after}"
        cloud.store(name, content)
        proxy.trouble = Trouble(cut_after=cut_after)
        proxy.cut()
        for answer in (batch(cloud, ["stays", name], strm=True), cloud.get(name)):
            assert answer.status == 503 or answer.is_broken or answer.body.count(content) == 1
        proxy.trouble = Trouble()
        assert cloud.get(name).body == content


def test_an_endpoint_that_has_no_address(tmp_path_factory: pytest.TempPathFactory, rgw: Rgw):
    with start(tmp_path_factory, rgw, AWS_ENDPOINT_URL="http://store.invalid") as lost:
        wire = Wire(lost.url)
        for answer in every_first_use(wire):
            assert answer.status == 503
            if answer.body:
                assert "its address cannot be resolved" in answer.error["message"]
                check_secrets(answer.body.decode())


def test_btr_34_wrong_credentials(tmp_path_factory: pytest.TempPathFactory, rgw: Rgw):
    wrong = "wrong-secret-0123456789"
    bucket = Cloud(rgw, Wire(""), o=b"content").name
    with start(tmp_path_factory, rgw, AWS_SECRET_ACCESS_KEY=wrong) as stranger:
        wire = Wire(stranger.url)
        for answer in every_first_use(wire, bucket):
            assert answer.status == 403
            if answer.body:
                assert "AWS backend refused access" in answer.error["message"]
                check_secrets(answer.body.decode())
        for text in everything_shown(stranger):
            assert wrong not in text
            check_secrets(text)


def every_first_use(wire: Wire, bucket: str = "somewhere") -> list[Answer]:
    """Ask for a bucket that the node does not know in all ways."""
    objects, buckets = f"/v1/objects/{bucket}/o?provider=aws", f"/v1/buckets/{bucket}?provider=aws"
    requests = (
        ("GET", objects),
        ("HEAD", objects),
        ("PUT", objects, b"x"),
        ("HEAD", buckets),
        ("GET", buckets, {"action": "list", "value": {}}),
        ("POST", buckets, {"action": "create-bck"}),
        ("GET", "/v1/buckets?provider=aws"),
        ("GET", f"/v1/ml/moss/{bucket}?provider=aws", {"in": [{"objname": "o"}], "strm": True}),
    )
    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(lambda request: wire.send(*request), requests))


def everything_shown(node: NodeProcess) -> Iterator[str]:
    """Whatever a node tells of itself: logs, configuration, statistics, metrics."""
    whats = ("log", "config", "sysinfo", "snode", "smap", "bmd", "stats", "node_stats", "node_status", "node_config")
    paths = [f"/v1/daemon?what={what}" for what in whats]
    paths += ["/v1/cluster?what=cluster_config", "/v1/cluster?what=stats", "/metrics"]
    for url in (node.url, node.target_url):
        for path in paths:
            with contextlib.suppress(ConnectionError):
                yield Wire(url).send("GET", path).body.decode("utf-8", "replace")


def test_secrets_are_nowhere(cloud: Cloud, node: NodeProcess, front: Faulty, proxy: Proxy):
    """After whatever went wrong in this file."""
    denied(front, proxy)
    for use in ("get", "list", "put", "strict batch"):
        assert (READS | WRITES)[use](cloud).status == 403
    shown = list(everything_shown(node))
    assert sum(map(len, shown)) > 1000
    for text in shown:
        check_secrets(text)
    props = cloud.wire.send("HEAD", cloud.path())
    check_secrets(json.dumps(props.headers))
    for file in node.data.rglob("*"):
        if file.is_file():
            assert SECRET_KEY.encode() not in file.read_bytes()
