"""The `Range` header: forms, edges and texts of refusals. Source: spec/rest-data.md 5.3."""

import pytest

from moss.errors import MossError
from moss.node.server.target.ranges import RangeNotSatisfiable, resolve

_CNAME = "ais://b/o"


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("bytes=5-100", (5, 12)),
        ("bytes=4-", (4, 12)),
        ("bytes=-3", (9, 12)),
        ("bytes=-100", (0, 12)),
        ("bytes=0-0", (0, 1)),
        ("bytes=11-11", (11, 12)),
        ("bytes= 2 - 4", (2, 5)),
        ("bytes=,2-4,", (2, 5)),
        ("bytes=002-004", (2, 5)),
        ("bytes=20-,2-4", (2, 5)),
    ],
)
def test_one_range_of_twelve_bytes(text, span):
    assert resolve(text, 12, _CNAME) == span


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bytes=12-", "size=12: not satisfiable range [12-]"),
        ("bytes=-0", "size=12: not satisfiable range [-0]"),
        ("bytes=20-,30-", "size=12: not satisfiable ranges [20- 30-]"),
    ],
)
def test_ranges_outside_say_the_size(text, message):
    with pytest.raises(RangeNotSatisfiable) as refusal:
        resolve(text, 12, _CNAME)
    assert (refusal.value.message, refusal.value.headers) == (message, {"Content-Range": "bytes */12"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("items=1-2", 'read range "items=1-2" is invalid (prefix)'),
        ("bytes=5", 'read range "bytes=5" is invalid (-)'),
        ("bytes=a-5", 'read range "a-5" is invalid (start)'),
        ("bytes=5-4", 'read range "5-4" is invalid (end)'),
        ("bytes=5-x", 'read range "5-x" is invalid (end)'),
        ("bytes=-", 'read range "-" is invalid as per RFC 7233 Section 2.1'),
        ("bytes=-1-5", 'read range "-1-5" is invalid (see RFC 7233 Section 2.1)'),
        ("bytes=--5", 'read range "--5" is invalid as per RFC 7233 Section 2.1'),
    ],
)
def test_malformed_ranges_have_no_content_range(text, message):
    with pytest.raises(RangeNotSatisfiable) as refusal:
        resolve(text, 12, _CNAME)
    assert (refusal.value.message, refusal.value.headers) == (message, {})


def test_several_good_ranges_are_not_offered():
    with pytest.raises(MossError, match="cannot multi-range read ais://b/o - operation not supported"):
        resolve("bytes=0-1,4-5", 12, _CNAME)


@pytest.mark.parametrize("text", ["bytes=0-", "bytes=-5", "bytes=0-0"])
def test_empty_object_has_no_range(text):
    with pytest.raises(RangeNotSatisfiable):
        resolve(text, 0, _CNAME)
