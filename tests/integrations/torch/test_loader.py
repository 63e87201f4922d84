import json
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Subset

from moss.integrations.torch import MissingSample, MossIterableDataset, MossLoader, MossMapDataset, TensorDecoder
from moss.sdk import Bucket
from tests.integrations.torch.conftest import FILES, flat
from tests.integrations.torch.test_map_dataset import decode_digit

NAMES = sorted(FILES)
BATCH = 24  # does not divide 200


def only_name(name: str, data: Any) -> str:
    return name


@pytest.fixture
def dataset(digits: Bucket) -> MossMapDataset:
    return MossMapDataset.from_bucket(digits, decode=only_name)


def loader_of(dataset: MossMapDataset, **options: Any) -> MossLoader:
    return MossLoader(dataset, BATCH, shuffle=True, seed=9, collate_fn=list, **options)


@pytest.fixture
def sequence(dataset: MossMapDataset) -> list[list[str]]:
    """The batches of two epochs, read without workers."""
    loader = loader_of(dataset)
    return [batch for _ in range(2) for batch in loader]


def test_an_epoch_has_every_sample_once(sequence: list[list[str]]):
    first, second = sequence[:9], sequence[9:]
    assert [len(batch) for batch in first] == [24] * 8 + [8]
    assert sorted(flat(first)) == sorted(flat(second)) == NAMES
    assert first != second


@pytest.mark.parametrize(
    ("workers", "context"), [(1, "fork"), (2, "fork"), (4, "fork"), (2, "spawn")], ids=lambda value: str(value)
)
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_the_sequence_is_the_same_with_any_workers(
    dataset: MossMapDataset, sequence: list[list[str]], workers: int, context: str
):
    """Also with workers that live for several epochs."""
    loader = loader_of(
        dataset, num_workers=workers, multiprocessing_context=context, persistent_workers=context == "spawn"
    )
    assert [batch for _ in range(2) for batch in loader] == sequence
    assert loader.epoch == 2


@pytest.mark.parametrize("before", [0, 2, 3])
@pytest.mark.parametrize("after", [0, 1, 4])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_resume_in_the_middle_of_an_epoch(dataset: MossMapDataset, sequence: list[list[str]], before: int, after: int):
    """Whatever the workers had fetched ahead: what comes is what was not yet yielded."""
    loader = loader_of(dataset, num_workers=before)
    used = list(loader)
    for number, batch in enumerate(loader):
        used.append(batch)
        if number == 2:
            state = json.loads(json.dumps(loader.state_dict()))
            break
    resumed = loader_of(dataset, num_workers=after)
    resumed.load_state_dict(state)
    assert resumed.epoch == 1
    assert used + list(resumed) == sequence
    assert resumed.epoch == 2
    assert sorted(flat(resumed)) == NAMES


def test_resume_with_workers_that_live_on(dataset: MossMapDataset, sequence: list[list[str]]):
    loader = loader_of(dataset, num_workers=2, persistent_workers=True)
    iterator = iter(loader)
    used = [next(iterator) for _ in range(4)]
    state = loader.state_dict()
    assert used + list(iterator) == sequence[:9]
    loader.load_state_dict(state)
    assert [batch for _ in range(2) for batch in loader] == sequence[4:]


def test_another_loader_forks_workers_while_batches_are_on_their_way(dataset: MossMapDataset):
    """As a training does that validates in between. Requests of the first loader run in threads at every fork."""
    validation = MossLoader(dataset, 100, collate_fn=list, num_workers=2)
    training = MossLoader(dataset, 50, collate_fn=list, in_flight=3)
    assert [flat(validation) for _ in training] == [NAMES] * 4


def test_resume_with_another_batch_size(dataset: MossMapDataset, sequence: list[list[str]]):
    loader = loader_of(dataset)
    iterator = iter(loader)
    used = [next(iterator), next(iterator)]
    resumed = MossLoader(dataset, 7, shuffle=True, seed=9, collate_fn=list, num_workers=2)
    resumed.load_state_dict(loader.state_dict())
    assert flat(used) + flat(resumed) == flat(sequence[:9])


def test_the_state_behind_the_last_batch_and_behind_the_epoch(dataset: MossMapDataset, sequence: list[list[str]]):
    loader = loader_of(dataset)
    states = [loader.state_dict() for _ in loader] + [loader.state_dict()]
    assert [(state["epoch"], state["samples"]) for state in states[-3:]] == [(0, 192), (0, 200), (1, 0)]
    for state in states[-2:]:
        resumed = loader_of(dataset)
        resumed.load_state_dict(state)
        batches = [batch for epoch in range(resumed.epoch, 2) for batch in resumed]
        assert batches == sequence[9:]


def test_an_iteration_that_is_left_early_is_begun_anew(dataset: MossMapDataset, sequence: list[list[str]]):
    loader = loader_of(dataset)
    assert [next(iter(loader)), next(iter(loader))] == [sequence[0]] * 2
    assert list(loader) == sequence[:9]
    loader.set_epoch(0)
    assert list(loader) == sequence[:9]


def test_a_state_of_other_samples_is_refused(dataset: MossMapDataset, digits: Bucket):
    state = loader_of(dataset).state_dict()
    other = MossMapDataset([*NAMES[:-1], "another"], digits)
    with pytest.raises(ValueError, match="of another order of samples: its fingerprint is"):
        loader_of(other).load_state_dict(state)


@pytest.mark.parametrize("workers", [0, 2])
def test_ranks_and_workers_share_every_epoch(dataset: MossMapDataset, workers: int):
    loaders = [loader_of(dataset, rank=rank, world_size=3, num_workers=workers) for rank in range(3)]
    for _ in range(2):
        shares = [flat(loader) for loader in loaders]
        assert sorted(flat(shares)) == NAMES
        assert {len(share) for share in shares} <= {66, 67}
    assert len({json.dumps(loader.state_dict()) for loader in loaders}) == 1


def test_resume_with_another_number_of_ranks(dataset: MossMapDataset):
    """Three processes stop; two go on with exactly the samples that are left."""
    used = []
    for rank in range(3):
        loader = MossLoader(dataset, 10, True, seed=1, rank=rank, world_size=3, collate_fn=list, num_workers=rank)
        iterator = iter(loader)
        used += next(iterator) + next(iterator)
        state = loader.state_dict()
    for rank in range(2):
        loader = MossLoader(dataset, 16, True, seed=1, rank=rank, world_size=2, collate_fn=list)
        loader.load_state_dict(state)
        used += flat(loader)
    assert sorted(used) == NAMES


def test_full_batches_for_all_ranks(dataset: MossMapDataset):
    for tail, count in (("drop", 2), ("repeat", 3)):
        for rank in (0, 2):
            loader = loader_of(dataset, tail=tail, rank=rank, world_size=3)
            assert [len(batch) for batch in loader] == [BATCH] * count
            assert len(loader) == count


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_missing_is_left_out_and_counted(digits: Bucket, caplog: pytest.LogCaptureFixture, workers: int):
    """A batch of which nothing is left is not yielded, and the positions stay right."""
    items = [*NAMES[:8], *(f"gone-{number}" for number in range(4)), *NAMES[8:10]]
    dataset = MossMapDataset(items, digits, decode=only_name, on_missing="skip")
    loader = MossLoader(dataset, 4, collate_fn=list, num_workers=workers)
    seen = [(batch, loader.state_dict()["samples"]) for batch in loader]
    assert seen == [(NAMES[:4], 4), (NAMES[4:8], 8), (NAMES[8:10], 14)]
    assert loader.skipped_count == 4
    assert [message.partition(":")[0] for message in caplog.messages] == [
        f"left out sample 'gone-{number}'" for number in range(4)
    ]


@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_missing_is_an_error(digits: Bucket, workers: int):
    dataset = MossMapDataset([*NAMES[:5], "gone"], digits, decode=only_name)
    loader = MossLoader(dataset, 2, collate_fn=list, num_workers=workers)
    iterator = iter(loader)
    assert [next(iterator), next(iterator)] == [NAMES[:2], NAMES[2:4]]
    with pytest.raises(MissingSample, match="sample 'gone'"):
        next(iterator)
    assert loader.state_dict()["samples"] == 4


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_tensors_by_default(digits: Bucket, workers: int):
    dataset = MossMapDataset.from_bucket(digits, "00", decode=decode_digit)
    images, labels = next(iter(MossLoader(dataset, 10, num_workers=workers)))
    assert images.shape == (10, 8, 8) and labels.tolist() == list(range(10))


def test_tensors_of_received_memory_pass_through_workers(bucket: Bucket):
    vectors = torch.arange(64, dtype=torch.float32).reshape(16, 4)
    for number, vector in enumerate(vectors):
        bucket.object(f"{number:02}").put_content(vector.numpy().tobytes())
    dataset = MossMapDataset.from_bucket(bucket, decode=TensorDecoder(torch.float32), zero_copy=True)
    for workers in (0, 2):
        assert torch.equal(torch.cat(list(MossLoader(dataset, 5, num_workers=workers))), vectors)
        (tensors,) = MossLoader(dataset, 16, collate_fn=list, num_workers=workers)
        assert torch.equal(torch.stack(tensors), vectors)


def test_options_that_choose_samples_otherwise_are_refused(dataset: MossMapDataset):
    with pytest.raises(TypeError, match=r"drop_last, sampler: MossLoader chooses samples and their order itself"):
        loader_of(dataset, sampler=range(3), drop_last=True)
    with pytest.raises(TypeError, match=r"expected a MossMapDataset .or a subset.. of one., found Subset"):
        MossLoader(Subset(dataset, [0]))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="in_flight must not be negative, found -1"):
        loader_of(dataset, in_flight=-1)
    with pytest.raises(ValueError, match="batch_size must be positive"):
        MossLoader(dataset, 0)


def test_an_empty_data_set(digits: Bucket):
    assert list(MossLoader(MossMapDataset([], digits), 4, shuffle=True)) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_the_iterable_data_set_in_an_ordinary_loader(dataset: MossMapDataset, sequence: list[list[str]], workers: int):
    batches = MossIterableDataset(dataset, BATCH, shuffle=True, seed=9, collate_fn=list)
    loader = DataLoader(batches, batch_size=None, num_workers=workers, persistent_workers=workers > 0)
    assert len(loader) == 9
    found = list(loader)
    batches.set_epoch(1)
    assert found + list(loader) == sequence


def test_the_iterable_data_set_resumes_by_itself(dataset: MossMapDataset, sequence: list[list[str]]):
    batches = MossIterableDataset(dataset, BATCH, shuffle=True, seed=9, collate_fn=list)
    iterator = iter(batches)
    used = [next(iterator), next(iterator)]
    resumed = MossIterableDataset(dataset, BATCH, shuffle=True, seed=9, collate_fn=list, in_flight=0)
    resumed.load_state_dict(batches.state_dict())
    assert used + list(DataLoader(resumed, batch_size=None, num_workers=2)) == sequence[:9]


class _AsksInWorker(MossIterableDataset):
    def __iter__(self):  # type: ignore[no-untyped-def]
        for ask in (self.state_dict, lambda: self.load_state_dict({})):
            try:
                ask()
            except RuntimeError as error:
                yield str(error)


def test_a_worker_does_not_pretend_to_know_the_state(dataset: MossMapDataset):
    loader = DataLoader(_AsksInWorker(dataset, BATCH), batch_size=None, num_workers=1)
    answers = list(loader)
    assert len(answers) == 2 and all("use MossLoader, which does" in answer for answer in answers)
