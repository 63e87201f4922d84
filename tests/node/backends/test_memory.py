"""What the store in memory has for tests beyond what all stores have."""

import asyncio

import pytest

from moss.errors import BackendUnavailable
from moss.testing.backend import MemoryBackend


def test_failures_and_calls() -> None:
    async def run() -> None:
        store = MemoryBackend(is_versioned=True)
        store.make_bucket("bucket")
        store.failures.append(BackendUnavailable("down"))
        with pytest.raises(BackendUnavailable, match="down"):
            await store.put("bucket", "one", b"1", {})
        first = await store.put("bucket", "one", b"1", {})
        second = await store.put("bucket", "one", b"1", {})
        assert (await store.head_bucket("bucket")).is_versioned
        assert first.version != second.version == (await store.head("bucket", "one")).version
        put = ("put", "bucket", "one")
        assert store.calls == [put, put, put, ("head_bucket", "bucket", ""), ("head", "bucket", "one")]

    asyncio.run(run())
