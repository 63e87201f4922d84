"""`ais get` and `ais object cat`: what arrives, where it goes, and what stays when it does not arrive."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from moss.wire.object import ListFlag
from tests.cli.objects.conftest import Run
from tests.sdk.peer import Peer, Received, Reply

Put = Callable[..., None]


def files_of(folder: Path) -> dict[str, bytes]:
    """The content of all files below a folder by their relative names."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_ranges_take_sizes(ais: Run, uri: str, put: Put, work: Path) -> None:
    put(o=bytes(range(256)) * 16)
    done = ais("get", f"{uri}/o", "part", "--offset", "1KiB", "--length", "0.5KiB")
    assert done.out == "Read range (length 512 at offset 1024) as part\n"
    assert (work / "part").read_bytes() == bytes(range(256)) * 2
    assert ais("object", "cat", f"{uri}/o", "--offset", "4095", "--length", "9").data == b"\xff"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--offset", "1"], "'--length' and '--offset' must be both present"),
        (["--offset", "0", "--length", "0"], "invalid range"),
        (["--offset", "x", "--length", "1"], "'--offset'"),
        (["--archregx", "a", "--archmode", "glob"], "prefix, suffix, substr or wdskey"),
        (["--archmode", "prefix"], "'--archmode' needs '--archregx'"),
        (["--archregx", "a", "--archpath", "b"], "mutually exclusive"),
        (["--extract", "--archpath", "b"], "mutually exclusive"),
        (["--prefix", "p"], "cannot be used together with '--prefix'"),
        (["--blob-download", "--mpd"], "mutually exclusive"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_sent(run: Run, peer: Peer, options: list[str], text: str) -> None:
    done = run("get", "ais://b/o.tar", "out", *options)
    assert done.status == 2 and text in done.err and peer.received == []


def test_json_and_silence(ais: Run, uri: str, put: Put) -> None:
    put(o=b"abc")
    shown = json.loads(ais("get", f"{uri}/o", "f", "--json").out)
    assert shown == {"bucket": uri, "object": "o", "destination": "f", "size": 3}
    assert ais("get", f"{uri}/o", "f", "--yes", "--silent").out == ""


def test_parts_at_the_same_time_are_the_same_bytes(
    ais: Run, uri: str, put: Put, work: Path, photos: dict[str, bytes]
) -> None:
    whole = b"".join(photos.values())
    put(whole=whole)
    assert (
        ais("get", f"{uri}/whole", "f", "--mpd", "--chunk-size", "64KiB", "--num-workers", "3", "--checksum").status
        == 0
    )
    assert (work / "f").read_bytes() == whole
    missing = ais("get", f"{uri}/none", "g", "--mpd")
    assert (missing.status, missing.err) == (1, f'Error: object "{uri}/none" does not exist\n')
    assert not (work / "g").exists()


def test_checksums_are_compared(ais: Run, uri: str, put: Put, work: Path, photos: dict[str, bytes]) -> None:
    name, content = next(iter(photos.items()))
    put({name: content})
    assert ais("get", f"{uri}/{name}", "--checksum").status == 0
    assert (work / name).read_bytes() == content


def test_wrong_content_never_becomes_a_file(run: Run, peer: Peer, work: Path) -> None:
    (work / "f").write_text("old")
    headers = {"Ais-Checksum-Type": "md5", "Ais-Checksum-Value": "0" * 32}
    peer.scripted.append(Reply(200, headers, b"not what was stored"))
    done = run("get", "ais://b/o", "f", "--checksum", "--yes")
    assert done.status == 1 and "checksum" in done.err
    assert files_of(work) == {"f": b"old"}


def test_broken_connections_are_taken_up_where_they_broke(run: Run, peer: Peer, work: Path) -> None:
    whole = os.urandom(300_000)
    headers = {"Ais-Version": "7"}

    def rest(request: Received) -> Reply:
        start = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
        return Reply(206, headers, whole[start:])

    peer.scripted += [
        Reply(200, headers, whole, cut_at=100_000),
        Reply(200, {"Ais-Present": "true"}),
        rest,
    ]
    assert run("get", "ais://b/o", "f").status == 0
    assert (work / "f").read_bytes() == whole
    assert [request.method for request in peer.received] == ["GET", "HEAD", "GET"]


def test_an_object_that_changes_meanwhile_is_not_mixed_with_the_old_one(run: Run, peer: Peer, work: Path) -> None:
    (work / "f").write_text("old")
    peer.scripted += [
        Reply(200, {"Ais-Version": "1"}, b"x" * 1000, cut_at=500),
        Reply(200, {"Ais-Present": "true"}),
        Reply(206, {"Ais-Version": "2"}, b"y" * 500),
    ]
    done = run("get", "ais://b/o", "f", "--yes")
    assert done.status == 1 and "changed" in done.err
    assert files_of(work) == {"f": b"old"}


def test_a_file_is_there_when_it_is_whole_or_not_at_all(run: Run, peer: Peer, work: Path) -> None:
    peer.scripted += [Reply(200, {}, b"x" * 1000, cut_at=10), Reply(404)]
    done = run("get", "ais://b/o", "new/f")
    assert done.status == 1 and os.listdir(work) == []


def test_existing_files_are_asked_about(ais: Run, uri: str, put: Put, work: Path) -> None:
    put(o=b"new")
    (work / "f").write_text("old")
    unanswered = ais("get", f"{uri}/o", "f")
    assert unanswered.status == 1 and "--yes" in unanswered.err
    assert ais("get", f"{uri}/o", "f", stdin="n\n").status == 0 and (work / "f").read_text() == "old"
    assert ais("get", f"{uri}/o", "f", stdin="y\n").status == 0 and (work / "f").read_text() == "new"
    folder = ais("get", f"{uri}/o", str(work.parent))
    assert folder.status == 0 and (work.parent / "o").read_text() == "new"


def test_prefix_gets_many_at_a_time(ais: Run, uri: str, put: Put, work: Path, photos: dict[str, bytes]) -> None:
    put({f"in/{name}": content for name, content in photos.items()} | {"other": b"1"})
    done = ais("get", uri, "out", "--prefix", "in/", stdin="y\n")
    total = sum(map(len, photos.values()))
    assert done.out.startswith(f"GET 4 objects from {uri} (total size ") and done.out.endswith("[Y/N]: Done\n")
    assert files_of(work / "out") == {f"in/{name}": content for name, content in photos.items()}
    again = ais("get", uri, "out", "--prefix", "in/", "--json", "--yes")
    shown = json.loads(again.out)
    assert shown["size"] == total and len(shown["files"]) == 4
    assert ais("get", uri, "few", "--prefix", "", "--limit", "2", "--yes", "--verbose").out.count("\n") == 3
    assert len(files_of(work / "few")) == 2
    assert ais("get", uri, "/dev/null", "--prefix", "", "--yes").status == 0


def test_a_folder_is_a_prefix(ais: Run, uri: str, put: Put, work: Path) -> None:
    put({"dir/a": b"1", "dir/b/c": b"2", "dirt": b"3"})
    assert ais("get", f"{uri}/dir/", "out", "--yes").status == 0
    assert files_of(work / "out") == {"dir/a": b"1", "dir/b/c": b"2"}


def test_inventories_are_listed_from(run: Run, peer: Peer, work: Path) -> None:
    peer.scripted += [page("a"), Reply(200, {}, b"abc")]
    assert run("get", "s3://b", "out", "--prefix", "", "--inv-name", "inv", "--cached", "--yes").status == 0
    listing = peer.received[0]
    assert listing.headers["ais-inv-name"] == "inv"
    assert int(listing.json["value"]["flags"]) == ListFlag.INVENTORY | ListFlag.CACHED


def test_prefix_that_cannot_be(ais: Run, uri: str, put: Put, work: Path) -> None:
    put(a=b"1")
    (work / "file").touch()
    assert ais("get", uri, "-", "--prefix", "").status == 2
    assert "is not a folder" in ais("get", uri, "file", "--prefix", "", "--yes").err
    assert ais("get", uri, "out").status == 2 and not (work / "out").exists()


def page(*names: str) -> Reply:
    import msgspec

    entries = [{"n": name, "s": 3} for name in names]
    body = msgspec.msgpack.encode({"UUID": "u", "ContinuationToken": "", "Entries": entries, "Flags": 0})
    return Reply(200, {"Content-Type": "application/msgpack"}, body)


def test_failures_are_listed_at_the_end(run: Run, peer: Peer, work: Path) -> None:
    def answer(request: Received) -> Reply:
        if request.path.endswith("/b2"):
            return Reply(403, {}, b'{"status":403,"message":"t[abc]: access denied"}')
        return Reply(200, {}, b"abc")

    peer.scripted += [page("b1", "b2", "b3"), answer, answer, answer]
    done = run("get", "ais://b", "out", "--prefix", "b", "--yes", "--cont-on-err", "--num-workers", "1")
    assert done.status == 1
    assert done.err == "Error: failed to GET 1 of 3 objects:\n   ais://b/b2: access denied\n"
    assert files_of(work) == {"out/b1": b"abc", "out/b3": b"abc"}


def test_names_cannot_lead_out_of_the_folder(run: Run, peer: Peer, work: Path) -> None:
    peer.scripted.append(page("../../evil"))
    done = run("get", "ais://b", "out", "--prefix", "", "--yes")
    assert done.status == 1 and "refusing to write" in done.err and os.listdir(work) == []


def test_check_cached_reads_nothing(ais: Run, uri: str, put: Put, work: Path) -> None:
    put(o=b"x")
    assert ais("get", f"{uri}/o", "--check-cached").out == "Cached: yes\n"
    assert json.loads(ais("get", f"{uri}/o", "--check-cached", "--json").out)["cached"] is True
    assert ais("get", f"{uri}/none", "--check-cached").status == 1
    assert os.listdir(work) == []


def test_blob_download_and_latest_go_with_the_request(run: Run, peer: Peer) -> None:
    peer.scripted.append(Reply(200, {}, b"x"))
    run("get", "s3://b/o", "-", "--blob-download", "--chunk-size", "4MiB", "--num-workers", "3", "--latest")
    request = peer.received[0]
    assert request.query == {"provider": "aws", "latest-ver": "true"}
    wanted = {"ais-blob-download": "true", "ais-blob-chunk": "4194304", "ais-blob-workers": "3"}
    assert {name: request.headers.get(name) for name in wanted} == wanted


def test_a_terminal_gets_text_and_progress_only(ais: Run, uri: str, put: Put) -> None:
    put(text=b"hello\n", binary=b"\x00\x01")
    assert ais("object", "cat", f"{uri}/text", terminal=True).out == "hello\n"
    refused = ais("object", "cat", f"{uri}/binary", terminal=True)
    assert refused.status == 1 and "--force" in refused.err and refused.data == b""
    assert ais("object", "cat", f"{uri}/binary", "--force", terminal=True).data == b"\x00\x01"
    assert ais("object", "cat", f"{uri}/binary").data == b"\x00\x01"
