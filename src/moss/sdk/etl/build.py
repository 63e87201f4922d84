"""Builds what starts a transformation. Pure. Source: spec/python-sdk.md 1.10, spec/rest-control.md 10.3 and 10.11."""

import base64
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from moss.sdk.etl.etl_const import ETL_COMM_OPTIONS, ETL_SUPPORTED_PYTHON_VERSIONS

__all__ = ["class_environment", "init_message", "runtime_image", "spec_message", "validate_etl_name"]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_NAME_LENGTH_MIN, _NAME_LENGTH_MAX = 6, 32


def validate_etl_name(name: str) -> str:
    """Check the name of a transformation.

    Raises:
        ValueError: not 6 to 32 of `a-z 0-9 -`, or a dash at an end.
    """
    if len(name) < _NAME_LENGTH_MIN:
        raise ValueError(f"ETL name {name!r} is too short (at least {_NAME_LENGTH_MIN} characters)")
    if len(name) > _NAME_LENGTH_MAX:
        raise ValueError(f"ETL name {name!r} is too long (at most {_NAME_LENGTH_MAX} characters)")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"ETL name {name!r} is invalid: must start/end with a lowercase letter/number, "
            "and can only contain [a-z0-9-]"
        )
    return name


def init_message(
    name: str,
    image: str,
    *,
    command: Sequence[str] | str | None,
    comm_type: str,
    init_timeout: str,
    obj_timeout: str,
    direct_put: bool,
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """Body of the request that starts an image.

    Raises:
        ValueError: unknown communication type.
    """
    if comm_type not in ETL_COMM_OPTIONS:
        raise ValueError(f"communication type must be one of {', '.join(ETL_COMM_OPTIONS)}, found {comm_type!r}")
    runtime: dict[str, Any] = {"image": image}
    if command:
        runtime["command"] = command.split() if isinstance(command, str) else list(command)
    if environment:
        runtime["env"] = [{"name": key, "value": str(value)} for key, value in environment.items()]
    return {
        "name": name,
        "communication": f"{comm_type}://",
        "init_timeout": init_timeout,
        "obj_timeout": obj_timeout,
        "support_direct_put": direct_put,
        "runtime": runtime,
    }


def spec_message(name: str, template: str, comm_type: str, init_timeout: str, obj_timeout: str) -> dict[str, Any]:
    """Body of the request that starts a Kubernetes pod.

    Raises:
        ValueError: unknown communication type.
    """
    if comm_type not in ETL_COMM_OPTIONS:
        raise ValueError(f"communication type must be one of {', '.join(ETL_COMM_OPTIONS)}, found {comm_type!r}")
    return {
        "name": name,
        "communication": f"{comm_type}://",
        "init_timeout": init_timeout,
        "obj_timeout": obj_timeout,
        "spec": base64.b64encode(template.encode()).decode(),
    }


def runtime_image() -> str:
    """Image that runs classes pickled by this interpreter.

    Raises:
        ValueError: there is none for its version.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version not in ETL_SUPPORTED_PYTHON_VERSIONS:
        raise ValueError(f"no runtime image for Python {version}; there are {', '.join(ETL_SUPPORTED_PYTHON_VERSIONS)}")
    return f"aistorage/runtime_python:{version}"


def class_environment(
    payload: str,
    dependencies: Sequence[str] | None,
    os_packages: Sequence[str] | None,
    *,
    direct_file_access: bool,
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """Environment of a runtime image that runs a pickled class."""
    variables: dict[str, Any] = {"ETL_CLASS_PAYLOAD": payload}
    if dependencies:
        variables["PACKAGES"] = ",".join(dependencies)
    if os_packages:
        variables["OS_PACKAGES"] = ",".join(os_packages)
    if direct_file_access:
        variables["ETL_DIRECT_FQN"] = "true"
    return variables | dict(environment)
