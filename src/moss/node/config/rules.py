"""What makes a whole configuration valid, and the defaults that zeros stand for. Pure.

Source: spec/getbatch.md 11; spec/rest-control.md 7.2, 7.3.
"""

from typing import Any

from moss.errors import InvalidConfig
from moss.node.config import values
from moss.node.config.schema import CHECKSUM_TYPES, SETTINGS

_SECOND = 1_000_000_000
_JOB_SECTIONS = ("tcb", "tco", "arch", "lso", "get_batch", "rebalance", "ec", "distributed_sort")
_WRITE_POLICIES = ("immediate", "delayed", "never")
_MAX_GFN_DEFAULT = 5

# key → shortest and longest duration in seconds
_DURATION_RANGES = {
    "lru.dont_evict_time": (3600, 365 * 86400),
    "space.dont_cleanup_time": (900, 365 * 86400),
    "periodic.stats_time": (1, 60),
    "keepalivetracker.proxy.interval": (1, 60),
    "keepalivetracker.target.interval": (1, 60),
    "downloader.timeout": (1, 3600),
}


def settle(flat: dict[str, Any]) -> dict[str, Any]:
    """Fill in the defaults that zeros stand for and check everything.

    Args:
        flat: dotted key to value in output form, all keys of the schema; not changed.

    Returns:
        The configuration to store.

    Raises:
        InvalidConfig: with the reference's text.
    """
    conf = dict(flat)
    _fill_zeros(conf)
    _check_get_batch(conf)
    _check_jobs(conf)
    _check_durations(conf)
    _check_marks(conf)
    _check_enums(conf)
    return conf


def _fill_zeros(conf: dict[str, Any]) -> None:
    for section in _JOB_SECTIONS:
        for leaf in ("bundle_multiplier", "burst_buffer"):
            key = f"{section}.{leaf}"
            conf[key] = conf[key] or SETTINGS[key].default
    for key in ("get_batch.warmup_workers", "get_batch.max_soft_errs", "mirror.copies"):
        conf[key] = conf[key] or SETTINGS[key].default
    if conf["get_batch.max_gfn"] == 0:
        conf["get_batch.max_gfn"] = min(_MAX_GFN_DEFAULT, conf["get_batch.max_soft_errs"])
    for key in ("get_batch.max_wait", *_DURATION_RANGES):
        if conf[key] == "0s":
            conf[key] = SETTINGS[key].default


def _check_get_batch(conf: dict[str, Any]) -> None:
    wait = conf["get_batch.max_wait"]
    if not _SECOND <= values.parse_duration_ns(wait) <= 60 * _SECOND:
        raise InvalidConfig(f"invalid get_batch.max_wait={wait} (must be in range [1s, 1m0s])")
    workers = conf["get_batch.warmup_workers"]
    if workers != -1 and not 1 <= workers <= 10:
        text = "expecting -1 to disable, 0 for default, or range [1, 10]"
        raise InvalidConfig(f"invalid get_batch.warmup_workers={workers} ({text})")
    budget = conf["get_batch.max_soft_errs"]
    if budget < 0:
        raise InvalidConfig(f"invalid get_batch.max_soft_errs={budget} (expecting non-negative integer)")
    recoveries = conf["get_batch.max_gfn"]
    if recoveries != -1 and not 1 <= recoveries <= budget:
        text = f"expecting -1 to disable, 0 for default, or range [1, {budget}]"
        raise InvalidConfig(f"invalid get_batch.max_gfn={recoveries} ({text})")


def _check_jobs(conf: dict[str, Any]) -> None:
    for section in _JOB_SECTIONS:
        compression = conf[f"{section}.compression"]
        if compression not in ("never", "always"):
            raise InvalidConfig(f'invalid compression: "{compression}" (expecting one of: [never always])')
        bundle = conf[f"{section}.bundle_multiplier"]
        if not 1 <= bundle <= 16:
            raise InvalidConfig(f"invalid bundle_multiplier: {bundle} (expecting range [1, 16] or zero for default)")
        burst = conf[f"{section}.burst_buffer"]
        if not 32 <= burst <= 10000:
            raise InvalidConfig(f"invalid burst_buffer: {burst} (expecting range [32, 10000] or zero for default)")


def _check_durations(conf: dict[str, Any]) -> None:
    for key, (shortest_s, longest_s) in _DURATION_RANGES.items():
        if not shortest_s * _SECOND <= values.parse_duration_ns(conf[key]) <= longest_s * _SECOND:
            shortest, longest = (values.format_duration_ns(bound_s * _SECOND) for bound_s in (shortest_s, longest_s))
            raise InvalidConfig(f"invalid {key}={conf[key]} (expecting range [{shortest}, {longest}])")
    keepalive = conf["timeout.max_keepalive"]
    for key in ("keepalivetracker.proxy.interval", "keepalivetracker.target.interval"):
        if values.parse_duration_ns(conf[key]) < values.parse_duration_ns(keepalive):
            raise InvalidConfig(f"invalid {key}={conf[key]} (must be at least timeout.max_keepalive={keepalive})")


def _check_marks(conf: dict[str, Any]) -> None:
    cleanup, low, high, full = (conf[f"space.{leaf}"] for leaf in ("cleanupwm", "lowwm", "highwm", "out_of_space"))
    if not 0 < cleanup <= low < high < full <= 100:
        found = f"cleanupwm={cleanup}, lowwm={low}, highwm={high}, out_of_space={full}"
        rule = "0 < cleanup <= low < high < out-of-space <= 100"
        raise InvalidConfig(f"invalid space config: {found} (expecting {rule})")
    low, high, most = (conf[f"disk.disk_util_{leaf}_wm"] for leaf in ("low", "high", "max"))
    if not 0 < low < high < most <= 100:
        found = f"low={low}, high={high}, max={most}"
        raise InvalidConfig(f"invalid disk config: {found} (expecting 0 < low < high < max <= 100)")
    copies = conf["mirror.copies"]
    if not 2 <= copies <= 32:
        text = "expected value in range [2, 32] or zero for default"
        raise InvalidConfig(f"invalid mirror.copies: {copies} ({text})")
    size = values.parse_size_text(conf["chunks.chunk_size"])
    if not 1024 <= size <= 5 * 1024**3:
        raise InvalidConfig(f"expecting chunks.chunk_size in the range [1KiB, 5GiB], got {conf['chunks.chunk_size']}")


def _check_enums(conf: dict[str, Any]) -> None:
    checksum = conf["checksum.type"]
    if checksum not in CHECKSUM_TYPES:
        raise InvalidConfig(f'invalid checksum type "{checksum}" (expecting [{" ".join(CHECKSUM_TYPES)}])')
    for leaf in ("data", "md"):
        policy = conf[f"write_policy.{leaf}"]
        if policy not in _WRITE_POLICIES:
            expected = " ".join(_WRITE_POLICIES)
            raise InvalidConfig(f'invalid write_policy.{leaf} "{policy}" (expecting one of: [{expected}])')
