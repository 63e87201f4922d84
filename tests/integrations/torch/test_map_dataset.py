import io
import logging
import pickle
from typing import Any

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from moss.integrations.torch import DecodeError, MissingSample, MossBatchSampler, MossMapDataset, TensorDecoder
from moss.sdk import Bucket, Client
from tests.integrations.torch.conftest import FILES, flat, label

NAMES = sorted(FILES)


def decode_digit(name: str, data: Any) -> tuple[torch.Tensor, int]:
    """An 8 by 8 image and the digit that it shows."""
    pixels = torch.frombuffer(bytearray(Image.open(io.BytesIO(data)).convert("L").tobytes()), dtype=torch.uint8)
    return pixels.reshape(8, 8), int(label(name))


def test_samples_by_index(digits: Bucket):
    dataset = MossMapDataset.from_bucket(digits)
    assert len(dataset) == 200
    assert dataset[3] == (NAMES[3], FILES[NAMES[3]])
    assert dataset[-1] == (NAMES[-1], FILES[NAMES[-1]])
    assert dataset.name(5) == NAMES[5]
    assert dataset.__getitems__([7, 7, 0]) == [(NAMES[i], FILES[NAMES[i]]) for i in (7, 7, 0)]
    assert dataset.__getitems__([]) == []
    assert repr(dataset) == "MossMapDataset(200 samples)"
    with pytest.raises(IndexError):
        dataset[200]


class CountingClient(Client):
    """Counts requests, by looking at what its session sends."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.sent: list[str] = []
        send = self.request_client._send

        def counted(request: Any, body: Any) -> Any:
            self.sent.append(request.path)
            return send(request, body)

        self.request_client._send = counted  # type: ignore[method-assign]


def test_each_batch_of_a_data_loader_is_one_request(digits: Bucket):
    client = CountingClient(digits.client.base_url.removesuffix("/v1"))
    dataset = MossMapDataset(NAMES, client.bucket(digits.name), client=client)
    batches = list(DataLoader(dataset, batch_size=64, collate_fn=list))
    assert [pair for batch in batches for pair in batch] == [(name, FILES[name]) for name in NAMES]
    assert client.sent == ["/ml/moss"] * 4


@pytest.mark.parametrize(("context", "workers"), [("fork", 2), ("spawn", 1)])
def test_images_come_out_of_workers_as_they_are(digits: Bucket, context: str, workers: int):
    dataset = MossMapDataset.from_bucket(digits, decode=decode_digit)
    loader = DataLoader(dataset, batch_size=50, shuffle=True, num_workers=workers, multiprocessing_context=context)
    count = torch.zeros(10, dtype=torch.int64)
    total = 0
    for images, labels in loader:
        assert images.shape == (len(labels), 8, 8)
        count += torch.bincount(labels, minlength=10)
        total += int(images.sum())
    assert count.tolist() == [sum(label(name) == str(digit) for name in NAMES) for digit in range(10)]
    assert total == sum(sum(Image.open(io.BytesIO(data)).convert("L").tobytes()) for data in FILES.values())


def test_members_of_shards_by_index(shards: Bucket):
    dataset = MossMapDataset.from_shards(shards, "train-")
    assert len(dataset) == 200
    name, parts = dataset[0]
    assert name == "train-0.tar/000"
    assert parts == {"cls": b"0", "png": FILES[NAMES[0]]}
    members = MossMapDataset.from_shards(shards, "train-1.tar", group=False)
    assert members.__getitems__([0, 1]) == [("train-1.tar/001.cls", b"1"), ("train-1.tar/001.png", FILES[NAMES[1]])]


def test_ranges_of_objects_and_several_buckets(digits: Bucket, shards: Bucket):
    items = [
        {"obj": NAMES[0], "start": 1, "length": 3},
        f"ais://{shards.name}/train-0.tar.md5",
        {"image": NAMES[2], "label": {"obj": digits.object(NAMES[0]), "start": 0, "length": 1}},
    ]
    dataset = MossMapDataset(items, digits)
    assert [content for _, content in dataset.__getitems__([0, 1, 2])] == [
        b"PNG",
        b"0 train-0.tar",
        {"image": FILES[NAMES[2]], "label": b"\x89"},
    ]


def test_objects_bring_their_way_to_the_cluster(digits: Bucket):
    assert MossMapDataset([digits.object(NAMES[3])])[0] == (NAMES[3], FILES[NAMES[3]])


def test_checksums_are_verified_when_asked_for(digits: Bucket):
    dataset = MossMapDataset.from_bucket(digits, "00", checksum=True)
    assert [content for _, content in dataset.__getitems__(range(10))] == [FILES[name] for name in NAMES[:10]]


def test_tensors_share_the_received_memory(digits: Bucket):
    dataset = MossMapDataset.from_bucket(digits, decode=TensorDecoder(), zero_copy=True)
    tensors = dataset.__getitems__(range(200))
    assert [bytes(tensor.numpy()) for tensor in tensors] == [FILES[name] for name in NAMES]
    # Two members of one buffer: the second one's data stands behind the first one's, padding and a header later.
    apart = tensors[1].data_ptr() - tensors[0].data_ptr()
    assert apart > 0 and apart % 512 == 0
    more = dataset.__getitems__(range(200))
    assert [bytes(tensor.numpy()) for tensor in tensors] == [FILES[name] for name in NAMES]
    assert len(more) == 200


def test_a_missing_sample_is_an_error_with_its_name(digits: Bucket):
    dataset = MossMapDataset([NAMES[0], "no-such-digit.png", NAMES[1]], digits)
    with pytest.raises(MissingSample, match=r"sample 'no-such-digit.png': .*no-such-digit"):
        dataset.__getitems__([0, 1, 2])
    with pytest.raises(MissingSample, match="no-such-digit"):
        dataset[1]
    assert dataset[2] == (NAMES[1], FILES[NAMES[1]])


def test_a_missing_sample_is_skipped_and_told(digits: Bucket, caplog: pytest.LogCaptureFixture):
    dataset = MossMapDataset(
        [NAMES[0], "gone.png", {"image": NAMES[1], "mask": ("gone.tar", "m")}, NAMES[2]], digits, on_missing="skip"
    )
    with caplog.at_level(logging.WARNING):
        assert [name for name, _ in dataset.__getitems__([0, 1, 2, 3])] == [NAMES[0], NAMES[2]]
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "left out sample 'gone.png'",
        f"left out sample {NAMES[1]!r}",
    ]
    with pytest.raises(MissingSample, match=r"gone.png"):
        dataset[1]
    with pytest.raises(MissingSample, match=r"all 2 samples of a batch are missing: sample 'gone.png': "):
        dataset.__getitems__([1, 2])
    with pytest.raises(ValueError, match="on_missing must be raise or skip, found 'ignore'"):
        MossMapDataset([], digits, on_missing="ignore")  # type: ignore[arg-type]


def test_an_error_of_a_decoder_names_the_sample(digits: Bucket):
    dataset = MossMapDataset.from_bucket(digits, decode=lambda name, data: int(data))
    with pytest.raises(DecodeError, match=f"sample {NAMES[4]!r}: ValueError: invalid literal") as caught:
        dataset[4]
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_pickled_data_set_reads_the_same(digits: Bucket):
    dataset = MossMapDataset.from_bucket(digits, decode=decode_digit)
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.fingerprint == dataset.fingerprint
    assert torch.equal(copy[9][0], dataset[9][0])


def test_a_subset_reads_as_the_whole_does(digits: Bucket):
    dataset = MossMapDataset.from_bucket(digits, decode=decode_digit)
    part = dataset.subset([5, 3])
    assert [part.name(index) for index in range(len(part))] == [NAMES[5], NAMES[3]]
    assert part[1][1] == 3
    assert part.fingerprint != dataset.fingerprint
    assert dataset.subset(range(200)).fingerprint == dataset.fingerprint


def test_a_batch_sampler_for_ordinary_loaders(digits: Bucket):
    dataset = MossMapDataset.from_bucket(digits, decode=lambda name, data: name)
    sampler = MossBatchSampler(dataset, 64, shuffle=True, seed=4)
    loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=list, num_workers=2)
    assert len(loader) == 4
    first, second = list(loader), list(loader)
    assert first != second
    assert sorted(flat(first)) == sorted(flat(second)) == NAMES
    resumed = MossBatchSampler(dataset, 32, shuffle=True, seed=4)
    resumed.load_state_dict(sampler.state_dict(epoch=0, batches=2))
    rest = list(DataLoader(dataset, batch_sampler=resumed, collate_fn=list))
    assert flat(rest) == flat(first[2:])
    assert flat(DataLoader(dataset, batch_sampler=resumed, collate_fn=list)) == flat(second)
    resumed.set_epoch(0)
    assert flat(DataLoader(dataset, batch_sampler=resumed, collate_fn=list)) == flat(first)
    with pytest.raises(ValueError, match="expected at most 4 batches, found 5"):
        sampler.state_dict(epoch=0, batches=5)
