"""One member of a shard that is kept elsewhere: its bytes alone, where they lie is known from when the shard was here.

Source: spec/rest-data.md 7.1, 8.
"""

import asyncio
from typing import Any

from xxhash import xxh3_64_intdigest

from moss.errors import ChecksumMismatch, MemberNotFound, ObjectChanged, ObjectNotFound
from moss.node.remote import Place
from moss.node.remote.shards import RemoteShard
from moss.node.server.http import Request, Response
from moss.node.storage.member_table import member_key
from moss.wire import headers

# Larger members are read from the shard as a whole.
_MEMBER_BYTES_MAX = 8 << 20


async def get(node: Any, request: Request, place: Place, name: str) -> tuple[Response | None, int] | None:
    """Read a member past the cache; None if the shard has to come as a whole.

    Raises:
        MemberNotFound: the shard is as it was, and has no such member.
        ChecksumMismatch: what came is not the member.
        BackendUnavailable, BackendDenied: as the store says.
    """
    query = request.query
    path = member_key(query.get("archpath")).removeprefix(f"{name}/")
    if not path or query.get("archmime") or query.get("archregx") or query.get("archmode"):
        return None
    shards = node.remote_objects.shards
    shard = await asyncio.to_thread(shards.find, place, name)
    if shard is None or shard.table.failure is not None:
        return None
    key = path if path in shard.table.rows else f"./{path}"
    try:
        payload = await _read(node, place, name, shard, key)
    except (ObjectChanged, ObjectNotFound):
        # The store has another version now, with members of its own.
        await asyncio.to_thread(shards.drop, place, name)
        return None
    if payload is None:
        return None
    return Response(200, {headers.CONTENT_TYPE: headers.OCTET_STREAM}, payload), len(payload)


async def _read(node: Any, place: Place, name: str, shard: RemoteShard, key: str) -> bytes | None:
    cname = place.record.bucket.cname_of(name)
    if key not in shard.table.rows:
        about = await node.remote_objects.head(place, name)
        if about.etag != shard.etag:
            raise ObjectChanged(cname)
        raise MemberNotFound(key.removeprefix("./"), cname, node=node.target_name)
    columns = shard.table.select([key], 0)
    if columns is None or columns.sizes[0] > _MEMBER_BYTES_MAX:
        return None
    (offset,), (size,), (check,) = columns
    payload = b""
    if size:
        _, payload = await node.remote_objects.read(place, name, offset, size, etag=shard.etag)
    found = xxh3_64_intdigest(payload)
    if found != check:
        raise ChecksumMismatch(f"{key} in {cname}", expected=f"{check:016x}", found=f"{found:016x}")
    return payload
