import pytest

from moss.cli.buckets.choice import ALL, SELECTORS, Choice, choose
from moss.cli.failures import CommandError, UsageError
from moss.cli.options import parse


def chosen(*words: str, name: str = "") -> Choice | None:
    return choose(parse((*SELECTORS, ALL), words), name, warnings.append)


warnings: list[str] = []


@pytest.fixture(autouse=True)
def no_warnings():
    warnings.clear()


def nothing(prefix: str) -> list[str]:
    return []


@pytest.mark.parametrize(
    ("words", "name", "message", "text"),
    [
        (["--list", "a, b"], "", {"objnames": ["a", "b"]}, "[a b]"),
        (["--template", "f{1..2}.txt"], "", {"template": "f{1..2}.txt"}, '"f{1..2}.txt"'),
        (["--template", "dir/"], "", {"template": "dir/"}, '"dir/"'),
        (["--template", "*"], "", {"template": ""}, ""),
        (["--prefix", "dir/"], "", {"template": "dir/"}, '"dir/"'),
        (["--all"], "", {"template": ""}, ""),
        ([], "a", {"objnames": ["a"]}, "[a]"),
        ([], "dir/", {"template": "dir/"}, '"dir/"'),
        ([], "f{1..2}", {"template": "f{1..2}"}, '"f{1..2}"'),
    ],
)
def test_ways_to_name_objects(words: list[str], name: str, message: dict, text: str) -> None:
    choice = chosen(*words, name=name)
    assert choice is not None
    assert choice.message(nothing) == message
    assert str(choice) == text


def test_nothing_chosen() -> None:
    assert chosen() is None


@pytest.mark.parametrize(
    ("words", "name", "text"),
    [
        (["--list", "a", "--template", "b{1..2}"], "", "'--list' and '--template' are mutually exclusive"),
        (["--prefix", "a", "--all"], "", "'--prefix' and '--all' are mutually exclusive"),
        (["--list", "a"], "b", "object name or prefix (b) cannot be used together with '--list'"),
        (["--list", " , "], "", "'--list' is empty"),
        (["--template", "x{1..b}"], "", "is not a number"),
        (["--template", "x%06d"], "", "is endless"),
    ],
)
def test_contradictions(words: list[str], name: str, text: str) -> None:
    with pytest.raises(UsageError) as refused:
        chosen(*words, name=name)
    assert text in str(refused.value)


def test_an_empty_item_of_a_list_is_dropped_with_a_warning() -> None:
    """An empty name would stand for the whole bucket."""
    assert chosen("--list", "a,,b") == Choice(names=("a", "b"))
    assert warnings == ["ignoring 1 empty name(s) in '--list'"]


@pytest.mark.parametrize("prefix", ["user@1", "x{1..2}", "a%d", "star*"])
def test_a_prefix_that_reads_as_template_is_sent_as_names(prefix: str) -> None:
    """Otherwise other objects than the meant ones would be deleted."""
    choice = chosen("--prefix", prefix)
    assert choice is not None
    assert choice.message(lambda text: [text + "/o"] if text == prefix else []) == {"objnames": [prefix + "/o"]}
    with pytest.raises(CommandError, match="no objects match"):
        choice.message(nothing)


def test_long_lists_are_shortened_in_messages() -> None:
    assert str(Choice(names=tuple("abcdefg"))) == "7 objects (a, b, c and 4 more)"


def test_existing() -> None:
    def stored(prefix: str) -> list[str]:
        return [name for name in ("f1", "f3", "g") if name.startswith(prefix)]

    template = chosen("--template", "f{1..2}")
    assert template is not None and list(template.existing(stored)) == ["f1"]
    assert list(Choice(prefix="f").existing(stored)) == ["f1", "f3"]
    assert list(Choice(names=("x",)).existing(stored)) == ["x"]
