"""Messages that ask for listings: what is read and what is refused. Source: spec/rest-data.md 4.1, 4.4."""

import pytest

from moss.errors import InvalidRequest
from moss.node.server.gateway.listing import PAGE_ENTRIES_MAX, parse_list_request


def test_nothing_given_means_defaults():
    wanted = parse_list_request({})
    assert (wanted.prefix, wanted.after, wanted.page_size, wanted.columns) == (
        "",
        "",
        PAGE_ENTRIES_MAX,
        {"size", "cached"},
    )
    assert len(wanted.uuid) >= 9


def test_later_of_token_and_start_counts_and_prefix_loses_one_star():
    wanted = parse_list_request({"prefix": "abc*", "start_after": "b", "continuation_token": "c", "pagesize": 7})
    assert (wanted.prefix, wanted.after, wanted.page_size) == ("abc", "c", 7)


def test_names_only_beats_props():
    assert parse_list_request({"flags": "16", "props": "name,size,checksum"}).columns == frozenset()
    assert parse_list_request({"props": "name,checksum"}).columns == {"checksum"}


@pytest.mark.parametrize(
    "value",
    [
        {"pagesize": -1},  # better-than-the-reference 14: it kills every target there
        {"pagesize": "7"},
        {"pagesize": 1.5},
        {"pagesize": True},
        {"flags": 8},
        {"flags": "x"},
        {"flags": "-1"},
        {"prefix": 5},
        {"prefix": "../x"},
        {"uuid": "a b"},
        [],
        "x",
    ],
)
def test_btr_14_bad_messages_are_refused(value):
    with pytest.raises(InvalidRequest):
        parse_list_request(value)


def test_btr_14_null_values_are_absent():
    wanted = parse_list_request(dict.fromkeys(("prefix", "pagesize", "uuid", "props", "flags", "start_after")))
    assert wanted.page_size == PAGE_ENTRIES_MAX
