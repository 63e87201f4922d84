"""Commands on buckets of a cloud, against a scripted cluster that tells what it was asked."""

import json

import msgspec
import pytest

from tests.cli.buckets.conftest import Run
from tests.sdk.peer import Peer, Received, Reply, json_reply

ENTRIES = [{"n": "a", "s": 1, "f": 64}, {"n": "b", "s": 2}, {"n": "dir/", "f": 256}]


def answer(body: str = "") -> Reply:
    return Reply(body=body.encode())


def page(entries: list[dict]) -> Reply:
    document = {"UUID": "list-1", "ContinuationToken": "", "Entries": entries, "Flags": 0}
    return Reply(headers={"Content-Type": "application/msgpack"}, body=msgspec.msgpack.encode(document))


def sent(request: Received) -> tuple[str, str, dict[str, str], str, object]:
    """Method, path, query without the provider, action and value."""
    query = {key: value for key, value in request.query.items() if key != "provider"}
    message = json.loads(request.body or b"{}")
    return request.method, request.path, query, message.get("action", ""), message.get("value")


# --- evict ---


def test_evict_bucket(run: Run, peer: Peer) -> None:
    peer.scripted = [answer(), answer()]
    assert run("evict", "s3://abc").out == "Evicted bucket s3://abc\n"
    assert run("evict", "s3://abc", "--keep-md").out == "Evicted bucket s3://abc (metadata preserved)\n"
    assert [sent(request) for request in peer.received] == [
        ("DELETE", "/v1/buckets/abc", {}, "evict-remote-bck", None),
        ("DELETE", "/v1/buckets/abc", {"keep_bck_md": "true"}, "evict-remote-bck", None),
    ]
    assert peer.received[0].query["provider"] == "aws"


def test_evict_objects(run: Run, peer: Peer) -> None:
    peer.scripted = [answer(), answer("job-1"), answer("job-2")]
    assert run("evict", "s3://abc/o").out == 'evicted "o" from s3://abc\n'
    listed = run("bucket", "evict", "s3://abc", "--list", "a,b")
    assert listed.out == (
        "evict-objects[job-1]: [a b] evict from s3://abc. To monitor the progress, run 'ais show job job-1'\n"
    )
    assert run("evict", "gs://abc/shard-{0..9}.tar", "--nv").out == "job-2\n"
    assert [sent(request) for request in peer.received] == [
        ("DELETE", "/v1/objects/abc/o", {}, "evict-listrange", None),
        ("DELETE", "/v1/buckets/abc", {}, "evict-listrange", {"objnames": ["a", "b"]}),
        ("DELETE", "/v1/buckets/abc", {}, "evict-listrange", {"template": "shard-{0..9}.tar"}),
    ]


def test_evict_dry_run_lists_what_is_in_the_cluster(run: Run, peer: Peer) -> None:
    peer.scripted = [page(ENTRIES[:1])]
    done = run("evict", "s3://abc", "--prefix", "a", "--dry-run")
    assert done.out == '[DRY RUN] evict "a" from s3://abc\n[DRY RUN] 1 objects to evict, nothing was evicted\n'
    (request,) = peer.received
    assert sent(request)[3] == "list" and int(request.json["value"]["flags"]) & 1
    assert run("evict", "s3://abc", "--dry-run").out == "[DRY RUN] evict entire bucket s3://abc\n"


def test_evict_a_bucket_with_a_cloud_behind_it(run: Run, peer: Peer) -> None:
    props = json.dumps({"backend_bck": {"name": "abc", "provider": "aws"}})
    peer.scripted = [Reply(headers={"Ais-Bucket-Props": props}), answer()]
    assert run("evict", "ais://front").out == "Evicted bucket ais://front\n"


def test_evict_all_needs_the_phrase(run: Run, peer: Peer) -> None:
    buckets = [{"name": name, "provider": provider} for name, provider in (("a", "aws"), ("b", "ais"), ("c", "gcp"))]
    peer.scripted = [json_reply(buckets)]
    done = run("evict", "--all", "--yes", stdin="yes\n")
    assert done.status == 0 and done.out.endswith("Operation canceled.\n") and len(peer.received) == 1
    peer.scripted = [json_reply(buckets), answer(), answer()]
    done = run("evict", "--all", stdin="EVICT\n")
    assert done.out.splitlines()[:2] == ["   s3://a", "   gs://c"]
    assert done.out.endswith("Evicted bucket s3://a\nEvicted bucket gs://c\n")
    peer.scripted = [json_reply([])]
    assert run("evict", "gs", "--all").out == "No remote buckets in the cluster, nothing to do.\n"
    assert peer.received[-1].query["provider"] == "gcp"
    assert run("evict", "s3://a", "--all").status == 2


# --- prefetch ---


def test_prefetch(run: Run, peer: Peer) -> None:
    peer.scripted = [answer("job-1"), answer("job-2"), answer("job-3")]
    whole = run("prefetch", "gs://abc")
    assert whole.out == (
        "prefetch-objects[job-1]: prefetch entire bucket gs://abc. To monitor the progress, run 'ais show job job-1'\n"
    )
    options = ("--latest", "--num-workers", "4", "--blob-threshold", "1MiB", "--blob-chunk-size", "2mb", "--nr")
    assert run("object", "prefetch", "s3://abc", "--prefix", "p/", "--blob-num-workers", "3", *options).status == 0
    assert run("prefetch", "s3://abc/o", "--nv").out == "job-3\n"
    assert [request.json["action"] for request in peer.received] == ["prefetch-listrange"] * 3
    assert [request.json["value"] for request in peer.received] == [
        {"template": "", "coer": False, "latest-ver": False},
        {
            "template": "p/", "coer": False, "latest-ver": True, "num-workers": 4, "blob-threshold": 1 << 20,
            "blob-chunk-size": 2_000_000, "blob-num-workers": 3, "non-recurs": True,
        },
        {"objnames": ["o"], "coer": False, "latest-ver": False},
    ]  # fmt: skip


def test_prefetch_dry_run_shows_what_is_missing_here(run: Run, peer: Peer) -> None:
    peer.scripted = [page(ENTRIES), page(ENTRIES)]
    done = run("prefetch", "s3://abc", "--dry-run")
    assert done.out == '[DRY RUN] prefetch "b" from s3://abc\n[DRY RUN] 1 objects to prefetch, nothing was fetched\n'
    assert '"a"' in run("prefetch", "s3://abc", "--dry-run", "--latest").out


def test_prefetch_waits_for_the_job_and_tells_how_it_failed(run: Run, peer: Peer) -> None:
    status = {"uuid": "job-1", "end_time": 1, "err": "s3://abc/o: access denied", "aborted": False}
    peer.scripted = [answer("job-1"), json_reply(status)]
    done = run("prefetch", "s3://abc", "--list", "o", "--wait")
    assert done.status == 1
    assert done.out == "prefetch-objects[job-1]: prefetch [o] from s3://abc ...\n"
    assert "access denied" in done.err


def test_timeout(run: Run, peer: Peer) -> None:
    running = json_reply({"uuid": "job-1", "end_time": 0})
    peer.scripted = [answer("job-1"), *[running] * 100]
    done = run("prefetch", "s3://abc", "--wait", "--timeout", "0.05")
    assert done.status == 1 and "timed out" in done.err and "ais show job job-1" in done.err


# --- listing, copying ---


def test_list_remote_bucket(run: Run, peer: Peer) -> None:
    peer.scripted = [page(ENTRIES)]
    done = run("ls", "s3://abc")
    assert done.out == "NAME\t SIZE\t CACHED\t \na\t 1B\t yes\t \nb\t 2B\t no\t \ndir/\t \t no\t \n"
    peer.scripted = [page(ENTRIES)]
    done = run("ls", "s3://abc", "--diff", "--skip-lookup", "--dont-add", "--inv-name", "inv", "-H")
    assert done.out.splitlines()[1] == "b\t 2B\t no\t n/a\t "
    (_, request) = peer.received
    assert int(request.json["value"]["flags"]) == 1 << 12 | 1 << 7 | 1 << 8 | 1 << 15
    assert request.headers["ais-inv-name"] == "inv"


def test_list_counts_what_is_in_the_cluster(run: Run, peer: Peer) -> None:
    peer.scripted = [page([{"n": f"{i:02d}", "s": 1, "f": 64 if i < 5 else 0} for i in range(12)])]
    assert run("ls", "s3://abc").out.endswith("Listed 12 names (in-cluster: 5)\n")


def test_list_buckets_that_only_the_cloud_has(run: Run, peer: Peer) -> None:
    here, all_of_them = [{"name": "a", "provider": "aws"}], [{"name": n, "provider": "aws"} for n in "ab"]
    peer.scripted = [json_reply(here), json_reply(all_of_them)]
    done = run("ls", "s3:", "--all")
    assert done.out == "NAME\t PRESENT\ns3://a\t yes\ns3://b\t no\nTotal: [AWS buckets: 2 (1 present)] ========\n\n"
    assert [request.query.get("presence") for request in peer.received] == ["2", None]


@pytest.mark.parametrize(("words", "presence"), [([], None), (["--all"], "0")])
def test_copy_of_a_remote_bucket(run: Run, peer: Peer, words: list[str], presence: str | None) -> None:
    props = Reply(headers={"Ais-Bucket-Props": "{}"})
    peer.scripted = [props, answer("tco-1,tco-2")]
    done = run("cp", "s3://abc", "ais://here", "--sync", "--num-workers", "-1", *words)
    assert done.out.startswith("Copying s3://abc => ais://here. To monitor")
    method, path, query, action, value = sent(peer.received[-1])
    assert (method, path, action) == ("POST", "/v1/buckets/abc", "copy-bck")
    assert query == {"bck_to": "ais/@#/here/"} | ({"presence": presence} if presence else {})
    assert isinstance(value, dict) and value["synchronize"] is True and value["num-workers"] == -1


def test_copy_waits_for_every_job_of_the_answer(run: Run, peer: Peer) -> None:
    snaps = {"t1": [{"id": "x", "kind": "copy-listrange", "is_idle": True, "end-time": "2026-01-01T00:00:00Z"}]}
    peer.scripted = [
        Reply(headers={"Ais-Bucket-Props": "{}"}), answer("tco-1,tco-2"), *[json_reply(snaps)] * 20,
    ]  # fmt: skip
    assert run("cp", "ais://a", "ais://b", "--list", "o", "--wait").status == 0
    asked = [request.json["ID"] for request in peer.received if request.query.get("what")]
    assert {"tco-1", "tco-2"} == set(asked)
