"""Bucket properties: defaults, merging, refusals, and the document. Source: spec/rest-data.md 3.5, 3.6."""

import msgspec
import pytest

from moss.errors import InvalidBody, InvalidRequest
from moss.naming.bucket import Bucket
from moss.node.config import ConfigStore
from moss.node.server.gateway.props import change_props, check_single_node, default_props, props_document
from moss.wire.bucket import BucketProps


@pytest.fixture(scope="module")
def props(tmp_path_factory):
    store = ConfigStore(tmp_path_factory.mktemp("config"))
    yield default_props(store.cluster_config())
    store.close()


def test_document_has_the_keys_in_order_and_text_for_large_numbers(props):
    document = props_document(props, Bucket("b"), bucket_id=1 << 63 | 1, created_ns=1722500000000000000)
    assert list(document) == [
        *("backend_bck", "write_policy", "provider", "Renamed", "checksum", "extra", "rate_limit", "ec", "chunks"),
        *("mirror", "lru", "access", "features", "bid", "created", "versioning"),
    ]
    assert document["bid"] == "9223372036854775809"
    assert (document["access"], document["features"]) == ("18446744073709551615", "0")
    assert document["lru"]["enabled"] is False
    msgspec.convert(document, BucketProps)


def test_partial_change_touches_only_its_keys(props):
    changed = change_props(props, {"versioning": {"enabled": False}, "checksum": None})
    assert changed["versioning"] == {"enabled": False, "validate_warm_get": False, "synchronize": False}
    assert {key for key in props if props[key] != changed[key]} == {"versioning"}
    assert props["versioning"]["enabled"] is True


def test_only_feature_bits_of_buckets_are_kept(props):
    assert change_props(props, {"features": "3"})["features"] == "2"


@pytest.mark.parametrize(
    "change",
    [
        {"nosuch": 1},
        {"versioning": {"nosuch": 1}},
        {"versioning": True},
        {"versioning": {"enabled": "true"}},
        {"mirror": {"copies": 77}},
        {"mirror": {"copies": 2.5}},
        {"checksum": {"type": "sha0"}},
        {"features": 3},
        {"features": "x"},
        {"bid": "1"},
        {"extra": {"aws": {"nosuch": "x"}}},
        {"extra": {"custom": "x" * 200}},
        {"backend_bck": {"name": "x", "provider": "ais"}},
        {"chunks": {"chunk_size": "1B"}},
        {"lru": {"dont_evict_time": "soon"}},
        {"features": str((1 << 11) | (1 << 12))},
        [],
        "x",
    ],
)
def test_bad_changes_are_refused(props, change):
    with pytest.raises(InvalidRequest):
        change_props(props, change)


def test_one_node_cannot_mirror(props):
    changed = change_props(props, {"mirror": {"enabled": True}})
    with pytest.raises(InvalidBody, match=r"not enough mountpaths \(1\) to configure ais://b as 2-way mirror"):
        check_single_node(changed, Bucket("b"))
