"""Uploading folders: names, progress, several files at a time; and data sets as shards."""

import asyncio
import io
import tarfile
import threading
from pathlib import Path

import pytest

from moss.sdk import Client, DataShard
from moss.sdk import aio as moss_aio
from moss.sdk.dataset import DataAttribute, DatasetConfig, LabelAttribute
from moss.sdk.errors import AISError
from moss.sdk.progress import Progress
from moss.sdk.transport.blocking_tasks import for_each
from tests.sdk.peer import Peer, Reply, error_reply


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(40):
        (tmp_path / f"f{number:02}.bin").write_bytes(bytes([number]) * (1000 * number))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "g.txt").write_text("g")
    return tmp_path


def test_30_all_files_arrive_in_order_and_are_told(client: Client, peer: Peer, folder: Path):
    seen = []
    names = client.bucket("b").put_files(folder, recursive=True, prepend="x/", progress=seen.append)
    assert names == [f"x/f{number:02}.bin" for number in range(40)] + ["x/sub/g.txt"]
    assert peer.objects["b/x/f07.bin"] == bytes([7]) * 7000 and peer.objects["b/x/sub/g.txt"] == b"g"
    assert [step.items_done for step in seen] == list(range(1, 42))
    total = sum(map(len, peer.objects.values()))
    assert (seen[-1].bytes_done, seen[-1].bytes_total, seen[-1].items_total) == (total, total, 41)
    assert {step.name for step in seen} == set(names)


def test_30_files_are_sent_at_the_same_time(client: Client, peer: Peer, folder: Path):
    together = threading.Barrier(4)

    def handle(request) -> Reply:
        together.wait(10)  # four requests are here at once, or the test fails
        return Reply()

    peer.handle = handle
    assert len(client.bucket("b").put_files(folder, num_workers=4)) == 40


def test_30_a_large_file_is_streamed(client: Client, peer: Peer, tmp_path: Path):
    (tmp_path / "large").write_bytes(bytes(range(256)) * 4000)
    assert client.bucket("b").put_files(str(tmp_path)) == ["large"]
    assert peer.objects["b/large"] == bytes(range(256)) * 4000


def test_30_the_first_refusal_ends_it(client: Client, peer: Peer, folder: Path):
    peer.handle = lambda request: error_reply(403, "no")
    before = threading.active_count()
    with pytest.raises(AISError, match="no"):
        client.bucket("b").put_files(folder, num_workers=4)
    assert len(peer.received) <= 8
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("moss-sdk")], before


def test_30_patterns_and_names(client: Client, peer: Peer, folder: Path):
    bucket = client.bucket("b")
    assert bucket.put_files(folder, pattern="sub/*.txt", dry_run=True) == ["sub/g.txt"]
    assert bucket.put_files(folder, prefix_filter="f0", pattern="*[12].bin", dry_run=True) == ["f01.bin", "f02.bin"]
    (folder / "g.txt").write_text("other")
    with pytest.raises(ValueError, match=r"g\.txt"):
        bucket.put_files(folder, recursive=True, basename=True)
    for pattern in ("", "/etc/*"):
        with pytest.raises(ValueError, match="pattern"):
            bucket.put_files(folder, pattern=pattern)
    assert peer.received == []


def test_30_the_asynchronous_twin(peer: Peer, patient, folder: Path):
    async def main() -> list[str]:
        async with moss_aio.Client(peer.url, retry_config=patient) as client:
            return await client.bucket("b").put_files(folder, recursive=True, num_workers=5)

    assert len(asyncio.run(main())) == len(peer.objects) == 41


def test_several_calls_keep_their_order_and_stop_at_an_error():
    assert for_each(lambda item: item * 2, range(100), 7) == list(range(0, 200, 2))
    assert for_each(str, [], 3) == [] and for_each(str, [1], 3) == ["1"]
    begun = []

    def fail(item: int) -> None:
        begun.append(item)
        raise KeyError(item)

    with pytest.raises(KeyError):
        for_each(fail, range(1000), 4)
    assert len(begun) <= 4


# --- data sets ---


@pytest.fixture
def images(tmp_path: Path) -> DatasetConfig:
    for number in range(5):
        (tmp_path / f"cat_{number}.jpg").write_bytes(b"jpeg%d" % number)
        if number != 3:
            (tmp_path / f"cat_{number}.json").write_text("{}")
    label = LabelAttribute("cls", lambda name: int(name[-1]))
    return DatasetConfig(DataAttribute(tmp_path, "image", "jpg"), [DataAttribute(tmp_path, "meta", "json"), label])


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def test_113_shards_of_a_data_set(client: Client, peer: Peer, images: DatasetConfig):
    told: list[str] = []
    names = client.bucket("b").write_dataset(images, pattern="train", maxcount=2, post=told.append)
    assert names == told == ["train-0.tar", "train-1.tar"]
    first, second = (members(peer.objects[f"b/{name}"]) for name in names)
    assert first == {
        "sample_0.image.jpg": b"jpeg0", "sample_0.meta.json": b"{}", "sample_0.cls": b"0",
        "sample_1.image.jpg": b"jpeg1", "sample_1.meta.json": b"{}", "sample_1.cls": b"1",
    }  # fmt: skip
    assert [name for name in second if name.endswith(".jpg")] == ["sample_2.image.jpg", "sample_4.image.jpg"]


def test_113_progress_of_a_data_set(client: Client, peer: Peer, images: DatasetConfig):
    told: list[Progress] = []
    names = client.bucket("b").write_dataset(images, pattern="train", maxcount=2, progress=told.append)
    sizes = [len(peer.objects[f"b/{name}"]) for name in names]
    assert told == [
        Progress(names[0], 1, None, sizes[0], None),
        Progress(names[1], 2, None, sum(sizes), None),
    ]


def test_113_samples_that_lack_a_part_can_be_kept(client: Client, peer: Peer, images: DatasetConfig):
    [name] = client.bucket("b").write_dataset(images, skip_missing=False)
    assert name == "dataset-000000.tar"
    kept = members(peer.objects[f"b/{name}"])
    assert "sample_000003.image.jpg" in kept and "sample_000003.meta.json" not in kept


def test_113_shards_end_at_a_size_too(client: Client, peer: Peer, images: DatasetConfig):
    names = client.bucket("b").write_dataset(images, pattern="s-%03d.tar", maxsize=1, start_shard=7)
    assert names == ["s-007.tar", "s-008.tar", "s-009.tar", "s-010.tar"]


def test_113_shards_as_files(images: DatasetConfig, tmp_path: Path):
    [name] = images.write_shards(skip_missing=True, pattern=str(tmp_path / "out"))
    assert len(members(Path(name).read_bytes())) == 12


def test_113_impossible_shards(images: DatasetConfig):
    for options in ({"maxcount": 0}, {"pattern": "a%sb%d"}, {"pattern": "a%"}):
        with pytest.raises(ValueError):
            list(images.shards(True, **options))


def test_data_shards_have_a_client_of_their_own(peer: Peer):
    shard = DataShard(peer.url, "b", "gs", prefix="train-")
    assert shard.bucket.provider == "gcp" and shard.client.request_client.base_url == f"{peer.url}/v1"
    assert peer.connections == 0
