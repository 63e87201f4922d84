"""Results as values: a measured ratio, what it must be, and the absolute figures behind it."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Better = Literal["more", "less"]


@dataclass
class Result:
    """One row of the table. `value`, `must` and `aim` share `unit`; `absolute` shows the arms behind a ratio."""

    goal: str
    case: str
    value: float
    unit: str = "×"
    must: float | None = None
    aim: float | None = None
    better: Better = "more"
    absolute: dict[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        if self.must is None:
            return ""
        if self.aim is not None and self._meets(self.aim):
            return "goal"
        return "must" if self._meets(self.must) else "**missed**"

    def _meets(self, bound: float) -> bool:
        return self.value >= bound if self.better == "more" else self.value <= bound

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


TITLES = {
    "G1": "SDK and one batch of 1,000 against sequential GETs with `requests`, 10 KiB",
    "G2": "the same against GET clients with 64 in flight",
    "G5": "random batch against nginx sending the same TAR as a file",
    "G6": "bytes/s against loopback TCP, one server core",
    "G8": "cost of a batch, hot, 10 KiB",
    "G10": "member of an indexed TAR against plain object, 10 KiB",
    "G14": "time to first entry, batch of 10,000",
    "G16": "10 % of the entries missing against none",
    "G18": "memory growth of the server, batch of 100,000, slow reader",
    "G19": "two workers on two cores against one on one",
    "G20": "our SDK against the official one, same node, batch of 1,000, 10 KiB",
    "G21": "entries/s against the reference, carried over through nginx",
    "G22": "shard members against the reference, carried over through nginx",
    "G23": "latency of a batch of 128 under four clients against the reference, carried over through nginx",
    "S1": "single GETs of 10 KiB, 64 connections, against the reference, carried over through nginx",
    "S2": "the same through the redirect of a gateway",
    "S3": "single PUTs of 10 KiB, on stable storage, against the reference, unsynced, carried over through nginx",
    "S4": "cost of one call while a bucket grows, most objects against fewest",
    "S5": "listing a whole bucket",
    "S6": "`put_files` of small files, on stable storage, against PUTs of the reference, carried over through nginx",
    "S7": "SDK `read_all` against loopback TCP, one server core",
    "S8": "client CPU of a small GET, our SDK against the official one",
    "L1": "samples/s of a training loop, 10 KiB, batch of 128, shuffled: a node against local files",
    "L2": "the same against WebDataset shards on the local disk, not shuffled",
    "L3": "the same against other loaders of the same node, the official PyTorch plugin among them",
    "L4": "minibatches of 64 cuts of 10 KiB, loaded but not decoded, against unmodified Lhotse on the same node",
    "R1": "cold batch from a store 20 ms away, against the shortest time that 64 requests in flight allow",
    "R2": "the same names again, against a bucket of the node's own",
    "R3": "cold batch of 1,000, 10 KiB, 20 ms away, against other clients of the same store",
    "R4": "bytes moved for random members of remote TAR shards that are not cached, against the members' own",
    "R5": "cached entries of a remote bucket against a bucket of the node's own: time of a batch",
    "R6": "cold batch from a real S3 service, against prefetch and batch of the reference, carried over through boto3",
    "SDK": "our SDK end to end against nginx and a discarding client (no goal)",
}


def rate(entry_count: int, seconds: float, size_bytes: int) -> str:
    """Entries and bytes per second as text."""
    per_s = entry_count / seconds
    return f"{per_s:,.0f}/s, {per_s * size_bytes / 1e9:.2f} GB/s"
