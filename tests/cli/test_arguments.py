import pytest

from moss.cli.arguments import check_count, parse_bucket, parse_object, parse_pairs
from moss.cli.failures import UsageError


@pytest.mark.parametrize(
    ("words", "pairs"),
    [
        (["a=1"], [("a", "1")]),
        (["a=1", "b.c=x=y"], [("a", "1"), ("b.c", "x=y")]),
        (["a", "1"], [("a", "1")]),
        (["a", "=", "1"], [("a", "1")]),
        (["a", "=1"], [("a", "1")]),
        (["a=", "b=2"], [("a", ""), ("b", "2")]),
        (["a=-1"], [("a", "-1")]),
        (["a", "1", "b", "=", "2", "c=3"], [("a", "1"), ("b", "2"), ("c", "3")]),
        ([], []),
    ],
)
def test_pairs(words: list[str], pairs: list[tuple[str, str]]) -> None:
    assert parse_pairs(words) == pairs


@pytest.mark.parametrize("words", [["a"], ["=1"], ["a", "b=1"], ["a=1", "b"]])
def test_words_that_are_no_pairs(words: list[str]) -> None:
    with pytest.raises(UsageError, match=r"expecting KEY=VALUE"):
        parse_pairs(words)


def test_a_value_may_take_the_rest_of_the_line() -> None:
    found = parse_pairs(["a=1", "features=x", "y", "z"], rest_of_line=lambda key: key == "features")
    assert found == [("a", "1"), ("features", "x y z")]


def test_names_of_buckets_and_objects() -> None:
    assert parse_bucket("ais://b").name == "b"
    assert parse_object("ais://b/a/o")[1] == "a/o"
    for wrong in ("ais://b/o", "b", "aiss://b"):
        with pytest.raises(UsageError):
            parse_bucket(wrong)
    with pytest.raises(UsageError, match="missing object name"):
        parse_object("ais://b")


def test_numbers_of_positionals() -> None:
    check_count(["a"], ["X"], most=1)
    with pytest.raises(UsageError, match='missing "Y" argument'):
        check_count(["a"], ["X", "Y"], most=2)
    with pytest.raises(UsageError, match='unexpected argument "b"'):
        check_count(["a", "b"], ["X"], most=1)
