"""Listings of any names, page by page, against what a listing is by definition. Source: spec/rest-data.md 4."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moss.naming.bucket import Bucket, plain_object_name
from moss.node.server.gateway.listing import build_page, parse_list_request
from moss.node.storage.engine import Engine, EngineOptions
from moss.wire.text import printable_utf8

ONE_LEVEL = 1 << 11
_NAMES = st.lists(
    st.one_of(
        st.text(alphabet="ab/-.é*", min_size=1, max_size=8),
        st.builds(
            lambda front, length: front + "n" * length, st.sampled_from(["a", "a/", "b/é/"]), st.integers(430, 600)
        ),
        st.binary(min_size=1, max_size=3).map(lambda raw: "x" + raw.decode("utf-8", "surrogateescape")),
    )
    .map(plain_object_name)
    .filter(bool),
    unique=True,
    max_size=30,
)
_PREFIXES = st.one_of(st.just(""), st.text(alphabet="ab/-é", max_size=4), st.just("a" + "n" * 445))
_AFTER = st.one_of(st.just(""), st.text(alphabet="ab/-.é", max_size=4), st.just("a/" + "n" * 500))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path: Path = tmp_path_factory.mktemp("listing")
    with Engine.open(path, options=EngineOptions(sync=False, compact_in_background=False)) as engine:
        yield engine


def order(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def expected(names: list[str], prefix: str, after: str, *, one_level: bool) -> list[str]:
    """Say what a listing is: names in byte order, in one level with what is below a slash as one folder."""
    if one_level:
        prefix = "" if prefix == "/" else prefix
        level = prefix.rfind("/") + 1
        names = [name[: name.find("/", level) + 1] or name for name in names if name.startswith(prefix)]
    return sorted({name for name in names if name.startswith(prefix) and order(name) > order(after)}, key=order)


def pages(engine: Engine, bucket: Bucket, value: dict[str, Any]) -> Iterator[list[str]]:
    node = SimpleNamespace(engine=engine, target_name="t[x]")
    token = ""
    while True:
        wanted = parse_list_request({**value, "continuation_token": token})
        page = msgspec.msgpack.decode(build_page(node, bucket, wanted, True))
        yield [entry["n"] for entry in page["Entries"]]
        token = page["ContinuationToken"]
        if not token:
            return


@settings(max_examples=150, deadline=None)
@given(
    names=_NAMES,
    prefix=_PREFIXES,
    after=_AFTER,
    size=st.integers(1, 7),
    one_level=st.booleans(),
    props=st.sampled_from(["", "name", "name,size,checksum"]),
)
def test_pages_put_together_are_the_listing(
    engine: Engine, names: list[str], prefix: str, after: str, size: int, one_level: bool, props: str
):
    bucket = Bucket(f"b{engine.stats()['objects']}-{len(engine.list_buckets())}")
    engine.create_bucket(bucket)
    for future in [engine.put(bucket, name, b"x") for name in names]:
        future.result()
    value = {"prefix": prefix, "start_after": after, "pagesize": size, "props": props}
    if one_level:
        value["flags"] = str(ONE_LEVEL)
    found = list(pages(engine, bucket, value))
    shown = [printable_utf8(name) for name in expected(names, prefix, after, one_level=one_level)]
    assert [name for page in found for name in page] == shown
    assert all(len(page) == size for page in found[:-1])
    engine.drop_bucket(bucket)
