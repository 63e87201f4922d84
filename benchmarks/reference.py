"""Figures of the reference server, measured elsewhere on a machine of the same class, and how they are carried over.

The reference cannot run here, so its figures travel as ratios to nginx sending the same archive: those hold from
machine to machine, absolute ones do not. One gateway, one target, hot data, a quiet two-core machine.
"""

from benchmarks.dataset import KIB, MIB

# Entries/s as a part of what nginx sends, batch of 1,000. At 10 KiB it was 0.04 to 0.07; the best is taken.
PART_OF_NGINX = {KIB: 0.02, 10 * KIB: 0.07, 100 * KIB: 0.28, MIB: 0.37}
ENTRIES_PER_S = {KIB: 25_000, 10 * KIB: 18_000, 100 * KIB: 8_200, MIB: 1_200}

INDEXED_MEMBERS_PER_S = 10_000
TGZ_MEMBERS_PER_S = 53
FOUR_CLIENTS_P50_S = 0.025
FOUR_CLIENTS_P99_S = 0.062

# Single objects of 10 KiB with 64 in flight. The reference does not sync what it stores.
NGINX_GETS_PER_S = 60_000
GETS_PER_S = 22_500
REDIRECTED_GETS_PER_S = 5_600
REDIRECTED_PUTS_PER_S = 1_400

# 1,000 objects of 10 KiB from an S3 service on loopback: prefetch, wait and batch took 2.8 s where GETs one after the
# other took 2.9 s. A batch of its own never asks the store.
REMOTE_PART_OF_GETS = 2.9 / 2.8


def nginx_entries_per_s(size_bytes: int) -> float:
    """What nginx sent on the reference's machine, in entries/s."""
    return ENTRIES_PER_S[size_bytes] / PART_OF_NGINX[size_bytes]


def speed_factor(nginx_here_per_s: float, size_bytes: int = 10 * KIB) -> float:
    """How many times faster this machine's nginx is than that of the reference's machine."""
    return nginx_here_per_s / nginx_entries_per_s(size_bytes)
