"""`ais put` and `ais object concat`: what is sent under which names, and what is said when it fails."""

import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.objects.conftest import Run
from tests.sdk.peer import Peer, Received, Reply

Read = Callable[[str], bytes]
Names = Callable[[], list[str]]
Put = Callable[..., None]


@pytest.fixture
def tree(work: Path, photos: dict[str, bytes]) -> dict[str, bytes]:
    """Files below `in`: real images, some of them in a folder; their content by relative name."""
    files = {name if at % 2 else f"sub/{name}": content for at, (name, content) in enumerate(photos.items())}
    for name, content in files.items():
        path = work / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return files


def test_a_tree_arrives_byte_by_byte(ais: Run, uri: str, names: Names, read: Read, tree: dict[str, bytes]) -> None:
    done = ais("put", "in", f"{uri}/pre/", "-r", "--yes", "--compute-checksum", "--num-workers", "2")
    assert done.status == 0 and done.out.endswith(f"PUT 4 files (one directory, recursively) => {uri}/pre/\n")
    assert names() == sorted(f"pre/{name}" for name in tree)
    assert all(read(f"pre/{name}") == content for name, content in tree.items())


def test_names_begin_with_the_folder_when_asked(ais: Run, uri: str, names: Names, tree: dict[str, bytes]) -> None:
    shown = ais("put", "in", uri, "--include-src-dir", "--yes", "--verbose").out
    assert names() == sorted(f"in/{name}" for name in tree if "/" not in name)
    assert all(f"=> {uri}/{name}\n" in shown for name in names())


def test_a_prefix_without_slash_is_warned_about(ais: Run, uri: str, names: Names, tree: dict[str, bytes]) -> None:
    done = ais("put", "in", f"{uri}/pre-", "--yes")
    assert "'pre-' does not end with '/'" in done.err
    assert all(name.startswith("pre-") for name in names())


def test_several_sources_patterns_lists_and_templates(ais: Run, uri: str, names: Names, read: Read, work: Path) -> None:
    for at in range(4):
        (work / f"f{at}.txt").write_text(str(at))
    assert ais("put", "f0.txt", "f1.txt", f"{uri}/a/", "--yes").status == 0
    assert ais("put", "f[01].txt", f"{uri}/b/", "--yes").status == 0
    assert ais("put", ".", f"{uri}/c/", "--list", "f2.txt, f3.txt", "--yes").status == 0
    assert ais("put", f"{uri}/d/", "--template", f"{work}/f{{1..2}}.txt", "--yes").status == 0
    assert ais("put", "f{2..3}.txt", f"{uri}/e/", "--yes").status == 0
    wanted = {"a": "01", "b": "01", "c": "23", "d": "12", "e": "23"}
    assert names() == [f"{folder}/f{at}.txt" for folder, digits in wanted.items() for at in digits]
    assert read("d/f2.txt") == b"2"


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["none", "ais://b"], 1, '"none" is not a directory'),
        (["*.none", "ais://b"], 1, 'no files in "*.none"'),
        (["empty", "ais://b"], 1, "--recursive"),
        (["f", "ais://b/a/../c"], 2, "invalid object name"),
        (["f", "d/f", "ais://b"], 1, 'several files would become "f"'),
        (["f", "ais://b", "--list", "a"], 2, "works below a folder"),
        (["ais://b", "--list", "a", "--template", "b"], 2, "mutually exclusive"),
        (["ais://b", "--list", "gone"], 1, '"gone" does not exist'),
        (["ais://b", "--template", "no-range"], 2, "--template"),
        (["f", "ais://b", "--retries", "9"], 2, "'--retries' must be 0 to 5"),
        (["f", "ais://b", "--chunk-size", "x"], 2, "'--chunk-size'"),
        (["f", "ais://b", "--md5", "a", "--crc32c", "b"], 2, "mutually exclusive"),
        (["f", "ais://b", "--compute-checksum", "--chunk-size", "1"], 2, "exclude '--chunk-size'"),
        (["d", "ais://b", "--md5", "a", "--yes"], 2, "checksum of one file"),
        (["-", "ais://b"], 2, "missing destination object name"),
        (["ais://b"], 2, 'missing "BUCKET" argument'),
    ],
)
def test_what_cannot_be_sent_is_refused_first(
    run: Run, peer: Peer, work: Path, words: list[str], status: int, text: str
) -> None:
    (work / "d").mkdir()
    (work / "empty/in").mkdir(parents=True)
    for path in ("f", "d/f"):
        (work / path).write_text("x")
    done = run("put", *words)
    assert (done.status, peer.received) == (status, []) and text in done.err
    assert done.err.count("\n") <= 3


def test_checksums_go_with_the_file(ais: Run, uri: str, names: Names, work: Path, photos: dict[str, bytes]) -> None:
    name, content = next(iter(photos.items()))
    (work / name).write_bytes(content)
    assert ais("put", name, uri, "--sha256", hashlib.sha256(content).hexdigest()).status == 0
    assert ais("put", "-", f"{uri}/piped", "--compute-checksum", stdin=content).status == 0
    wrong = ais("put", name, f"{uri}/other", "--md5", "0" * 32)
    assert wrong.status == 1 and "CHECKSUM" in wrong.err and wrong.out == ""
    assert names() == [name, "piped"]


def test_large_files_go_in_parts(ais: Run, uri: str, read: Read, bucket, work: Path, photos: dict[str, bytes]) -> None:
    whole = b"".join(photos.values())
    (work / "f").write_bytes(whole)
    assert ais("put", "f", f"{uri}/f", "--chunk-size", "100KiB").status == 0
    assert ais("put", "-", f"{uri}/g", "--chunk-size", "128KiB", stdin=whole).status == 0
    assert read("f") == read("g") == whole
    assert bucket.object("f").head("chunked").chunks.chunk_count == -(-len(whole) // 102400)
    small = ais("put", "f", f"{uri}/f", "--chunk-size", "10")
    assert small.status == 1 and f"use {-(-len(whole) // 9999)} or more" in small.err


def test_parts_that_fail_are_removed(run: Run, peer: Peer, work: Path) -> None:
    (work / "f").write_bytes(b"x" * 10)
    posted = []

    def answer(request: Received) -> Reply:
        if request.method == "POST":
            return Reply(200, {}, b"upload1")
        if request.method == "DELETE":
            posted.append(request.json["action"])
            return Reply(200)
        return Reply(400, {}, b'{"status":400,"message":"no space for parts"}')

    peer.scripted += [answer] * 4
    done = run("put", "f", "ais://b/o", "--chunk-size", "5", "--retries", "0")
    assert done.status == 1 and "no space for parts" in done.err and done.out == ""
    assert posted == ["mpt-abort"]


def test_tries_again_after_failures_of_the_server(run: Run, peer: Peer, work: Path) -> None:
    (work / "f").write_bytes(b"content")
    failure = Reply(500, {}, b'{"status":500,"message":"disk trouble"}')
    peer.scripted += [failure, failure, Reply(200)]
    assert run("put", "f", "ais://b/o", "--retries", "2").status == 0
    assert [request.body for request in peer.received] == [b"content"] * 3
    peer.scripted += [failure, failure]
    done = run("put", "f", "ais://b/o", "--retries", "1")
    assert done.status == 1 and done.err == f"Error: failed to PUT {work}/f => ais://b/o: disk trouble\n"


def test_what_the_server_refuses_is_not_sent_again(run: Run, peer: Peer, work: Path) -> None:
    (work / "f").touch()
    peer.scripted.append(Reply(403, {}, b'{"status":403,"message":"access denied"}'))
    assert "access denied" in run("put", "f", "ais://b/o", "--retries", "5").err
    assert len(peer.received) == 1


def test_failures_are_listed_at_the_end(run: Run, peer: Peer, work: Path) -> None:
    for name in ("a", "b", "c"):
        (work / name).write_text(name)

    def answer(request: Received) -> Reply:
        if request.path.endswith("/b"):
            return Reply(400, {}, b'{"status":400,"message":"name taken"}')
        return Reply(200)

    peer.scripted += [answer] * 3
    done = run("put", ".", "ais://b", "--yes", "--cont-on-err")
    assert done.status == 1 and "Done" not in done.out
    first, second = done.err.splitlines()
    assert first == "Error: failed to PUT 1 of 3 files:"
    assert second.startswith("   ./b => ais://b/b: ") and second.endswith("name taken")
    peer.scripted += [answer] * 3
    peer.received.clear()
    stopped = run("put", ".", "ais://b", "--yes", "--num-workers", "-1")
    assert stopped.status == 1 and stopped.err.startswith("Error: failed to PUT ") and len(peer.received) == 2


def test_no_more_than_asked_for_are_sent_at_a_time(run: Run, peer: Peer, work: Path) -> None:
    for at in range(12):
        (work / f"f{at:02d}").write_text("x")
    lock, under_way, most = threading.Lock(), [0], [0]
    meeting = threading.Barrier(3)

    def answer(request: Received) -> Reply:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        meeting.wait(10)  # three are here at the same time, or nobody goes on
        with lock:
            under_way[0] -= 1
        return Reply(200)

    peer.scripted += [answer] * 12
    assert run("put", ".", "ais://b", "--yes", "--num-workers", "3").status == 0
    assert most == [3]


def test_dry_run_sends_nothing(run: Run, peer: Peer, work: Path) -> None:
    for at in range(12):
        (work / f"f{at:02d}").write_text("x")
    done = run("put", ".", "ais://b", "--dry-run")
    assert done.out.startswith("[DRY RUN] ") and "PUT ./f00 -> ais://b/f00\n" in done.out
    assert done.out.endswith("(and 2 more)\n")
    assert len(json.loads(run("put", ".", "ais://b", "--dry-run", "--json").out)["files"]) == 12
    assert run("put", "f00", "ais://b", "--dry-run").out.startswith("[DRY RUN] PUT ")
    assert run("put", "-", "ais://b/o", "--dry-run").out.startswith("[DRY RUN] PUT ")
    assert peer.received == []


def test_json_tells_what_was_stored(ais: Run, uri: str, work: Path) -> None:
    (work / "f").write_text("abc")
    one = json.loads(ais("put", "f", uri, "--json").out)
    assert one == {"bucket": uri, "object": "f", "source": str(work / "f"), "size": 3}
    (work / "g").write_text("d")
    unasked = ais("put", ".", uri, "--json")
    assert (unasked.status, unasked.out) == (1, "") and "--yes" in unasked.err
    many = json.loads(ais("put", ".", uri, "--json", "--yes").out)
    assert (many["size"], [row["object"] for row in many["files"]]) == (4, ["f", "g"])


def test_a_terminal_is_asked_and_shows_progress(ais: Run, uri: str, work: Path) -> None:
    for name in ("f", "g"):
        (work / name).write_bytes(os.urandom(1000))
    done = ais("put", ".", uri, terminal=True, stdin="y\n")
    assert done.status == 0 and done.out.endswith("[Y/N]: Done\n")


def test_options_of_the_request(run: Run, peer: Peer, work: Path) -> None:
    (work / "f").write_text("x")
    peer.scripted.append(Reply(200))
    run("put", "f", "ais://@cluster#ns/b/o", "--skip-vc", "--encode-objname", "--skip-lookup")
    request = peer.received[0]
    assert request.query == {"provider": "ais", "namespace": "@cluster#ns", "skip_vc": "true"}


def test_concat_appends_or_makes(ais: Run, uri: str, read: Read, work: Path, speech: dict[str, bytes]) -> None:
    (work / "d").mkdir()
    for name, content in speech.items():
        (work / "d" / name).write_bytes(content)
    whole = b"".join(content for _, content in sorted(speech.items()))
    made = ais("object", "concat", "d", f"{uri}/all")
    assert made.out.startswith(f"\nCreated {uri}/all (size ") and read("all") == whole
    (work / "tail").write_text("tail")
    grown = ais("put", "tail", f"{uri}/all", "--append")
    assert grown.out == f"\nAppended 4B to {uri}/all\n" and read("all") == whole + b"tail"
    shown = json.loads(ais("object", "concat", "tail", f"{uri}/new", "--json").out)
    assert shown["size"] == 4 and shown["appended"] is False


def test_concat_changes_nothing_when_it_fails(ais: Run, uri: str, read: Read, put: Put, work: Path) -> None:
    put(o=b"before")
    (work / "f").write_text("x")
    assert ais("object", "concat", "f", "gone", f"{uri}/o").status == 1
    assert ais("object", "concat", "f", uri).status == 2
    assert ais("object", "concat", "-", f"{uri}/o").status == 2
    assert "does not exist" in ais("object", "concat", "f", "ais://no-such-bucket/o").err
    assert read("o") == b"before"


def test_what_is_no_file_is_named(ais: Run, uri: str, names: Names, work: Path) -> None:
    (work / "in/real").mkdir(parents=True)
    (work / "in/real/f").write_text("x")
    (work / "in/link").symlink_to("real")
    (work / "in/broken").symlink_to("nowhere")
    os.mkfifo(work / "pipe")
    done = ais("put", "in", uri, "-r", "--yes")
    assert done.status == 0 and names() == ["real/f"]
    assert "Warning: skipped" in done.err and "in/link" in done.err and "in/broken" in done.err
    refused = ais("put", "pipe", uri)
    assert refused.status == 1 and '"pipe" is not a regular file' in refused.err


def test_checksums_are_of_the_type_of_the_bucket(run: Run, peer: Peer, work: Path) -> None:
    (work / "f").write_bytes(b"content")
    peer.scripted += [Reply(200, {"Ais-Bucket-Props": '{"checksum": {"type": "sha256"}}'}), Reply(200)]
    assert run("put", "f", "ais://b", "--compute-checksum").status == 0
    headers = peer.received[1].headers
    assert headers["ais-checksum-type"] == "sha256"
    assert headers["ais-checksum-value"] == hashlib.sha256(b"content").hexdigest()
