"""Commands that change one object: rename, copy, custom properties, parts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.objects.conftest import Run
from tests.sdk.peer import Peer

Read = Callable[[str], bytes]
Names = Callable[[], list[str]]
Put = Callable[..., None]


def test_117_move(ais: Run, uri: str, put: Put, names: Names) -> None:
    put(o=b"1")
    assert ais("object", "mv", f"{uri}/o", "n").out == '"o" moved to "n"\n'
    assert ais("object", "mv", f"{uri}/n", f"{uri}/dir/").out == '"n" moved to "dir/n"\n'
    assert names() == ["dir/n"]
    gone = ais("object", "mv", f"{uri}/o", "x")
    assert (gone.status, gone.err) == (1, f'Error: object "{uri}/o" does not exist\n')


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["ais://b/o", "ais://c/o"], 2, "within their bucket"),
        (["ais://b/o", "o"], 2, "has that name already"),
        (["ais://b/o", "../x"], 2, "invalid object name"),
        (["ais://b", "x"], 2, "missing object name"),
        (["ais://b/o"], 2, 'missing "NEW_NAME"'),
        (["s3://b/o", "x"], 1, "remote buckets cannot be renamed"),
    ],
)
def test_move_refuses(run: Run, peer: Peer, words: list[str], status: int, text: str) -> None:
    done = run("object", "mv", *words)
    assert done.status == status and text in done.err and peer.received == []


def test_copy(ais: Run, uri: str, put: Put, read: Read) -> None:
    put(o=b"content")
    assert ais("object", "cp", f"{uri}/o", f"{uri}/copy").out == f"COPY {uri}/o => {uri}/copy\n"
    assert read("copy") == b"content"


def test_custom_properties(ais: Run, uri: str, put: Put) -> None:
    put(o=b"1")

    def custom() -> dict[str, str]:
        return json.loads(ais("show", "object", f"{uri}/o", "--json").out)["custom"]

    done = ais("object", "set-custom", f"{uri}/o", "speaker=7", "mood=a=b")
    assert done.out == (
        f"Custom props successfully updated (to show updates, run 'ais show object {uri}/o --props=all').\n"
    )
    assert custom() == {"speaker": "7", "mood": "a=b"}
    ais("object", "set-custom", f"{uri}/o", '{"rate": 16000}')
    assert custom() == {"speaker": "7", "mood": "a=b", "rate": "16000"}
    ais("object", "set-custom", f"{uri}/o", "x=y", "--set-new-custom")
    assert custom() == {"x": "y"}
    assert ais("object", "set-custom", f"{uri}/none", "x=y").err == f'Error: object "{uri}/none" does not exist\n'


@pytest.mark.parametrize("words", [["word"], ["=v"], ["{"], ['{"a": [1]}'], ["a=b", "c"]])
def test_custom_properties_of_another_form(run: Run, peer: Peer, words: list[str]) -> None:
    assert run("object", "set-custom", "ais://b/o", *words).status == 2 and peer.received == []


def test_properties_of_an_object(ais: Run, uri: str, put: Put) -> None:
    put(o=b"12345")
    shown = ais("show", "object", f"{uri}/o", "--props", "size,version", "-H", "--units", "raw").out
    assert shown == f"name\t {uri}/o\nsize\t 5\nversion\t 1\n"
    everything = ais("object", "show", f"{uri}/o", "--all").out
    assert [line.split()[0] for line in everything.splitlines()[1:]] == [
        "atime", "cached", "checksum", "chunked", "copies", "custom", "ec", "etag", "last-modified", "location",
        "name", "size", "version",
    ]  # fmt: skip
    assert json.loads(ais("show", "object", f"{uri}/o", "--json").out)["size"] == 5
    assert ais("show", "object", f"{uri}/o", "--silent") == (0, "", "", b"")
    assert ais("show", "object", f"{uri}/none", "--silent").status == 1
    assert "unknown object property" in ais("show", "object", f"{uri}/o", "--props", "colour").err


def test_parts_make_an_object(ais: Run, uri: str, read: Read, names: Names, work: Path) -> None:
    (work / "two").write_bytes(b"second")
    created = ais("mpu", "create", f"{uri}/o")
    upload = created.out.removeprefix("Upload ID: ").strip()
    words = (f"{uri}/o", "--upload-id", upload)
    done = ais("mpu", "put-part", words[0], "two", *words[1:], "--part-number", "2")
    assert done.out == f"Uploaded part 2 for {uri}/o (upload ID: {upload})\n"
    assert ais("mpu", "put-part", words[0], "-", *words[1:], "--part-number", "1", stdin="first ").status == 0
    assert names() == []
    done = ais("object", "multipart-upload", "complete", *words, "--part-numbers", "1-2")
    assert done.out == f"Successfully completed multipart upload for {uri}/o\n" and read("o") == b"first second"
    again = ais("mpu", "complete", *words, "--part-numbers", "1,2")
    assert again.status == 1 and upload in again.err


def test_parts_are_forgotten(ais: Run, uri: str, names: Names) -> None:
    upload = json.loads(ais("mpu", "create", f"{uri}/o", "--json").out)["upload_id"]
    assert "put-part" in ais("mpu", "create", f"{uri}/p", "--verbose").err
    done = ais("mpu", "abort", f"{uri}/o", "--upload-id", upload)
    assert done.out == f"Aborted multipart upload for {uri}/o (upload ID: {upload})\n" and names() == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["put-part", "ais://b/o", "f", "--part-number", "1"], "missing '--upload-id'"),
        (["put-part", "ais://b/o", "f", "--upload-id", "u"], "'--part-number' must be 1 to 9999, got none"),
        (["put-part", "ais://b/o", "f", "--upload-id", "u", "--part-number", "10000"], "got 10000"),
        (["complete", "ais://b/o", "--upload-id", "u"], "missing '--part-numbers'"),
        (["complete", "ais://b/o", "--upload-id", "u", "--part-numbers", "1,x"], "invalid '--part-numbers' \"x\""),
        (["complete", "ais://b/o", "--upload-id", "u", "--part-numbers", "1-99999"], "invalid '--part-numbers'"),
        (["create", "ais://b"], "missing object name"),
    ],
)
def test_parts_refuse(run: Run, peer: Peer, words: list[str], text: str) -> None:
    done = run("mpu", *words)
    assert done.status == 2 and text in done.err and peer.received == []
