"""A cluster of one gateway and three targets whose control plane answers what a test has written down.

Every request is recorded. Answers are looked up by `METHOD path` without `/v1/`, then by `METHOD path?what=…`; what is
not written down is answered with 404.
"""

import json
from collections.abc import Callable
from typing import Any

from tests.sdk.peer import Peer, Received, Reply, error_reply, json_reply

TARGETS = ("tAAAAAAA1", "tBBBBBBB2", "tCCCCCCC3")
GATEWAY = "pGGGGGGG0"

Answer = Any | Reply | Callable[[Received], Any]


class ControlPeer(Peer):
    """The cluster.

    Attributes:
        answers: by `METHOD path` or `METHOD path?what=…`: a JSON value, a `Reply`, or a function of the request.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Answer] = {"GET daemon?what=smap": lambda _: self.map()}

    def map(self) -> dict[str, Any]:
        """The cluster map."""
        return self.map_at(self.url)

    @staticmethod
    def map_at(gateway_url: str) -> dict[str, Any]:
        """The map of a cluster whose gateway is there."""

        def node(kind: str, name: str, url: str) -> dict[str, Any]:
            net = {"node_ip_addr": "127.0.0.1", "daemon_port": url.rsplit(":", 1)[1], "direct_url": url}
            nets = dict.fromkeys(("public_net", "intra_data_net", "intra_control_net"), net)
            return {**nets, "daemon_type": kind, "daemon_id": name, "flags": 0, "id_digest": 1}

        gateway = node("proxy", GATEWAY, gateway_url)
        targets = {name: node("target", name, f"http://127.0.0.1:{9001 + at}") for at, name in enumerate(TARGETS)}
        return {"pmap": {GATEWAY: gateway}, "proxy_si": gateway, "tmap": targets, "uuid": "uCLUSTER1", "version": "17"}

    def handle(self, request: Received) -> Reply:
        key = f"{request.method} {request.path.removeprefix('/v1/')}"
        what = f"{key}?what={request.query.get('what', '')}"
        answer = self.answers.get(what, self.answers.get(key))
        if callable(answer):
            answer = answer(request)
        if answer is None:
            return error_reply(404, f"p[{GATEWAY}]: {key} does not exist")
        return answer if isinstance(answer, Reply) else json_reply(answer)

    def sent(self, method: str, path: str) -> list[Any]:
        """The decoded bodies of all requests of a method on a path (without `/v1/`); None for those without."""
        wanted = [r for r in self.received if r.method == method and r.path == f"/v1/{path}"]
        return [json.loads(r.body) if r.body else None for r in wanted]

    def queries(self, method: str, path: str) -> list[dict[str, str]]:
        """The queries of all requests of a method on a path."""
        return [r.query for r in self.received if r.method == method and r.path == f"/v1/{path}"]


def text(value: str) -> Reply:
    """An answer of plain text, such as the id of a job."""
    return Reply(body=value.encode())


def snap(job_id: str, kind: str, **fields: Any) -> dict[str, Any]:
    """A job as one target describes it; a running one unless the fields say otherwise."""
    nothing = {"name": "", "provider": "", "namespace": {"uuid": "", "name": ""}}
    numbers = {f"{way}-{what}": "0" for way in ("loc", "out", "in") for what in ("objs", "bytes")}
    stats = numbers | {key: str(value) for key, value in fields.pop("stats", {}).items()}
    return {
        "id": job_id, "kind": kind, "start-time": "2026-03-04T05:06:07.123456789Z", "end-time": "0001-01-01T00:00:00Z",
        "bck": nothing, "src-bck": nothing, "dst-bck": nothing, "abort-err": "", "err": "", "glob.id": "0",
        "aborted": False, "is_idle": False, "stats": stats, "ext": None,
    } | fields  # fmt: skip


def bucket(name: str, provider: str = "ais") -> dict[str, Any]:
    return {"name": name, "provider": provider, "namespace": {"uuid": "", "name": ""}}


def status_of(node: str, **more: Any) -> dict[str, Any]:
    """What a node says of itself."""
    capacity = {"total_used": str(1 << 30), "total_avail": str(3 << 30), "pct_avg": 25, "pct_min": 20, "pct_max": 30,
                "cs_err": "", "mountpaths": {"/mp1": {"used": "1", "avail": "2", "pct_used": 25, "disks": ["sda"],
                                                      "fs": {"Fs": "/dev/sda", "FsType": "ext4"}}}}  # fmt: skip
    info = {"mem_avail": 2 << 30, "pct_mem_used": 12.345, "load_avg": {"One": 0.5, "Five": 0.25, "Fifteen": 0.1},
            "mem": {"Total": 4 << 30}, "proc": {"Mem": {"Resident": 1 << 20}}}  # fmt: skip
    return {
        "ais_version": "5.0.1", "deployment": "dev", "status": "", "build_time": "2026", "cluster": {"flags": 6},
        "capacity": capacity if node in TARGETS else {"mountpaths": None}, "sys_info": info,
        "tracker": {"up.ns.time": 90_000_000_000}, "rebalance_snap": None,
    } | more  # fmt: skip
