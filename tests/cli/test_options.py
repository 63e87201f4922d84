import pytest

from moss.cli.failures import UsageError
from moss.cli.options import Command, Option, parse

OPTIONS = (
    Option("list", "", value="NAMES"),
    Option("spec", "", value="PATH", aliases=("f",)),
    Option("num-workers", "", value="N", number=True),
    Option("streaming", ""),
    Option("yes", "", aliases=("y",)),
    Option("non-verbose", "", aliases=("nv",)),
)


@pytest.mark.parametrize(
    "words",
    [
        ["--streaming", "b", "--list", "a", "o.tar"],
        ["b", "--list", "a", "--streaming", "o.tar"],
        ["b", "o.tar", "-list=a", "-streaming"],
        ["--list=a", "--streaming=true", "--", "b", "o.tar"],
    ],
)
def test_options_stand_anywhere_with_one_or_two_dashes(words: list[str]) -> None:
    parsed = parse(OPTIONS, words)
    assert parsed.positionals == ["b", "o.tar"]
    assert parsed.values == {"list": "a", "streaming": True}


def test_words_behind_two_dashes_are_positionals() -> None:
    assert parse(OPTIONS, ["--", "-list", "--", "x"]).positionals == ["-list", "--", "x"]


@pytest.mark.parametrize("word", ["-nv", "--nv", "-non-verbose", "--non-verbose=yes", "--nv=T"])
def test_aliases_set_the_option(word: str) -> None:
    assert parse(OPTIONS, [word]).values == {"non-verbose": True}


def test_last_value_wins_and_false_is_said_by_value() -> None:
    parsed = parse(OPTIONS, ["--list", "a", "--list=b", "--yes", "-y=false"])
    assert parsed.text("list") == "b"
    assert parsed.given("yes") and not parsed.flag("yes")


def test_values_may_look_like_options_when_no_such_option_exists() -> None:
    assert parse(OPTIONS, ["--spec", "-", "x"]) == ({"spec": "-"}, ["x"])
    assert parse(OPTIONS, ["-f", "- objname: x"]).text("spec") == "- objname: x"
    assert parse(OPTIONS, ["--num-workers", "-1"]).number("num-workers", 10) == -1


def test_empty_value_is_a_value() -> None:
    parsed = parse(OPTIONS, ["--list", "", "--spec="])
    assert parsed.values == {"list": "", "spec": ""}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--bogus", "x"], "flag provided but not defined: -bogus"),
        (["x", "-bogus=1"], "flag provided but not defined: -bogus"),
        (["---list", "x"], "flag provided but not defined: -list (did you mean '--list'?)"),
        (["o.tar", "--list"], "flag needs an argument: -list"),
        (["--list", "--streaming", "o.tar"], "flag needs an argument: -list"),
        (["--streaming=maybe"], 'invalid boolean value "maybe" for -streaming: expecting true or false'),
        (["--num-workers", "two"], 'invalid value "two" for flag -num-workers: expecting a whole number'),
    ],
)
def test_wrong_usage_says_what(words: list[str], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(OPTIONS, words)
    assert str(caught.value) == text


def test_help_spells_short_names_first() -> None:
    assert Option("spec", "", value="PATH", aliases=("f",)).spelled() == "-f, --spec PATH"


def test_unknown_options_name_the_one_that_was_meant() -> None:
    options = (Option("recursive", "", aliases=("r",)), Option("yes", "", aliases=("y",)))
    with pytest.raises(UsageError, match=r"not defined: -recursiv \(did you mean '--recursive'\?\)$"):
        parse(options, ["--recursiv"])
    for word in ("--nosuch", "-x", "-ye"):
        with pytest.raises(UsageError, match=r"not defined: -[a-z]+$"):
            parse(options, [word])


def test_choices_are_checked_and_named() -> None:
    options = (Option("units", "", value="UNITS", choices=("iec", "si", "raw")),)
    assert parse(options, ["--units", "si"]).text("units") == "si"
    with pytest.raises(UsageError, match=r"invalid '--units' \"kb\" \(expecting iec, si or raw\)"):
        parse(options, ["--units=kb"])


@pytest.mark.parametrize(
    ("usage", "most"),
    [("", 0), ("BUCKET", 1), ("[NODE_ID | proxy | target]", 1), ("SRC DST", 2), ("FILE|- [BUCKET/NAME]", 2)],
)
def test_no_positional_is_ignored_in_silence(usage: str, most: int) -> None:
    command = Command(usage, "", lambda _context: None)
    command.check_count(["x"] * most)
    with pytest.raises(UsageError, match='unexpected argument "one more"'):
        command.check_count(["x"] * most + ["one more"])
    Command(usage + " [MORE...]", "", lambda _context: None).check_count(["x"] * 100)
