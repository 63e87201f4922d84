"""URL queries: limits, escapes, typed values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.errors import InvalidQuery
from moss.wire.query import Query, encode_query, escape_path, parse_bool


def test_parameters_in_order_and_the_last_of_a_repeated_one_counts() -> None:
    query = Query("a=1&b=x%20y+z&&a=2&c")
    assert query.items() == [("a", "1"), ("b", "x y z"), ("a", "2"), ("c", "")]
    assert query.get("a") == "2" and query.get("c", "d") == "" and query.get("e", "d") == "d"
    assert "c" in query and "e" not in query and list(query) == ["a", "b", "c"]
    assert query.raw == "a=1&b=x%20y+z&&a=2&c"


def test_equal_signs_and_any_bytes_may_stand_in_values() -> None:
    assert Query("h=a=b==").get("h") == "a=b=="
    assert Query("n=%FF%00").get("n") == "\udcff\0"
    assert Query("n=é").get("n") == "é"


def test_ninety_nine_parameters_pass_and_a_hundred_do_not() -> None:
    for count in (97, 99):
        assert len(Query("&".join(f"p{i}=1" for i in range(count)))) == count
    for count in (100, 5_000):
        with pytest.raises(InvalidQuery) as caught:
            Query("&".join(f"p{i}=1" for i in range(count)))
        assert caught.value.message == "dpq: exceeded maximum number of iterations (100)"


def test_the_markers_of_a_redirect_do_not_count() -> None:
    query = Query("&".join(f"p{i}=1" for i in range(99)) + "&pid=pX&utm=k2j")
    assert query.is_redirected
    assert not Query("pid=pX").is_redirected


@pytest.mark.parametrize("raw", ["a=%", "a=%2", "a=%zz", "%g1=1"])
def test_broken_escapes_are_refused(raw: str) -> None:
    with pytest.raises(InvalidQuery, match="invalid URL escape"):
        Query(raw)


def test_booleans() -> None:
    assert all(parse_bool(word) for word in ("1", "t", "TRUE", "y", "Yes", "on"))
    assert not any(parse_bool(word) for word in ("", "0", "false", "2", "yep"))
    assert Query("a=True").boolean("a") and not Query("").boolean("a")


def test_numbers() -> None:
    assert Query("n=0255").unsigned("n", bits=8) == 255
    assert Query("").unsigned("n") is None and Query("").signed("n") is None
    assert Query("n=-5").signed("n") == -5
    for raw, message in (
        ("n=", "dpq: 'n=', err: invalid syntax"),
        ("n=+1", None),
        ("n=%2B1", "dpq: 'n=+1', err: invalid syntax"),
        ("n=" + "9" * 100_000, None),
        ("n=٣", "dpq: 'n=٣', err: invalid syntax"),
        ("n=18446744073709551616", "dpq: 'n=18446744073709551616', err: value out of range"),
    ):
        with pytest.raises(InvalidQuery) as caught:
            Query(raw).unsigned("n")
        assert message is None or caught.value.message == message
    for raw in ("n=", "n=-", "n=1.0", "n=--1", "n=" + "9" * 100_000):
        with pytest.raises(InvalidQuery):
            Query(raw).signed("n")


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=8)), max_size=10))
def test_written_parameters_read_back(pairs: list[tuple[str, str]]) -> None:
    assert Query(encode_query(pairs)).items() == pairs


@given(st.binary(max_size=20))
def test_names_that_are_no_utf8_keep_their_bytes(data: bytes) -> None:
    name = data.decode("utf-8", "surrogateescape")
    escaped = escape_path(name)
    assert escaped.isascii()
    assert Query("n=" + escaped).get("n") == name


@given(st.text(alphabet=st.characters(), max_size=60))
def test_any_text_parses_or_is_refused(raw: str) -> None:
    try:
        Query(raw).unsigned("n")
    except InvalidQuery as error:
        error.message.encode()
