"""Matching modes of archive reads. Source: spec/rest-data.md 7.2."""

import time

import pytest

from moss.errors import InvalidRequest
from moss.node.server.target.member_select import make_matcher

_PATHS = ["file1.txt", "file2.txt", "file2.cls", "dir/aaa.jpg", "dir/aaa.json", "dir/aaa.seg.png"]


@pytest.mark.parametrize(
    ("mode", "pattern", "found"),
    [
        ("prefix", "file2", ["file2.txt", "file2.cls"]),
        ("", "file2", ["file2.txt", "file2.cls"]),
        ("suffix", ".cls", ["file2.cls"]),
        ("substr", "aaa.", _PATHS[3:]),
        ("regexp", r"^file\d\.txt$", ["file1.txt", "file2.txt"]),
        ("wdskey", "dir/aaa", ["dir/aaa.jpg", "dir/aaa.json"]),
        ("wdskey", "dir/aaa.seg", ["dir/aaa.seg.png"]),
        ("suffix", "", _PATHS),
    ],
)
def test_modes(mode, pattern, found):
    assert list(filter(make_matcher(mode, pattern), _PATHS)) == found


@pytest.mark.parametrize(("mode", "pattern"), [("*", "a"), ("glob", "a"), ("regexp", "(")])
def test_unknown_mode_and_bad_expression_are_refused(mode, pattern):
    with pytest.raises(InvalidRequest):
        make_matcher(mode, pattern)


def test_btr_14_no_expression_takes_long():
    """A backtracking search of these would not end."""
    hostile = "a" * 5000 + "b"
    begin = time.monotonic()
    for pattern in (r"(a+)+$", r"(a|aa)+$", r"(.*)*x", r"(a*)*(b*)*c"):
        assert not make_matcher("regexp", pattern)(hostile)
    assert time.monotonic() - begin < 2


@pytest.mark.parametrize("pattern", ["(", "a{1000000}", "(?=a)", "\\", "[", "\udcff", "(" * 5000])
def test_expressions_that_cannot_be_are_refused(pattern: str):
    with pytest.raises(InvalidRequest):
        make_matcher("regexp", pattern)


def test_names_that_are_no_utf_8_are_searched_too():
    assert make_matcher("regexp", r"^f.*\.jpg$")("fü.jpg")
    assert make_matcher("regexp", r"^a/.*")("a/\udcff")
    assert make_matcher("prefix", "a/\udcff")("a/\udcffb")
