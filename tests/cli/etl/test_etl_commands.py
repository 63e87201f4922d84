"""`ais etl` and `ais start dsort`. Numbers in names are those of spec/cli.md section 7."""

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moss.sdk import Client
from moss.testing import NodeProcess
from tests.cli.control_peer import GATEWAY, TARGETS, ControlPeer, bucket, text
from tests.cli.etl.test_definitions import POD, SHORT
from tests.cli.objects.conftest import Run
from tests.sdk.peer import Received, Reply, error_reply

DETAILS = {
    "init_msg": {"name": "upper-case", "communication": "hpull://", "runtime": {"image": "upper:1"}},
    "obj_errors": [{"obj_name": "ais://b/o", "msg": "no\nmemory", "ecode": 500}],
}


def missing(name: str) -> Reply:
    return error_reply(404, f"p[{GATEWAY}]: etl job {name} does not exist")


# -- starting and stopping ----------------------------------------------------------------------------


def test_init(run: Run, cluster: ControlPeer, tmp_path: Path) -> None:
    cluster.answers["PUT etl"] = text("etl-AAAAAA")
    spec = tmp_path / "upper.yaml"
    spec.write_text(SHORT)
    done = run("etl", "init", "--spec", str(spec))
    assert done.status == 0 and done.out == (
        'ETL[upper-case]: job "etl-AAAAAA"\nname: upper-case\ncommunication_type: hpull://\n'
        "runtime:\n   image: registry.example/upper:1\n"
    )
    assert run("etl", "init", str(spec), "--name", "other", "--comm-type", "hpush").status == 0
    assert [message["name"] for message in cluster.sent("PUT", "etl")] == ["upper-case", "other"]
    assert run("etl", "init", "-f", '{"name": "inline", "runtime": {"image": "a"}}').status == 0
    for words in ((), (str(spec), "-f", str(spec)), ("-f", str(spec), "--init-timeout", "soon")):
        assert run("etl", "init", *words).status == 2
    assert (
        run("etl", "init", "-f", str(tmp_path / "none")).err
        == f"Error: open {tmp_path}/none: no such file or directory\n"
    )


def test_init_many(run: Run, cluster: ControlPeer) -> None:
    cluster.answers["PUT etl"] = text("etl-AAAAAA")
    both = f"{SHORT}---\nname: lost\n---\n{POD}"
    done = run("etl", "init", "-f", both)
    assert done.status == 1 and done.out.count("ETL[") == 2
    assert done.err == "Warning: Skipping document: missing 'runtime' with an 'image'\n"
    refused = run("etl", "init", "-f", both, "--name", "x")
    assert refused.status == 2 and "cannot use override flags [--name] with a multi-ETL file" in refused.err


@pytest.fixture
def web() -> Iterator[str]:
    """The URL of a server that has one definition."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = SHORT.encode()
            self.send_response(200 if self.path == "/upper.yaml" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_init_from_the_web(run: Run, cluster: ControlPeer, web: str) -> None:
    cluster.answers["PUT etl"] = text("etl-AAAAAA")
    assert run("etl", "init", f"{web}/upper.yaml").status == 0
    refused = run("etl", "init", f"{web}/none.yaml")
    assert refused.status == 1 and "cannot fetch" in refused.err


def test_start_stop_and_remove(run: Run, cluster: ControlPeer, tmp_path: Path) -> None:
    cluster.answers |= {
        "POST etl/upper-case/start": text("etl-AAAAAA"),
        "POST etl/upper-case/stop": text(""),
        "DELETE etl/upper-case": text(""),
        "DELETE etl/other-etl": text(""),
        "GET etl": [{"name": "upper-case", "stage": "Running"}, {"id": "other-etl", "stage": "Aborted"}],
    }
    assert run("etl", "start", "upper-case").out == "ETL[upper-case] started successfully\n"
    assert run("etl", "stop", "--all").out == "ETL[upper-case] stopped\n"  # the other one does not run
    assert run("etl", "rm", "--all").out.count("successfully deleted") == 2
    spec = tmp_path / "upper.yaml"
    spec.write_text(SHORT)
    assert run("etl", "rm", "--spec", str(spec)).out == "ETL[upper-case] successfully deleted\n"
    assert run("etl", "rm", "--all", "upper-case").status == run("etl", "rm").status == 2
    assert run("etl", "start", "nosuch").status == 1


def test_139_removing_what_is_not_there(ais: Run) -> None:
    for word in ("rm", "stop"):
        done = ais("etl", word, "nosuch")
        assert (done.status, done.out, done.err) == (0, "", "Warning: ETL[nosuch] not found, nothing to do\n")


# -- looking ------------------------------------------------------------------------------------------


def test_show(run: Run, cluster: ControlPeer) -> None:
    cluster.answers |= {
        "GET etl": [{"name": "upper-case", "stage": "Running", "xaction_id": "etl-AAAAAA", "obj_count": 3}],
        "GET etl/upper-case": DETAILS,
    }
    assert run("show", "etl").out == "NAME\t\t STAGE\t\t XACTION\t OBJECTS\nupper-case\t Running\t etl-AAAAAA\t 3\n"
    details = run("etl", "show", "upper-case").out
    assert (
        "runtime.image\t upper:1\n" in details and "1 objects failed, see 'ais etl show errors upper-case'" in details
    )
    assert json.loads(run("etl", "show", "upper-case", "--json").out) == DETAILS
    assert run("etl", "show", "errors", "upper-case", "tco-A").out == (
        "OBJECT\t\t ECODE\t ERROR\nais://b/o\t 500\t no memory\n"
    )
    assert cluster.queries("GET", "etl/upper-case")[-1] == {"uuid": "tco-A"}
    cluster.answers["GET etl/upper-case"] = {"init_msg": {}}
    assert run("etl", "show", "errors", "upper-case").out == "No errors found for ETL[upper-case].\n"


def test_logs(run: Run, cluster: ControlPeer) -> None:
    def logs(*targets: str) -> list[dict[str, str]]:
        return [{"target_id": one, "logs": base64.b64encode(b"hello\n").decode()} for one in targets]

    cluster.answers["GET etl/upper-case/logs"] = logs(*TARGETS[:2])
    cluster.answers[f"GET etl/upper-case/logs/{TARGETS[0]}"] = logs(TARGETS[0])
    assert run("etl", "view-logs", "upper-case").out == "".join(f"t[{one}] logs:\nhello\n" for one in TARGETS[:2])
    assert run("etl", "view-logs", "upper-case", f"t[{TARGETS[0]}]").out == "hello\n"


# -- applying -----------------------------------------------------------------------------------------


def test_one_object(run: Run, cluster: ControlPeer, tmp_path: Path) -> None:
    cluster.answers["GET objects/b/dir/o"] = text("LOUD")
    cluster.answers["PUT objects/b/dir/o"] = text("")
    out = tmp_path / "o.txt"
    done = run("etl", "object", "upper>>trim", "ais://b/dir/o", str(out), "--args", "2")
    assert done.status == 0 and out.read_text() == "LOUD"
    assert done.out == f"ETL[upper>>trim]: ais://b/dir/o => {out} (4B)\n"
    assert cluster.queries("GET", "objects/b/dir/o") == [
        {"provider": "ais", "etl_name": "upper", "etl_pipeline": "trim", "etl_args": "2"}
    ]
    assert run("etl", "object", "upper", "ais://b/dir/o", "/dev/null").status == 0
    for words in (("upper", "cp"), ("cp", "upper")):
        copied = run("etl", "object", *words, "ais://b/dir/o", "ais://c/new/")
        assert copied.out == "ETL[upper]: ais://b/dir/o => ais://c/new/o\n"
    assert cluster.queries("PUT", "objects/b/dir/o")[-1]["object_to"] == "ais/@#/c/new/o"
    assert run("etl", "object", "a>>a", "ais://b/o", "-").status == 2
    assert run("etl", "object", "a>>", "ais://b/o", "-").status == 2


def test_a_failed_transformation_leaves_the_old_file(run: Run, cluster: ControlPeer, tmp_path: Path) -> None:
    out = tmp_path / "o.txt"
    out.write_text("old")
    cluster.answers["GET objects/b/o"] = Reply(body=b"LOUD", cut_at=2)
    assert run("etl", "object", "upper", "ais://b/o", str(out)).status == 1
    assert out.read_text() == "old" and [path.name for path in tmp_path.glob("*o.txt*")] == ["o.txt"]


def test_buckets(run: Run, cluster: ControlPeer) -> None:
    cluster.answers["POST buckets/src"] = text("etl-AAAAAA")
    words = ("etl", "bucket", "upper>>trim", "ais://src", "ais://dst")
    done = run(
        *words, "--ext", "{jpg:txt}", "--prefix", "en/", "--prepend", "new/", "--num-workers", "4", "--cont-on-err"
    )
    assert done.status == 0, done.err
    assert done.out.startswith("etl-bucket[etl-AAAAAA] ais://src => ais://dst. To monitor the progress, ")
    [sent] = cluster.sent("POST", "buckets/src")
    assert sent["action"] == "etl-bck" and cluster.queries("POST", "buckets/src")[0]["bck_to"] == "ais/@#/dst/"
    value: dict[str, Any] = sent["value"]
    assert (value["id"], value["pipeline"], value["ext"]) == ("upper", ["trim"], {"jpg": "txt"})
    assert (value["prefix"], value["prepend"], value["num-workers"], value["coer"]) == ("en/", "new/", 4, True)
    listed = run(*words, "--list", "a,b", "--nv")
    assert listed.out == "etl-AAAAAA\n"
    sent = cluster.sent("POST", "buckets/src")[-1]
    assert sent["action"] == "etl-listrange" and sent["value"]["objnames"] == ["a", "b"]
    assert sent["value"]["tobck"] == bucket("dst")
    assert run(*words, "--ext", "jpg").status == 2
    assert "etl show errors upper etl-AAAAAA" in run("etl", "inspect", "upper", "ais://src").err
    assert cluster.sent("POST", "buckets/src")[-1]["value"]["dry_run"] is True


def test_what_would_be_transformed(ais: Run, node: NodeProcess) -> None:
    with Client(node.url) as client:
        source = client.bucket("cli-etl").create(exist_ok=True)
        for name in ("a.jpg", "dir/b.png"):
            source.object(name).get_writer().put_content(b"x")
    shown = ais("etl", "bucket", "to-text", "ais://cli-etl", "ais://texts/new/", "--ext", "{jpg:txt}", "--dry-run")
    assert "TRANSFORM ais://cli-etl/a.jpg => ais://texts/new/a.txt\n" in shown.out
    assert "TRANSFORM ais://cli-etl/dir/b.png => ais://texts/new/dir/b.png\n" in shown.out


def test_a_node_without_transformers_says_so(ais: Run) -> None:
    refused = ais("etl", "init", "-f", SHORT.strip())
    assert refused.status == 1 and "without ETL support - operation not supported" in refused.err
    assert ais("etl", "show").out.startswith("No ETLs ")


# -- dSort --------------------------------------------------------------------------------------------

SORT = {"input_bck": {"name": "in"}, "input_format": {"template": "s-{0..9}"}, "output_shard_size": "10MB"}


def sorting(*, finished: bool, **metrics: Any) -> dict[str, Any]:
    """What one target says about a sort."""
    done = {"finished": finished, "running": not finished, "elapsed": 1_200_000_000}
    phases = {
        "local_extraction": {"extracted_count": "5", "total_count": "10", **done, "finished": True, "running": False},
        "meta_sorting": done | {"elapsed": 30_000_000},
        "shard_creation": {"created_count": "2", "to_create": "3", **done},
    }
    return {"id": "srt-AAAAAA", "Metrics": {"description": "by name", **phases, **metrics}}


def test_140_a_sort_needs_a_specification(ais: Run) -> None:
    for words in (("start", "dsort"), ("dsort",), ("job", "start", "dsort", "ais://a")):
        refused = ais(*words)
        assert refused.status == 2 and "flag '--spec' must be specified" in refused.err
    refused = ais("dsort", "-f", json.dumps(SORT))
    assert refused.status == 1 and "operation not supported" in refused.err


def test_start_a_sort(run: Run, cluster: ControlPeer, tmp_path: Path) -> None:
    cluster.answers["POST sort"] = text("srt-AAAAAA")
    assert run("start", "dsort", "-f", json.dumps(SORT)).out == "srt-AAAAAA\n"
    spec = tmp_path / "sort.yaml"
    spec.write_text("input_bck: {name: in}\nalgorithm: {kind: shuffle, seed: '7'}\n")
    shown = run("dsort", "ais://other", "s3://sorted", "--spec", str(spec), "--verbose").out
    assert "algorithm.kind\t\t\t shuffle\n" in shown and shown.endswith("\nsrt-AAAAAA\n")
    general = {"dsorter_type": "dsort_general"}
    algorithm = {"kind": "shuffle", "seed": "7"}
    overridden = {"input_bck": bucket("other"), "algorithm": algorithm, "output_bck": bucket("sorted", "aws")}
    assert cluster.sent("POST", "sort") == [SORT | general, overridden | general]
    run("dsort", "-f", "{input_bck: {name: in}, dsorter_type: dsort_mem}")
    assert cluster.sent("POST", "sort")[-1] == {"input_bck": {"name": "in"}, "dsorter_type": "dsort_mem"}
    for text_ in ("{bad", "[1]", "a: [\n"):
        assert run("dsort", "-f", text_).status == 1


def test_follow_a_sort(run: Run, cluster: ControlPeer, tmp_path: Path) -> None:
    cluster.answers["POST sort"] = text("srt-AAAAAA")
    looks: list[bool] = []

    def state(request: Received) -> dict[str, Any]:
        assert request.query == {"uuid": "srt-AAAAAA"}
        looks.append(True)
        return {target: sorting(finished=len(looks) > 2) for target in TARGETS[:2]}

    cluster.answers["GET sort"] = state
    done = run("dsort", "-f", json.dumps(SORT), "--wait")
    assert done.out == "srt-AAAAAA\ndsort[srt-AAAAAA] finished\n" and len(looks) == 3
    log = tmp_path / "sort.log"
    shown = run("show", "job", "srt-AAAAAA", "--log", str(log)).out
    assert shown.startswith("dsort[srt-AAAAAA] (by name): Finished\nPHASE\t\t DONE\t TOTAL\t ELAPSED\t STATE\n")
    assert "Extraction\t 10\t 20\t 1.2s\t\t finished\n" in shown and "Creation\t 4\t 6\t 1.2s\t\t finished\n" in shown
    assert log.read_text() == shown
    assert f"{TARGETS[0]}.Metrics.shard_creation.to_create\t\t 3\n" in run("show", "job", "srt-AAAAAA", "-v").out
    assert json.loads(run("show", "job", "srt-AAAAAA", "--json").out)[TARGETS[0]]["id"] == "srt-AAAAAA"


def test_a_sort_that_fails(run: Run, cluster: ControlPeer) -> None:
    bad = sorting(finished=False, errors=["missing shard s-3"], aborted=True)
    cluster.answers["GET sort"] = {TARGETS[0]: bad}
    failed = run("wait", "srt-AAAAAA")
    assert failed.status == 1 and "dsort[srt-AAAAAA] failed\nmissing shard s-3\n" in failed.err
    assert "Aborted" in run("show", "job", "srt-AAAAAA").out
    cluster.answers["GET sort"] = {TARGETS[0]: sorting(finished=False)}
    late = run("wait", "srt-AAAAAA", "--timeout", "0.05s")
    assert late.status == 1 and "timed out waiting for dsort[srt-AAAAAA] (after 0.05s)" in late.err
