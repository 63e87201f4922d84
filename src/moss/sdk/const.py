"""Constants of the SDK that users import. Headers and wire names live in `moss.wire`."""

from typing import Final

__all__ = [
    "DEFAULT_CHUNK_SIZE",
    "DEFAULT_COLD_GET_EST_BPS",
    "DEFAULT_COLD_GET_MAX_WAIT",
    "DEFAULT_CONNECT_TIMEOUT",
    "DEFAULT_DATASET_MAX_COUNT",
    "DEFAULT_JOB_WAIT_TIMEOUT",
    "DEFAULT_MAX_CONN_POOL",
    "DEFAULT_READ_TIMEOUT",
    "EXT_TAR",
    "EXT_TARGZ",
    "EXT_TARLZ4",
    "EXT_TGZ",
    "EXT_ZIP",
    "GIB",
    "KIB",
    "MIB",
]

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

DEFAULT_CHUNK_SIZE: Final = 32 * KIB
DEFAULT_CONNECT_TIMEOUT: Final = 3.0
DEFAULT_READ_TIMEOUT: Final = 20.0
DEFAULT_MAX_CONN_POOL: Final = 10
DEFAULT_COLD_GET_EST_BPS: Final = 1_250_000_000
DEFAULT_COLD_GET_MAX_WAIT: Final = 180
DEFAULT_JOB_WAIT_TIMEOUT: Final = 300
DEFAULT_DATASET_MAX_COUNT: Final = 100_000

EXT_TAR: Final = ".tar"
EXT_TGZ: Final = ".tgz"
EXT_TARGZ: Final = ".tar.gz"
EXT_TARLZ4: Final = ".tar.lz4"
EXT_ZIP: Final = ".zip"
