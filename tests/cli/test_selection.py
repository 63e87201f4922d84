from itertools import islice

import pytest

from moss.cli.failures import CommandError, UsageError
from moss.cli.options import Parsed
from moss.cli.selection import (
    Listing,
    archive_extension,
    check_exclusive,
    parse_source,
    resolve,
    select,
    split_positionals,
)
from moss.naming.bucket import Bucket, Namespace
from moss.wire.batch import Entry

B = Bucket("b")


def entries(*words: str, has_spec: bool = False, objects: tuple[str, ...] = (), **options: str) -> list[Entry]:
    warnings: list[str] = []
    selection = select(
        Parsed(dict(options), []), [parse_source(word) for word in words], has_spec=has_spec, warn=warnings.append
    )
    found = resolve(selection, lambda listing: [name for name in objects if name.startswith(listing.prefix)])
    return found


def names(*words: str, **more) -> list[str]:
    return [f"{e.objname}|{e.archpath}" if e.archpath else e.objname for e in entries(*words, **more)]


def test_positionals_end_with_the_destination() -> None:
    assert split_positionals(["ais://b/o", "s3://c", "o.tar"]) == (
        [(B, "o"), (parse_source("s3://c"))], "o.tar")  # fmt: skip
    assert split_positionals(["o.tar"]) == ([], "o.tar")
    assert split_positionals(["ais://b"]) == ([(B, "")], None)
    assert split_positionals([]) == ([], None)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["ais://b/o", "ais://dst/o.tar"], "destination must be a local file, '-' or '/dev/null'"),
        (["b/o", "o.tar"], 'did you mean "ais://b/o"'),
        (["foo://b/o", "o.tar"], 'invalid backend provider "foo"'),
        (["s3:/b/o", "o.tar"], 'did you mean "s3://b/o"'),
        (["foo://b"], 'invalid backend provider "foo"'),
        (["ais://my‑bck", "o.tar"], "may only contain letters"),
    ],
)
def test_wrong_positionals_say_why(words: list[str], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        split_positionals(words)
    assert text in str(caught.value)


OBJECTS = ("audio1.wav", "dev/x.wav", "dev/y.wav")


def test_sources_that_name_objects() -> None:
    assert names("ais://b/o", "ais://b/s.tar/dir/f") == ["o", "s.tar|dir/f"]
    assert names("ais://b/o-{1..3}.tgz/m") == ["o-1.tgz|m", "o-2.tgz|m", "o-3.tgz|m"]
    assert names("ais://b/x@3") == ["x@3"]


def test_sources_that_name_many() -> None:
    assert names("ais://b", objects=OBJECTS) == list(OBJECTS)
    assert names("ais://b/dev/", objects=OBJECTS) == ["dev/x.wav", "dev/y.wav"]
    assert names("ais://b", has_spec=True, objects=OBJECTS) == []


@pytest.mark.parametrize("template", ["", "*"])
def test_template_without_range_selects_by_prefix(template: str) -> None:
    assert names("ais://b", objects=OBJECTS, template=template) == list(OBJECTS)
    assert names("ais://b", objects=OBJECTS, template="dev/") == names("ais://b", objects=OBJECTS, prefix="dev/")
    assert names("ais://b", objects=OBJECTS, template="dev/*") == ["dev/x.wav", "dev/y.wav"]


def test_list_keeps_order_and_repeats() -> None:
    assert names("ais://b", list=" b, a ,,s.tar/f,b") == ["b", "a", "s.tar|f", "b"]


def test_bucket_fields_of_entries() -> None:
    assert entries("ais://b/o") == [Entry("o", bucket="b", provider="ais")]
    _one, two = entries("ais://b/o", "s3://c/p")
    assert (two.bucket, two.provider, two.uname) == ("c", "aws", "")
    namespaced, other = entries("ais://#ml/b/o", "ais://#nl/b/o")
    assert namespaced == Entry("o")
    assert other.uname == "ais/@#nl/b/"


@pytest.mark.parametrize(
    ("words", "options", "text"),
    [
        ([], {}, "expecting object names"),
        ([], {"list": "a"}, "option '--list' requires bucket in the command line"),
        ([], {"template": "a"}, "option '--template' requires bucket in the command line"),
        (["ais://b"], {"list": " , "}, "option '--list' is empty"),
        (["ais://b", "ais://c"], {"prefix": "a"}, "'--prefix' requires exactly one bucket"),
        (["ais://b/o"], {"list": "a"}, "object name or prefix (o) cannot be used together"),
        (["ais://b/o{1..2}"], {"prefix": "a"}, "pattern or template (o{1..2}) cannot be used together"),
        (["ais://b/o*.wav"], {}, 'prefix-only template not supported (prefix: "o*.wav")'),
        (["ais://b/*"], {}, "empty range template"),
        (["ais://b"], {"template": "c-{5..1}"}, "'start' cannot be greater than 'end'"),
        (["ais://b"], {"template": "c-{a..z}"}, '"a" is not a number'),
        (["ais://b"], {"template": "c-%03d"}, "endless"),
        (["ais://b"], {"template": "c-{1..10000001}"}, "too large to expand (10000001 vs 10000000 max)"),
    ],
)
def test_wrong_selections_say_why(words: list[str], options: dict[str, str], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        entries(*words, **options)
    assert text in str(caught.value)


def test_nothing_found_names_what_was_looked_for() -> None:
    with pytest.raises(CommandError, match=r"no objects match ais://b/nope/$"):
        entries("ais://b", prefix="nope/")
    with pytest.raises(CommandError, match=r"no objects match ais://b$"):
        entries("ais://b")


@pytest.mark.parametrize("name", ["a/../b", "x/./y", "~/x", "a/"])
def test_names_that_no_object_can_have_are_refused_before_sending(name: str) -> None:
    with pytest.raises(CommandError, match="invalid object name"):
        entries("ais://b", list=name)


@pytest.mark.parametrize(
    ("one", "other"),
    [("list", "template"), ("list", "spec"), ("template", "spec"), ("prefix", "template"), ("prefix", "list")],
)
def test_exclusive_options_are_both_named(one: str, other: str) -> None:
    with pytest.raises(UsageError, match=f"flags '--{one}' and '--{other}' are mutually exclusive"):
        check_exclusive(Parsed({one: "x", other: "y"}, []))
    check_exclusive(Parsed({"prefix": "x", "spec": "y"}, []))


def test_large_template_is_expanded_only_as_far_as_asked() -> None:
    selection = select(
        Parsed({"template": "x{1..10000000}"}, []), [(B, "")], has_spec=False, warn=lambda text: None
    )  # fmt: skip
    part = selection.parts[0]
    assert not isinstance(part, Listing)
    assert list(islice(part.names, 2)) == ["x1", "x2"]


@pytest.mark.parametrize(
    ("path", "extension"),
    [
        ("o.tar", ".tar"), ("o.tgz", ".tgz"), ("a.b/o.tar.gz", ".tar.gz"), ("o.tar.lz4", ".tar.lz4"),
        ("o.zip", ".zip"), ("model-v2.0.tar", ".tar"), (".tar", ".tar"),
    ],
)  # fmt: skip
def test_extension_decides_the_format(path: str, extension: str) -> None:
    assert archive_extension(path) == extension


@pytest.mark.parametrize(
    ("path", "shown"), [("o.bin", ".bin"), ("o.TAR", ".TAR"), ("o", ""), ("d.tar/o", ""), ("o.tar.bz2", ".tar.bz2")]
)
def test_other_extensions_are_refused(path: str, shown: str) -> None:
    with pytest.raises(UsageError) as caught:
        archive_extension(path)
    assert str(caught.value).startswith(f'unknown filename extension ("{shown}", "{shown}")')


def test_namespace_is_part_of_the_default_bucket() -> None:
    selection = select(
        Parsed({"list": "a"}, []), [parse_source("ais://#ml/ds")], has_spec=False, warn=lambda text: None
    )  # fmt: skip
    assert selection.default_bucket == Bucket("ds", namespace=Namespace("", "ml"))
