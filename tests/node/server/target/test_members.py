"""Matching modes of archive reads. Source: spec/rest-data.md 7.2."""

import pytest

from moss.errors import InvalidRequest
from moss.node.server.target.members import make_matcher

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
