"""`ais log`, `nbi`, `advanced`."""

import tarfile
from pathlib import Path
from typing import Any

import pytest

from moss.naming.bucket import Bucket
from moss.sdk import Client
from moss.testing import NodeProcess
from tests.cli.control_peer import TARGETS, ControlPeer, text
from tests.cli.objects.conftest import Run
from tests.sdk.peer import Received


def test_logs_of_a_real_node(ais: Run, node: NodeProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Client(node.url) as client:
        [target] = client.cluster().get_info().tmap
    assert "Moss" in ais("log", "show", target).out
    assert ais("log", "show", target, "--severity", "loud").status == 2
    everyone = ais("log", "show", "cluster").out
    assert f"t[{target}]:\n" in everyone and "p[" in everyone
    done = ais("log", "get", f"t[{target}]", "logs/")
    assert done.out == "Done\n" and "Moss" in (tmp_path / "logs" / f"aistarget-{target}.info.log").read_text()
    again = ais("log", "get", target, "logs/", stdin="n\n")
    assert again.status == 0 and "overwrite?" in again.out
    assert ais("log", "get", "cluster", "all").out == "Done\n"
    archives = sorted((tmp_path / "all").iterdir())
    assert len(archives) == 2 and all(tarfile.is_tarfile(path) for path in archives)
    assert ais("cluster", "download-logs", "all", "--yes").status == 0


def test_a_log_is_followed_from_where_it_was(run: Run, cluster: ControlPeer) -> None:
    log = b"first\nsecond\n"

    def answer(request: Received) -> Any:
        offset = int(request.query.get("offset", 0))
        return text((log if not offset else log[offset:] + b"third\n").decode())

    cluster.answers["GET reverse/daemon?what=log"] = answer
    shown = run("log", "show", TARGETS[0], "--refresh", "1", "--count", "2")
    assert shown.out == "first\nsecond\nthird\n"
    assert cluster.queries("GET", "reverse/daemon")[-1] == {"what": "log", "severity": "info", "offset": "13"}


def test_inventories(run: Run, cluster: ControlPeer) -> None:
    info = {
        "bucket": "s3://b",
        "name": "monday",
        "obj_name": "i",
        "size": 2048,
        "ntotal": 1500,
        "started": 0,
        "prefix": "en/",
    }
    cluster.answers |= {
        "GET buckets": [{"name": "b", "provider": "aws"}, {"name": "a", "provider": "ais"}],
        "GET buckets/b": {"i": info}, "POST buckets/b": text("inv-AAAAAA"), "DELETE buckets/b": text(""),
    }  # fmt: skip
    assert "s3://b\t monday\t 2.00KiB\t 1,500\t\t -\t\t -\t\t en/" in run("nbi", "show").out
    started = run("nbi", "create", "s3://b/en/", "--inv-name", "monday", "--name-only")
    assert started.out.startswith("Started create-inventory[inv-AAAAAA] of s3://b. To monitor")
    assert cluster.sent("POST", "buckets/b")[0]["value"] == {"name": "monday", "prefix": "en/", "props": "name"}
    assert run("nbi", "rm", "s3://b", "--inv-name", "monday").out == 'Inventory "monday" of s3://b removed\n'
    assert cluster.sent("DELETE", "buckets/b")[0]["name"] == "monday"


def test_helpers_on_a_real_node(ais: Run, node: NodeProcess) -> None:
    with Client(node.url) as client:
        bucket = client.bucket("cli-helpers").create(exist_ok=True)
        bucket.object("a").get_writer().put_content(b"x")
        known = client.cluster().get_info()
    assert ais("advanced", "random-node").out.strip()[2:11] in (*known.tmap, *known.pmap)
    assert ais("advanced", "random-mountpath").out.startswith("t[")
    assert ais("advanced", "check-lock", "ais://cli-helpers/a").out == "ais://cli-helpers/a: not locked\n"
    assert ais("advanced", "preload", str(Bucket("cli-helpers")), "--wait").out.endswith("finished\n")
    assert ais("cluster", "reset-stats").status == 0
    refused = ais("cluster", "shutdown", "--yes")
    assert refused.status == 1 and "operation not supported" in refused.err
