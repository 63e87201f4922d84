"""Shards that belong together, member by member."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from torch.utils.data import IterableDataset

from moss.integrations.torch.fetch import Fetcher
from moss.integrations.torch.prefetch import ahead
from moss.integrations.torch.ranks import resolve_rank
from moss.integrations.torch.samples import list_members
from moss.pytorch.sources import Share
from moss.sdk import ArchiveConfig, DataShard
from moss.sdk.batch.types import MossIn
from moss.sdk.etl import ETLConfig

__all__ = ["AISMultiShardStream"]

_ROWS_OF_REQUEST = 32
_REQUESTS_AHEAD = 2


class AISMultiShardStream(IterableDataset[Any]):
    """Tuples of one member from each set of shards: the first ones, the second ones, and so on, until a set is used up.

    The members of a set are in the order of their names. Workers and ranks share the tuples. The members of each set
    are read in batches, the next ones while one is used.

    Args:
        data_sources: the sets of shards.
        rank, world_size: of this process; None takes them from `torch.distributed`, or `RANK` and `WORLD_SIZE`.
    """

    def __init__(
        self, data_sources: Sequence[DataShard], *, rank: int | None = None, world_size: int | None = None
    ) -> None:
        self._data_sources = list(data_sources)
        self._rank, self._world_size = resolve_rank(rank, world_size)

    def __iter__(self) -> Iterator[tuple[bytes, ...]]:
        """Raises MissingSample where a member is gone."""
        columns = [list_members(source.bucket, source.prefix) for source in self._data_sources]
        rows = Share(self._rank, self._world_size).of(zip(*columns, strict=False))
        groups = iter(lambda: list(islice(rows, _ROWS_OF_REQUEST)), [])
        for contents in ahead(self._read, groups, _REQUESTS_AHEAD):
            yield from contents

    def _read(self, rows: list[tuple[MossIn, ...]]) -> list[tuple[bytes, ...]]:
        columns = zip(*rows, strict=True)
        return list(zip(*map(_read_members, self._data_sources, columns), strict=True))


def _read_members(source: DataShard, members: Sequence[MossIn]) -> list[bytes]:
    if source.etl_name:
        return list(map(partial(_read_transformed, source), members))
    fetched = Fetcher(source.client.request_client).fetch(members)
    return [content for _, content in fetched.samples]


def _read_transformed(source: DataShard, member: MossIn) -> bytes:
    shard = source.bucket.object(member.obj_name)
    archive = ArchiveConfig(archpath=member.archpath or "")
    return bytes(shard.get_reader(archive_config=archive, etl=ETLConfig(source.etl_name)).read_all())
