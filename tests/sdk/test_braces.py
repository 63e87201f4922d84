"""Brace expansion, compared with what the official client expands with."""

import pytest
from aistore.sdk.utils import expand_braces as official
from hypothesis import given, settings
from hypothesis import strategies as st

from moss.sdk.utils import expand_braces

CASES = [
    "a{1..3}{x,y}", "a{01..10..3}", "{a,b{1..2}}c", "{3..1}", "{a..e..2}", "{}", "{a}", "{a,}", "x{1..3}\\{y\\}",
    "{-2..2}", "{1..10..0}", "a,b", "{{1..2},x}", "", "{001..100..50}", "{e..a}", "{-01..5..3}", "{a{1..2}b}",
    "\\{1..2\\}", "{,}", "{1..3", "a}b", "{1..a}", "{1,2}{3,4}{5,6}",
]  # fmt: skip


def outcome(expand, template: str):
    try:
        return list(expand(template))
    except ValueError:
        return ValueError


@pytest.mark.parametrize("template", CASES)
def test_known_templates(template: str):
    assert outcome(expand_braces, template) == outcome(official, template)


NUMBER = st.integers(-12, 120).map(str) | st.integers(0, 30).map(lambda number: f"{number:03d}")
RANGE = st.builds(lambda first, last: f"{{{first}..{last}}}", NUMBER, NUMBER)
PLAIN = st.text("ab-_/.", max_size=4)
TEMPLATE = st.recursive(
    PLAIN | RANGE,
    lambda inner: (
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: "{" + ",".join(parts) + "}")
        | st.lists(inner, min_size=1, max_size=2).map("".join)
    ),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(TEMPLATE)
def test_any_template(template: str):
    assert outcome(expand_braces, template) == outcome(official, template)


def test_names_come_one_by_one():
    names = expand_braces("x{1..999999999}{1..999999999}")
    assert [next(names) for _ in range(2)] == ["x11", "x12"]
