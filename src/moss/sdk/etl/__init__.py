"""Transformations that run next to the data: their configuration here, the servers that run them in `webserver`."""

from moss.sdk.etl.etl_config import ETLConfig

__all__ = ["ETLConfig"]
