"""What the cluster says about transformations and inventories. Source: spec/python-sdk.md 1.13."""

import binascii
from base64 import b64decode
from typing import Any

import msgspec

from moss.errors import MalformedAnswer

__all__ = [
    "ETLDetails",
    "ETLInfo",
    "ETLInitMsg",
    "ETLNodeLogs",
    "ETLObjError",
    "NBIInfo",
    "decode_etl_details",
    "decode_etl_list",
    "decode_etl_logs",
    "decode_inventories",
]


class ETLInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One transformation in the list of all."""

    id: str = ""
    xaction_id: str = ""
    stage: str = ""
    obj_count: int = 0
    in_bytes: int = 0
    out_bytes: int = 0


class ETLInitMsg(msgspec.Struct, frozen=True, kw_only=True):
    """How a transformation was started; `code`, `spec` and `dependencies` are decoded already."""

    name: str = ""
    communication: str = ""
    init_timeout: str = ""
    obj_timeout: str = ""
    code: str = ""
    spec: str = ""
    dependencies: str = ""
    chunk_size: int = 0
    runtime: Any = None


class ETLObjError(msgspec.Struct, frozen=True, kw_only=True):
    """An object that a transformation failed on."""

    obj_name: str = ""
    msg: str = ""
    ecode: int = 0


class ETLDetails(msgspec.Struct, frozen=True, kw_only=True):
    """One transformation in full."""

    init_msg: ETLInitMsg = ETLInitMsg()
    obj_errors: list[ETLObjError] | None = None


class ETLNodeLogs(msgspec.Struct, frozen=True, kw_only=True):
    """What a transformation wrote on one target."""

    target_id: str = ""
    logs: str = ""


class NBIInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One inventory of a bucket. Times are nanoseconds since 1970."""

    bucket: str = ""
    name: str = ""
    obj_name: str = ""
    size: int = 0
    prefix: str = ""
    started: int = 0
    finished: int = 0
    ntotal: int = 0
    smap_ver: int = 0
    chunks: int = 0
    nat: int = 0


_etl_list_decoder = msgspec.json.Decoder(list[ETLInfo] | None, strict=False)
_etl_details_decoder = msgspec.json.Decoder(ETLDetails, strict=False)
_etl_logs_decoder = msgspec.json.Decoder(list[ETLNodeLogs] | None, strict=False)
_inventories_decoder = msgspec.json.Decoder(dict[str, NBIInfo] | None, strict=False)


def _decode(decoder: Any, body: bytes, what: str) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"not {what}: {error}") from None


def _text_of(encoded: str, what: str) -> str:
    try:
        return b64decode(encoded, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise MalformedAnswer(f"{what} is no base64") from None


def decode_etl_list(body: bytes) -> list[ETLInfo]:
    """Read the list of transformations; null stands for an empty one. Raises MalformedAnswer."""
    return _decode(_etl_list_decoder, body, "a list of ETLs") or []


def decode_etl_details(body: bytes) -> ETLDetails:
    """Read one transformation; the parts that travel in base64 are decoded. Raises MalformedAnswer."""
    details: ETLDetails = _decode(_etl_details_decoder, body, "the details of an ETL")
    message = details.init_msg
    decoded = {
        name: _text_of(getattr(message, name), f"{name} of ETL {message.name}")
        for name in ("code", "spec", "dependencies")
    }
    return ETLDetails(init_msg=msgspec.structs.replace(message, **decoded), obj_errors=details.obj_errors)


def decode_etl_logs(body: bytes) -> list[ETLNodeLogs]:
    """Read the logs of a transformation, decoded from base64. Raises MalformedAnswer."""
    found: list[ETLNodeLogs] = _decode(_etl_logs_decoder, body, "logs of an ETL") or []
    return [
        ETLNodeLogs(target_id=entry.target_id, logs=_text_of(entry.logs, f"log of target {entry.target_id}"))
        for entry in found
    ]


def decode_inventories(body: bytes) -> dict[str, NBIInfo]:
    """Read the inventories of a bucket by the names of their objects. Raises MalformedAnswer."""
    return _decode(_inventories_decoder, body, "a document of inventories") or {}
