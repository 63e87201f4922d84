"""Commands on buckets against a real node. Numbers in names are those of spec/cli.md 7."""

import json
import re
from collections.abc import Callable

import pytest

from moss.sdk import Bucket
from tests.cli.buckets.conftest import Run

Names = Callable[..., list[str]]
JOB = r"[\w-]+"
FOLLOW = rf"To monitor the progress, run 'ais show job {JOB}'\n"


# --- create, rm ---


def test_108_create(ais: Run, uri: str) -> None:
    again = ais("bucket", "create", uri)
    assert (again.status, again.out) == (1, "") and f'Bucket "{uri}" already exists' in again.err
    ignored = ais("bucket", "create", uri, uri + "-2", "--ignore-error")
    assert (ignored.status, ignored.err) == (0, "")
    assert ignored.out == f'Bucket "{uri}" already exists\n"{uri}-2" created\n'


def test_create_with_properties(ais: Run, uri: str) -> None:
    assert ais("create", uri + "-2", "--props", "checksum.type=md5 versioning.enabled=false").status == 0
    shown = json.loads(ais("bucket", "props", "show", uri + "-2", "--json").out)
    assert (shown["checksum"]["type"], shown["versioning"]["enabled"]) == ("md5", False)
    wrong = ais("create", uri + "-3", "--props", "checksum.typ=md5")
    assert wrong.status == 2 and 'did you mean "checksum.type"?' in wrong.err
    assert ais("ls", uri + "-3").status == 1


def test_create_cloud_bucket_without_lookup(ais: Run) -> None:
    refused = ais("create", "s3://cli-not-there")
    assert refused.status == 1 and 'failed to create "s3://cli-not-there"' in refused.err
    assert ais("create", "s3://cli-registered", "--skip-lookup").out == '"s3://cli-registered" created\n'
    assert ais("evict", "s3://cli-registered").out == "Evicted bucket s3://cli-registered\n"


def test_109_remove_several_or_none(ais: Run, uri: str, names: Names) -> None:
    """A mistyped name among several must not cost the others."""
    done = ais("rmb", uri, uri + "-nope", "--yes")
    assert done.status == 1 and "'--ignore-error'" in done.err
    assert names()
    ignored = ais("rmb", uri, uri + "-nope", "--yes", "--ignore-error")
    assert ignored.status == 0 and f'"{uri}" destroyed' in ignored.out


# --- cp, mv ---


def test_copy_bucket(ais: Run, uri: str, names: Names, bucket: Bucket) -> None:
    done = ais("cp", uri, uri + "-2", "--wait")
    assert (done.status, done.out) == (0, f"Copying {uri} => {uri}-2 ...Done.\n\n")
    assert f"destination {uri}-2 does not exist and will be created" in done.err
    assert names(bucket.name + "-2") == ["a.txt", "b.txt", "dir/c.txt"]
    again = ais("cp", uri, uri + "-2")
    assert (again.status, again.err) == (0, "")
    assert re.fullmatch(rf"Copying {uri} => {uri}-2\. {FOLLOW}", again.out)
    assert re.fullmatch(JOB, ais("bucket", "cp", uri, uri + "-2", "--nv").out.strip())


def test_progress_has_a_line_of_its_own_on_a_terminal(ais: Run, uri: str) -> None:
    """It rewrites its line: the title and the end must not be on it."""
    done = ais("cp", uri, uri + "-2", "--progress", on_terminal=True)
    assert done.out == f"Copying {uri} => {uri}-2 ...\nDone.\n\n"
    assert ais("cp", uri, uri + "-2", "--progress", "--nv", on_terminal=True) == (0, "", "")


def test_copy_some(ais: Run, uri: str, names: Names, bucket: Bucket) -> None:
    other = bucket.name + "-2"
    assert ais("cp", uri, f"{uri}-2/by-prefix/", "--prefix", "dir/", "--wait").status == 0
    assert ais("cp", uri + "/dir/", uri + "-2", "--prepend", "p-", "--wait").status == 0
    listed = ais("cp", uri, uri + "-2", "--list", "a.txt,b.txt", "--prepend", "l/", "--wait")
    assert re.fullmatch(rf"copy-objects\[{JOB}\]: copy \[a.txt b.txt\] {uri} => {uri}-2 \.\.\.\nDone\.\n", listed.out)
    assert ais("cp", uri, uri + "-2", "--template", "{a..b}.txt", "--wait").status == 2
    assert ais("cp", uri, uri + "-2", "--nr", "--prepend", "top/", "--wait").status == 0
    assert names(other) == [
        "by-prefix/dir/c.txt", "l/a.txt", "l/b.txt", "p-dir/c.txt", "top/a.txt", "top/b.txt",
    ]  # fmt: skip


def test_copy_one_object(ais: Run, uri: str, names: Names, bucket: Bucket) -> None:
    ais("create", uri + "-2")
    assert ais("cp", uri + "/a.txt", uri + "-2").out == f"COPY {uri}/a.txt => {uri}-2/a.txt\n"
    assert ais("cp", uri + "/dir/c.txt", uri + "-2/x").out == f"COPY {uri}/dir/c.txt => {uri}-2/x\n"
    assert ais("cp", uri + "/dir/c.txt", uri + "-2/d/").out == f"COPY {uri}/dir/c.txt => {uri}-2/d/c.txt\n"
    assert ais("cp", uri + "/a.txt", uri + "/a2.txt").out == f"COPY {uri}/a.txt => {uri}/a2.txt\n"
    assert names(bucket.name + "-2") == ["a.txt", "d/c.txt", "x"]
    none = ais("cp", uri + "/zzz", uri + "-2")
    assert (none.status, none.out) == (1, "") and f'object "{uri}/zzz" does not exist' in none.err
    assert ais("cp", uri + "/di", uri + "-2", "--wait").status == 0  # no object, but the beginning of some
    assert "dir/c.txt" in names(bucket.name + "-2")
    lost = ais("cp", uri + "-nope/o", uri)
    assert lost.status == 1 and f'bucket "{uri}-nope" does not exist' in lost.err


def test_copy_dry_run_copies_nothing(ais: Run, uri: str, bucket: Bucket) -> None:
    for number in range(12):
        bucket.object(f"many/{number:02d}").get_writer().put_content(b"")
    done = ais("cp", uri, uri + "-2", "--dry-run", "--prefix", "many/", "--prepend", "p/")
    lines = done.out.splitlines()
    assert lines[0] == f"[DRY RUN] COPY {uri}/many/00 => {uri}-2/p/many/00"
    assert lines[10:] == ["(and 2 more)", "[DRY RUN] 12 objects to copy, nothing was copied"]
    one = ais("cp", uri + "/a.txt", uri + "-2/b", "--dry-run")
    assert one.out == f"[DRY RUN] COPY {uri}/a.txt => {uri}-2/b\n"
    assert ais("ls", uri + "-2").status == 1


def test_copy_names_what_is_missing(ais: Run, uri: str, names: Names, bucket: Bucket) -> None:
    words = ("cp", uri, uri + "-2", "--list", "a.txt,none", "--wait")
    failed = ais(*words)
    assert failed.status == 1 and f"{uri}/none does not exist" in failed.err
    tolerated = ais(*words, "--cont-on-err")
    assert tolerated.status == 0
    assert tolerated.err.endswith(f'Warning: 1 of 2 objects were not copied:\n   object "{uri}/none" does not exist\n')
    assert names(bucket.name + "-2") == ["a.txt"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["{0}", "{0}"], "cannot copy bucket"),
        (["{0}", "{0}-2", "--sync", "--prepend", "x"], "it excludes '--prepend'"),
        (["{0}", "{0}-2/x", "--list", "a,b"], "several objects cannot all be named"),
        (["{0}", "{0}-2/x/", "--prepend", "y"], "cannot be used together with '--prepend'"),
        (["{0}", "{0}-2", "--list", "a", "--nr"], "'--nr' and '--list' are mutually exclusive"),
        (["{0}/a", "{0}-2", "--prefix", "a"], "cannot be used together with '--prefix'"),
        (["{0}"], 'missing "DST_BUCKET" argument'),
    ],
)
def test_copy_refuses(ais: Run, words: list[str], text: str) -> None:
    done = ais("cp", *(word.format("ais://cli-any") for word in words))
    assert (done.status, done.out) == (2, "") and text in done.err


def test_move(ais: Run, uri: str, names: Names, bucket: Bucket) -> None:
    done = ais("bucket", "mv", uri, uri + "-2", "--wait")
    assert done.status == 0
    assert re.fullmatch(rf"rename-bucket\[{JOB}\] {uri} => {uri}-2 \.\.\.\nDone\.\n", done.out)
    assert names(bucket.name + "-2") == ["a.txt", "b.txt", "dir/c.txt"]
    assert ais("ls", uri).status == 1
    back = ais("bucket", "mv", uri + "-2", uri)
    assert re.fullmatch(rf"rename-bucket\[{JOB}\] {uri}-2 => {uri}\. {FOLLOW}", back.out)
    gone = ais("bucket", "mv", uri + "-nope", uri)
    assert gone.status == 1 and "does not exist" in gone.err


# --- properties ---


def test_120_props(ais: Run, uri: str) -> None:
    done = ais("bucket", "props", "set", uri, "lru.enabled=true", "access=ro")
    assert done.out == (
        '"lru.enabled" set to: "true" (was: "false")\n"access" set to: "ro" (was: "su")\n'
        "\nBucket props successfully updated.\n"
    )
    again = ais("bucket", "props", "set", uri, "lru.enabled=true")
    assert again.out == f'Bucket "{uri}": property "lru.enabled=true", nothing to do\n'
    assert ais("bucket", "props", uri, "lru.enabled").out == "PROPERTY\t VALUE\nlru.enabled\t true\n"
    denied = ais("rmo", uri + "/a.txt")
    assert denied.status == 1 and "DELETE-OBJECT access denied" in denied.err
    reset = ais("bucket", "props", "reset", uri)
    assert reset.out == "Bucket props successfully reset to cluster defaults\n"
    assert ais("show", "bucket", uri, "access", "-H").out == "access\t su\n"


def test_props_json_and_errors(ais: Run, uri: str) -> None:
    assert ais("bucket", "props", "set", uri, '{"checksum": {"type": "md5"}}').status == 0
    assert json.loads(ais("show", "bucket", uri, "checksum.type", "--json").out) == {"checksum": {"type": "md5"}}
    mirror = ais("bucket", "props", "set", uri, "mirror.enabled=true")
    assert (mirror.status, mirror.out) == (1, "") and "not enough mountpaths (1)" in mirror.err
    none = ais("show", "bucket", uri, "nosuch")
    assert none.status == 1 and 'starts with "nosuch"' in none.err
    missing = ais("show", "bucket", uri + "-nope")
    assert (missing.status, missing.err) == (1, f'Error: bucket "{uri}-nope" does not exist\n')


def test_show_bucket_compact(ais: Run, uri: str) -> None:
    lines = ais("bucket", "show", uri, "-c", "-H").out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [
        "access", "checksum", "chunks", "created", "ec", "lru", "mirror", "present", "provider", "versioning",
    ]  # fmt: skip


def test_lru(ais: Run, uri: str) -> None:
    assert '"lru.enabled" set to: "true"' in ais("bucket", "lru", uri, "--enable").out
    assert "lru.enabled\t\t true\n" in ais("bucket", "lru", uri).out
    assert '"lru.enabled" set to: "false"' in ais("bucket", "lru", uri, "--disable").out
    assert ais("bucket", "lru", uri, "--enable", "--disable").status == 2


def test_props_complete_with_keys(ais: Run, uri: str) -> None:
    offered = ais("bucket", "props", "set", uri, "--generate-bash-completion").out.splitlines()
    assert "lru.enabled=" in offered and "checksum.type=" in offered
    assert uri in ais("bucket", "props", "show", "--generate-bash-completion").out.splitlines()


# --- summaries, chunks, shard indexes ---


def test_summary(ais: Run, uri: str) -> None:
    done = ais("bucket", "summary", uri, "-H")
    assert done.out == f"{uri}\t 3 0\t 1B         2B         3B        \t 6B 0B\t 0%\n"
    assert ais("storage", "summary", uri + "/dir/", "-H").out.split("\t")[1] == " 1 0"
    (document,) = json.loads(ais("bucket", "summary", uri, "--prefix", "a", "--json").out)
    assert document["TotalSize"]["size_all_present_objs"] == "1"
    started = ais("bucket", "summary", uri, "--dont-wait")
    follow_up = re.search(r"run 'ais (.*)'", started.out)
    assert follow_up and ais(*follow_up[1].split(), "-H").out == done.out
    assert ais("bucket", "summary", uri + "-nope").status == 1
    assert ais("bucket", "summary", uri + "/a", "--prefix", "b").status == 2


def test_list_with_summary(ais: Run, uri: str) -> None:
    done = ais("ls", uri, "--summary")
    header, row, footer, _ = done.out.split("\n", 3)
    columns = ["NAME", "PRESENT", "OBJECTS", "SIZE (apparent, objects, remote)", "USAGE(%)"]
    assert [cell.strip() for cell in header.split("\t") if cell] == columns
    assert " 3 0" in row and footer.startswith("Total: [buckets: 1, objects: 3 (remote: 0), ")
    assert "Total" not in ais("ls", uri, "--summary", "-F").out


def test_rechunk(ais: Run, uri: str, bucket: Bucket) -> None:
    bucket.object("large").get_writer().put_content(b"x" * 10_000)
    done = ais("bucket", "rechunk", uri, "--chunk-size", "4KiB", "--objsize-limit", "8KiB", "--wait")
    assert done.status == 0 and re.fullmatch(rf"rechunk\[{JOB}\]: rechunk {uri} \.\.\.\nDone\.\n", done.out)
    assert ais("ls", uri, "--chunked", "--name-only", "-H").out == "large\t \n"
    asked = ais("bucket", "rechunk", uri, "--chunk-size", "4KiB", stdin="n\n")
    assert asked.out == (
        f"Rechunk {uri}:\n   chunk-size: 4.00KiB\n   objsize-limit: 0B (property of the bucket)\n"
        "Proceed? [Y/N]: Operation canceled.\n"
    )
    assert ais("bucket", "rechunk", uri, "--chunk-size", "x", "--yes").status == 2


def test_shard_index(ais: Run, uri: str, bucket: Bucket) -> None:
    from tests.cli.conftest import make_tar

    bucket.object("s.tar").get_writer().put_content(make_tar({"x": b"1", "y": b"22"}))
    before = json.loads(ais("bucket", "shard-index", "summary", uri, "--json").out)
    assert (before["tar-objs"], before["shards"]) == (1, 0)
    built = ais("bucket", "shard-index", "build", uri, "--wait")
    assert built.status == 0
    assert re.fullmatch(rf"shard-index\[{JOB}\]: index shards of {uri} \.\.\.\nDone\.\n", built.out)
    cells = [cell.strip() for cell in ais("bucket", "shard-index", "summary", uri, "-H").out.split("\t") if cell]
    assert cells == [uri, "1", "10.00KiB", "1", "10.00KiB", "0", "2", "0", "0"]


# --- objects: rm ---


def test_remove_by_job(ais: Run, uri: str, names: Names) -> None:
    done = ais("rmo", uri, "--template", "{0..1}.txt", "--wait")
    assert re.fullmatch(rf'delete-objects\[{JOB}\]: rm "\{{0\.\.1\}}\.txt" from {uri} \.\.\.\nDone\.\n', done.out)
    listed = ais("rmo", uri, "--list", "a.txt,b.txt", "--wait", "--nv")
    assert (listed.status, listed.out, names()) == (0, "", ["dir/c.txt"])
    missing = ais("rmo", uri, "--list", "none,dir/c.txt", "--wait")
    assert missing.status == 1 and "none does not exist" in missing.err and names() == []


def test_remove_named_goes_on(ais: Run, uri: str, names: Names) -> None:
    done = ais("object", "rm", uri + "/none", uri + "/a.txt", uri + "/none2")
    assert (done.status, done.out) == (1, f'deleted "a.txt" from {uri}\n')
    assert done.err == (
        f'Error: 2 of 3 objects could not be removed\n"{uri}/none" does not exist\n"{uri}/none2" does not exist\n'
    )
    assert names() == ["b.txt", "dir/c.txt"]
    assert ais("rmo", uri + "/b.txt", uri, "--list", "x").status == 2
    assert ais("rmo", uri + "/b.txt", uri).status == 2 and names() == ["b.txt", "dir/c.txt"]


@pytest.mark.parametrize("words", [["--all"], ["--prefix", ""], ["--template", "*"], ["--template", ""]])
def test_removing_everything_asks_however_it_is_spelled(ais: Run, uri: str, names: Names, words: list[str]) -> None:
    unanswered = ais("rmo", uri, *words)
    assert unanswered.status == 1 and "use '--yes'" in unanswered.err
    assert ais("rmo", uri, *words, stdin="n\n").out.endswith("Operation canceled.\n")
    assert len(names()) == 3
    assert ais("rmo", uri, *words, "--yes", "--wait").status == 0
    assert names() == []


def test_remove_dry_run(ais: Run, uri: str, names: Names) -> None:
    done = ais("rmo", uri, "--prefix", "", "--dry-run")
    assert done.out.splitlines()[-1] == "[DRY RUN] 3 objects to remove, nothing was removed"
    assert ais("rmo", uri + "/a.txt", "--dry-run").out == f'[DRY RUN] delete "a.txt" from {uri}\n'
    assert len(names()) == 3


def test_remove_one_level(ais: Run, uri: str, names: Names) -> None:
    assert ais("rmo", uri, "--all", "--nr", "--yes", "--wait").status == 0
    assert names() == ["dir/c.txt"]


def test_remove_by_a_prefix_that_looks_like_a_template(ais: Run, uri: str, names: Names, bucket: Bucket) -> None:
    for name in ("u@1/x", "u0", "u1"):
        bucket.object(name).get_writer().put_content(b"")
    assert ais("rmo", uri, "--prefix", "u@1", "--wait").status == 0
    assert [name for name in names() if name.startswith("u")] == ["u0", "u1"]


# --- evict, prefetch: nothing to do with a bucket that is nowhere else ---


def test_141_evict_of_own_buckets_is_refused(ais: Run, uri: str, names: Names) -> None:
    for words in (("evict", uri, "--list", "a.txt"), ("evict", uri), ("bucket", "evict", uri + "/a.txt")):
        done = ais(*words)
        assert done.status == 1 and "evicting objects from AIS buckets" in done.err
    prefetch = ais("prefetch", uri)
    assert prefetch.status == 1 and f"expecting remote bucket (have {uri})" in prefetch.err
    assert len(names()) == 3
    assert "does not exist" in ais("evict", uri + "-nope").err


def test_wrong_timeout(ais: Run, uri: str) -> None:
    done = ais("cp", uri, uri + "-2", "--wait", "--timeout", "soon")
    assert done.status == 2 and "'--timeout'" in done.err
    assert ais("ls", uri + "-2").status == 1
