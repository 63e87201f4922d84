"""What every measurement needs: the running servers, the client process, the data, and how long to measure."""

import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import sampling
from benchmarks.dataset import Dataset, batch_target, file_target
from benchmarks.rawclient import Target
from benchmarks.workers import Worker

DISTINCT_BATCHES = 4
BATCH_BYTES_MAX = 256 << 20


@dataclass
class Bench:
    url: str
    host: str
    port: int
    nginx_port: int
    nginx_root: Path
    sender_port: int
    client: Worker
    dataset: Dataset
    folder: Path
    rounds: int
    sample_s: float
    batches: tuple[int, ...]
    against_nginx: dict[tuple[int, int], sampling.Samples] = field(default_factory=dict)

    def batch_targets(
        self, size_bytes: int, count: int, distinct: int = DISTINCT_BATCHES, **options: Any
    ) -> list[Target]:
        """Different random batches of plain objects, asked in turn."""
        return [
            batch_target(self.host, self.port, self.dataset.entries(size_bytes, count), size_bytes, **options)
            for _ in range(distinct)
        ]

    def targets(self, batches: Sequence[list[dict[str, str]]], size_bytes: int, **options: Any) -> list[Target]:
        return [batch_target(self.host, self.port, entries, size_bytes, **options) for entries in batches]

    def nginx_copy(self, target: Target) -> Target:
        """The answer of this batch as a file of nginx: the same bytes to send, already assembled."""
        body = self.client.call(sampling.body_of, target)
        name = f"batch-{abs(hash(target.request)):x}.tar"
        (self.nginx_root / name).write_bytes(body)
        return file_target("127.0.0.1", self.nginx_port, name)

    def compare_with_nginx(self, size_bytes: int, count: int) -> sampling.Samples:
        """Samples of the arms "moss" and "nginx" for one shape of batch; measured once in a run, whoever asks."""
        if (size_bytes, count) not in self.against_nginx:
            targets = self.batch_targets(size_bytes, count)
            arms = {"moss": self.fetch_arm(targets), "nginx": self.fetch_arm([self.nginx_copy(targets[0])])}
            self.against_nginx[size_bytes, count] = sampling.interleave(arms, self.rounds)
        return self.against_nginx[size_bytes, count]

    def fetch_arm(self, targets: list[Target]) -> "partial[float]":
        """An arm: mean seconds per answer over about sample_s."""
        return partial(self.client.call, sampling.fetch_for, targets, self.sample_s)

    def fits(self, size_bytes: int, count: int) -> bool:
        return size_bytes * count <= BATCH_BYTES_MAX

    def set_config(self, query: str) -> None:
        request = urllib.request.Request(f"{self.url}/v1/cluster/set-config?{query}", method="PUT")
        urllib.request.urlopen(request, timeout=10).close()

    def config(self) -> Any:
        with urllib.request.urlopen(f"{self.url}/v1/cluster?what=cluster_config", timeout=10) as answer:
            return json.load(answer)
