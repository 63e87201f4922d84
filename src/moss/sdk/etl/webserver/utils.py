"""Helpers of transformation servers: the pipeline header, direct puts, and classes as text. Pure but for imports."""

import base64
import io
import sys
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

__all__ = ["compose_etl_direct_put_url", "parse_etl_pipeline", "serialize_class"]

_SERVERS = "moss.sdk.etl.webserver"


def parse_etl_pipeline(pipeline_header: str) -> tuple[str, str]:
    """Split the header `Ais-Node-Url` into the next URL and the rest of the list.

    Raises:
        ValueError: an entry is empty or no http URL.
    """
    if not pipeline_header.strip():
        return "", ""
    entries = [entry.strip() for entry in pipeline_header.split(",")]
    for entry in entries:
        if not entry:
            raise ValueError("Pipeline header contains empty entry")
        parts = urlsplit(entry)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"Pipeline header contains {entry!r}, which is no http URL")
    return entries[0], ",".join(entries[1:])


def compose_etl_direct_put_url(direct_put_url: str, host_target: str, obj_path: str, etl_args: str = "") -> str:
    """Where a result goes.

    Args:
        direct_put_url: entry of the pipeline: with a path it is a target, which takes results below the path of
            `host_target`; without one it is the next transformation.
        host_target: URL of the objects at the target of this server.
        obj_path: path of the object, not escaped.
        etl_args: arguments for the next transformation.
    """
    parts, host = urlsplit(direct_put_url), urlsplit(host_target)
    if parts.path.strip("/"):
        scheme, path = host.scheme, f"{host.path.rstrip('/')}{parts.path}"
    else:
        scheme, path = parts.scheme, f"/{quote(obj_path, safe='/@')}"
    query = "&".join(part for part in (parts.query, urlencode({"etl_args": etl_args}) if etl_args else "") if part)
    return urlunsplit((scheme, parts.netloc, path, query, ""))


def serialize_class(cls: type, encoding: str = "utf-8", *, by_value: Sequence[str] = ()) -> str:
    """A subclass of a server as base64 text, for the runtime images.

    The class travels by value, wherever it is defined. Its base class is looked up by name on the other side, in Moss
    or in the reference's SDK, whichever is installed there.

    Raises:
        TypeError: it does not extend `ETLServer`.
        ImportError: cloudpickle is not installed.
    """
    from moss.sdk.etl.webserver.base_etl_server import ETLServer

    if not isinstance(cls, type) or not issubclass(cls, ETLServer):
        raise TypeError(f"{cls} must extend ETLServer")
    try:
        import cloudpickle
    except ImportError as error:
        raise ImportError("starting a class as an ETL needs the package cloudpickle") from error
    resolve = _make_resolver()

    class Pickler(cloudpickle.Pickler):
        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, type) and obj.__module__.startswith(_SERVERS) and obj is not cls:
                return resolve, (obj.__module__.removeprefix("moss."), obj.__qualname__)
            return super().reducer_override(obj)

    known = {"__main__", *cloudpickle.list_registry_pickle_by_value()}
    wanted = {cls.__module__, *by_value} - known - sys.stdlib_module_names
    modules = [sys.modules[name] for name in wanted if name in sys.modules]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        file = io.BytesIO()
        Pickler(file).dump(cls)
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
    return base64.b64encode(file.getvalue()).decode(encoding)


def _make_resolver() -> Callable[[str, str], Any]:
    # A function inside a function is pickled by value: it must not need Moss where it is unpickled.
    def resolve(module: str, name: str) -> Any:
        import importlib

        for package in ("moss", "aistore"):
            try:
                return getattr(importlib.import_module(f"{package}.{module}"), name)
            except ModuleNotFoundError:
                continue
        raise ImportError(f"neither moss nor aistore provides {module}.{name}")

    return resolve
