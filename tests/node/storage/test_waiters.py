"""Who waits for a change of the store may go away; the change is made, and those after it too."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from moss.naming.bucket import Bucket
from moss.node.storage.engine import Engine


def upload(engine: Engine, bucket: Bucket) -> Future[Any]:
    begun = engine.begin_upload(bucket, "large")
    begun.write(b"x" * (2 << 20))
    return begun.commit()


CHANGES: list[tuple[Callable[[Engine, Bucket], Future[Any]], set[str]]] = [
    (lambda engine, bucket: engine.put(bucket, "b", b"B"), {"a", "b"}),
    (upload, {"a", "large"}),
    (lambda engine, bucket: engine.delete(bucket, "a"), set()),
    (lambda engine, bucket: engine.delete_many(bucket, ["a"]), set()),
    (lambda engine, bucket: engine.update_custom(bucket, "a", {"k": "v"}), {"a"}),
]


@pytest.mark.parametrize(("change", "left"), CHANGES)
def test_a_change_is_made_though_its_waiter_is_gone(
    engine: Engine, bucket: Bucket, change: Callable[[Engine, Bucket], Future[Any]], left: set[str]
):
    engine.put(bucket, "a", b"A").result()

    async def give_up() -> None:
        waiting = asyncio.ensure_future(asyncio.wrap_future(change(engine, bucket)))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(give_up())
    # The next one waits in the same queue.
    engine.put(bucket, "last", b"L").result(10)
    assert {record.name for record in engine.list_objects(bucket)} == left | {"last"}
