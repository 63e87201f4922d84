"""What our classes do beyond the official ones."""

import io
import logging
import pickle
import subprocess
import sys
import tarfile

import pytest
from torch.utils.data import DataLoader

from moss.pytorch import (
    AISBatchIterDataset,
    AISIterDataset,
    AISMapDataset,
    AISMultiShardStream,
    AISShardReader,
    DynamicBatchSampler,
)
from moss.sdk import Bucket, Client, DataShard
from moss.sdk.dataset import DataAttribute, DatasetConfig, LabelAttribute
from moss.testing import NodeProcess
from tests.integrations.torch.conftest import DIGITS, FILES, flat, label, new_bucket, shard

NAMES = sorted(FILES)
TRAIN = [f"train-{number}.tar" for number in range(1, 4)]


def client_of(bucket: Bucket) -> Client:
    return Client(bucket.client.base_url.removesuffix("/v1"))


@pytest.mark.parametrize("kind", ["single", "batches", "shards", "rows", "sources"])
def test_109_ranks_and_workers_share_everything(digits: Bucket, shards: Bucket, kind: str):
    def dataset(rank: int) -> object:
        ranks = {"rank": rank, "world_size": 2}
        if kind == "shards":
            return AISShardReader(shards, {shards: TRAIN}, **ranks)
        if kind == "rows":
            sources = [DataShard(shards.client.base_url.removesuffix("/v1"), shards.name, prefix=TRAIN[0])]
            return AISMultiShardStream(sources, **ranks)
        if kind == "batches":
            return AISBatchIterDataset(digits, client_of(digits), **ranks)
        sources = [digits, digits] if kind == "sources" else digits
        return AISIterDataset(sources, partition_sources_by_worker=kind == "sources", **ranks)

    loaders = [DataLoader(dataset(rank), batch_size=None, num_workers=2) for rank in range(2)]
    shares = [[sample[0] for sample in loader] for loader in loaders]
    in_shards = [name for index, name in enumerate(NAMES) if index % 4]
    expected = {
        "single": NAMES,
        "batches": NAMES,
        "sources": NAMES * 2,
        "shards": [name[:3] for name in in_shards],
        "rows": [part for name in in_shards[::3] for part in (FILES[name], label(name).encode())],
    }
    assert sorted(flat(shares)) == sorted(expected[kind])
    assert all(shares)


def test_a_batch_of_a_map_data_set_is_one_request(digits: Bucket, monkeypatch: pytest.MonkeyPatch):
    sent = []
    session = digits.client
    send = session._send
    dataset = AISMapDataset(digits)
    monkeypatch.setattr(session, "_send", lambda request, body: sent.append(request.path) or send(request, body))
    assert flat(DataLoader(dataset, batch_size=100, collate_fn=list)) == [(name, FILES[name]) for name in NAMES]
    assert sent == ["/ml/moss"] * 2


def test_a_map_data_set_over_several_clients(digits: Bucket, bucket: Bucket):
    bucket.object("x").put_content(b"1")
    dataset = AISMapDataset([digits, bucket], {digits: "00"})
    assert dataset.__getitems__([0, 10, 1, 10]) == [
        (NAMES[0], FILES[NAMES[0]]), ("x", b"1"), (NAMES[1], FILES[NAMES[1]]), ("x", b"1"),
    ]  # fmt: skip


def test_111_what_a_sample_lacks_is_empty(bucket: Bucket):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in ("a/1.jpg", "b/1.txt", "2.jpg", "README", "3.txt", "3.json"):
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(name[0].encode()))
    bucket.object("s.tgz").put_content(buffer.getvalue())
    reader = AISShardReader(bucket)
    assert dict(reader) == {
        "1": {"jpg": b"a", "txt": b"b", "json": b""},
        "2": {"jpg": b"2", "txt": b"", "json": b""},
        "3": {"jpg": b"", "txt": b"3", "json": b"3"},
    }
    assert len(reader) == 3
    ((names, parts),) = DataLoader(reader, batch_size=3)
    assert list(names) == ["1", "2", "3"] and parts["json"] == [b"", b"", b"3"]


def test_111_the_length_is_the_number_of_samples(shards: Bucket):
    reader = AISShardReader(shards, {shards: TRAIN[:2]})
    assert len(reader) == sum(1 for _ in reader) == 100


def test_what_is_no_shard_is_an_error(bucket: Bucket):
    bucket.object("notes.tar").put_content(b"no archive" * 100)
    with pytest.raises(tarfile.TarError, match=r"shard 'notes.tar': "):
        list(AISShardReader(bucket))


def test_batches_that_are_prefetched_keep_their_order(digits: Bucket):
    assert [name for name, _ in AISBatchIterDataset(digits, client_of(digits), max_batch_size=3)] == NAMES
    with pytest.raises(ValueError, match="max_batch_size must be positive, found 0"):
        AISBatchIterDataset(digits, client_of(digits), max_batch_size=0)


def test_progress_is_one_line_when_nobody_watches(digits: Bucket, capsys: pytest.CaptureFixture[str]):
    assert len(list(AISIterDataset(digits, show_progress=True))) == 200
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("AISIterDataset: 200 (") and line.endswith("/s)")


def test_the_length_of_a_sampler_is_its_number_of_batches(digits: Bucket):
    dataset = AISMapDataset(digits)
    sampler = DynamicBatchSampler(dataset, 1000, shuffle=True, seed=3)
    for _ in range(3):
        expected = len(sampler)
        assert len(list(sampler)) == expected < 200


def test_orders_of_a_sampler_are_deterministic(digits: Bucket, caplog: pytest.LogCaptureFixture):
    dataset = AISMapDataset(digits)
    samplers = [DynamicBatchSampler(dataset, 1000, shuffle=True, seed=seed) for seed in (1, 1, 2)]
    first = [list(sampler) for sampler in samplers]
    assert first[0] == first[1] != first[2]
    assert list(samplers[0]) != first[0]
    samplers[0].set_epoch(0)
    assert list(samplers[0]) == first[0]
    with caplog.at_level(logging.WARNING):
        assert len(DynamicBatchSampler(dataset, 10)) == 0
    assert not caplog.records
    with pytest.raises(ValueError, match="max_batch_size must be positive, found 0"):
        DynamicBatchSampler(dataset, 0)


def test_data_sets_can_be_pickled(digits: Bucket):
    for dataset in (AISMapDataset(digits, {digits: "00"}), AISIterDataset(digits, {digits: "00"})):
        copy = pickle.loads(pickle.dumps(dataset))
        assert len(copy) == 10
        assert [copy[0][0]] if isinstance(copy, AISMapDataset) else next(iter(copy))


def test_113_a_data_set_that_was_written_can_be_read(node: NodeProcess):
    bucket = new_bucket(node.url)
    config = DatasetConfig(DataAttribute(DIGITS, "image", "png"), [LabelAttribute("cls", lambda name: name[-1])])
    stored = bucket.write_dataset(config, pattern="digits", maxcount=80)
    assert stored == ["digits-00.tar", "digits-01.tar", "digits-02.tar"]
    samples = dict(AISShardReader(bucket))
    assert len(samples) == 200
    assert samples["sample_17"] == {"png": FILES[NAMES[17]], "cls": b"7"}


def test_the_official_names_import_ours():
    code = (
        "import moss.compat.aistore, aistore.pytorch as p, moss.pytorch as q\n"
        "from aistore.pytorch.batch_iter_dataset import AISBatchIterDataset\n"
        "from aistore.pytorch.utils import get_basename\n"
        "assert p is q and AISBatchIterDataset is q.AISBatchIterDataset\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_shard_of_one_digit_is_read(bucket: Bucket):
    bucket.object("one.tar").put_content(shard(NAMES[:1]))
    assert list(AISShardReader(bucket)) == [("000", {"png": FILES[NAMES[0]], "cls": b"0"})]
