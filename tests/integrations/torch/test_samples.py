import logging

import pytest

from moss.integrations.torch.samples import (
    fingerprint,
    group_members,
    list_members,
    list_objects,
    sample_name,
    to_samples,
)
from moss.sdk import Bucket, Client
from moss.sdk.batch.types import MossIn
from tests.integrations.torch.conftest import FILES, SHARDS, shard


def test_objects_are_listed_in_the_order_of_their_names(digits: Bucket):
    assert [sample_name(sample) for sample in list_objects(digits)] == sorted(FILES)
    assert len(list_objects(digits, "01")) == 10


def test_members_are_listed_with_their_archives(shards: Bucket):
    members = list_members(shards)
    assert len(members) == 2 * len(FILES)
    assert {member.obj_name for member in members} == {f"train-{number}.tar" for number in range(SHARDS)}
    assert members[0] == MossIn("train-0.tar", shards.name, "ais", archpath="000.cls")
    assert len(list_members(shards, "train-1.tar")) == 2 * len(FILES) // SHARDS


def test_members_without_their_archive_are_refused(shards: Bucket):
    with pytest.raises(ValueError, match="without its archive"):
        list_members(shards, "train-1.tar/00")


def test_an_archive_that_cannot_be_read_is_told(bucket: Bucket, caplog: pytest.LogCaptureFixture):
    bucket.object("good.tar").put_content(shard(list(FILES)[:2]))
    bucket.object("bad.tar").put_content(b"this is no archive" * 100)
    with caplog.at_level(logging.WARNING):
        assert len(list_members(bucket)) == 4
    assert "archive 'bad.tar' has no members, or cannot be read" in caplog.text


def test_members_of_one_stem_are_one_sample():
    entries = [
        MossIn("s.tar", "b", "ais", archpath=path)
        for path in ("a/1.jpg", "a/1.seg.png", "b/1.jpg", "a/2.jpg", "a/1.cls")
    ]
    samples = group_members([*entries, MossIn("t.tar", "b", "ais", archpath="a/1.jpg"), MossIn("a/1.jpg", "b", "ais")])
    assert [sorted(sample) for sample in samples] == [["cls", "jpg", "seg.png"], *[["jpg"]] * 4]
    assert [sample_name(sample) for sample in samples] == [
        "s.tar/a/1", "s.tar/b/1", "s.tar/a/2", "t.tar/a/1", "a/1",
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"'s.tar/a/1.jpg' is there twice"):
        group_members([entries[0], MossIn("s.tar", "b", "ais", archpath="a/1.jpg")])


def test_everything_that_names_a_sample_is_one(digits: Bucket):
    session = digits.client
    name = next(iter(FILES))
    entry = MossIn(name, digits.name, "ais")
    items = [name, f"ais://{digits.name}/{name}", digits.object(name), {"obj": name}, entry]
    assert to_samples(items, session, digits) == [entry] * 5
    assert to_samples([("s.tar", "m"), {"obj": name, "start": 3, "length": 2}], session, digits) == [
        MossIn("s.tar", digits.name, "ais", archpath="m"),
        MossIn(name, digits.name, "ais", start=3, length=2),
    ]
    parts = to_samples([name, {"image": name, "label": ("s.tar", "m")}], session, digits)
    assert parts == [entry, {"image": entry, "label": MossIn("s.tar", digits.name, "ais", archpath="m")}]


def test_nonsense_is_no_sample(digits: Bucket):
    session = Client("http://127.0.0.1:1").request_client
    with pytest.raises(ValueError, match="Bucket must be provided"):
        to_samples(["name"], session, None)
    with pytest.raises(ValueError, match="Unsupported object type"):
        to_samples([3], session, digits)
    with pytest.raises(ValueError, match="at least one part"):
        to_samples([{}], session, digits)


def test_a_fingerprint_is_of_samples_and_order():
    one, two = MossIn("a", "b", "ais"), MossIn("a", "b", "ais", archpath="m")
    different = [
        [], [one], [two], [one, two], [two, one], [{"x": one}], [{"y": one}], [{"x": one, "y": two}],
        [{"x": one}, {"y": two}], [MossIn("a", "c", "ais")], [MossIn("a", "b", "aws")],
        [MossIn("a", "b", "ais", start=1, length=2)], [MossIn("ab", "", "ais")],
        [MossIn("a", None, None, "ais/@#n/b/")],
    ]  # fmt: skip
    assert len({fingerprint(samples) for samples in different}) == len(different)
    assert fingerprint([one, two]) == fingerprint([MossIn("a", "b", "ais"), MossIn("a", "b", "ais", archpath="m")])
