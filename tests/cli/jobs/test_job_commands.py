"""`ais show job`, `start`, `stop`, `wait` and `job rm`. Numbers in names are those of spec/cli.md section 7."""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from moss.sdk import Bucket
from moss.testing import NodeProcess
from tests.cli.control_peer import TARGETS, ControlPeer, bucket, snap, text
from tests.cli.objects.conftest import Run

IDLE = {"is_idle": True}
ENDED = {"end-time": "2026-03-04T06:00:00Z", "is_idle": True}
STATES = "GET cluster?what=qryxstats"


def answer_jobs(cluster: ControlPeer, *snaps: dict[str, Any]) -> None:
    """Have the first target tell of these jobs, as the questions want them."""

    def found(request: Any) -> dict[str, Any]:
        wanted = request.json
        chosen = [
            one
            for one in snaps
            if wanted.get("ID", "") in ("", one["id"])
            and wanted.get("Kind", "") in ("", one["kind"])
            and not (wanted.get("show_active") and (one["aborted"] or not one["end-time"].startswith("0001")))
        ]
        return {TARGETS[0]: chosen, TARGETS[1]: [], TARGETS[2]: None}

    cluster.answers |= {STATES: found, "GET download": [], "GET sort": [], "GET etl": []}


# -- show -------------------------------------------------------------------------------------------


def test_124_nothing_runs(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(cluster)
    shown = run("show", "job")
    assert shown.status == 0
    assert shown.out.startswith("No running jobs. Use '--all' to show all, ")
    assert run("show", "job", "copy").out.startswith("No running 'copy' jobs. ")
    assert run("show", "job", "--all").out == "No jobs.\n"
    assert json.loads(run("show", "job", "--json").out) == []


def test_jobs_come_by_name_then_by_start(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(
        cluster,
        snap("lruAAAAAA", "lru", **ENDED),
        snap("gbt-AAAAAA", "get-batch", **{"start-time": "2026-03-04T08:00:00Z"}),
        snap("gbt-BBBBBB", "get-batch", **{"start-time": "2026-03-04T07:00:00Z"}),
    )
    captions = re.compile(r"^\S+\[\S+\]", re.MULTILINE)
    assert captions.findall(run("show", "job").out) == ["get-batch[gbt-BBBBBB]", "get-batch[gbt-AAAAAA]"]
    shown = run("show", "job", "--all").out
    assert captions.findall(shown)[2] == "lru-eviction[lruAAAAAA]" and "\n\nget-batch[gbt-AAAAAA]\nNODE" in shown
    # The newest first.
    newest = run("show", "job", "--all", "--top", "2").out
    assert captions.findall(newest) == ["get-batch[gbt-AAAAAA]", "get-batch[gbt-BBBBBB]"]
    assert captions.findall(run("show", "job", "--all", "--regex", "^lru").out) == ["lru-eviction[lruAAAAAA]"]


def test_rows_alone_for_scripts(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(cluster, snap("lruAAAAAA", "lru"), snap("lruBBBBBB", "lru"))
    rows = run("show", "job", "-H").out.splitlines()
    assert [row.split("\t")[0] for row in rows] == [TARGETS[0]] * 2


def test_arguments_in_any_order(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(cluster, snap("tco-AAAAAA", "copy-listrange", **{"src-bck": bucket("a"), "dst-bck": bucket("b")}))
    for words in (("copy", "tco-AAAAAA", "ais://a"), ("ais://a", "tco-AAAAAA", "copy"), (TARGETS[0], "tco-AAAAAA")):
        assert "copy-objects[tco-AAAAAA]" in run("show", "job", *words).out
    assert cluster.sent("GET", "cluster")[0] == {
        "ID": "tco-AAAAAA", "Kind": "", "show_active": False, "Bck": bucket("a"),
    }  # fmt: skip
    assert run("show", "job", f"t[{TARGETS[1]}]").out.startswith("No running jobs.")
    twice = run("show", "job", "copy", "evict")
    assert twice.status == 2 and 'unexpected argument "evict"' in twice.err


def test_unknown_ids_and_nodes(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(cluster)
    typo = run("show", "job", "nosuch")
    assert (typo.status, typo.err.splitlines()[0]) == (1, 'Error: UUID "nosuch" is invalid (typo?)')
    cluster.answers.pop(STATES)
    unknown = run("show", "job", "gbt-AAAAAA")
    assert (unknown.status, unknown.err.splitlines()[0]) == (1, 'Error: job "gbt-AAAAAA" does not exist')
    node = run("show", "job", "t[nosuch]")
    assert node.status == 1 and 'node "t[nosuch]" does not exist' in node.err


def test_128_two_pictures(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(cluster, snap("lruAAAAAA", "lru"))
    shown = run("show", "job", "--refresh", "1", "--count", "2").out
    assert shown.count("lru-eviction[lruAAAAAA]\n") == 2 and shown.count("-" * 72 + "\n") == 1
    # What has ended does not change any more.
    answer_jobs(cluster, snap("lruAAAAAA", "lru", **ENDED))
    assert run("show", "job", "lruAAAAAA", "--refresh", "1").out.count("lru-eviction[") == 1


def test_129_157_filters(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(cluster, snap("lruAAAAAA", "lru"), snap("gbt-AAAAAA", "get-batch", bck=bucket("speech")))
    assert run("show", "job", "--filter", "STATE=Nope").out == "No jobs match filter 'STATE=Nope'.\n"
    assert run("show", "job", "--all", "--filter", "STATE=Nope").out == "No jobs match filter 'STATE=Nope'.\n"
    for text_, found in (("bucket=speech", "get-batch"), ("KIND=^lru", "lru-eviction"), ("ID=gbt", "get-batch")):
        assert run("show", "job", "--filter", text_).out.startswith(f"{found}[")
    wrong = run("show", "job", "--filter", "FOO=x")
    assert wrong.status == 2
    assert "invalid column 'FOO' - valid columns: NODE, ID, KIND, BUCKET, STATE" in wrong.err
    assert run("show", "job", "--filter", "STATE=(").status == 2
    assert run("show", "job", "--filter", "STATE").status == 2


def test_130_one_document(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(cluster, snap("lruAAAAAA", "lru", stats={"loc-objs": 3, "loc-bytes": 10}), snap("lruBBBBBB", "lru"))
    cluster.answers["GET download"] = [
        {"id": "dnl-AAAAAA", "xaction_id": "KAAAAAAAA", "started_time": "2026-03-04T05:00:00Z"}
    ]
    found = json.loads(run("show", "job", "--json").out)
    assert [job["name"] for job in found] == ["download", "lru-eviction", "lru-eviction"]
    assert (found[1]["id"], found[1]["objects"], found[1]["bytes"]) == ("lruAAAAAA", 3, 10)
    assert found[1]["nodes"][0]["node"] == TARGETS[0] and found[1]["nodes"][0]["stats"]["loc-objs"] == "3"
    assert found[0]["jobs"][0]["id"] == "dnl-AAAAAA"


def test_lists_of_downloads_sorts_and_transformations(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(cluster, snap("KAAAAAAAA", "download"))
    cluster.answers |= {
        "GET download": [
            {"id": "dnl-AAAAAA", "xaction_id": "KAAAAAAAA", "finished_cnt": 3, "total": 10, "error_cnt": 1,
             "description": "models", "started_time": "2026-03-04T05:00:00Z", "finished_time": "1970-01-01T00:00:00Z"},
        ],
        "GET sort": [
            {"id": "srt-AAAAAA", "src-bck": bucket("in"), "dst-bck": bucket("out"),
             "started_time": "2026-03-04T05:06:07Z",
             "Metrics": {"local_extraction": {"extracted_count": "12"}, "shard_creation": {"finished": False}}},
        ],
        "GET etl": [{"id": "upper-case", "stage": "Running", "xaction_id": "etl-AAAAAA", "obj_count": 1234}],
    }  # fmt: skip
    shown = run("show", "job").out
    assert "download[" not in shown  # the list says more than the job that runs all downloads
    assert "dnl-AAAAAA\t KAAAAAAAA\t 3/10 files\t 1\t models" in shown
    assert "srt-AAAAAA\t Running\t 05:06:07\t -\t ais://in\t ais://out\t 12" in shown
    assert "upper-case\t Running\t etl-AAAAAA\t 1,234" in shown
    assert shown.index("download jobs:") < shown.index("dsort jobs:") < shown.index("etl jobs:")
    assert run("show", "job", "dsort").out.startswith("dsort jobs:\nJOB ID\t\t STATUS")
    # A cluster that cannot sort has no sorts.
    cluster.answers["GET sort"] = text("")
    cluster.answers["GET sort"].status = 501
    assert run("show", "job", "dsort").out.startswith("No running 'dsort' jobs.")


def test_one_download(run: Run, cluster: ControlPeer) -> None:
    cluster.answers["GET download"] = {
        "id": "dnl-AAAAAA", "description": "models", "finished_time": "2026-03-04T05:10:00Z",
        "finished_cnt": 1, "total": 2, "error_cnt": 1,
        "finished_tasks": [{"name": "a", "downloaded": "2048", "total": "0",
                            "start_time": "2026-03-04T05:06:07Z", "end_time": "1970-01-01T00:00:00Z"}],
        "download_errors": [{"name": "b", "error": "status 404"}],
    }  # fmt: skip
    shown = run("show", "job", "dnl-AAAAAA").out
    assert shown.startswith("download[dnl-AAAAAA] (models): Finished, 1 downloaded, 1 failed\n")
    assert "a\t 2.00KiB\t -\t 05:06:07\t -\n" in shown and "b\t status 404" in shown
    assert json.loads(run("show", "job", "dnl-AAAAAA", "--json").out)["total"] == 2
    failed = run("wait", "dnl-AAAAAA")
    assert failed.status == 1 and "1 file failed:\n  b: status 404" in failed.err


# -- start ------------------------------------------------------------------------------------------


def test_start_says_how_to_follow(run: Run, cluster: ControlPeer) -> None:
    cluster.answers["PUT cluster"] = text("KAAAAAAAA")
    started = run("start", "lru")
    assert started.out == "Started lru[KAAAAAAAA]. To monitor the progress, run 'ais show job KAAAAAAAA'\n"
    assert run("start", "lru-eviction", "--nv").out == "KAAAAAAAA\n"
    assert run("start", "prefetch", "s3://b").status == 0
    assert cluster.sent("PUT", "cluster")[-1]["value"]["Bck"] == bucket("b", "aws")
    assert run("start", "cleanup", "ais://a", "ais://b", "--force").status == 0
    assert [b["name"] for b in cluster.sent("PUT", "cluster")[-1]["value"]["Buckets"]] == ["a", "b"]
    assert cluster.queries("PUT", "cluster")[-1] == {"frc": "true"}
    assert run("start", "resilver", f"t[{TARGETS[0]}]").status == 0
    assert cluster.sent("PUT", "cluster")[-1]["value"]["DaemonID"] == TARGETS[0]


def test_start_rebalance(run: Run, cluster: ControlPeer) -> None:
    cluster.answers["PUT cluster"] = text("g7")
    assert run("start", "rebalance").out.endswith("run 'ais show rebalance'\n")
    assert run("start", "rebalance", "ais://b/dir/", "--cleanup").status == 0
    sent = cluster.sent("PUT", "cluster")[-1]
    assert (sent["name"], sent["value"]["flags"], sent["value"]["Bck"]["name"]) == ("dir/", 16, "b")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nosuch",), 'unknown or misplaced "nosuch"'),
        ((), 'missing "KIND" argument'),
        (("copy",), "is started by 'ais bucket cp'"),
        (("get-batch",), "is started by 'ais ml get-batch'"),
        (("ec-get",), "cannot be started"),
        (("rechunk",), 'missing "BUCKET" argument'),
        (("resilver",), 'missing "TARGET_ID" argument'),
        (("lru", "--cleanup"), "'--cleanup' goes with rebalance only"),
    ],
)
def test_start_refuses(run: Run, cluster: ControlPeer, words: tuple[str, ...], says: str) -> None:
    refused = run("start", *words)
    assert refused.status == 2 and says in refused.err and not refused.out
    assert not cluster.received


def test_start_and_wait_on_a_real_node(ais: Run, node: NodeProcess) -> None:
    done = ais("start", "cleanup", "--wait")
    assert done.status == 0 and re.fullmatch(r"cleanup-store\[\S+\] finished\n", done.out)
    job_id = ais("start", "lru", "--nv").out.strip()
    assert ais("wait", job_id).out == "Done.\n"
    assert f"lru-eviction[{job_id}]" in ais("show", "job", job_id).out


# -- stop, wait, rm ---------------------------------------------------------------------------------


def test_stop_by_id(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(cluster, snap("lruAAAAAA", "lru"), snap("lruBBBBBB", "lru", **ENDED))
    cluster.answers["PUT cluster"] = text("")
    assert run("stop", "lruAAAAAA").out == "Stopped lru[lruAAAAAA]\n"
    assert cluster.sent("PUT", "cluster")[-1]["value"] == {"ID": "lruAAAAAA", "Kind": "lru", "Force": False}
    assert run("stop", "lruBBBBBB").out == "lru[lruBBBBBB] already finished, nothing to do\n"
    assert len(cluster.sent("PUT", "cluster")) == 1


def test_stop_by_name_asks(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(cluster, snap("tco-AAAAAA", "copy-listrange"), snap("KAAAAAAAA", "copy-bck"), snap("lruAAAAAA", "lru"))
    cluster.answers["PUT cluster"] = text("")
    declined = run("stop", "copy", stdin="n\n")
    assert (
        declined.status == 0
        and declined.out.endswith("Operation canceled.\n")
        and "Stop all 'copy' jobs?" in declined.out
    )
    unanswered = run("stop", "copy")
    assert unanswered.status == 1 and "--yes" in unanswered.err
    assert not cluster.sent("PUT", "cluster")
    assert run("stop", "copy", "--yes").out == "Stopped copy-bck[KAAAAAAAA]\nStopped copy-listrange[tco-AAAAAA]\n"
    assert run("stop", "evict", "--yes").out == "No running 'evict' jobs, nothing to do\n"
    assert run("stop", "--all", "--yes").out.count("Stopped ") == 3
    assert run("stop", "--regex", "^lru", "--yes").out == "Stopped lru[lruAAAAAA]\n"


def test_stop_downloads_and_sorts(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(cluster)
    cluster.answers |= {
        "GET download": lambda request: (
            {"id": "dnl-AAAAAA", "finished_time": "1970-01-01T00:00:00Z"}
            if request.json["id"]
            else [{"id": "dnl-AAAAAA"}]
        ),
        "GET sort": [{"id": "srt-AAAAAA"}],
        "DELETE download/abort": text(""),
        "DELETE sort/abort": text(""),
    }
    assert run("stop", "dnl-AAAAAA").out == "Stopped download[dnl-AAAAAA]\n"
    assert run("stop", "srt-AAAAAA").out == "Stopped dsort job srt-AAAAAA\n"
    assert run("stop", "--all", "-y").out == "Stopped download[dnl-AAAAAA]\nStopped dsort job srt-AAAAAA\n"
    assert cluster.sent("DELETE", "download/abort") == [{"id": "dnl-AAAAAA"}] * 2
    assert cluster.queries("DELETE", "sort/abort") == [{"uuid": "srt-AAAAAA"}] * 2


@pytest.mark.parametrize("word", ["stop", "wait"])
def test_stop_and_wait_refuse(run: Run, cluster: ControlPeer, word: str) -> None:
    nothing = run(word)
    assert nothing.status == 2 and 'missing arguments "[NAME] [JOB_ID] [NODE_ID] [BUCKET]"' in nothing.err
    typo = run(word, "nosuchid")
    assert typo.status == 1 and 'invalid xaction (job) UUID "nosuchid"' in typo.err


def test_wait_tells_what_went_wrong(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(cluster, snap("tco-AAAAAA", "copy-listrange", err="t[x]: 3 objects are missing", **IDLE))
    failed = run("wait", "tco-AAAAAA")
    assert failed.status == 1
    assert failed.err.splitlines() == [
        "Waiting for copy-listrange[tco-AAAAAA] ...",
        "Error: copy-listrange[tco-AAAAAA] finished with errors:",
        "3 objects are missing",
        "Use 'ais show job tco-AAAAAA' to view all errors.",
    ]
    answer_jobs(cluster, snap("tco-AAAAAA", "copy-listrange", aborted=True, **{"abort-err": "user abort"}))
    assert "copy-listrange[tco-AAAAAA] was aborted:\nuser abort\n" in run("wait", "tco-AAAAAA").err


def test_wait_gives_up(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(cluster, snap("tco-AAAAAA", "copy-listrange"))
    late = run("wait", "copy", "--timeout", "0.05s")
    assert late.status == 1 and "timed out waiting for copy-listrange[tco-AAAAAA] (after 0.05s)" in late.err


def test_wait_for_nothing(run: Run, cluster: ControlPeer) -> None:
    answer_jobs(cluster)
    assert run("wait", "copy").out == "No running 'copy' jobs, nothing to do\n"
    answer_jobs(cluster, snap("tco-AAAAAA", "copy-listrange", **IDLE))
    done = run("wait", "copy", "--nv")
    assert (done.status, done.out, done.err) == (0, "Done.\n", "")


def test_remove_finished_ones(run: Run, cluster: ControlPeer) -> None:
    over = {"finished_time": "2026-03-04T05:10:00Z"}
    cluster.answers |= {
        "GET download": [{"id": "dnl-AAAAAA", **over}, {"id": "dnl-BBBBBB", "finished_time": "1970-01-01T00:00:00Z"}],
        "DELETE download/remove": text(""),
        "DELETE sort": text(""),
    }
    assert run("job", "rm", "download", "--all").out == 'Removed finished download job "dnl-AAAAAA"\n'
    assert run("job", "rm", "dsort", "srt-AAAAAA").out == 'Removed finished dsort job "srt-AAAAAA"\n'
    assert cluster.queries("DELETE", "sort") == [{"uuid": "srt-AAAAAA"}]
    assert run("job", "rm", "download").status == run("job", "rm", "copy", "x").status == 2


def test_a_copy_is_followed_on_a_real_node(ais: Run, bucket: Bucket, uri: str) -> None:
    job_id = bucket.objects(obj_names=["a.txt", "b.txt"]).copy(Bucket(f"{bucket.name}-2", bucket.client))[0]
    assert ais("wait", job_id, "--timeout", "30").status == 0
    shown = ais("show", "job", job_id).out
    assert f"{uri}\t {uri}-2" in shown and "\t 2\t" in shown
    [found] = json.loads(ais("show", "job", "copy", uri, "--all", "--json").out)
    assert found["id"] == job_id and found["objects"] == 2


def test_148_batches_of_a_bucket_are_one_job(ais: Run, uri: str, tmp_path: Path) -> None:
    for _ in range(3):
        assert ais("ml", "get-batch", uri, "--list", "a.txt,b.txt", str(tmp_path / "o.tar"), "--yes").status == 0
    [found] = json.loads(ais("show", "job", "get-batch", uri, "--json").out)
    # The counters of the text are those of the node (spec/getbatch.md 12.2); other tests use it too.
    requests = re.search(r"reqs:(\d+)", found["nodes"][0]["ctlmsg"])
    assert found["active"] and int(requests[1]) >= 3
    assert ais("show", "job", "get-batch", uri).out.startswith(f"get-batch[{found['id']}] (ctl: ")


def test_a_download_is_a_job_on_a_real_node(ais: Run, node: NodeProcess, bucket: Bucket, uri: str) -> None:
    link = {"type": "single", "object_name": "x", "link": "http://127.0.0.1:1/x", "description": "my models"}
    message = link | {"bucket": {"name": bucket.name, "provider": "ais"}}
    request = urllib.request.Request(f"{node.url}/v1/download", json.dumps(message).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        job_id = json.load(answer)["id"]
    # A node fetches nothing from its own machine: the one file of this download fails.
    failed = ais("wait", job_id, "--timeout", "30")
    assert failed.status == 1 and "1 file failed:\n  x: address 127.0.0.1 is not among" in failed.err
    assert ais("show", "job", job_id).out.startswith(f"download[{job_id}] (my models): Finished, 1 failed\n")
    assert re.search(rf"{job_id}\t.*\t my models", ais("show", "job", "download", "--all").out)
    assert ais("stop", job_id).out == f"download[{job_id}] already finished, nothing to do\n"
    assert ais("job", "rm", "download", "--all", "--regex", "^my models$").out.endswith(f'"{job_id}"\n')
    assert job_id not in ais("show", "job", "download", "--all").out
