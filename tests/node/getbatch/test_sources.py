"""Where payloads come from while the store changes underneath: verified bytes, or the error that says why."""

import io
import tarfile
import zipfile

import pytest

from moss.archive.formats import Format
from moss.errors import BucketNotFound, ChecksumMismatch, MemberNotFound, ObjectNotFound, RangeOutOfBounds
from moss.naming.bucket import Bucket
from moss.node.getbatch.plan import Batch, Options
from moss.node.getbatch.sources import LargePayload, Payload, Sources
from moss.node.storage.engine import Engine
from moss.node.storage.shards import DecodeBudget, ShardIndexes, ShardLimits

MIB = 1 << 20


def make(engine: Engine, shards: ShardIndexes, names: list[str], **columns) -> Sources:
    buckets = columns.pop("buckets", [Bucket("data")])
    return Sources(engine, shards, Batch(Options(Format.TAR, True, False, True), names, buckets, **columns), "t[one]")


def payloads(sources: Sources, count: int) -> list[Payload]:
    return sources.payloads(0, sources.open(0, sources.locate(0, count)))


def whole(payload: Payload) -> bytes:
    return b"".join(payload.pieces()) if isinstance(payload, LargePayload) else bytes(payload)


def make_shard(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_btr_01_a_bucket_that_was_destroyed_is_no_bucket_full_of_missing_objects(engine, shards, bucket):
    other = Bucket("other")
    engine.create_bucket(other)
    engine.put(other, "a", b"x").result()
    single = make(engine, shards, ["a"], buckets=[other])
    mixed = make(engine, shards, ["a", "a"], buckets=[bucket, other], bucket_of=[0, 1])
    engine.drop_bucket(other)
    for sources, count in ((single, 1), (mixed, 2)):
        with pytest.raises(BucketNotFound):
            sources.locate(0, count)


def test_btr_01_a_bucket_of_the_same_name_is_not_the_one_that_was_asked(engine, shards):
    other = Bucket("other")
    engine.create_bucket(other)
    single = make(engine, shards, ["a"], buckets=[other])
    mixed = make(engine, shards, ["a", "a"], buckets=[Bucket("data"), other], bucket_of=[0, 1])
    engine.drop_bucket(other)
    engine.create_bucket(other)
    engine.put(other, "a", b"another bucket's").result()
    for sources, count in ((single, 1), (mixed, 2)):
        with pytest.raises(BucketNotFound):
            sources.locate(0, count)
    # A window that needs nothing of it is not harmed.
    assert mixed.locate(0, 1) == [None]


@pytest.mark.parametrize("size", [3, 3 * MIB])
def test_an_object_that_is_replaced_while_it_is_asked_for_is_not_missing(engine, shards, bucket, size: int):
    old, new = b"o" * (3 * MIB), b"n" * size
    engine.put(bucket, "a", old).result()
    sources = make(engine, shards, ["a"])
    located = sources.locate(0, 1)
    opened = sources.open(0, located)
    engine.put(bucket, "a", new).result()
    # Looked up before, opened before or after: one version or the other, never an error.
    assert whole(sources.payloads(0, opened)[0]) in (old, new)
    assert whole(make(engine, shards, ["a"]).payloads(0, sources.open(0, located))[0]) in (old, new)


def test_an_object_that_is_deleted_after_its_window_was_looked_up_is_missing(engine, shards, bucket):
    engine.put(bucket, "a", bytes(3 * MIB)).result()
    sources = make(engine, shards, ["a"])
    located = sources.locate(0, 1)
    engine.delete(bucket, "a").result()
    assert isinstance(sources.payloads(0, sources.open(0, located))[0], ObjectNotFound)


def test_a_window_survives_the_compaction_of_its_segments(engine, shards, bucket):
    names = [f"o{i}" for i in range(64)]
    for name in names:
        engine.put(bucket, name, name.encode() * 40_000).result()
    for name in names[::2]:
        engine.delete(bucket, name).result()
    kept = names[1::2]
    sources = make(engine, shards, kept)
    located = sources.locate(0, len(kept))
    assert engine.compact(0.01).segments
    found = sources.payloads(0, sources.open(0, located))
    assert [bytes(payload[:3]).decode().rstrip("o") for payload in found] == [name[:3].rstrip("o") for name in kept]


def test_members_survive_the_compaction_of_their_shard(engine, shards, bucket):
    engine.put(bucket, "dead", bytes(MIB)).result()
    engine.put(bucket, "s.tar", make_shard({"a": b"alpha", "b": b"beta"})).result()
    engine.delete(bucket, "dead").result()
    sources = make(engine, shards, ["s.tar"] * 3, members=["a", "b", "c"])
    located = sources.locate(0, 3)
    assert engine.compact(0.01).segments
    # Not opened again on purpose: the shard moves between the lookup and the first look into it.
    first, second, third = sources.payloads(0, located)
    assert (bytes(first), bytes(second)) == (b"alpha", b"beta")
    assert isinstance(third, MemberNotFound)


def test_more_segments_than_are_kept_open(engine, shards, bucket):
    names = [f"large{i}" for i in range(100)]
    for name in names:
        engine.put(bucket, name, name.encode() + bytes(MIB)).result()
    sources = make(engine, shards, names)
    for start in range(0, 100, 10):
        found = sources.payloads(start, sources.open(start, sources.locate(start, start + 10)))
        assert [whole(payload)[: len(name)].decode() for payload, name in zip(found, names[start:], strict=False)] == (
            names[start : start + 10]
        )
    assert len(sources._segments) <= 74


def test_members_of_many_shards_in_one_run(engine, shards, bucket):
    """Each shard in a segment of its own: none that the run still needs is let go."""
    for i in range(80):
        engine.put(bucket, f"s{i}.tar", make_shard({"pad": bytes(MIB), "m": b"member %d" % i})).result()
    names = [f"s{i % 80}.tar" for i in range(160)]
    sources = make(engine, shards, names, members=["m"] * 160)
    assert [bytes(payload) for payload in payloads(sources, 160)] == [b"member %d" % (i % 80) for i in range(160)]


def test_decoded_members_of_one_run_share_a_budget(engine, bucket, monkeypatch: pytest.MonkeyPatch):
    shards = ShardIndexes(engine, ShardLimits(decoded_bytes_max=250_000))
    made: list[DecodeBudget] = []
    create = shards.budget
    monkeypatch.setattr(shards, "budget", lambda: made.append(create()) or made[-1])
    for i in range(5):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("m", b"%d" % i * 100_000)
        engine.put(bucket, f"{i}.zip", out.getvalue()).result()
    sources = make(engine, shards, [f"{i}.zip" for i in range(5)], members=["m"] * 5)
    assert [bytes(payload) for payload in payloads(sources, 5)] == [b"%d" % i * 100_000 for i in range(5)]
    assert [budget.bytes_left for budget in made] == [50_000]


@pytest.mark.parametrize("size", [100, 3 * MIB])
@pytest.mark.parametrize(
    ("start", "length", "want"),
    [(0, 0, (0, None)), (10, 20, (10, 30)), (90, 10, (90, 100)), (7, -1, (7, None)), (0, -1, (0, None))],
)
def test_ranges(engine, shards, bucket, size: int, start: int, length: int, want):
    data = bytes(range(251)) * (size // 251 + 1)
    engine.put(bucket, "o", data[:size]).result()
    sources = make(engine, shards, ["o"], starts=[start], lengths=[length])
    assert whole(payloads(sources, 1)[0]) == data[:size][slice(*want)]


@pytest.mark.parametrize("size", [0, 100, 3 * MIB])
def test_ranges_beyond_the_end_are_errors_at_once(engine, shards, bucket, size: int):
    engine.put(bucket, "o", bytes(size)).result()
    spans = [(size, 1), (size, -1), (0, size + 1), (1, size)]
    starts, lengths = zip(*spans, strict=True)
    sources = make(engine, shards, ["o"] * 4, starts=list(starts), lengths=list(lengths))
    assert all(isinstance(payload, RangeOutOfBounds) for payload in payloads(sources, 4))
    assert isinstance(sources.first_missing(0, 4), RangeOutOfBounds)


def test_names_that_are_no_text_are_just_missing(engine, shards):
    sources = make(engine, shards, ["\udcff", "a\0b", "\ufffd"])
    assert all(isinstance(payload, ObjectNotFound) for payload in payloads(sources, 3))


@pytest.mark.parametrize("size", [1000, 3 * MIB])
def test_a_flipped_byte_is_an_error_and_not_a_payload(engine, shards, bucket, size: int):
    engine.put(bucket, "o", bytes(size)).result()
    sources = make(engine, shards, ["o"])
    opened = sources.open(0, sources.locate(0, 1))
    number, offset = opened[0][:2]
    with open(engine.segment(number).path, "r+b") as file:
        file.seek(offset + size - 1)
        file.write(b"\1")
    payload = sources.payloads(0, opened)[0]
    if isinstance(payload, LargePayload):
        with pytest.raises(ChecksumMismatch):
            whole(payload)
    else:
        assert isinstance(payload, ChecksumMismatch)


def test_a_damaged_member_harms_nobody_else(engine, shards, bucket):
    contents = {f"m{i}": b"%d" % i * 700 for i in range(5)}
    engine.put(bucket, "s.tar", make_shard(contents)).result()
    sources = make(engine, shards, ["s.tar"] * 5, members=[*contents])
    assert [whole(payload) for payload in payloads(sources, 5)] == [*contents.values()]
    (extent,) = engine.locate(bucket, ["s.tar"])
    with open(engine.segment(extent[0]).path, "r+b") as file:
        file.seek(extent[1] + bytes(engine.segment(extent[0]).view[extent[1] : extent[1] + extent[2]]).index(b"3333"))
        file.write(b"?")
    found = payloads(make(engine, shards, ["s.tar"] * 5, members=[*contents]), 5)
    assert isinstance(found[3], ChecksumMismatch) and "m3 in ais://" in found[3].message
    assert [whole(found[i]) for i in (0, 1, 2, 4)] == [contents[f"m{i}"] for i in (0, 1, 2, 4)]


def test_ranges_of_members(engine, shards, bucket):
    engine.put(bucket, "s.tar", make_shard({"a": b"0123456789", "b": b"abc"})).result()
    columns = {"members": ["a", "b", "a"], "starts": [2, 1, 20], "lengths": [3, -1, 1]}
    found = payloads(make(engine, shards, ["s.tar"] * 3, **columns), 3)
    assert [whole(payload) for payload in found[:2]] == [b"234", b"bc"]
    assert isinstance(found[2], RangeOutOfBounds)
