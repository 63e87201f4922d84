"""What a store keeps of an object's metadata comes back as it was given."""

import pytest

from moss.naming.bucket import Provider
from moss.node.backends.base import RemoteObject
from moss.node.remote.attributes import custom_of, kept_checksum, metadata_of, user_custom

CHECKSUM = ("xxhash2", "0123456789abcdef")
CUSTOMS = [
    {},
    {"label": "cat"},
    {"Label": "cat", "label": "dog"},
    {"a.b-c_d": "x", "empty": "", "blank ": " v ", "Größe": "9 µ", "line": "a\nb\x01"},
    {"moss-custom": "mine", "ais-cksum-type": "mine", "x-amz-meta-ais-cksum-val": "mine"},
    {"X-Amz-Meta-Label": "theirs", "label": "mine"},
    {"source": "studio", "version": "7", "md5": "none"},
    {"lone": "\udc80", "-dash": "1", "a=b": "c"},
]


@pytest.mark.parametrize("provider", [Provider.AWS, Provider.GCP, Provider.AZURE])
@pytest.mark.parametrize("given", CUSTOMS, ids=str)
def test_metadata_comes_back_from_a_store(given: dict[str, str], provider: Provider):
    kept = metadata_of(given, provider, CHECKSUM)
    about = RemoteObject("o", 1, etag="tag", custom=kept)
    assert user_custom(about) == given
    assert kept_checksum(about) == CHECKSUM
    assert metadata_of(user_custom(about), provider, CHECKSUM) == kept


@pytest.mark.parametrize("given", CUSTOMS, ids=str)
def test_entries_are_such_as_stores_take(given: dict[str, str]):
    for provider in (Provider.AWS, Provider.AZURE):
        for key, value in metadata_of(given, provider, CHECKSUM).items():
            assert key.islower()
            assert value.isascii()
            assert value.isprintable()
            assert value == value.strip() != ""
            if provider is Provider.AZURE:
                assert key.isidentifier()


def test_what_the_store_says_of_an_object_cannot_be_given():
    kept = metadata_of({"ETag": "mine", "Last-Modified": "mine", "k": "v"}, Provider.AWS, None)
    about = RemoteObject("o", 1, etag="tag", custom=kept)
    assert custom_of(about, Provider.AWS) == {"source": "aws", "ETag": "tag", "k": "v"}


def test_an_entry_of_somebody_else_that_looks_like_ours_is_no_harm():
    for text in ("no json", "[1]", '{"k": 5}', '{"gone": null}'):
        about = RemoteObject("o", 1, custom={"moss-custom": text, "x": "1"})
        assert user_custom(about) == {"X-Amz-Meta-X": "1"}
