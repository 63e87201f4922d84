"""`ais download`, from a web server and from a hub of this machine, and `ais object promote`."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moss.sdk import Client
from moss.sdk.hugging_face import Repository
from moss.testing import NodeProcess, start_node
from tests.cli.objects.conftest import Run
from tests.sdk.peer import Peer, Reply
from tests.support.hub import TOKEN, Hub

Read = Callable[[str], bytes]
Names = Callable[[], list[str]]


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder whose files may be promoted."""
    return tmp_path_factory.mktemp("promote")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, roots: Path) -> Iterator[NodeProcess]:
    """A node that may fetch from this machine and promote files of one folder."""
    data = tmp_path_factory.mktemp("open") / "data"
    with start_node(data, download_hosts=["127.0.0.1"], promote_roots=[str(roots)]) as running:
        yield running


@pytest.fixture
def web() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub


def test_one_link(ais: Run, uri: str, web: Hub, read: Read, photos: dict[str, bytes]) -> None:
    name, content = next(iter(photos.items()))
    web.files[f"/in/{name}"] = content
    done = ais("download", f"{web.url}/in/{name}?x=1", f"{uri}/dir/", "--wait")
    started, ended = done.out.splitlines()
    assert started.startswith("Started download[dnl-") and started.endswith("] ...") and ended == "Done: 1 file."
    assert read(f"dir/{name}") == content
    again = ais("start", "download", f"{web.url}/in/{name}", f"{uri}/dir/", "--wait", "--json")
    assert json.loads(again.out)["jobs"][0]["finished_cnt"] == 1


def test_what_follows_a_start(ais: Run, uri: str, web: Hub) -> None:
    web.files["/a"] = b"1"
    done = ais("download", f"{web.url}/a", f"{uri}/named", "--description", "mine")
    job = done.out.partition("[")[2].partition("]")[0]
    assert done.out == f"Started download[{job}]. To monitor the progress, run 'ais show job {job}'\n"
    assert ais("wait", "download", job).status == 0
    assert ais("download", f"{web.url}/a", f"{uri}/b", "--nv").out.startswith("dnl-")
    assert len(json.loads(ais("download", f"{web.url}/a", f"{uri}/c", "--json").out)["jobs"]) == 1


def test_a_range_of_links(ais: Run, uri: str, web: Hub, names: Names) -> None:
    web.files.update({f"/f-{at:02d}.bin": b"x" * at for at in range(1, 4)})
    done = ais("download", f"{web.url}/f-{{01..03}}.bin", f"{uri}/sub/", "--wait", "--nv")
    assert done.out == "" and names() == ["sub/f-01.bin", "sub/f-02.bin", "sub/f-03.bin"]


def test_links_of_a_list(ais: Run, uri: str, web: Hub, names: Names, work: Path) -> None:
    web.files.update({"/d/a": b"1", "/d/b/c": b"2"})
    (work / "list.json").write_text('["a", "b/c"]')
    assert ais("download", f"{web.url}/d/", f"{uri}/in/", "--object-list", "list.json", "--wait").status == 0
    (work / "map.json").write_text('{"new": "b/c"}')
    assert ais("download", f"{web.url}/d", uri, "--from", "map.json", "--wait").status == 0
    assert names() == ["in/a", "in/b/c", "new"]


def test_what_failed_is_told_with_its_reason(ais: Run, uri: str, web: Hub) -> None:
    web.files["/f1"] = b"1"
    done = ais("download", f"{web.url}/f{{1..2}}", uri, "--wait")
    assert done.status == 1 and "1 file failed" in done.err and "f2: " in done.err and "404" in done.err


def test_a_model_of_the_hub(
    ais: Run, uri: str, web: Hub, read: Read, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    for name, content in {"config.json": b"{}", "onnx/model.bin": b"m" * 5000, "README.md": b"#"}.items():
        web.files[f"/org/tiny/resolve/main/{name}"] = content
    one = ais("download", "--hf-model", "org/tiny", "--hf-file", "config.json", uri, "--wait")
    assert one.status == 0 and names() == ["config.json"]
    done = ais("download", "--hf-model", "org/tiny", f"{uri}/m/", "--wait", "--blob-threshold", "4KiB")
    assert done.out.count("Started download[") == 2  # the large file has a job of its own
    assert read("m/onnx/model.bin") == b"m" * 5000 and names()[1:] == [
        "m/README.md",
        "m/config.json",
        "m/onnx/model.bin",
    ]


def test_a_private_data_set_of_the_hub(
    ais: Run, uri: str, web: Hub, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    web.files["/datasets/org/speech/resolve/v1/a.parquet"] = b"1"
    web.is_private = True
    words = ("download", "--hf-dataset", "org/speech", "--hf-revision", "v1", uri, "--wait")
    refused = ais(*words)
    assert refused.status == 1 and "--hf-auth" in refused.err
    assert ais(*words, "--hf-auth", TOKEN).status == 0 and names() == ["a.parquet"]
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert ais(*words[:-2], f"{uri}/again/", "--wait").status == 0
    missing = ais("download", "--hf-dataset", "org/none", uri)
    assert missing.status == 1 and 'dataset "org/none"' in missing.err


def test_a_hub_that_is_not_there(ais: Run, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    done = ais("download", "--hf-model", "a/b", uri)
    assert done.status == 1 and "cannot be reached" in done.err


def test_links_of_the_hub() -> None:
    model = Repository("models", "org/name", "feature/x")
    assert model.link("a b.txt") == "https://huggingface.co/org/name/resolve/feature%2Fx/a%20b.txt"
    assert Repository("datasets", "d").link("x").endswith("/datasets/d/resolve/main/x")


def test_messages_to_the_cluster(run: Run, peer: Peer) -> None:
    peer.scripted += [Reply(200, {}, b'{"id":"dnl-1"}')] * 4
    run("download", "example.org/a.bin", "ais://#ns/b", "--max-conns", "4", "--bph", "10MiB", "--header", "X-Key: v: w")
    run("download", "gs://cloud/x/{1..2}.tar", "ais://b")
    run("download", "s3://cloud/x/y", "ais://b/z", "--download-timeout", "5m", "--progress-interval", "30s")
    run("download", "s3://cloud/x/", "s3://cloud", "--sync")
    one, two, three, four = (request.json for request in peer.received)
    assert (one["type"], one["link"], one["object_name"]) == ("single", "https://example.org/a.bin", "a.bin")
    assert one["bucket"] == {"name": "b", "provider": "ais", "namespace": {"uuid": "", "name": "ns"}}
    assert one["limits"] == {"connections": 4, "bytes_per_hour": 10 << 20} and one["headers"] == {"X-Key": ["v: w"]}
    assert (two["type"], two["template"]) == ("range", "https://storage.googleapis.com/cloud/x/{1..2}.tar")
    assert (three["link"], three["object_name"]) == ("https://cloud.s3.amazonaws.com/x/y", "z")
    assert (three["timeout"], three["progress_interval"]) == ("5m", "30s")
    assert (four["type"], four["prefix"], four["synchronize"]) == ("backend", "x/", True)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["http://h/a"], 'missing "DESTINATION"'),
        (["ftp://h/a", "ais://b"], "unsupported source"),
        (["http://h/{1..2}", "ais://b/name"], "cannot all be named"),
        (["http://h/a", "ais://b", "--sync"], "'--sync' is for downloads"),
        (["http://h/a", "ais://b", "--hf-file", "x"], "needs '--hf-model'"),
        (["http://h/a", "ais://b", "--header", "none"], "invalid '--header'"),
        (["http://h/a", "ais://b", "--object-list", "bad.json"], "is no JSON"),
        (["http://h/a", "ais://b", "--object-list", "odd.json"], "expecting a JSON list"),
        (["--hf-model", "m", "--hf-dataset", "d", "ais://b"], "mutually exclusive"),
        (["--hf-model", "m", "ais://b/name"], "cannot all be named"),
        (["--hf-model", "m", "http://h/a", "ais://b"], "unexpected argument"),
    ],
)
def test_download_refuses(run: Run, peer: Peer, work: Path, words: list[str], text: str) -> None:
    (work / "bad.json").write_text("[")
    (work / "odd.json").write_text('{"a": 1}')
    done = run("download", *words)
    assert done.status == 2 and text in done.err and peer.received == []


def test_blob_download(run: Run, peer: Peer) -> None:
    peer.scripted += [Reply(200, {}, b"job1"), Reply(200)]
    done = run("blob-download", "s3://b", "--list", "x,y", "--chunk-size", "4MiB", "--num-workers", "8", "--latest")
    assert done.out == (
        "blob-download[job1]: s3://b/x. To monitor the progress, run 'ais show job job1'\n"
        "s3://b/y is in the cluster already, nothing to do\n"
    )
    assert peer.received[0].json["value"] == {"latest-ver": True, "chunk-size": 4 << 20, "num-workers": 8}
    assert "expecting remote bucket (have ais://b)" in run("blob-download", "ais://b/o").err
    assert run("blob-download", "s3://b").status == run("blob-download", "s3://b/o", "--list", "p").status == 2


def test_promote(ais: Run, uri: str, names: Names, node: NodeProcess, roots: Path) -> None:
    (roots / "in/sub").mkdir(parents=True)
    (roots / "in/a").write_text("1")
    (roots / "in/sub/b").write_text("2")
    done = ais("object", "promote", f"{roots}/in", f"{uri}/pre/", "-r")
    assert done.status == 0 and done.out.startswith(f'recursively promoted "{roots}/in" => {uri}/pre/')
    assert names() == ["pre/a", "pre/sub/b"]
    with Client(node.url) as client:
        target = next(iter(client.cluster().get_info().tmap))
    moved = ais(
        "object", "promote", f"{roots}/in/a", f"{uri}/new", "--delete-src", "--target-id", f"t[{target}]", "--wait"
    )
    assert moved.status == 0 and "new" in names() and not (roots / "in/a").exists()
    outside = ais("object", "promote", "/etc/passwd", uri)
    assert outside.status == 1 and "must be under" in outside.err
    assert ais("object", "promote", f"{roots}/none", uri).status == 1
    relative = ais("object", "promote", "in", uri)
    assert relative.status == 2 and "must be an absolute path" in relative.err
