"""URLs of manifests. The table is that of the contract of the SDK, 6.4, with its column of what is right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.errors import InvalidName
from moss.integrations.lhotse.locations import is_store_url, parse_location, parse_pointer


@pytest.mark.parametrize(
    ("url", "name", "member"),
    [
        ("ais://b/s.tar/a/x.wav", "s.tar", "a/x.wav"),
        ("ais://b/s.tar.gz/x.wav", "s.tar.gz", "x.wav"),
        ("ais://b/s.tgz/x.wav", "s.tgz", "x.wav"),
        ("ais://b/s.tar", "s.tar", ""),
        ("ais://b/my.tarball/x.wav", "my.tarball/x.wav", ""),
        ("ais://b/s.tar.lz4/x.wav", "s.tar.lz4", "x.wav"),
        ("ais://b/s.zip/x.wav", "s.zip", "x.wav"),
        ("ais://b/what?is#this%20.wav", "what?is#this%20.wav", ""),
        ("ais://b/s.tar/what?is#this%20.wav", "s.tar", "what?is#this%20.wav"),
        ("ais://b/s.tar/inner.tar/x.wav", "s.tar", "inner.tar/x.wav"),
        ("ais://b/a.tgz/b.tar/x.wav", "a.tgz", "b.tar/x.wav"),
        ("ais://b/s.tar/", "s.tar/", ""),
        ("ais://b/s.tar//x.wav", "s.tar", "x.wav"),
        ("ais://b//x.wav", "x.wav", ""),
        ("moss://b/s.tar/x.wav", "s.tar", "x.wav"),
    ],
)
def test_117_urls_lead_where_they_should(url: str, name: str, member: str):
    location = parse_location(url)
    assert (location.bucket.cname, location.name, location.member) == ("ais://b", name, member)
    assert not location.is_range


def test_buckets_of_clouds_and_of_namespaces():
    assert parse_location("s3://bucket/x").bucket.provider == "aws"
    assert parse_location("gs://bucket/x").bucket.provider == "gcp"
    location = parse_location("ais://@Uuid1#space/bucket/dir/s.tar/x")
    assert location.bucket.uname == "ais/@Uuid1#space/bucket/"
    assert (location.name, location.member) == ("dir/s.tar", "x")


@pytest.mark.parametrize("url", ["ais://", "ais://b", "ais://b/", "ais:///x", "b/x", "ais://b ad/x"])
def test_what_names_no_object_is_refused(url: str):
    with pytest.raises(InvalidName):
        parse_location(url)


def test_pointers_into_shar_files():
    location = parse_pointer("ais://b/shar/recording.000000.tar?o=1024&e=4096")
    assert (location.name, location.start, location.length) == ("shar/recording.000000.tar", 1024, 3072)
    assert location.is_shar_pointer and location.is_range
    assert str(location) == "ais://b/shar/recording.000000.tar [1024:4096]"


@pytest.mark.parametrize("text", ["ais://b/x.tar", "ais://b/x.tar?o=5", "ais://b/x.tar?o=5&e=5", "ais://b/x?o=-1&e=5"])
def test_pointers_that_point_nowhere_are_refused(text: str):
    with pytest.raises(InvalidName, match="expected URL"):
        parse_pointer(text)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("ais://b/x", True),
        ("moss://b/x", True),
        ("s3://b/x", True),
        ("gs://b/x", True),
        ("https://host/x", False),
        ("/tmp/x.wav", False),
        ("x.wav", False),
        ("msc://profile/x", False),
        (b"ais://b/x", False),
        (None, False),
        ("://b/x", False),
    ],
)
def test_which_urls_are_of_a_store(text: object, is_one: bool):
    assert is_store_url(text) is is_one


NAMES = st.text("abc.tarzip4gl/?#%& ü", min_size=1).filter(lambda name: name.strip("/") and not name.startswith("/"))


@given(NAMES)
def test_nothing_of_a_name_is_lost(name: str):
    location = parse_location(f"ais://b/{name}")
    rest = name.removeprefix(location.name)
    assert name.startswith(location.name)
    assert rest == "" if not location.member else rest.lstrip("/") == location.member
