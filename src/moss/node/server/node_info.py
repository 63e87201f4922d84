"""What a node says of itself, for both faces: cluster map, bucket table, statistics, state, configuration, log.

Source: spec/rest-control.md 4.2, 5, 6.
"""

import os
import platform
import resource
from typing import Any

import moss
from moss.node.cluster import build_embedded_map, gateway_entry, target_entry
from moss.node.metrics import metric_kinds
from moss.node.server.http import Face
from moss.wire.cluster import ClusterMap, NodeInfo
from moss.wire.job import format_time

SOFTWARE_VERSION = "5.0.0"
_STATE_HEALTHY = 6  # cluster started, node started
# The one place where a target keeps data, as clients see it: paths of the server are not shown.
MOUNTPATH = "/moss"


def node_entry(node: Any, face: Face) -> NodeInfo:
    """Return the entry of one face in the cluster map."""
    if face is Face.GATEWAY:
        return gateway_entry(node.gateway_id, node.gateway_url)
    return target_entry(node.target_id, node.target_url)


def cluster_map(node: Any) -> ClusterMap:
    """Return the cluster map."""
    return build_embedded_map(
        node_entry(node, Face.GATEWAY),
        node_entry(node, Face.TARGET),
        uuid=node.config.uuid,
        created_ns=node.config.created_ns,
        version=node.map_version,
    )


def bucket_table(node: Any) -> dict[str, Any]:
    """Return all buckets with their properties; the version counts them and their changes."""
    from moss.node.server.gateway.buckets import document_of

    records = node.engine.list_buckets()
    providers: dict[str, Any] = {"ais": {}}
    for record in records:
        bucket = record.bucket
        spaces = providers.setdefault(bucket.provider.value, {})
        spaces.setdefault(bucket.namespace.uname, {})[bucket.name] = document_of(record)
    version = max((record.id for record in records), default=0) + 1
    return {"providers": providers, "uuid": node.config.uuid, "version": str(version)}


def state_info(node: Any) -> dict[str, Any]:
    """Return the state record of spec/rest-control.md 5."""
    url = node.gateway_url
    return {
        "smap": {
            "Primary": {"pub_url": url, "control_url": url, "id": node.gateway_id},
            "uuid": node.config.uuid,
            "version": str(node.map_version),
        },
        "bmd": {"uuid": node.config.uuid, "version": bucket_table(node)["version"]},
        "rmd": {"version": "0"},
        "config": {"version": str(node.config.version)},
        "etlmd": {"version": "0"},
        "flags": _STATE_HEALTHY,
    }


def node_config(node: Any, face: Face) -> dict[str, Any]:
    """Return the cluster configuration flat beside the node's local part; paths of the server are not shown."""
    entry = node_entry(node, face)
    net = entry.public_net
    local = {
        "confdir": "",
        "log_dir": "",
        "host_net": {
            "hostname": net.node_ip_addr,
            "hostname_intra_control": "",
            "hostname_intra_data": "",
            "port": net.daemon_port,
            "port_intra_control": net.daemon_port,
            "port_intra_data": net.daemon_port,
        },
        "fspaths": {} if face is Face.GATEWAY else {MOUNTPATH: ""},
        "test_fspaths": {"root": "", "count": 0, "instance": 0},
    }
    document = node.config.cluster_config(node=entry.daemon_id) | local
    del document["ext"]
    return document


def tracker(node: Any) -> dict[str, int]:
    """Return the counters that are not zero, by internal name."""
    counters = {name: value for name, value in node.metrics.snapshot().items() if value}
    return counters | {"up.ns.time": node.metrics.uptime_ns(), "state.flags": 0}


def capacity(node: Any, face: Face) -> dict[str, Any]:
    """Return the disk figures of a face; a gateway has none."""
    if face is Face.GATEWAY:
        figures = dict.fromkeys(("pct_max", "pct_avg", "pct_min"), 0)
        return {"mountpaths": None, "cs_err": "", "total_used": "0", "total_avail": "0"} | figures
    used, available, percent = _disk(node)
    mountpath = {
        "mountpath_label": "",
        "fs": {"Fs": "", "FsType": "", "FsID": ""},
        "disks": [],
        "used": str(used),
        "avail": str(available),
        "pct_used": percent,
    }
    return {
        "mountpaths": {MOUNTPATH: mountpath},
        "cs_err": "",
        "total_used": str(used),
        "total_avail": str(available),
        "pct_max": percent,
        "pct_avg": percent,
        "pct_min": percent,
    }


def node_stats(node: Any, face: Face) -> dict[str, Any]:
    return {"snode": node_entry(node, face), "tracker": tracker(node), "capacity": capacity(node, face)}


def node_status(node: Any, face: Face) -> dict[str, Any]:
    """Return the flat status document."""
    return node_stats(node, face) | {
        "status": "",
        "deployment": "dev",
        "ais_version": SOFTWARE_VERSION,
        "build_time": format_time(node.config.created_ns),
        "k8s_pod_name": "",
        "cluster": state_info(node),
        "sys_info": system_info(),
        "smap_version": str(node.map_version),
    }


def metric_names(face: Face) -> dict[str, str]:
    return metric_kinds("p" if face is Face.GATEWAY else "t")


def mountpaths() -> dict[str, list[str]]:
    return {"available": [MOUNTPATH], "waiting_dd": [], "disabled": []}


def target_system_info(node: Any) -> dict[str, Any]:
    """Return memory, CPU and disk figures of the target face."""
    used, available, percent = _disk(node)
    return system_info() | {"fs_used": str(used), "fs_capacity": str(used + available), "pct_fs_used": percent}


def system_info() -> dict[str, Any]:
    """Return memory and CPU figures of the machine and of this process."""
    memory = _memory()
    total, free, buffered = memory["MemTotal"], memory["MemFree"], memory["Buffers"] + memory["Cached"]
    available = memory["MemAvailable"]
    load = os.getloadavg()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    user_ms, system_ms = round(usage.ru_utime * 1000), round(usage.ru_stime * 1000)
    # Those who wait for a processor count as load too.
    busy = min(100.0, round(100 * load[0] / (os.cpu_count() or 1), 1))
    return {
        "mem_used": total - available,
        "mem_avail": available,
        "pct_mem_used": round(100 * (total - available) / total, 2) if total else 0,
        "pct_cpu_used": busy,
        "load_avg": {"One": load[0], "Five": load[1], "Fifteen": load[2]},
        "cpu_util": round(busy),
        "mem": {
            "Total": total,
            "Used": total - free,
            "Free": free,
            "BuffCache": buffered,
            "ActualFree": available,
            "ActualUsed": total - available,
            "SwapTotal": memory["SwapTotal"],
            "SwapFree": memory["SwapFree"],
            "SwapUsed": memory["SwapTotal"] - memory["SwapFree"],
        },
        "proc": {
            "CPU": {
                "User": user_ms,
                "System": system_ms,
                "Total": user_ms + system_ms,
                "LastTime": 0,
                "Percent": 0.0,
            },
            "Mem": {"Size": usage.ru_maxrss * 1024, "Resident": usage.ru_maxrss * 1024, "Share": 0},
        },
    }


def describe_software() -> str:
    """Return the line that begins a node's log."""
    return f"Moss {moss.__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def _disk(node: Any) -> tuple[int, int, int]:
    """Return bytes used, bytes available and percent used of the disk that holds the data."""
    figures = os.statvfs(node.options.data)
    available = figures.f_bavail * figures.f_frsize
    used = (figures.f_blocks - figures.f_bfree) * figures.f_frsize
    return used, available, round(100 * used / (used + available)) if used + available else 0


def _memory() -> dict[str, int]:
    """Return the machine's memory figures in bytes; zeros where the system does not tell."""
    names = ("MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapTotal", "SwapFree")
    found = dict.fromkeys(names, 0)
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                name, _, rest = line.partition(":")
                if name in found:
                    found[name] = int(rest.split()[0]) * 1024
    except OSError:
        pass
    return found
