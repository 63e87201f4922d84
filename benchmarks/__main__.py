"""`python -m benchmarks [--quick] [--only G5,G6]`: measures, then writes docs/benchmarks.md and docs/benchmarks.svg."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import (
    client_goals,
    lhotse_goals,
    loader_goals,
    machine,
    node_goals,
    reference_goals,
    remote_goals,
    report,
    server_goals,
    store_goals,
)
from benchmarks.bench import Bench
from benchmarks.dataset import OBJECT_COUNTS, QUICK_OBJECT_COUNTS, Dataset, load
from benchmarks.results import Result
from benchmarks.servers import address, measured_node, running_nginx, running_sender
from benchmarks.workers import Worker

MEASUREMENTS: dict[str, Callable[[Bench], list[Result]]] = {
    "G1": client_goals.g1,
    "G2": client_goals.g2,
    "G5": server_goals.g5,
    "G6": server_goals.g6,
    "G8": server_goals.g8,
    "G10": server_goals.g10,
    "G14": server_goals.g14,
    "G16": server_goals.g16,
    "G18": node_goals.g18,
    "G19": node_goals.g19,
    "G20": client_goals.g20,
    "G21": reference_goals.g21,
    "G22": reference_goals.g22,
    "G23": reference_goals.g23,
    "S1": store_goals.s1_to_s3,
    "S4": store_goals.s4_s5,
    "S6": store_goals.s6,
    "S7": store_goals.s7,
    "S8": store_goals.s8,
    "L1": loader_goals.l1_to_l3,
    "L4": lhotse_goals.l4,
    "R1": remote_goals.r1_to_r5,
    "R6": remote_goals.r6,
    "SDK": client_goals.sdk,
}
BATCHES = (32, 128, 1_000, 10_000)
QUICK_BATCHES = (128, 1_000)
RESULTS_PATH = Path("build/benchmarks.json")
DOCS = Path("docs")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter samples, less data: under two minutes, no docs")
    parser.add_argument("--only", default="", metavar="G5,G6", help="these goals only; nothing is written to docs")
    parser.add_argument("--report", action="store_true", help=f"write the docs again from {RESULTS_PATH}")
    parsed = parser.parse_args()
    parsed.goals = [goal.strip().upper() for goal in parsed.only.split(",") if goal.strip()] or list(MEASUREMENTS)
    if unknown := [goal for goal in parsed.goals if goal not in MEASUREMENTS]:
        parser.error(f"no such goal: {', '.join(unknown)} (known: {', '.join(MEASUREMENTS)})")
    return parsed


def measure(goals: list[str], quick: bool) -> list[Result]:
    dataset = Dataset(QUICK_OBJECT_COUNTS if quick else OBJECT_COUNTS)
    results: list[Result] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="moss-benchmark-")))
        os.chmod(folder, 0o755)
        nginx_root = folder / "www"
        nginx_root.mkdir()
        node = stack.enter_context(measured_node(folder / "data"))
        started_s = time.perf_counter()
        put_bytes = load(node.url, dataset)
        say(f"put {put_bytes / 1e6:,.0f} MB in {time.perf_counter() - started_s:.1f} s")
        host, port = address(node.url)
        client = Worker()
        stack.callback(client.close)
        bench = Bench(
            url=node.url,
            host=host,
            port=port,
            nginx_port=stack.enter_context(running_nginx(nginx_root, folder / "nginx")),
            nginx_root=nginx_root,
            sender_port=stack.enter_context(running_sender()),
            client=client,
            dataset=dataset,
            folder=folder,
            rounds=5 if quick else 7,
            sample_s=0.1 if quick else 0.3,
            batches=QUICK_BATCHES if quick else BATCHES,
        )
        for goal in goals:
            for result in MEASUREMENTS[goal](bench):
                results.append(result)
                say(report.text_line(result))
            for file in nginx_root.iterdir():
                file.unlink()
    return results


def say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    options = arguments()
    if options.report:
        saved = json.loads(RESULTS_PATH.read_text())
        report.write(DOCS, [Result(**row) for row in saved["results"]], saved["machine"], saved["busy_cores"])
        return 0
    other_work = machine.OtherWork()
    results = measure(options.goals, options.quick)
    busy = other_work.cores()
    say(f"other programs kept {busy:.2f} cores busy meanwhile")
    if options.quick or options.only:
        return 0
    RESULTS_PATH.parent.mkdir(exist_ok=True)
    saved = {"machine": machine.describe(), "busy_cores": busy, "results": [result.as_dict() for result in results]}
    RESULTS_PATH.write_text(json.dumps(saved, indent=1))
    report.write(DOCS, results, saved["machine"], busy)
    say(f"written: {DOCS}/benchmarks.md, {DOCS}/benchmarks.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
