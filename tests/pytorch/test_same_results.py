"""What the official plugin does on a node, and ours does too."""

from typing import Any

import pytest
from torch.utils.data import DataLoader

from moss.sdk import Bucket
from tests.integrations.torch.conftest import FILES, SHARDS
from tests.pytorch.conftest import Plugin

NAMES = sorted(FILES)
PAIRS = [(name, FILES[name]) for name in NAMES]


def read(loader: Any) -> list[tuple[str, bytes]]:
    return sorted(map(tuple, loader))


def test_a_map_data_set(plugin: Plugin, digits: Bucket):
    dataset = plugin.AISMapDataset(plugin.client.bucket(digits.name))
    assert len(dataset) == 200
    assert dataset[7] == PAIRS[7]
    assert [item.name for item in dataset.get_obj_list()] == NAMES
    assert dataset.__getitems__([3, 1]) == [PAIRS[3], PAIRS[1]]
    with pytest.raises(IndexError):
        dataset[200]
    with pytest.raises(ValueError, match="ais_source_list must be provided"):
        plugin.AISMapDataset([])


def test_prefixes_and_groups(plugin: Plugin, digits: Bucket):
    bucket = plugin.client.bucket(digits.name)
    other = plugin.client.bucket(digits.name)
    group = bucket.objects(obj_names=NAMES[50:52])
    prefixes = {bucket: ["000", "01"], other: "19", group: None}
    dataset = plugin.AISMapDataset([bucket, other, group], prefixes)
    assert [item.name for item in dataset.get_obj_list()] == [
        NAMES[0], *NAMES[10:20], *NAMES[190:], *NAMES[50:52],
    ]  # fmt: skip
    assert sorted(plugin.AISIterDataset([bucket, group], prefixes)) == sorted([PAIRS[0], *PAIRS[10:20], *PAIRS[50:52]])


def test_large_objects_by_index(plugin: Plugin, digits: Bucket):
    dataset = plugin.AISParallelMapDataset(plugin.client.bucket(digits.name), num_workers=2)
    assert dataset.num_workers == 2
    name, buffer = dataset[4]
    with buffer:
        assert (name, bytes(buffer.buf)) == PAIRS[4]


@pytest.mark.parametrize("workers", [0, 3])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_108_each_object_comes_once_from_any_number_of_workers(plugin: Plugin, digits: Bucket, workers: int):
    bucket = plugin.client.bucket(digits.name)
    single = plugin.AISIterDataset(bucket)
    assert len(single) == 200
    assert read(DataLoader(single, batch_size=None, num_workers=workers)) == PAIRS
    batches = plugin.AISBatchIterDataset(bucket, plugin.client, max_batch_size=7)
    assert read(DataLoader(batches, batch_size=None, num_workers=workers)) == PAIRS
    assert read(DataLoader(batches, batch_size=None, num_workers=workers)) == PAIRS


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_108_workers_with_sources_of_their_own(plugin: Plugin, digits: Bucket, shards: Bucket):
    sources = [plugin.client.bucket(digits.name), plugin.client.bucket(shards.name)]
    dataset = plugin.AISIterDataset(sources, {sources[1]: "train-"}, partition_sources_by_worker=True)
    order = [name for name, _ in DataLoader(dataset, batch_size=None, num_workers=3)]
    # Worker 0 reads the first bucket, worker 1 the second one, and worker 2 nothing: both in turn.
    second = ["train-0.tar", "train-0.tar.md5", "train-1.tar", "train-2.tar", "train-3.tar"]
    assert order == [name for pair in zip(NAMES, second, strict=False) for name in pair] + NAMES[5:]


@pytest.mark.parametrize("options", [{"output_format": ".zip"}, {"streaming": False}, {"output_format": ".tgz"}])
def test_batches_in_other_forms(plugin: Plugin, digits: Bucket, options: dict[str, Any]):
    dataset = plugin.AISBatchIterDataset(plugin.client.bucket(digits.name), plugin.client, max_batch_size=64, **options)
    assert sorted(dataset) == PAIRS


def test_110_a_missing_object(plugin: Plugin, digits: Bucket, bucket: Bucket):
    """It was removed between the listing and the reading of its batch."""
    bucket.object("a").put_content(b"a")
    bucket.object("c").put_content(b"c")
    source = plugin.client.bucket(bucket.name)

    class Late(plugin.AISBatchIterDataset):  # type: ignore[misc, name-defined]
        def _create_objects_iter(self, sources: Any = None) -> Any:
            return iter([source.object(name) for name in "abc"])

    assert list(Late(source, plugin.client, cont_on_err=True)) == [("a", b"a"), ("c", b"c")]
    expected = Exception if plugin.is_official else RuntimeError  # The official one passes the cluster's refusal on.
    with pytest.raises(expected, match=r"\bb\b"):
        list(Late(source, plugin.client))


def test_111_shards(plugin: Plugin, shards: Bucket):
    bucket = plugin.client.bucket(shards.name)
    dataset = plugin.AISShardReader(bucket, {bucket: [f"train-{number}.tar" for number in range(1, SHARDS)]})
    names = [name for index, name in enumerate(NAMES) if index % SHARDS]
    samples = dict(iter(dataset))
    assert {name: samples[name[:3]] for name in names} == {
        name: {"png": FILES[name], "cls": name.partition("-label-")[2][:1].encode()} for name in names
    }
    assert len(samples) == len(names)


def test_members_of_several_shards_together(plugin: Plugin, shards: Bucket, node: Any):
    sources = [plugin.DataShard(node.url, shards.name, prefix=f"train-{number}.tar") for number in (1, 2)]
    rows = list(plugin.AISMultiShardStream(sources))
    assert len(rows) == 2 * len(NAMES) // SHARDS
    # In the order of their names: 001.cls and 002.cls, 001.png and 002.png, 005.cls and 006.cls, …
    assert rows[:2] == [(b"1", b"2"), (FILES[NAMES[1]], FILES[NAMES[2]])]
    assert rows[-1] == (FILES[NAMES[197]], FILES[NAMES[198]])


def sized(plugin: Plugin, bucket: Bucket, sizes: list[int]) -> Any:
    for number, size in enumerate(sizes):
        bucket.object(f"{number:03}").put_content(bytes(size))
    return plugin.AISMapDataset(plugin.client.bucket(bucket.name))


def test_112_batches_of_so_many_bytes(plugin: Plugin, bucket: Bucket, caplog: pytest.LogCaptureFixture):
    dataset = sized(plugin, bucket, [4, 6, 5, 0, 11, 3, 3, 3, 2])
    sampler = plugin.DynamicBatchSampler
    assert list(sampler(dataset, 10)) == [[0, 1], [2, 5], [6, 7, 8]]
    assert caplog.text.count("003") == caplog.text.count("004") == 1
    assert list(sampler(dataset, 10, allow_oversized_samples=True)) == [[0, 1], [4], [2, 5], [6, 7, 8]]
    assert list(sampler(dataset, 10, drop_last=True)) == [[0, 1], [2, 5]]
    assert list(sampler(dataset, 10, drop_last=True, saturation_factor=0.7)) == [[0, 1], [2, 5], [6, 7, 8]]
    assert next(iter(sampler(dataset, 10, drop_last=True, saturation_factor=1))) == [0, 1]
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        sampler(dataset, 10, saturation_factor=2)


def test_112_any_order_keeps_the_limit(plugin: Plugin, bucket: Bucket):
    sizes = [number % 13 + 1 for number in range(100)]
    batches = list(plugin.DynamicBatchSampler(sized(plugin, bucket, sizes), 40, shuffle=True))
    assert sorted(index for batch in batches for index in batch) == list(range(100))
    assert max(sum(sizes[index] for index in batch) for batch in batches) <= 40


@pytest.mark.parametrize("name", ["", "/", "a/b.c/d", "a/b.tar.gz", "x.", ".hidden", "a.b/c"])
def test_names_and_extensions(name: str):
    import aistore.pytorch.utils as official

    import moss.pytorch.utils as ours

    assert ours.get_basename(name) == official.get_basename(name)
    assert ours.get_extension(name) == official.get_extension(name)


def test_other_helpers():
    import aistore.pytorch.utils as official

    import moss.pytorch.utils as ours

    for utils in (official, ours):
        assert utils.convert_mb_to_bytes(1.5) == 1_500_000
        assert utils.convert_bytes_to_mb(2_500_000) == 2.5
        assert utils.unparse_url("ais", "b", "d/o.jpg") == "ais://b/d/o.jpg"
        assert tuple(utils.parse_url("ais://b/d/o.jpg")) == ("ais", "b", "d/o.jpg")
