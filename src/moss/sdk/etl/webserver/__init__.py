"""Web servers that transform objects inside a cluster: derive a class from one and give it a `transform` method.

    class Upper(HTTPMultiThreadedServer):
        def transform(self, data, path, etl_args):
            return data.upper()

`FastAPIServer` and `FlaskServer` need those packages; they are imported when they are first used.
"""

from importlib import import_module
from typing import Any

from moss.sdk.etl.webserver.base_etl_server import ETLServer
from moss.sdk.etl.webserver.utils import serialize_class

__all__ = ["ETLServer", "FastAPIServer", "FlaskServer", "HTTPMultiThreadedServer", "serialize_class"]

_HOMES = {
    "FastAPIServer": "fastapi_server",
    "FlaskServer": "flask_server",
    "HTTPMultiThreadedServer": "http_multi_threaded_server",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
