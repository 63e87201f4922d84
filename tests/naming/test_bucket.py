"""Providers, namespaces, buckets, and the rules for names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.errors import InvalidName, InvalidProvider, MossError
from moss.naming.bucket import (
    GLOBAL,
    Bucket,
    Namespace,
    Provider,
    find_invalid_member_path,
    find_invalid_object_name,
    is_valid_member_path,
    is_valid_object_name,
    parse_bucket_uname,
    parse_namespace,
    parse_object_uname,
    parse_provider,
    validate_bucket_name,
    validate_object_name,
    validate_prefix,
)

PROVIDERS = "must be one of [ais, aws (s3://), gcp (gs://), azure (az://), oci (oc://)]"
CHARACTERS = "may only contain letters, numbers, dashes (-), underscores (_), and dots (.)"


def test_every_spelling_of_a_provider_is_known() -> None:
    assert parse_provider("") is parse_provider("ais") is Provider.AIS
    assert parse_provider("s3") is parse_provider("aws") is Provider.AWS
    assert parse_provider("gs") is parse_provider("gcp") is Provider.GCP
    assert parse_provider("az") is parse_provider("azure") is Provider.AZURE
    assert parse_provider("oc") is parse_provider("oci") is Provider.OCI
    assert parse_provider("ht") is Provider.HTTP
    assert [provider.display_name for provider in Provider] == ["AIS", "AWS", "GCP", "Azure", "OCI", "HTTP"]


@pytest.mark.parametrize("word", ["foo", "AIS", "s4", "http", "ais://", "aws "])
def test_other_providers_are_refused(word: str) -> None:
    with pytest.raises(InvalidProvider) as caught:
        parse_provider(word)
    assert caught.value.message == f'invalid backend provider "{word}": {PROVIDERS}'


@pytest.mark.parametrize(
    ("text", "namespace"),
    [
        ("", GLOBAL),
        ("@#", GLOBAL),
        ("@", GLOBAL),
        ("#ml", Namespace("", "ml")),
        ("#a.b", Namespace("", "a.b")),
        ("#" + "n" * 40, Namespace("", "n" * 40)),
        ("@uuid", Namespace("uuid", "")),
        ("@uuid#ml", Namespace("uuid", "ml")),
        ("uuid#ml", Namespace("uuid", "ml")),
        ("word", Namespace("word", "")),
    ],
)
def test_namespaces_parse_in_all_spellings(text: str, namespace: Namespace) -> None:
    assert parse_namespace(text) == namespace


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#a/b", f"namespace is invalid: {CHARACTERS}"),
        ("#*", f"namespace is invalid: {CHARACTERS}"),
        ("#pro$be", f"namespace is invalid: {CHARACTERS}"),
        (
            "@-u#n",
            'bucket namespace (uuid: "-u", name: "n") must be less than 32 characters and may only contain letters, '
            "numbers, dashes (-), underscores (_)",
        ),
    ],
)
def test_bad_namespaces_are_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidName) as caught:
        parse_namespace(text)
    assert caught.value.message == message


def test_printed_and_unique_names() -> None:
    assert str(Bucket("b")) == Bucket("b").cname == "ais://b"
    assert Bucket("b").uname == "ais/@#/b/"
    assert Bucket("b").cname_of("d/o") == "ais://b/d/o"
    assert Bucket("b", Provider.AWS).cname == "s3://b"
    assert Bucket("b", Provider.AWS).uname_of("o") == "aws/@#/b/o"
    assert Bucket("b", namespace=Namespace("", "ns")).cname == "ais://#ns/b"
    assert Bucket("b", namespace=Namespace("u", "ns")).cname == "ais://@u#ns/b"
    assert Bucket("b", namespace=Namespace("u", "")).cname == "ais://@u/b"
    assert Bucket("b", namespace=Namespace("u", "ns")).uname == "ais/@u#ns/b/"


def test_remote_means_cloud_or_another_cluster() -> None:
    assert not Bucket("b").is_remote
    assert not Bucket("b", namespace=Namespace("", "ns")).is_remote
    assert Bucket("b", namespace=Namespace("u", "")).is_remote
    assert Bucket("b", Provider.GCP).is_remote and Bucket("b", Provider.GCP).is_cloud


@pytest.mark.parametrize("name", ["b", "B-_.b", "-b", "b.", "a" * 64, ".sys-inventory", ".sys-shardidx"])
def test_possible_bucket_names(name: str) -> None:
    validate_bucket_name(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "bucket name is missing"),
        ("b" * 70, "bucket name is too long: 70 > 64(max length)"),
        ("my bucket", f"bucket name is invalid: {CHARACTERS}"),
        ("my$bucket", f"bucket name is invalid: {CHARACTERS}"),
        ("bückét", f"bucket name is invalid: {CHARACTERS}"),
        ("my..bucket", f"bucket name is invalid: {CHARACTERS}"),
        ("b\n", f"bucket name is invalid: {CHARACTERS}"),
        (".mine", 'reserved bucket name ".mine" (unknown system bucket)'),
    ],
)
def test_impossible_bucket_names(name: str, message: str) -> None:
    with pytest.raises(InvalidName) as caught:
        validate_bucket_name(name)
    assert caught.value.message == message


@pytest.mark.parametrize(
    "bucket",
    [Bucket("b"), Bucket("b", Provider.AWS), Bucket("b", namespace=Namespace("u", "ns"))],
)
def test_a_uname_parses_back_to_its_bucket(bucket: Bucket) -> None:
    assert parse_bucket_uname(bucket.uname) == bucket
    assert parse_object_uname(bucket.uname_of("d/o")) == (bucket, "d/o")


def test_aliases_of_providers_count_inside_unames() -> None:
    assert parse_bucket_uname("s3/@#/b/") == Bucket("b", Provider.AWS)


@pytest.mark.parametrize(
    ("uname", "message"),
    [
        ("ais/@#/b", "bucket name is missing"),
        ("nonsense", "bucket name is missing"),
        ("", "bucket name is missing"),
        ("ais/@#//", "bucket name is missing"),
        ("ais/@#/b/a", 'parse-uname "ais/@#/b/a": not expecting object name (got "ais://b/a")'),
        ("xyz/@#/b/", f'invalid backend provider "xyz": {PROVIDERS}'),
        ("AIS/@#/b/", f'invalid backend provider "AIS": {PROVIDERS}'),
    ],
)
def test_unames_that_name_no_bucket(uname: str, message: str) -> None:
    with pytest.raises(InvalidName) as caught:
        parse_bucket_uname(uname)
    assert caught.value.message == message


def test_an_object_uname_needs_an_object() -> None:
    with pytest.raises(InvalidName) as caught:
        parse_object_uname("ais/@#/b/")
    assert caught.value.message == 'parse-uname "ais/@#/b/": missing object name in "ais://b"'
    with pytest.raises(InvalidName, match=r"invalid object name"):
        parse_object_uname("ais/@#/b/../o")


BAD_NAMES = ["", "/", "a/", "dir/sub/", ".", "..", "../a", "a/..", "a/../b", "a/./b", "./a", "~/a", "a/."]
ODD_NAMES = ["..a", "a..b", "...", ".hidden", "~a", "x/~/y", "x/..y/z", "a.", "-", "a/b/c", "/a", "a//b", "a\0b", "a\n"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_refused_object_names(name: str) -> None:
    with pytest.raises(InvalidName) as caught:
        validate_object_name(name)
    assert caught.value.message == f'invalid object name "{name}"'
    assert find_invalid_object_name(["ok", *ODD_NAMES, name, ""]) == len(ODD_NAMES) + 1


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_that_look_wrong_but_are_not(name: str) -> None:
    validate_object_name(name)


def test_odd_names_pass_together() -> None:
    assert find_invalid_object_name(ODD_NAMES) == -1
    assert find_invalid_object_name([]) == -1


@pytest.mark.parametrize("path", ["/", "../x", "d/", "d/../a.txt", "./a.txt", "..", "~/a.txt"])
def test_refused_member_paths(path: str) -> None:
    assert not is_valid_member_path(path)
    assert find_invalid_member_path(["", "a.txt", path]) == 2


def test_member_paths_may_be_empty_or_begin_with_a_slash() -> None:
    assert find_invalid_member_path(["", "/a.txt", "//a.txt", "d//b.txt", ""]) == -1


_components = st.sampled_from(["", ".", "..", "~", "a", "..a", "\0", "b.c"])
_names = st.lists(_components, max_size=4).map("/".join)


@given(st.lists(_names, max_size=6))
def test_whole_lists_are_judged_as_their_names_are(names: list[str]) -> None:
    bad = [index for index, name in enumerate(names) if not is_valid_object_name(name)]
    assert find_invalid_object_name(names) == (bad[0] if bad else -1)
    bad = [index for index, name in enumerate(names) if not is_valid_member_path(name)]
    assert find_invalid_member_path(names) == (bad[0] if bad else -1)


def test_prefixes_may_end_in_a_slash_but_hold_no_dot_components() -> None:
    for prefix in ("", "dir/", "a", "a..", "/"):
        validate_prefix(prefix)
    for prefix in ("../x", "..", "a/./b", "~/a"):
        with pytest.raises(InvalidName) as caught:
            validate_prefix(prefix)
        assert caught.value.message == f'invalid prefix "{prefix}"'


@given(st.text(alphabet=st.characters(), max_size=40))
def test_parsers_raise_only_their_own_errors(text: str) -> None:
    for parse in (parse_provider, parse_namespace, parse_bucket_uname, parse_object_uname, validate_bucket_name):
        try:
            parse(text)
        except MossError as error:
            error.message.encode()
