"""The one table of cluster configuration: every key, its kind and its default.

Source: spec/rest-control.md 7.1, 7.2; spec/getbatch.md 11.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Scalar = str | int | float | bool


class Kind(StrEnum):
    """How a value is written in JSON and read from a query."""

    BOOL = "bool"
    INT = "int"
    TEXT = "text"
    DIGITS = "digits"  # decimal digits carried in a JSON string
    DURATION = "duration"  # Go text, "1m30s"
    SIZE = "size"  # IEC text, "64MiB"


@dataclass(frozen=True, slots=True)
class Setting:
    """One leaf of the configuration.

    Attributes:
        key: dotted path, lower case.
        kind: how the value is written.
        default: the value a fresh cluster shows, in output form.
    """

    key: str
    kind: Kind
    default: Scalar


def _stream_keys(section: str, *, burst: int = 512, bundle: int = 2) -> list[tuple[str, Kind, Scalar]]:
    return [
        (f"{section}.compression", Kind.TEXT, "never"),
        (f"{section}.bundle_multiplier", Kind.INT, bundle),
        (f"{section}.burst_buffer", Kind.INT, burst),
    ]


B, I, T, D, S = Kind.BOOL, Kind.INT, Kind.TEXT, Kind.DURATION, Kind.SIZE  # noqa: E741

_ROWS: list[tuple[str, Kind, Scalar]] = [
    ("mirror.copies", I, 2),
    ("mirror.burst_buffer", I, 512),
    ("mirror.enabled", B, False),
    *_stream_keys("ec"),
    ("ec.objsize_limit", I, 262144),
    ("ec.data_slices", I, 2),
    ("ec.parity_slices", I, 2),
    ("ec.enabled", B, False),
    ("ec.disk_only", B, False),
    ("log.level", Kind.DIGITS, "3"),
    ("log.max_size", S, "64MiB"),
    ("log.max_total", S, "512MiB"),
    ("log.flush_time", D, "1m"),
    ("log.stats_time", D, "3m"),
    ("log.to_stderr", B, False),
    ("periodic.stats_time", D, "10s"),
    ("periodic.retry_sync_time", D, "2s"),
    ("periodic.notif_time", D, "30s"),
    ("timeout.cplane_operation", D, "2s"),
    ("timeout.max_keepalive", D, "5s"),
    ("timeout.cold_get_conflict", D, "5s"),
    ("timeout.max_host_busy", D, "20s"),
    ("timeout.startup_time", D, "1m"),
    ("timeout.join_startup_time", D, "3m"),
    ("timeout.send_file_time", D, "5m"),
    ("timeout.ec_streams_time", D, "10m"),
    ("timeout.object_md", D, "2h0m"),
    ("client.client_timeout", D, "10s"),
    ("client.client_long_timeout", D, "5m"),
    ("client.list_timeout", D, "5m"),
    ("proxy.primary_url", T, ""),
    ("proxy.original_url", T, ""),
    ("proxy.discovery_url", T, ""),
    ("proxy.non_electable", B, False),
    ("space.cleanupwm", I, 65),
    ("space.lowwm", I, 75),
    ("space.highwm", I, 90),
    ("space.out_of_space", I, 95),
    ("space.batch_size", I, 32768),
    ("space.dont_cleanup_time", D, "30m"),
    ("lru.dont_evict_time", D, "2h0m"),
    ("lru.capacity_upd_time", D, "10m"),
    ("lru.batch_size", I, 32768),
    ("lru.enabled", B, False),
    ("disk.disk_util_low_wm", I, 20),
    ("disk.disk_util_high_wm", I, 80),
    ("disk.disk_util_max_wm", I, 95),
    ("disk.iostat_time_long", D, "2s"),
    ("disk.iostat_time_short", D, "100ms"),
    ("disk.iostat_time_smooth", D, "8s"),
    ("rebalance.dest_retry_time", D, "2m"),
    *_stream_keys("rebalance", burst=1024),
    ("rebalance.enabled", B, True),
    ("resilver.enabled", B, True),
    ("checksum.type", T, "xxhash2"),
    ("checksum.validate_cold_get", B, False),
    ("checksum.validate_warm_get", B, False),
    ("checksum.validate_obj_move", B, False),
    ("checksum.enable_read_range", B, False),
    ("versioning.enabled", B, True),
    ("versioning.validate_warm_get", B, False),
    ("versioning.synchronize", B, False),
    ("net.l4.proto", T, "tcp"),
    ("net.l4.sndrcv_buf_size", I, 131072),
    ("net.http.use_https", B, False),
    ("net.http.server_crt", T, ""),
    ("net.http.server_key", T, ""),
    ("net.http.domain_tls", T, ""),
    ("net.http.client_ca_tls", T, ""),
    ("net.http.client_auth_tls", I, 0),
    ("net.http.idle_conn_time", D, "20s"),
    ("net.http.backend_idle_conn_time", D, "20s"),
    ("net.http.idle_conns", I, 0),
    ("net.http.idle_conns_per_host", I, 0),
    ("net.http.write_buffer_size", I, 0),
    ("net.http.read_buffer_size", I, 0),
    ("net.http.chunked_transfer", B, True),
    ("net.http.skip_verify", B, False),
    ("net.use_ipv6", B, False),
    ("fshc.test_files", I, 4),
    ("fshc.error_limit", I, 2),
    ("fshc.io_err_limit", I, 10),
    ("fshc.io_err_time", D, "10s"),
    ("fshc.enabled", B, True),
    ("auth.client_auth_required", B, False),
    ("keepalivetracker.proxy.name", T, "heartbeat"),
    ("keepalivetracker.proxy.interval", D, "10s"),
    ("keepalivetracker.proxy.factor", I, 3),
    ("keepalivetracker.target.name", T, "heartbeat"),
    ("keepalivetracker.target.interval", D, "10s"),
    ("keepalivetracker.target.factor", I, 3),
    ("keepalivetracker.num_retries", I, 3),
    ("keepalivetracker.retry_factor", I, 4),
    ("downloader.timeout", D, "1h0m"),
    ("distributed_sort.duplicated_records", T, "ignore"),
    ("distributed_sort.missing_shards", T, "ignore"),
    ("distributed_sort.ekm_malformed_line", T, "abort"),
    ("distributed_sort.ekm_missing_key", T, "abort"),
    ("distributed_sort.default_max_mem_usage", T, "80%"),
    ("distributed_sort.dsorter_mem_threshold", T, "100GB"),
    ("distributed_sort.call_timeout", D, "10m"),
    *_stream_keys("distributed_sort", bundle=4),
    *_stream_keys("tcb"),
    *_stream_keys("tco"),
    *_stream_keys("arch"),
    *_stream_keys("lso", burst=32, bundle=1),
    ("lso.walk_buffer", I, 128),
    ("lso.idle_time", D, "20s"),
    ("lso.quiescent", D, "5s"),
    ("get_batch.max_wait", D, "20s"),
    ("get_batch.warmup_workers", I, 2),
    ("get_batch.max_soft_errs", I, 6),
    ("get_batch.max_gfn", I, 5),
    *_stream_keys("get_batch"),
    ("chunks.objsize_limit", S, "0B"),
    ("chunks.max_monolithic_size", S, "1TiB"),
    ("chunks.chunk_size", S, "1GiB"),
    ("rate_limit.backend.interval", D, "1m"),
    ("rate_limit.backend.max_tokens", I, 1000),
    ("rate_limit.backend.enabled", B, False),
    ("rate_limit.backend.num_retries", I, 3),
    ("rate_limit.frontend.interval", D, "1m"),
    ("rate_limit.frontend.max_tokens", I, 1000),
    ("rate_limit.frontend.enabled", B, False),
    ("rate_limit.frontend.burst_size", I, 375),
    ("transport.max_header", I, 4096),
    ("transport.burst_buffer", I, 1024),
    ("transport.idle_teardown", D, "4s"),
    ("transport.quiescent", D, "10s"),
    ("transport.lz4_block", S, "256KiB"),
    ("transport.lz4_frame_checksum", B, False),
    ("memsys.min_free", S, "2GiB"),
    ("memsys.default_buf", S, "32KiB"),
    ("memsys.to_gc", S, "4GiB"),
    ("memsys.hk_time", D, "3m"),
    ("memsys.min_pct_total", I, 0),
    ("memsys.min_pct_free", I, 0),
    ("write_policy.data", T, "immediate"),
    ("write_policy.md", T, "immediate"),
    ("features", Kind.DIGITS, "0"),
]

SETTINGS: dict[str, Setting] = {key: Setting(key, kind, default) for key, kind, default in _ROWS}

# Sections whose keys are known but not shown until they are set (spec/rest-control.md 7.1).
HIDDEN_SECTIONS = frozenset({"tracing"})

ALIASES = {"auth.enabled": "auth.client_auth_required"}

CHECKSUM_TYPES = ("crc32c", "md5", "sha256", "sha512", "xxhash", "xxhash2", "none")

# Sections that no node may differ in, nor change for the time being (spec/rest-control.md 7.3).
CLUSTER_SCOPED = frozenset(
    {
        "arch",
        "checksum",
        "chunks",
        "ec",
        "features",
        "get_batch",
        "lso",
        "mirror",
        "periodic",
        "proxy",
        "rebalance",
        "tcb",
        "tco",
        "transport",
        "versioning",
    }
)
NEVER_TRANSIENT = frozenset({"auth", "net", "tracing", "memsys", "keepalivetracker"})
NEVER_TRANSIENT_KEYS = frozenset({"timeout.max_keepalive", "timeout.cplane_operation"})


def nest(flat: dict[str, Any]) -> dict[str, Any]:
    """Turn dotted keys into nested dictionaries, in the order of the keys."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *branches, leaf = key.split(".")
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        node[leaf] = value
    return tree
