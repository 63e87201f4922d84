"""What every store behind buckets must do alike: one suite of tests for all adapters. For pytest.

A subclass says how to open its store and how to make a bucket:

    class TestMemory(BackendSuite):
        def open(self): ...
        def make_bucket(self, store): ...
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ClassVar

from moss.errors import (
    BucketNotFound,
    InvalidBody,
    InvalidName,
    MossError,
    ObjectChanged,
    ObjectNotFound,
    RangeOutOfBounds,
)
from moss.naming.bucket import Provider
from moss.node.backends.base import Backend

__all__ = ["ODD_NAMES", "BackendSuite"]

# Names that are easily spelled wrong in URLs, in XML, or by helpful libraries.
ODD_NAMES = (
    "a b", "a%b", "a%25b", "a+b", "a?b#c", "a&b=c;d", "a\\b", "q'\"<>", "é☃ 漢字", "~x*y(z)!", "[x]{y}^|`", "a:b@c$d,e",
    "a//b", "/front", "back/", "//", ".hidden", "a..b", "a\x01b", "a\nb\tc", "%2F", "x" * 800,
)  # fmt: skip
_TIMEOUT_S = 60.0
_LARGE = 17_000_003


def _on_store(test: Callable[[Any, Backend, str], Awaitable[None]]) -> Callable[[Any], None]:
    """Make a test of a coroutine that gets an open store and an empty bucket."""

    async def run(suite: "BackendSuite") -> None:
        async with asyncio.timeout(_TIMEOUT_S):
            store = await suite.open()
            try:
                await test(suite, store, await suite.make_bucket(store))
            finally:
                await store.close()

    def run_test(self: "BackendSuite") -> None:
        asyncio.run(run(self))

    run_test.__name__, run_test.__doc__ = test.__name__, test.__doc__
    return run_test


class BackendSuite:
    """The tests.

    Attributes:
        provider: whose buckets they are.
        has_md5: the entity tag of a small object is its MD5.
        odd_names: names that the store takes.
        tells_time: it tells when an object was written.
    """

    provider: ClassVar[Provider] = Provider.AWS
    has_md5: ClassVar[bool] = True
    odd_names: ClassVar[tuple[str, ...]] = ODD_NAMES
    tells_time: ClassVar[bool] = True

    async def open(self) -> Backend:
        """Open the store."""
        raise NotImplementedError

    async def make_bucket(self, store: Backend) -> str:
        """Make an empty bucket and return its name."""
        raise NotImplementedError

    # -- objects --

    @_on_store
    async def test_what_is_put_can_be_read(self, store: Backend, bucket: str) -> None:
        content = os.urandom(10_000)
        put = await store.put(bucket, "dir/one", content, {"answer": "42"}, len(content))
        head = await store.head(bucket, "dir/one")
        read = await store.get(bucket, "dir/one")
        assert (put.name, put.size, put.etag) == (head.name, head.size, head.etag) == ("dir/one", 10_000, head.etag)
        assert head.etag
        assert head.modified_ns > 1_700_000_000 * 10**9 or not self.tells_time
        assert dict(put.custom) == dict(head.custom) == dict(read.about.custom) == {"answer": "42"}
        assert (read.start, read.stop, read.about.etag, read.about.size) == (0, 10_000, head.etag, 10_000)
        assert read.about.modified_ns == head.modified_ns
        assert await read.read() == content
        if self.has_md5:
            assert head.md5 == hashlib.md5(content).hexdigest()

    @_on_store
    async def test_empty_object(self, store: Backend, bucket: str) -> None:
        await store.put(bucket, "empty", b"", {})
        read = await store.get(bucket, "empty")
        assert (read.about.size, read.start, read.stop, await read.read()) == (0, 0, 0, b"")
        assert await (await store.get(bucket, "empty", 0, 10)).read() == b""

    @_on_store
    async def test_put_replaces(self, store: Backend, bucket: str) -> None:
        first = await store.put(bucket, "one", b"first", {"a": "1"})
        second = await store.put(bucket, "one", b"second!", {"b": "2"})
        assert first.etag != second.etag
        head = await store.head(bucket, "one")
        assert (head.size, head.etag, dict(head.custom)) == (7, second.etag, {"b": "2"})

    @_on_store
    async def test_delete(self, store: Backend, bucket: str) -> None:
        await store.put(bucket, "one", b"1", {})
        await store.delete(bucket, "one")
        await _raises(ObjectNotFound, store.head(bucket, "one"))
        await _raises(ObjectNotFound, store.get(bucket, "one"))
        await store.delete(bucket, "one")  # no error

    @_on_store
    async def test_missing_objects_and_buckets(self, store: Backend, bucket: str) -> None:
        await _raises(ObjectNotFound, store.head(bucket, "nothing"))
        await _raises(ObjectNotFound, store.get(bucket, "nothing"), "nothing")
        await _raises(ObjectNotFound, store.get(bucket, "nothing", 5, 5))
        missing = f"{bucket}-missing"
        await _raises(BucketNotFound, store.head_bucket(missing), missing)
        await _raises(BucketNotFound, store.list(missing), missing)
        await _raises(BucketNotFound, store.get(missing, "one"), missing)
        await _raises(BucketNotFound, store.put(missing, "one", b"1", {}), missing)
        # To a look-up stores answer without a word about what is missing.
        await _raises((BucketNotFound, ObjectNotFound), store.head(missing, "one"), missing)

    @_on_store
    async def test_bucket_names_that_the_store_cannot_have(self, store: Backend, bucket: str) -> None:
        for missing in ("UPPER_case", "a..b", "x" * 64):
            await _raises(BucketNotFound, store.head_bucket(missing), missing)
            await _raises(BucketNotFound, store.list(missing), missing)
            await _raises((BucketNotFound, ObjectNotFound), store.get(missing, "one"), missing)

    @_on_store
    async def test_ranges(self, store: Backend, bucket: str) -> None:
        content = bytes(range(256)) * 4
        await store.put(bucket, "one", content, {})
        for start, length in ((0, 10), (5, 1), (100, 900), (1000, 24), (1000, 5000), (7, -1), (1023, -1), (0, 1024)):
            read = await store.get(bucket, "one", start, length)
            stop = 1024 if length < 0 else min(1024, start + length)
            assert (read.start, read.stop, read.about.size) == (start, stop, 1024)
            assert await read.read() == content[start:stop], (start, length)
        for start, length in ((0, 0), (10, 0), (1024, 0)):
            read = await store.get(bucket, "one", start, length)
            assert (read.start, read.stop, read.about.size, await read.read()) == (start, start, 1024, b"")
        for start, length in ((1024, -1), (1024, 1), (5000, -1), (5000, 0)):
            with_size = await _raises(RangeOutOfBounds, store.get(bucket, "one", start, length))
            assert with_size.size == 1024

    @_on_store
    async def test_large_read_piece_by_piece(self, store: Backend, bucket: str) -> None:
        content = os.urandom(5_000_000)
        await store.put(bucket, "one", content, {})
        read = await store.get(bucket, "one", 1_000_000)
        chunks = [chunk async for chunk in read.chunks()]
        assert len(chunks) > 1
        assert b"".join(chunks) == content[1_000_000:]

    @_on_store
    async def test_conditional_reads(self, store: Backend, bucket: str) -> None:
        first = await store.put(bucket, "one", b"first", {})
        assert await (await store.get(bucket, "one", 1, 3, etag=first.etag)).read() == b"irs"
        await store.put(bucket, "one", b"other", {})
        await _raises(ObjectChanged, store.get(bucket, "one", 1, 3, etag=first.etag))
        await _raises(ObjectChanged, store.get(bucket, "one", etag=first.etag))
        await _raises(ObjectChanged, store.get(bucket, "one", 0, 0, etag=first.etag))
        await store.delete(bucket, "one")
        await _raises((ObjectNotFound, ObjectChanged), store.get(bucket, "one", etag=first.etag))

    @_on_store
    async def test_many_at_once(self, store: Backend, bucket: str) -> None:
        contents = {f"n/{number:03}": os.urandom(number * 37) for number in range(100)}
        await asyncio.gather(*(store.put(bucket, name, content, {}) for name, content in contents.items()))

        async def read(name: str) -> bytes:
            return await (await store.get(bucket, name)).read()

        assert await asyncio.gather(*map(read, contents)) == list(contents.values())

    # -- names and metadata --

    @_on_store
    async def test_odd_names(self, store: Backend, bucket: str) -> None:
        for name in self.odd_names:
            await store.put(bucket, name, b"content of " + name.encode(), {"k": "v"})
        for name in self.odd_names:
            content = b"content of " + name.encode()
            head = await store.head(bucket, name)
            assert (head.name, head.size, dict(head.custom)) == (name, len(content), {"k": "v"}), name
            assert await (await store.get(bucket, name)).read() == content, name
            assert await (await store.get(bucket, name, 3, 4, etag=head.etag)).read() == content[3:7], name
        listed = [found.name for found in (await store.list(bucket)).objects]
        assert listed == sorted(self.odd_names, key=str.encode)
        for name in self.odd_names:
            await store.delete(bucket, name)
        assert (await store.list(bucket)).objects == []

    @_on_store
    async def test_names_that_are_no_text(self, store: Backend, bucket: str) -> None:
        await _raises(ObjectNotFound, store.head(bucket, "a\udcffb"))
        await _raises(ObjectNotFound, store.get(bucket, "a\udcffb"))
        await _raises(InvalidName, store.put(bucket, "a\udcffb", b"1", {}))
        await store.delete(bucket, "a\udcffb")

    @_on_store
    async def test_metadata_of_any_text(self, store: Backend, bucket: str) -> None:
        custom = {"a": "1", "long": "x" * 500, "json": '{"k":"v\\u00e9"}', "marks": "a=b; c,d (e) <f> %41 +"}
        custom |= {"text": "é☃ 漢字", "blanks": " a  b ", "lines": "a\r\nb: c", "word": "=?UTF-8?B?eA==?="}
        await store.put(bucket, "one", b"1", custom)
        assert dict((await store.head(bucket, "one")).custom) == custom
        assert dict((await store.get(bucket, "one")).about.custom) == custom
        about = await store.head(bucket, "one")
        changed = {**custom, "a": "☃"}
        await store.set_custom(bucket, "one", about, changed)
        assert dict((await store.head(bucket, "one")).custom) == changed

    @_on_store
    async def test_metadata_can_be_replaced(self, store: Backend, bucket: str) -> None:
        await store.put(bucket, "a//b", b"content", {"old": "1"})
        about = await store.head(bucket, "a//b")
        changed = await store.set_custom(bucket, "a//b", about, {"new": "2"})
        assert changed is not None
        head = await store.head(bucket, "a//b")
        assert dict(head.custom) == dict(changed.custom) == {"new": "2"}
        assert (head.etag, head.size, head.content_type) == (changed.etag, 7, about.content_type)
        assert await (await store.get(bucket, "a//b")).read() == b"content"

    @_on_store
    async def test_metadata_of_another_version_is_not_replaced(self, store: Backend, bucket: str) -> None:
        await store.put(bucket, "one", b"first", {"old": "1"})
        about = await store.head(bucket, "one")
        await store.put(bucket, "one", b"other", {"old": "2"})
        await _raises(ObjectChanged, store.set_custom(bucket, "one", about, {"new": "3"}))
        assert dict((await store.head(bucket, "one")).custom) == {"old": "2"}
        await store.delete(bucket, "one")
        await _raises((ObjectNotFound, ObjectChanged), store.set_custom(bucket, "one", about, {"new": "3"}))

    # -- bodies --

    @_on_store
    async def test_body_that_comes_in_pieces(self, store: Backend, bucket: str) -> None:
        for size, announced in ((0, 0), (10, 10), (100_000, -1), (_LARGE, _LARGE), (_LARGE, -1)):
            content = os.urandom(size)
            put = await store.put(bucket, "one", _pieces(content), {"size": str(size)}, announced)
            head = await store.head(bucket, "one")
            assert (put.size, put.etag) == (head.size, head.etag) == (size, head.etag)
            assert dict(head.custom) == {"size": str(size)}
            assert await (await store.get(bucket, "one")).read() == content

    @_on_store
    async def test_body_in_memory_of_any_size(self, store: Backend, bucket: str) -> None:
        content = os.urandom(_LARGE)
        await store.put(bucket, "one", content, {})
        assert await (await store.get(bucket, "one")).read() == content

    @_on_store
    async def test_body_of_another_size_is_refused(self, store: Backend, bucket: str) -> None:
        await store.put(bucket, "one", b"what was there", {})
        for size in (10, _LARGE):
            for wrong in (size - 1, size + 1):
                content = os.urandom(size)
                await _raises(InvalidBody, store.put(bucket, "one", _pieces(content), {}, wrong))
                await _raises(InvalidBody, store.put(bucket, "one", content, {}, wrong))
        assert await (await store.get(bucket, "one")).read() == b"what was there"

    @_on_store
    async def test_body_that_breaks_off(self, store: Backend, bucket: str) -> None:
        async def broken(size: int) -> AsyncIterator[bytes]:
            async for piece in _pieces(os.urandom(size)):
                yield piece
            raise InvalidBody("the client went away")

        for size in (10, _LARGE):
            await _raises(InvalidBody, store.put(bucket, "one", broken(size), {}, -1), "went away")
            await _raises(InvalidBody, store.put(bucket, "one", broken(size), {}, size), "went away")
        await _raises(ObjectNotFound, store.head(bucket, "one"))

    # -- buckets and listings --

    @_on_store
    async def test_buckets(self, store: Backend, bucket: str) -> None:
        assert store.provider is self.provider
        assert bucket in await store.list_buckets()
        assert (await store.head_bucket(bucket)).name == bucket

    @_on_store
    async def test_listing(self, store: Backend, bucket: str) -> None:
        assert (await store.list(bucket)).objects == []
        names = ["a", "b/1", "b/2", "b/c/3", "b0", "ba", "z"]
        put = {name: await store.put(bucket, name, name.encode(), {"k": "v"}) for name in names}
        page = await store.list(bucket)
        assert [found.name for found in page.objects] == names
        assert (page.folders, page.next_after) == ([], "")
        for found in page.objects:
            assert (found.size, found.etag) == (len(found.name), put[found.name].etag)
            assert found.modified_ns == (await store.head(bucket, found.name)).modified_ns
        assert await _names(store, bucket, "b") == ["b/1", "b/2", "b/c/3", "b0", "ba"]
        assert await _names(store, bucket, "b/") == ["b/1", "b/2", "b/c/3"]
        assert await _names(store, bucket, "b/c") == ["b/c/3"]
        assert await _names(store, bucket, "no") == []
        for after in ("", "a", "aa", "b/", "b/1", "b/c/3", "zz"):
            assert await _names(store, bucket, "", after) == [name for name in names if name > after], after
        assert await _names(store, bucket, "b", "b/2") == ["b/c/3", "b0", "ba"]

    @_on_store
    async def test_listing_page_by_page(self, store: Backend, bucket: str) -> None:
        names = sorted(f"n{number % 3}/{number}" for number in range(11))
        for name in names:
            await store.put(bucket, name, b"1", {})
        for limit in (1, 2, 5, 11, 12):
            pages = await _pages(store, bucket, limit)
            assert [found.name for page in pages for found in page.objects] == names
            assert all(len(page.objects) <= limit for page in pages)
        # Whoever reads on need not have read the pages before.
        page = await store.list(bucket, start_after=names[4], limit=3)
        assert [found.name for found in page.objects] == names[5:8]

    @_on_store
    async def test_listing_of_one_level(self, store: Backend, bucket: str) -> None:
        for name in ("a", "b/", "b/1", "b/2", "b/c/3", "b0", "d/1", "z"):
            await store.put(bucket, name, b"1", {})
        page = await store.list(bucket, one_level=True)
        assert ([found.name for found in page.objects], page.folders) == (["a", "b0", "z"], ["b/", "d/"])
        page = await store.list(bucket, "b/", one_level=True)
        assert ([found.name for found in page.objects], page.folders) == (["b/", "b/1", "b/2"], ["b/c/"])
        for limit in (1, 2, 3, 10):
            pages = await _pages(store, bucket, limit, one_level=True)
            assert [found.name for page in pages for found in page.objects] == ["a", "b0", "z"]
            assert [folder for page in pages for folder in page.folders] == ["b/", "d/"]
        pages = await _pages(store, bucket, 1, prefix="b/", one_level=True)
        assert [found.name for page in pages for found in page.objects] == ["b/", "b/1", "b/2"]
        assert [folder for page in pages for folder in page.folders] == ["b/c/"]


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 700_001):
        yield content[at : at + 700_001]


async def _names(store: Backend, bucket: str, prefix: str = "", start_after: str = "") -> list[str]:
    return [found.name for found in (await store.list(bucket, prefix, start_after)).objects]


async def _pages(store: Backend, bucket: str, limit: int, *, prefix: str = "", one_level: bool = False) -> list[Any]:
    pages, after = [], ""
    while True:
        page = await store.list(bucket, prefix, after, limit, one_level=one_level)
        pages.append(page)
        assert len(pages) < 50
        if not page.next_after:
            return pages
        assert page.next_after > after
        after = page.next_after


async def _raises(kind: Any, work: Awaitable[Any], *words: str) -> Any:
    """Expect a failure, whose text holds these words; return it."""
    try:
        found = await work
    except kind as error:
        assert all(word in str(error) for word in words), str(error)
        return error
    except MossError as error:
        raise AssertionError(f"{type(error).__name__} instead of {kind}: {error}") from error
    raise AssertionError(f"{found} instead of {kind}")
