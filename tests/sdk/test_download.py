"""Downloads that a real node carries out, from a web server and a hub of this machine."""

import asyncio
from collections.abc import Iterator

import pytest

import moss.sdk.aio
from moss.errors import MalformedAnswer
from moss.sdk import Bucket, Client
from moss.sdk.download import Download
from moss.sdk.errors import AISError, Timeout
from moss.sdk.hugging_face import HubFile, HubUnavailable, Repository, RepositoryNotFound, fetch_files, messages_for
from moss.testing import NodeProcess, start_node
from tests.sdk.peer import Peer, Reply
from tests.support.hub import TOKEN, Hub


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node that may fetch from this machine."""
    with start_node(tmp_path_factory.mktemp("downloads") / "data", download_hosts=["127.0.0.1"]) as running:
        yield running


@pytest.fixture
def bucket(node: NodeProcess, request: pytest.FixtureRequest) -> Iterator[Bucket]:
    with Client(node.url) as client:
        bucket = client.bucket(request.node.name.replace("_", "-").replace("[", "-").strip("]")[:60])
        yield bucket
        bucket.delete(missing_ok=True)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def names(bucket: Bucket) -> list[str]:
    return [entry.name for entry in bucket.list_all_objects()]


def test_one_link_a_range_and_many(bucket: Bucket, web: Hub) -> None:
    web.files.update({f"/f{at}": b"x" * at for at in range(1, 4)})
    client = bucket.client
    for links, name in (
        (f"{web.url}/f1?v=1", ""),
        (f"{web.url}/f1", "as"),
        (f"{web.url}/f{{2..3}}", "range"),
        ([f"{web.url}/f1", f"{web.url}/f2"], "list/"),
        ({"new": f"{web.url}/f3"}, "map"),
    ):
        download = Download(client)
        assert download.start(bucket, links, name, description="some").startswith("dnl-")
        result = download.wait(30)
        assert result.success and result.end_time is not None
    assert names(bucket) == ["as", "f1", "list/f1", "list/f2", "map/new", "range/f2", "range/f3"]


def test_what_failed_is_in_the_result(bucket: Bucket, web: Hub) -> None:
    web.files["/f1"] = b"1"
    download = Download(bucket.client)
    download.start(bucket, f"{web.url}/f{{1..3}}")
    result = download.wait(30)
    assert not result and "404" in (result.error or "") and "1 more" in (result.error or "")
    status = download.status()
    assert (status.finished_cnt, status.error_cnt) == (1, 2)
    download.remove()
    with pytest.raises(AISError) as gone:
        download.status()
    assert gone.value.status_code == 404


def test_a_download_is_aborted(bucket: Bucket, web: Hub) -> None:
    web.files["/f"] = b"1"
    web.may_answer.clear()
    download = Download(bucket.client)
    download.start(bucket, f"{web.url}/f")
    with pytest.raises(Timeout):
        download.wait(0.01)
    download.abort()
    web.may_answer.set()
    assert download.wait(30).error == "aborted"


def test_a_model_of_the_hub(node: NodeProcess, bucket: Bucket, web: Hub) -> None:
    for name, content in {"config.json": b"{}", "onnx/model.bin": b"m" * 5000}.items():
        web.files[f"/org/tiny/resolve/main/{name}"] = content
    with Client(node.url) as client:
        (one,) = client.download_hf(bucket, model="org/tiny", file="config.json")
        assert one.wait(30)
        both = client.download_hf(bucket, model="org/tiny", prefix="m/", blob_threshold=4096)
        assert len(both) == 2 and all(download.wait(30) for download in both)
        assert names(bucket) == ["config.json", "m/config.json", "m/onnx/model.bin"]
        with pytest.raises(ValueError, match="either a model or a dataset"):
            client.download_hf(bucket)


def test_a_private_data_set_of_the_hub_with_asyncio(node: NodeProcess, bucket: Bucket, web: Hub) -> None:
    web.files["/datasets/d/resolve/v1/a"] = b"1"
    web.is_private = True

    async def main() -> None:
        async with moss.sdk.aio.Client(node.url) as client:
            target = client.bucket(bucket.name)
            with pytest.raises(RepositoryNotFound, match="a token is needed"):
                await client.download_hf(target, dataset="d", revision="v1")
            (download,) = await client.download_hf(target, dataset="d", revision="v1", token=TOKEN)
            assert await download.wait(30)

    asyncio.run(main())
    assert names(bucket) == ["a"]


def test_a_hub_that_does_not_answer_as_one(peer: Peer) -> None:
    repository = Repository("models", "a/b", hub=peer.url)
    for reply, error in (
        (Reply(404), RepositoryNotFound),
        (Reply(200, {}, b"<html>"), MalformedAnswer),
        (Reply(200, {}, b"[]"), MalformedAnswer),
    ):
        peer.scripted.append(reply)
        with pytest.raises(error):
            fetch_files(repository)
    with pytest.raises(HubUnavailable):
        fetch_files(Repository("models", "a/b", hub="http://127.0.0.1:1"))


def test_messages_for_files() -> None:
    repository = Repository("datasets", "a/b", "v 1", "http://h", "t")
    small, large = messages_for(repository, [HubFile("x", 1), HubFile("y z", 9)], "p/", 9)
    headers = {"Authorization": ["Bearer t"]}
    link = "http://h/datasets/a/b/resolve/v%201/"
    assert small == {"type": "multi", "objects": {"p/x": f"{link}x"}, "headers": headers}
    assert large == {"type": "single", "link": f"{link}y%20z", "object_name": "p/y z", "headers": headers}
    assert messages_for(repository, []) == []
