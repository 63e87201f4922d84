"""Filters of download lists: regular expressions that anyone may send."""

import time

import pytest

from moss.errors import InvalidRequest
from moss.node.jobs.downloads import compile_filter


@pytest.mark.parametrize(
    ("pattern", "fits", "other"),
    [
        ("", "anything", None),
        ("^imagenet$", "imagenet", "imagenet-2"),
        ("train.*2024", "train of 2024", "train of 2023"),
        (r"[0-9*+?]{2}", "x42", "x4"),
        (r"a\+b", "a+b", "aab"),
        ("(one|two)", "two", "three"),
    ],
)
def test_a_filter_finds_descriptions(pattern: str, fits: str, other: str | None):
    matches = compile_filter(pattern)
    assert matches(fits)
    assert other is None or not matches(other)


@pytest.mark.parametrize("pattern", ["(", "[", "*a", "a{2,1}", "(?P<x"])
def test_what_is_no_expression_is_refused(pattern: str):
    with pytest.raises(InvalidRequest):
        compile_filter(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*b", "(a*)*", "a?a?a?a?a?a?a", "(.)(.*)\\1", "(?:a)*", ".*.*.*x", "a" * 300, "(a{1,9}){9}"],
)
def test_expressions_that_might_not_end_are_refused(pattern: str):
    with pytest.raises(InvalidRequest):
        compile_filter(pattern)


@pytest.mark.parametrize("pattern", ["a*a*b", ".*.*b", "[^b]*a+b", "a{0,200}a{0,200}b"])
def test_those_that_are_taken_end_soon(pattern: str):
    begun = time.process_time()
    compile_filter(pattern)("a" * 100_000)
    assert time.process_time() - begun < 2
