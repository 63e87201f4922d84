"""Starting transformations. What the calls send is compared with the official SDK in `test_official_requests.py`."""

import asyncio
import base64
import pickle
import subprocess
import sys
import textwrap

import pytest

from moss.sdk import Client, aio
from moss.sdk.errors import ErrETLNotFound, InvalidPipelineError
from moss.sdk.etl import ETLConfig
from moss.sdk.etl.webserver import ETLServer, HTTPMultiThreadedServer, serialize_class
from tests.sdk.peer import Peer, Reply, error_reply, json_reply


class Upper(HTTPMultiThreadedServer):
    def transform(self, data, path, etl_args):
        return data.upper() + SUFFIX


SUFFIX = b"!"


def environment_of(request) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in request.json["runtime"]["env"]}


def test_105_names(client: Client):
    for name in ("Bad_Name", "short", "x" * 33, "-abcdef", "abcdef-", ""):
        with pytest.raises(ValueError):
            client.etl(name)
    assert client.etl("abcdef").name == "abcdef" and client.etl("a" * 32).pipeline == []


def test_105_pipelines(client: Client):
    first, second, third = (client.etl(f"etl-{letter * 3}") for letter in "abc")
    chained = first >> second >> third
    assert chained.name == "etl-aaa" and chained.pipeline == ["etl-bbb", "etl-ccc"] and first.pipeline == []
    assert (first >> (second >> third)).pipeline == chained.pipeline
    query: dict[str, str] = {}
    ETLConfig(name=chained, args={"a": [1, "ü"]}).update_qparams(query)
    assert query == {"etl_name": "etl-aaa", "etl_pipeline": "etl-bbb,etl-ccc", "etl_args": '{"a":[1,"ü"]}'}
    with pytest.raises(InvalidPipelineError):
        first >> second >> first
    with pytest.raises(TypeError):
        first >> "etl-bbb"
    for config in (ETLConfig(), ETLConfig(""), ETLConfig(None, "x")):
        query = {}
        config.update_qparams(query)
        assert query == {}


def test_a_with_block_stops_and_deletes_whatever_happens(client: Client, peer: Peer):
    peer.scripted = [error_reply(404, "etl job my-etl-01 does not exist")] * 2
    with client.etl("my-etl-01") as etl, pytest.raises(KeyError):
        assert etl.name == "my-etl-01"
        raise KeyError
    assert [(r.method, r.path) for r in peer.received] == [
        ("POST", "/v1/etl/my-etl-01/stop"),
        ("DELETE", "/v1/etl/my-etl-01"),
    ]


def test_starting_may_take_longer_than_other_requests(peer: Peer, patient):
    import threading

    asked, gate = threading.Event(), threading.Event()

    def slow(request) -> Reply:
        asked.set()
        gate.wait(10)
        return Reply(body=b"etl-1")

    peer.scripted = [slow]
    with Client(peer.url, retry_config=patient, timeout=(1, 0.05)) as client:
        timer = threading.Timer(0.3, gate.set)
        timer.start()
        assert client.etl("my-etl-01").init("img", init_timeout="10s") == "etl-1"
        timer.join()
    assert asked.is_set() and len(peer.received) == 1


def test_106_pods_by_either_name_of_the_timeout(client: Client, peer: Peer):
    peer.scripted = [Reply(body=b"etl-1")] * 3
    etl = client.etl("my-etl-01")
    assert etl.init_spec("kind: Pod", timeout="1m") == etl.init_spec("kind: Pod", init_timeout="1m") == "etl-1"
    assert peer.received[0].json == peer.received[1].json == {
        "name": "my-etl-01", "communication": "hpush://", "init_timeout": "1m", "obj_timeout": "45s",
        "spec": base64.b64encode(b"kind: Pod").decode(),
    }  # fmt: skip
    etl.init_spec("x", "hpull://", obj_timeout="7s")
    assert peer.received[2].json["communication"] == "hpull://" and peer.received[2].json["obj_timeout"] == "7s"
    with pytest.raises(ValueError):
        etl.init_spec("x", "io")


def test_classes_are_started_with_their_dependencies(client: Client, peer: Peer):
    peer.scripted = [Reply(body=b"etl-1")]
    etl = client.etl("my-etl-01")
    decorate = etl.init_class(dependencies=["numpy", "x==1"], os_packages=["ffmpeg"], direct_file_access=True, FOO=1)
    assert decorate(Upper) is Upper
    message, environment = peer.received[0].json, environment_of(peer.received[0])
    payload = environment.pop("ETL_CLASS_PAYLOAD")
    assert environment == {"PACKAGES": "numpy,x==1", "OS_PACKAGES": "ffmpeg", "ETL_DIRECT_FQN": "true", "FOO": "1"}
    assert message["support_direct_put"] is True and message["communication"] == "hpush://"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert message["runtime"]["image"] == f"aistorage/runtime_python:{version}"
    assert issubclass(pickle.loads(base64.b64decode(payload)), HTTPMultiThreadedServer)
    for wrong in (dict, "Upper", ETLServer.transform):
        with pytest.raises(TypeError, match="must extend ETLServer"):
            etl.init_class()(wrong)
    assert len(peer.received) == 1


@pytest.mark.parametrize("hidden", ["moss", "aistore"])
def test_a_class_runs_where_only_one_of_the_sdks_is_installed(hidden: str):
    program = f"""
        import base64, pickle, sys, os
        class Hide:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ({hidden!r}, "tests"):
                    raise ModuleNotFoundError(name, name=name)
        sys.meta_path.insert(0, Hide())
        cls = pickle.loads(base64.b64decode(sys.stdin.read()))
        print(cls.__mro__[1].__module__.partition(".")[0], cls.transform(None, b"abc", "", "").decode())
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, input=serialize_class(Upper), capture_output=True, text=True, timeout=60)
    other = "aistore" if hidden == "moss" else "moss"
    assert done.stdout.strip() == f"{other} ABC!", done.stderr


def double(data: bytes) -> bytes:
    return data * 2


def copy_upper(reader, writer) -> None:
    for piece in reader:
        writer.write(piece.upper() + b"|")


def shout() -> None:
    data = sys.stdin.buffer.read()
    sys.stdout.buffer.write(data.upper())


@pytest.mark.parametrize(
    ("function", "options", "wanted"),
    [
        (double, {}, b"abcabc"),
        (copy_upper, {"chunk_size": 2, "communication_type": "hpush://"}, b"AB|C|"),
        (shout, {"communication_type": "io"}, b"ABC"),
        (str.encode, {"transform_url": True, "communication_type": "hpull"}, b"http://target/x/b/o"),
        (double, {"communication_type": "hrev", "preimported_modules": ["json"]}, b"abcabc"),
    ],
)
def test_functions_are_started_as_classes(client: Client, peer: Peer, monkeypatch, function, options, wanted):
    peer.scripted = [Reply(body=b"etl-1")]
    assert client.etl("my-etl-01").init_code(function, ["numpy"], **options) == "etl-1"
    environment = environment_of(peer.received[0])
    monkeypatch.setenv("AIS_TARGET_URL", "http://target/x")
    server = pickle.loads(base64.b64decode(environment["ETL_CLASS_PAYLOAD"]))()
    assert server.transform(b"abc", "b/o", "") == wanted
    assert environment["PACKAGES"] == "numpy"


def test_functions_that_cannot_be_started(client: Client, peer: Peer):
    etl = client.etl("my-etl-01")
    for options in ({"communication_type": "ws"}, {"transform_url": True}):
        with pytest.raises(ValueError):
            etl.init_code(double, **options)
    assert peer.received == []


def test_the_asynchronous_twin(peer: Peer, patient):
    peer.scripted = [
        Reply(body=b"etl-1"),
        Reply(body=b"etl-2"),
        json_reply({"init_msg": {"name": "n"}}),
        Reply(),
        Reply(),
    ]

    async def main():
        async with aio.Client(peer.url, retry_config=patient) as client:
            async with client.etl("my-etl-01") as etl:
                assert await etl.init("img") == "etl-1"
                assert await etl.init_class()(Upper) is Upper
                assert (await etl.view()).init_msg.name == "n"
            peer.scripted = [error_reply(404, "etl job my-etl-01 does not exist")]
            with pytest.raises(ErrETLNotFound):
                await client.etl("my-etl-01").view()

    asyncio.run(asyncio.wait_for(main(), 30))
    assert [r.method for r in peer.received] == ["PUT", "PUT", "GET", "POST", "DELETE", "GET"]
