"""The one table of counters: internal names, kinds, exported names and what they count.

Source: spec/getbatch.md 12.1; spec/rest-control.md 14.1, 14.2.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counter:
    """One cumulative counter of a node.

    Attributes:
        name: internal name, as in the `tracker` of node statistics.
        kind: `counter`, `size` or `total`.
        text: what it counts.
        alias: second exported name that the published queries use, without the prefix; "" when there is none.
        faces: `t` target, `p` gateway.
        labels: label names that the exported series always has beside `node_id`, with empty values.
    """

    name: str
    kind: str
    text: str
    alias: str = ""
    faces: str = "t"
    labels: tuple[str, ...] = ()

    @property
    def exported(self) -> str:
        """The exported name without its `ais_target_` or `ais_proxy_` prefix."""
        stem = self.name.replace(".", "_")
        if self.name.endswith(".n"):
            return stem[:-2] + "_count"
        if self.name.endswith(".size"):
            return stem[:-5] + "_bytes"
        return stem


def _batch() -> list[Counter]:
    def alias(name: str) -> str:
        return name.replace(".", "_")

    n, size, total = "counter", "size", "total"
    return [
        Counter("getbatch.n", n, "batches assembled, successful and failed", alias("getbatch.n")),
        Counter("getbatch.obj.n", n, "whole objects put into batches", alias("getbatch.obj.n")),
        Counter("getbatch.file.n", n, "shard members put into batches", alias("getbatch.file.n")),
        Counter("getbatch.obj.size", size, "bytes of whole objects put into batches", alias("getbatch.obj.size")),
        Counter("getbatch.file.size", size, "bytes of shard members put into batches", alias("getbatch.file.size")),
        Counter("getbatch.gfn.n", n, "recovery reads tried at a neighbor"),
        Counter("getbatch.rxwait.ns", total, "nanoseconds blocked on entries of peers"),
        Counter("getbatch.throttle.ns", total, "nanoseconds slept under load"),
        Counter("err.soft.getbatch.n", n, "placeholders within the soft-error budget", alias("err.soft.getbatch.n")),
        Counter("err.gfn.getbatch.n", n, "recovery reads that failed"),
        Counter("err.getbatch.n", n, "batches that failed or were turned away", alias("err.getbatch.n")),
    ]


_BUCKET = ("bucket",)
_BUCKET_XKIND = ("bucket", "xkind")

COUNTERS: tuple[Counter, ...] = (
    *_batch(),
    Counter("get.n", "counter", "GETs served", labels=_BUCKET),
    Counter("get.size", "size", "bytes of GETs served", labels=_BUCKET),
    Counter("get.ns.total", "total", "nanoseconds spent on GETs", labels=_BUCKET),
    Counter("put.n", "counter", "objects stored", labels=_BUCKET_XKIND),
    Counter("put.size", "size", "bytes stored", labels=_BUCKET_XKIND),
    Counter("put.ns.total", "total", "nanoseconds spent on PUTs", labels=_BUCKET_XKIND),
    Counter("head.n", "counter", "HEADs of objects served", labels=_BUCKET),
    Counter("head.ns.total", "total", "nanoseconds spent on HEADs", labels=_BUCKET),
    Counter("del.n", "counter", "objects deleted", labels=_BUCKET),
    Counter("lst.n", "counter", "listing pages served", labels=_BUCKET),
    Counter("err.get.n", "counter", "GETs that failed", labels=_BUCKET),
    Counter("err.put.n", "counter", "PUTs that failed", labels=_BUCKET),
    Counter("stream.out.n", "counter", "objects sent to peers"),
    Counter("stream.out.size", "size", "bytes sent to peers"),
    Counter("stream.in.n", "counter", "objects received from peers"),
    Counter("stream.in.size", "size", "bytes received from peers"),
    Counter("lru.evict.n", "counter", "objects evicted"),
    Counter("lru.evict.size", "size", "bytes evicted"),
    Counter("cleanup.store.n", "counter", "files cleaned up"),
    Counter("cleanup.store.size", "size", "bytes cleaned up"),
    Counter("lcache.collision.n", "counter", "metadata cache collisions"),
    Counter("lcache.evicted.n", "counter", "metadata cache evictions"),
    Counter("lcache.flush.cold.n", "counter", "metadata cache flushes"),
    Counter("err.lcache.n", "counter", "metadata cache errors"),
    Counter("err.dl.n", "counter", "failed downloads"),
    Counter("dl.size", "size", "bytes downloaded"),
    Counter("dl.ns.total", "total", "nanoseconds spent on downloads"),
    Counter("err.http.write.n", "counter", "broken client connections", faces="tp"),
    Counter("err.kalive.n", "counter", "failed keepalives", faces="tp"),
    Counter("acl.total.n", "counter", "access checks", faces="p"),
    Counter("acl.denied.n", "counter", "access checks refused", faces="p"),
    *(
        Counter(f"auth.{word}.n", "counter", f"token checks: {word}", faces="p")
        for word in ("total", "success", "fail", "notoken", "invalidtoken", "expiredtoken", "invalidkid", "invalidiss")
    ),
)

# Series that a gateway counts by bucket, whatever becomes of the redirected request (spec/rest-control.md 14.1).
GATEWAY_SERIES = {
    "get.n": ("get_count", _BUCKET),
    "put.n": ("put_count", _BUCKET_XKIND),
    "del.n": ("del_count", _BUCKET),
    "lst.n": ("lst_count", _BUCKET),
}

# Counters that appear in the exposition with 0 before their first use.
AT_ONCE = frozenset(counter.name for counter in COUNTERS if not counter.labels)


def metric_kinds(face: str) -> dict[str, str]:
    """Return internal name → kind of a face (`t` or `p`), for `what=metrics`."""
    kinds = {counter.name: counter.kind for counter in COUNTERS if face in counter.faces}
    if face == "p":
        kinds |= dict.fromkeys(GATEWAY_SERIES, "counter")
    # Derived by readers from totals and counts; named here because they choose their columns by kind.
    kinds |= dict.fromkeys(("get.ns", "put.ns", "lst.ns", "kalive.ns"), "latency")
    kinds |= dict.fromkeys(("get.bps", "put.bps"), "bw")
    return kinds | {"up.ns.time": "special", "state.flags": "gauge"}
