"""URIs, and where an object name becomes a path inside a shard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.errors import InvalidName, InvalidProvider, MossError
from moss.naming.bucket import Bucket, Namespace, Provider
from moss.naming.uri import UriQuery, is_uri, parse_query_uri, parse_uri, split_archive_path


@pytest.mark.parametrize(
    ("text", "bucket", "name"),
    [
        ("ais://b", Bucket("b"), ""),
        ("ais://b/", Bucket("b"), ""),
        ("ais://b/d/o.tar", Bucket("b"), "d/o.tar"),
        ("ais://b/a%20b?c", Bucket("b"), "a%20b?c"),
        ("s3://b/o", Bucket("b", Provider.AWS), "o"),
        ("aws://b/o", Bucket("b", Provider.AWS), "o"),
        ("ais://#ml/b/o", Bucket("b", namespace=Namespace("", "ml")), "o"),
        ("ais://@u#ml/b/o", Bucket("b", namespace=Namespace("u", "ml")), "o"),
        ("ais://@u/b/d/", Bucket("b", namespace=Namespace("u", "")), "d/"),
    ],
)
def test_a_uri_names_bucket_and_object(text: str, bucket: Bucket, name: str) -> None:
    assert parse_uri(text) == (bucket, name)
    assert is_uri(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bucket/obj", 'backend provider cannot be empty (did you mean "ais://bucket/obj"?)'),
        ("://b/o", 'backend provider cannot be empty (did you mean "ais://b/o"?)'),
        (
            "foo://b",
            'invalid backend provider "foo": must be one of '
            "[ais, aws (s3://), gcp (gs://), azure (az://), oci (oc://)]",
        ),
    ],
)
def test_a_uri_needs_a_provider(text: str, message: str) -> None:
    with pytest.raises(InvalidProvider) as caught:
        parse_uri(text)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "ais://b$/o",
            'bucket name in "ais://b$/o" is invalid: may only contain letters, numbers, dashes (-), underscores (_), '
            "and dots (.)",
        ),
        (
            "s3:/b",
            'bucket name in "s3:/b" is invalid: may only contain letters, numbers, dashes (-), underscores (_), '
            'and dots (.) (did you mean "s3://b"?)',
        ),
        ("ais://", 'bucket name in "ais://" is missing'),
    ],
)
def test_a_uri_needs_a_possible_bucket(text: str, message: str) -> None:
    with pytest.raises(InvalidName) as caught:
        parse_uri(text)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", UriQuery()),
        ("s3", UriQuery(Provider.AWS)),
        ("gs:", UriQuery(Provider.GCP)),
        ("ais://", UriQuery(Provider.AIS)),
        ("ais://@", UriQuery(Provider.AIS, any_cluster=True)),
        ("ais://#ns", UriQuery(Provider.AIS, Namespace("", "ns"))),
        ("ais://b/o", UriQuery(Provider.AIS, bucket_name="b", object_name="o")),
    ],
)
def test_queries_may_leave_parts_out(text: str, query: UriQuery) -> None:
    assert parse_query_uri(text) == query


def test_a_query_knows_its_bucket() -> None:
    assert parse_query_uri("s3").bucket is None
    assert parse_query_uri("s3://#ns/b/o").bucket == Bucket("b", Provider.AWS, Namespace("", "ns"))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("shard.tar", ("shard.tar", "")),
        ("plain", ("plain", "")),
        ("data/shard.tar/file.wav", ("data/shard.tar", "file.wav")),
        ("a.tgz/b.tar/c", ("a.tgz/b.tar", "c")),
        ("x.tar.gz/d/y", ("x.tar.gz", "d/y")),
        ("x.tar.lz4/y", ("x.tar.lz4", "y")),
        ("x.zip/y.zip/z", ("x.zip", "y.zip/z")),
        ("x.TAR/y", ("x.TAR/y", "")),
        ("x.tarball/y", ("x.tarball/y", "")),
    ],
)
def test_a_name_splits_behind_its_archive(name: str, split: tuple[str, str]) -> None:
    assert split_archive_path(name) == split


@given(st.text(alphabet=st.characters(), max_size=40))
def test_parsers_raise_only_their_own_errors(text: str) -> None:
    for parse in (parse_uri, parse_query_uri, lambda rest: parse_uri("ais://" + rest)):
        try:
            parse(text)
        except MossError as error:
            error.message.encode("utf-8", "surrogatepass")
