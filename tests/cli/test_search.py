import json

import pytest

from tests.cli.conftest import Ais


def test_132_words_and_synonyms(ais: Ais) -> None:
    found = ais("search", "create", "user").out.splitlines()
    assert found == ["ais auth add user"]
    copies = ais("search", "remove", "bucket").out.splitlines()
    assert "ais bucket rm" in copies and copies == sorted(copies)
    assert ais("search", "delete").out.splitlines().count("ais bucket rm") == 1


def test_a_part_of_a_word_counts_only_before_a_dash(ais: Ais) -> None:
    assert "ais ml get-batch" in ais("search", "get").out
    assert ais("search", "buck").out.startswith("No matches (use '--regex'")


def test_132_no_match(ais: Ais) -> None:
    done = ais("search", "zzz")
    assert (done.status, done.err) == (0, "")
    assert done.out == "No matches (use '--regex' to include more results, e.g.: 'ais search --regex zzz')\n\n"
    assert json.loads(ais("search", "zzz", "--json").out) == []


def test_133_regular_expressions_in_the_order_of_commands_then_aliases(ais: Ais) -> None:
    found = ais("search", "--regex", "rm$|rmb").out.splitlines()
    assert "ais bucket rm" in found and found[-1] == "ais rmb"
    assert ais("search", "--regex", "^nothing$").out == ""


@pytest.mark.parametrize("words", [(), ("--regex", "(")])
def test_wrong_usage(ais: Ais, words: tuple[str, ...]) -> None:
    done = ais("search", *words)
    assert (done.status, done.out) == (2, "") and len(done.err.splitlines()) == 3


def test_similar_words_are_warned_of(ais: Ais) -> None:
    done = ais("search", "cp", "copy")
    assert '"cp" and "copy" are "similar"' in done.err


def test_search_finds_aliases_of_the_user_but_not_itself(ais: Ais) -> None:
    assert ais("alias", "set", "mine", "show", "object").status == 0
    assert "ais mine\n" in ais("search", "--regex", "mine").out
    assert "search" not in ais("search", "--regex", ".").out
