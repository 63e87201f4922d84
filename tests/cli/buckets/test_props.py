import msgspec
import pytest

from moss.cli.buckets.props import compact, flatten, parse_changes, shown, unflatten
from moss.cli.failures import UsageError
from moss.wire.bucket import BucketProps

CURRENT = flatten(msgspec.to_builtins(BucketProps()))


def test_flatten_and_back() -> None:
    assert CURRENT["mirror.copies"] == 2 and CURRENT["backend_bck"] == ""
    assert list(CURRENT) == sorted(CURRENT)
    nested = {"mirror": {"copies": 3}, "rate_limit": {"backend": {"enabled": True}}, "access": "5"}
    assert unflatten(flatten(nested)) == nested


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        (["lru.enabled=yes"], {"lru": {"enabled": True}}),
        (["mirror.copies=3", "mirror.enabled=false"], {"mirror": {"copies": 3, "enabled": False}}),
        (["ec.objsize_limit=1MiB"], {"ec": {"objsize_limit": 1 << 20}}),
        (["chunks.chunk_size=1MiB"], {"chunks": {"chunk_size": "1MiB"}}),
        (["access=ro"], {"access": "771"}),
        (["features=Fsync-PUT"], {"features": "16"}),
        (["backend_bck=none"], {"backend_bck": {"name": "", "provider": ""}}),
        (["extra.aws.profile=work"], {"extra": {"aws": {"profile": "work"}}}),
        (["extra.aws.max_pagesize=100"], {"extra": {"aws": {"max_pagesize": 100}}}),
        (['{"lru": {"enabled": true}, "checksum.type": "md5"}'],
         {"lru": {"enabled": True}, "checksum": {"type": "md5"}}),
        (['{"backend_bck": {"name": "abc", "provider": "aws"}}'],
         {"backend_bck": {"name": "abc", "provider": "aws", "namespace": {"uuid": "", "name": ""}}}),
    ],
)  # fmt: skip
def test_changes_have_the_types_of_the_properties(words: list[str], sent: dict) -> None:
    assert unflatten(parse_changes(words, CURRENT)) == sent


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nosuch=1"], 'unknown property "nosuch"'),
        (["lru.enable=1"], '(did you mean "lru.enabled"?)'),
        (["bid=7"], 'property "bid" cannot be set'),
        (["lru.enabled=maybe"], 'invalid value of "lru.enabled": expecting true or false, got "maybe"'),
        (["mirror.copies=many"], 'invalid value of "mirror.copies"'),
        (["access=all"], 'unknown access permission "all"'),
        (["backend_bck=abc"], 'did you mean "ais://abc"?'),
        (["backend_bck=s3://abc/o"], 'expecting a bucket, got "s3://abc/o"'),
        (["lru"], 'missing value in "lru" (expecting KEY=VALUE, or a JSON document)'),
        (["lru.enabled=1", "lru.enabled=0"], 'property "lru.enabled" is given twice'),
        (["{lru}"], "bucket properties are no JSON"),
    ],
)
def test_wrong_changes(words: list[str], text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_changes(words, CURRENT)
    assert text in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("lru.enabled", True, "true"),
        ("access", str(2**64 - 1), "su"),
        ("access", "5", "GET,PUT"),
        ("features", "0", "none"),
        ("created", "1722500000000000000", "01 Aug 24 08:13 UTC"),
        ("backend_bck", "", "-"),
        ("mirror.copies", 2, "2"),
    ],
)
def test_shown(key: str, value: str | int | bool, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert shown(key, value) == text


def test_compact_has_the_subjects_of_the_specification() -> None:
    lines = compact(CURRENT | {"versioning.enabled": True, "checksum.validate_warm_get": True})
    assert list(lines) == [
        "access", "checksum", "chunks", "created", "ec", "lru", "mirror", "present", "provider", "versioning",
    ]  # fmt: skip
    assert lines["mirror"] == "Disabled"
    assert lines["versioning"] == "Enabled | Validate on warm GET: false"
    assert lines["checksum"] == "Type: xxhash2 | Validate: warm_get"
    assert compact(CURRENT | {"backend_bck": "s3://abc"})["backend_bck"] == "s3://abc"
