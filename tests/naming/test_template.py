"""Templates of names: the worked examples of spec/cli.md 4.4, and limits."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.errors import InvalidTemplate
from moss.naming.template import parse_template


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("shard-{0..9}", " ".join(f"shard-{i}" for i in range(10))),
        ("checkpoint-{001..100}.pth", " ".join(f"checkpoint-{i:03}.pth" for i in range(1, 101))),
        (
            "prefix-{0010..0013..2}-gap-{1..2}-suffix",
            "prefix-0010-gap-1-suffix prefix-0010-gap-2-suffix prefix-0012-gap-1-suffix prefix-0012-gap-2-suffix",
        ),
        ("a{1..3}", "a1 a2 a3"),
        ("{1..3}b", "1b 2b 3b"),
        ("{0..2}{0..2}", "00 01 02 10 11 12 20 21 22"),
        ("x{1..010}", "x1 x2 x3 x4 x5 x6 x7 x8 x9 x10"),
        ("x{001..10}", "x01 x02 x03 x04 x05 x06 x07 x08 x09 x10"),
        ("x{9..11}", "x9 x10 x11"),
        ("x{5..5}", "x5"),
        ("x{1..10..3}", "x1 x4 x7 x10"),
        ("x{1..10..20}", "x1"),
        ("x{01..3}", "x1 x2 x3"),
        ("x{1..2}}", "x1} x2}"),
        ("x{1..2}y}z", "x1y}z x2y}z"),
        ("x{1..2}@3", "x1@3 x2@3"),
        ("o{+1..3}", "o1 o2 o3"),
        ("pre-@3-suf", "pre-0-suf pre-1-suf pre-2-suf pre-3-suf"),
        ("pre-@03", "pre-00 pre-01 pre-02 pre-03"),
        ("@2-@1", "0-0 0-1 1-0 1-1 2-0 2-1"),
        ("p{0..1}-g{00..02..2}-s", "p0-g00-s p0-g02-s p1-g00-s p1-g02-s"),
        ("a@2b", "a0b a1b a2b"),
    ],
)
def test_templates_expand_as_listed(text: str, names: str) -> None:
    template = parse_template(text)
    assert list(template.expand()) == names.split()
    assert template.count == len(names.split())
    assert not template.is_prefix


def test_the_rightmost_range_varies_fastest() -> None:
    names = list(parse_template("x{1..3}{1..3}{1..3}").expand())
    assert names == [f"x{a}{b}{c}" for a in (1, 2, 3) for b in (1, 2, 3) for c in (1, 2, 3)]


def test_a_format_goes_on_for_ever() -> None:
    template = parse_template("batch-%04d.tar")
    assert template.count is None
    assert list(islice(template.iterate(), 3)) == ["batch-0000.tar", "batch-0001.tar", "batch-0002.tar"]
    assert list(islice(parse_template("n%d").iterate(), 2)) == ["n0", "n1"]
    with pytest.raises(InvalidTemplate, match="too large to expand"):
        template.expand()


@pytest.mark.parametrize(
    ("text", "prefix"),
    [("x{1..2", "x{1..2"), ("x1..2}", "x1..2}"), ("dir/", "dir/"), ("dir/*", "dir/"), ("a%%d", "a%%d")],
)
def test_a_text_without_range_is_a_prefix(text: str, prefix: str) -> None:
    template = parse_template(text)
    assert template.is_prefix and template.prefix == prefix
    with pytest.raises(InvalidTemplate) as caught:
        template.expand()
    assert caught.value.message == f'prefix-only template not supported (prefix: "{prefix}")'


@pytest.mark.parametrize("text", ["", "*"])
def test_nothing_and_a_star_stand_for_everything(text: str) -> None:
    assert parse_template(text).is_all
    with pytest.raises(InvalidTemplate) as caught:
        parse_template(text).expand()
    assert caught.value.message == "empty range template"


SHAPE = "(expecting e.g. 'prefix-{0001..0010..1}-suffix')"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x{5..4}", "invalid 'bash' template \"x{5..4}\": 'start' cannot be greater than 'end'"),
        ("x{-3..4}", "invalid 'bash' template \"x{-3..4}\": 'start' is negative"),
        ("x{1..10..0}", "invalid 'bash' template \"x{1..10..0}\": 'step' is non-positive"),
        ("x{1,2,3}", f"invalid 'bash' template \"x{{1,2,3}}\" {SHAPE}"),
        ("x{1}", f"invalid 'bash' template \"x{{1}}\" {SHAPE}"),
        ("x{}", f"invalid 'bash' template \"x{{}}\" {SHAPE}"),
        ("x{1..2..3..4}", f"invalid 'bash' template \"x{{1..2..3..4}}\" {SHAPE}"),
        ("}x{", f"invalid 'bash' template \"}}x{{\" {SHAPE}"),
        ("x{1..2}y{", f"invalid 'bash' template \"y{{\" {SHAPE}"),
        ("pre-%x", "invalid 'fmt' template \"pre-%x\" (expecting e.g. 'prefix-%06d-suffix)"),
        ("pre-%3d", "invalid 'fmt' template \"pre-%3d\" (expecting e.g. 'prefix-%06d-suffix)"),
        ("x{0..9223372036854775807}", "range [0..9223372036854775807..1] is too large to expand"),
        ("o{0..9223372036854775806}{0..9}", "combined ranges are too large to expand"),
    ],
)
def test_bad_templates_say_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(InvalidTemplate) as caught:
        parse_template(text)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("x{a..z}", "a"),
        ("x{{1..2}}", "{1"),
        ("x{ 1..3 }", " 1"),
        ("x{1..}", ""),
        ("x{..5}", ""),
        ("x{1...3}", ".3"),
        ("user@host", ""),
    ],
)
def test_bounds_must_be_numbers(text: str, part: str) -> None:
    with pytest.raises(InvalidTemplate) as caught:
        parse_template(text)
    assert f'"{part}" is not a number' in caught.value.message
    assert f'strconv.ParseInt: parsing "{part}": invalid syntax' in caught.value.message


def test_expansion_is_limited_but_iteration_is_not() -> None:
    template = parse_template("x{1..10000001}")
    with pytest.raises(InvalidTemplate) as caught:
        template.expand()
    assert caught.value.message == "parsed-template: too large to expand (10000001 vs 10000000 max)"
    assert list(islice(template.iterate(), 2)) == ["x1", "x2"]
    assert list(islice(parse_template("x{1..10000000}").expand(), 1)) == ["x1"]


@given(st.text(alphabet="x{}.@%0123d+-", max_size=30))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        template = parse_template(text)
    except InvalidTemplate:
        return
    assert all(name.startswith(template.prefix) for name in islice(template.iterate(), 20))


@pytest.mark.parametrize("text", ["{0..1}" * 100_000, "@1" * 100_000, "x%0999999999999d", "{" + "9" * 100_000 + "..1}"])
def test_bombs_are_refused_quickly(text: str) -> None:
    with pytest.raises(InvalidTemplate):
        parse_template(text)
