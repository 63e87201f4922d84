"""Multipart uploads: parts are kept as files until the upload is completed. Source: spec/rest-data.md 5.8.

A part that is sent again replaces the earlier one; the last that arrived whole wins. Uploads live in the file system
alone, so that every worker process sees them.
"""

import asyncio
import json
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

from moss.errors import InvalidBody, InvalidRequest, NotFound
from moss.naming.bucket import Bucket
from moss.node.config import make_short_id
from moss.node.server.answers import empty_answer, id_answer, lower_keys
from moss.node.server.http import Request, Response
from moss.units import quote

_PART_NUMBER_MAX = 9999
_POSSIBLE_ID = re.compile(r"[!-.0-\[\]-~]{8,128}\Z")
_ID = re.compile(r"[A-Za-z0-9]{8,32}\Z")


class UploadNotFound(NotFound):
    """An upload that was completed, aborted, or never begun."""

    code = "upload-not-found"

    def __init__(self, node_name: str, cname: str, upload_id: str) -> None:
        super().__init__(f"{node_name}: {cname}: {upload_id} does not exist")


def _folder(node: Any) -> Path:
    return node.options.data / "uploads"


def _open(node: Any, bucket: Bucket, name: str, upload_id: str) -> Path:
    """Return the folder of an upload of this very object.

    Raises:
        UploadNotFound: there is none.
    """
    missing = UploadNotFound(node.target_name, bucket.cname_of(name), upload_id)
    if not _ID.match(upload_id):
        raise missing
    folder = _folder(node) / upload_id
    try:
        about = json.loads((folder / "upload.json").read_text())
    except (OSError, ValueError):
        raise missing from None
    if about != {"bucket": bucket.uname, "object": name.encode("utf-8", "surrogateescape").hex()}:
        raise missing
    return folder


async def begin(node: Any, bucket: Bucket, name: str) -> Response:
    """Begin an upload and answer its id."""
    upload_id = make_short_id(16)

    def prepare() -> None:
        folder = _folder(node) / upload_id
        folder.mkdir(parents=True)
        about = {"bucket": bucket.uname, "object": name.encode("utf-8", "surrogateescape").hex()}
        (folder / "upload.json").write_text(json.dumps(about))

    await asyncio.to_thread(prepare)
    return id_answer(upload_id)


async def put_part(node: Any, request: Request, bucket: Bucket, name: str) -> Response:
    """Store one part."""
    upload_id = request.query.get("uploadId")
    number = _part_number(request.query.get("partNumber"), upload_id, bucket.cname_of(name))
    folder = await asyncio.to_thread(_open, node, bucket, name, upload_id)
    size = request.content_length
    if size is None:
        raise InvalidRequest(f"{bucket.cname_of(name)}: part {number}: Content-Length is required")
    if size == 0:
        raise InvalidRequest(f"{bucket.cname_of(name)}: part {number}: invalid size (0)")
    # Written under another name first: a part that breaks off leaves the one before it alone.
    draft = folder / f"{number}.{secrets.token_hex(4)}.draft"
    try:
        received = await _receive(request, draft)
        if received != size:
            raise InvalidBody(f"expected {size} bytes of body, got {received}")
        await asyncio.to_thread(_publish, draft, folder / f"{number}.part", bucket, name, node, upload_id)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return empty_answer()


async def _receive(request: Request, draft: Path) -> int:
    received = 0
    with open(draft, "wb") as file:
        async for chunk in request.body_chunks():
            await asyncio.to_thread(file.write, chunk)
            received += len(chunk)
        await asyncio.to_thread(_sync, file)
    return received


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _publish(draft: Path, part: Path, bucket: Bucket, name: str, node: Any, upload_id: str) -> None:
    try:
        os.replace(draft, part)
    except FileNotFoundError:
        raise UploadNotFound(node.target_name, bucket.cname_of(name), upload_id) from None


def _part_number(text: str, upload_id: str, cname: str) -> int:
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        raise InvalidRequest(f'{cname}: invalid part number "{text}" for uploadID "{upload_id}"')
    number = int(text)
    if number <= 0:
        raise InvalidRequest(f"{cname}: invalid chunk number ({number})")
    if number > _PART_NUMBER_MAX:
        raise InvalidRequest(f"{cname}: chunk number ({number}) exceeds the maximum allowed ({_PART_NUMBER_MAX})")
    return number


async def complete(node: Any, request: Request, bucket: Bucket, name: str, value: Any) -> Response:
    """Put the parts together; the object appears whole, and the upload is gone."""
    upload_id = request.query.get("uploadId")
    folder = await asyncio.to_thread(_open, node, bucket, name, upload_id)
    listed = _listed(value)
    parts = await asyncio.to_thread(_parts, folder)
    cname = bucket.cname_of(name)
    if not parts:
        raise InvalidRequest(f"{cname}: upload {upload_id} has no chunks")
    if len(listed) != len(parts):
        text = f"partial completion is not allowed: requested {len(listed)} parts, have {len(parts)}"
        raise InvalidRequest(text)
    for position, number in enumerate(sorted(listed)):
        if number != position + 1 or number not in parts:
            raise InvalidRequest(f"parts must be exactly 1..{len(parts)}: got {number} at position {position}")
    # Whoever renames the folder first completes the upload; a second request finds it gone.
    taken = folder.with_name(f"{upload_id}.done")
    try:
        await asyncio.to_thread(os.replace, folder, taken)
    except OSError:
        raise UploadNotFound(node.target_name, cname, upload_id) from None
    paths = [taken / f"{number}.part" for number in sorted(parts)]
    try:
        future = await asyncio.to_thread(node.engine.concat, bucket, name, paths)
        await asyncio.wrap_future(future)
    except BaseException:
        os.replace(taken, folder)
        raise
    await asyncio.to_thread(shutil.rmtree, taken, ignore_errors=True)
    node.metrics.add("put.n")
    return empty_answer()


def _listed(value: Any) -> list[int]:
    """Read the part numbers of a complete message."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidBody("mpt-complete: expecting a list of parts")
    numbers = [lower_keys(part).get("part-number") if isinstance(part, dict) else None for part in value]
    if not all(type(number) is int for number in numbers):
        raise InvalidBody("mpt-complete: every part needs a part-number")
    return numbers  # type: ignore[return-value]


def _parts(folder: Path) -> set[int]:
    return {int(path.stem) for path in folder.glob("*.part")}


async def abort(node: Any, request: Request, bucket: Bucket, name: str) -> Response:
    """Drop an upload and its parts."""
    upload_id = request.query.get("uploadId")
    if not _POSSIBLE_ID.match(upload_id):
        raise InvalidRequest(f"{bucket.cname_of(name)}: invalid uploadId {quote(upload_id)}")
    folder = await asyncio.to_thread(_open, node, bucket, name, upload_id)
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return empty_answer()


ROUTES: list[Any] = []
