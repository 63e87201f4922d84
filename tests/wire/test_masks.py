import pytest

from moss.wire.masks import FEATURES, OPERATIONS, InvalidMask, names_of, parse_access, parse_features


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("ro", 771),
        ("RW", 831),
        ("su", 2**64 - 1),
        ("GET", 1),
        ("GET,HEAD-OBJECT, HEAD-BUCKET|list-objects", 771),
        ("771", 771),
        ("0x303", 771),
        ("ADMIN", 1 << 17),
    ],
)
def test_access(text: str, mask: int) -> None:
    assert parse_access(text) == mask


@pytest.mark.parametrize("text", ["", "GETT", "GET,", "-1", "18446744073709551616", "1x"])
def test_access_that_names_nothing(text: str) -> None:
    with pytest.raises(InvalidMask, match="access permission"):
        parse_access(text)


def test_features() -> None:
    assert parse_features("none") == 0
    assert parse_features("fsync-put,S3-Redirect-Rebuild") == 1 << 4 | 1 << 27
    with pytest.raises(InvalidMask, match=r'unknown feature flag "x".*S3-Redirect-Rebuild'):
        parse_features("x")


def test_names_read_back() -> None:
    assert names_of(771, OPERATIONS) == ["GET", "HEAD-OBJECT", "HEAD-BUCKET", "LIST-OBJECTS"]
    assert parse_access(",".join(names_of(831, OPERATIONS))) == 831
    assert names_of(1 << 40, FEATURES) == []
