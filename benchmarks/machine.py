"""What the benchmarks run on: which core does what, and a description without host names."""

import os
import platform
import re
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "aiohttp",
    "aistore",
    "boto3",
    "isal",
    "lmdb",
    "lz4",
    "msgspec",
    "obstore",
    "requests",
    "s3torchconnector",
    "torch",
    "urllib3",
    "uvloop",
    "webdataset",
    "xxhash",
)


def server_cores(count: int = 1) -> set[int]:
    """The cores of the measured server: the first `count` that this process may use."""
    return set(sorted(os.sched_getaffinity(0))[:count])


def client_cores() -> set[int]:
    """The cores of the measuring client: all but the server's first, or the only one there is."""
    cores = sorted(os.sched_getaffinity(0))
    return set(cores[1:] or cores)


def pin(process_id: int, cores: set[int]) -> None:
    """Keeps every present and future thread of a process on these cores."""
    for task in Path(f"/proc/{process_id}/task").iterdir():
        try:
            os.sched_setaffinity(int(task.name), cores)
        except ProcessLookupError:
            continue


def memory_status_kib(process_id: int) -> dict[str, int]:
    """Fields of /proc/PID/status that are given in kB: VmRSS, RssAnon, RssFile, VmHWM …"""
    text = Path(f"/proc/{process_id}/status").read_text()
    return {name: int(kib) for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}


def cpu_time_s(process_id: int) -> float:
    """User and system time that a process has used so far."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def process_tree(process_id: int) -> list[int]:
    """A process and all its descendants."""
    found = [process_id]
    for known in found:
        for children in Path(f"/proc/{known}/task").glob("*/children"):
            found.extend(int(child) for child in children.read_text().split())
    return found


class OtherWork:
    """How many cores programs outside this run kept busy since the object was made.

    All processes of the run must have ended, and been waited for, when `cores` is asked.
    """

    def __init__(self) -> None:
        self._started_s = time.monotonic()
        self._before_s = self._others_s()

    def cores(self) -> float:
        return max(0.0, (self._others_s() - self._before_s) / (time.monotonic() - self._started_s))

    @staticmethod
    def _others_s() -> float:
        own = os.times()
        own_s = own.user + own.system + own.children_user + own.children_system
        return _busy_ticks() / os.sysconf("SC_CLK_TCK") - own_s


def _busy_ticks() -> int:
    user, nice, system, _idle, _wait, *rest = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return user + nice + system + sum(rest[:3])


def describe() -> dict[str, str]:
    """Processor, cores, memory, kernel and versions; nothing that names the machine."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "processor": cpu.group(1) if cpu else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{int(memory.group(1)) / (1 << 20):.0f} GiB" if memory else "unknown",
        "kernel": ".".join(platform.release().split(".")[:2]),
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
