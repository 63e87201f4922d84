"""Constants of transformations. Source: spec/python-sdk.md 1.10, spec/rest-control.md 10."""

from typing import Final

__all__ = [
    "DEFAULT_ETL_COMM",
    "DEFAULT_ETL_OBJ_TIMEOUT",
    "DEFAULT_ETL_TIMEOUT",
    "ETL_COMM_HPULL",
    "ETL_COMM_HPUSH",
    "ETL_COMM_OPTIONS",
    "ETL_COMM_WS",
    "ETL_STAGE_ABORTED",
    "ETL_STAGE_INIT",
    "ETL_STAGE_RUNNING",
    "ETL_SUPPORTED_PYTHON_VERSIONS",
    "LEGACY_COMM_TYPES",
]

DEFAULT_ETL_TIMEOUT: Final = "5m"
DEFAULT_ETL_OBJ_TIMEOUT: Final = "45s"

ETL_COMM_HPUSH: Final = "hpush"
ETL_COMM_HPULL: Final = "hpull"
ETL_COMM_WS: Final = "ws"
DEFAULT_ETL_COMM: Final = ETL_COMM_HPUSH
ETL_COMM_OPTIONS: Final = (ETL_COMM_HPUSH, ETL_COMM_HPULL, ETL_COMM_WS)
LEGACY_COMM_TYPES: Final = (ETL_COMM_HPULL, "hrev", ETL_COMM_HPUSH, "io")

ETL_SUPPORTED_PYTHON_VERSIONS: Final = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""Python versions that there are runtime images for."""

ETL_STAGE_INIT: Final = "Initializing"
ETL_STAGE_RUNNING: Final = "Running"
ETL_STAGE_ABORTED: Final = "Aborted"
