"""`ais ls` against a real node."""

import json
import re

from moss.sdk import Bucket
from tests.cli.buckets.conftest import Run
from tests.cli.conftest import make_tar


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_filters(ais: Run, uri: str) -> None:
    def listed(*words: str) -> list[str]:
        return lines(ais("ls", uri, "--name-only", "-H", *words).out)

    assert listed() == ["a.txt", "b.txt", "dir/c.txt"]
    assert listed("--regex", r"^[ab]\.") == ["a.txt", "b.txt"]
    assert listed("--regex", "txt$", "--limit", "2") == ["a.txt", "b.txt"]
    assert listed("--template", "dir/") == ["dir/c.txt"]
    assert listed("--start-after", "a.txt", "--limit", "1") == ["b.txt"]
    assert listed("--nr") == ["dir/", "a.txt", "b.txt"]
    assert listed("--nr", "--no-dirs") == ["a.txt", "b.txt"]
    assert listed("--page-size", "1", "--max-pages", "2", "-F") == ["a.txt", "b.txt"]
    assert listed("--cached") == ["a.txt", "b.txt", "dir/c.txt"]


def test_pages(ais: Run, uri: str) -> None:
    done = ais("ls", uri, "--paged", "--page-size", "2")
    assert lines(done.out) == [
        "Page 1 ========", "NAME\t SIZE", "a.txt\t 1B", "b.txt\t 2B", "Page 2 ========", "dir/c.txt\t 3B",
    ]  # fmt: skip
    rows = json.loads(ais("ls", uri, "--paged", "--page-size", "2", "--max-pages", "1", "--json").out)
    assert rows == [{"name": "a.txt", "size": 1}, {"name": "b.txt", "size": 2}]
    assert ais("ls", uri, "--paged", "--prefix", "none").out == f"No objects in {uri}\n"


def test_unmatched(ais: Run, uri: str) -> None:
    done = ais("ls", uri, "--regex", "^a", "--show-unmatched", "--name-only", "-H")
    assert lines(done.out) == ["a.txt", "", "Unmatched: 2", "b.txt", "dir/c.txt"]
    document = json.loads(ais("ls", uri, "--regex", "^a", "--show-unmatched", "--json").out)
    assert [row["name"] for row in document["unmatched"]] == ["b.txt", "dir/c.txt"]


def test_status_and_json_fields(ais: Run, uri: str) -> None:
    assert lines(ais("ls", uri, "--all", "-H").out)[0] == "a.txt\t\t 1B\t ok"
    (row, *_) = json.loads(ais("ls", uri, "--props", "size,status,cached,chunked,checksum", "--json").out)
    assert row["checksum"] and row == {
        "name": "a.txt", "size": 1, "status": "ok", "cached": True, "chunked": False, "checksum": row["checksum"],
    }  # fmt: skip


def test_exclusive_flags(ais: Run, uri: str) -> None:
    for one, other in (("diff", "not-cached"), ("cached", "not-cached"), ("diff", "name-only")):
        done = ais("ls", uri, f"--{other}", f"--{one}")
        assert done.status == 2 and f"flags '--{one}' and '--{other}' are mutually exclusive" in done.err
    assert "is not a remote bucket" in ais("ls", uri, "--not-cached").err
    assert ais("ls", uri, "--name-only", "--props", "size").status == 2
    assert ais("ls", uri + "/a", "--prefix", "b").status == 2
    assert ais("ls", uri, "--units", "kb").status == 2
    assert "'--limit' cannot be negative, got -1" in ais("ls", uri, "--limit", "-1").err


def test_count(ais: Run, uri: str) -> None:
    assert re.fullmatch(r"Listed 3 names in [\d.]+(m|µ)?s\n", ais("ls", uri, "--count-only").out)
    assert json.loads(ais("ls", uri, "--count-only", "--regex", "a", "--json").out)["count"] == 1


def test_one_object(ais: Run, uri: str) -> None:
    shown = json.loads(ais("ls", uri + "/a.txt", "--json").out)
    assert (shown["name"], shown["size"]) == ("a.txt", 1)
    assert ais("ls", uri + "/a.txt", "--check-cached").out == f"{uri}/a.txt: in the cluster\n"
    assert ais("ls", uri + "/none", "--check-cached").out == f"{uri}/none: not in the cluster\n"
    assert lines(ais("ls", uri + "/di", "-H").out) == ["dir/c.txt\t 3B"]


def test_one_shard_is_not_its_namesake(ais: Run, uri: str, bucket: Bucket) -> None:
    for name in ("s.tar", "s.tar.old.tar"):
        bucket.object(name).get_writer().put_content(make_tar({"x": b"1"}))
    expected = ["s.tar", "    s.tar/x"]
    assert lines(ais("ls", uri + "/s.tar", "--archive", "--name-only", "-H").out) == expected
    assert lines(ais("archive", "ls", uri + "/s.tar", "--name-only", "-H").out) == expected
    assert len(lines(ais("archive", "ls", uri + "/s.ta", "--name-only", "-H").out)) == 4
    assert ais("archive", "ls", uri + "/nope").status == 1


def test_buckets(ais: Run, uri: str, bucket: Bucket) -> None:
    name = bucket.name
    shown = lines(ais("ls", "ais:", "--regex", f"^{name}$").out)
    assert shown[0].split() == ["NAME", "PRESENT"] and shown[1].split() == [uri, "yes"]
    assert shown[2:] == ["Total: [AIS buckets: 1] ========", ""]
    everywhere = ais("ls", "--all", "--regex", f"^{name}$")
    assert "Total: [AIS buckets: 1 (1 present)] ========\n\n" in everywhere.out
    (row,) = json.loads(ais("ls", "--json", "--all", "--regex", f"^{name}$").out)
    assert (row["name"], row["present"]) == (name, True)
    assert "Total" not in ais("ls", "--no-footers").out
    none = ais("ls", "s3:")
    assert none.out == "No AWS buckets in the cluster.\n" and "'--all'" in none.err
    assert ais("ls", "ais://#nosuch").out == "No AIS buckets in the cluster.\n"
    assert ais("ls", "--regex", "(").status == 2


def test_refresh_with_a_count(ais: Run, uri: str) -> None:
    assert ais("ls", uri, "-H", "--name-only", "--count", "1", "--prefix", "a").out == "a.txt\t \n"
    assert ais("ls", uri, "--refresh", "soon").status == 2


def test_names_that_are_no_utf8(ais: Run, uri: str) -> None:
    """JSON cannot hold them; the message says what can be done, and nothing is taken for the whole bucket."""
    for words in (("rmo", uri, "--list", "\udcff"), ("ls", uri, "--prefix", "\udcff"), ("cp", uri + "/\udcff/", uri)):
        done = ais(*words)
        assert done.status != 0 and "Traceback" not in done.err
    assert len(lines(ais("ls", uri, "-H").out)) == 3
