"""Samples of WebDataset shards, shard by shard."""

import tarfile
from collections.abc import Iterable, Iterator, Sequence

from moss.archive.formats import Format, format_of_name
from moss.archive.reader import Kind, read_members
from moss.errors import ArchiveLimit, BadArchive
from moss.integrations.torch.prefetch import ahead
from moss.integrations.torch.samples import list_members
from moss.pytorch.base_iter_dataset import AISBaseIterDataset
from moss.pytorch.progress import shown
from moss.pytorch.sources import PrefixMap
from moss.pytorch.utils import get_basename, get_extension
from moss.sdk import Bucket, Object
from moss.sdk.etl import ETLConfig

__all__ = ["AISShardReader"]

Samples = dict[str, dict[str, bytes]]
_SHARDS_AHEAD = 1


class AISShardReader(AISBaseIterDataset):
    """Pairs of a sample's name and a dict of its parts by extension, of whole shards that are downloaded one by one.

    Members with one basename are one sample, whatever folder they are in; members without an extension are left out.
    Each dict has all extensions that were seen so far, with `b""` for what the sample lacks, so that torch's default
    collation takes it. Any archive format of a cluster can be read.

    Args:
        bucket_list: buckets, or one.
        prefix_map, partition_sources_by_worker, rank, world_size: as for `AISBaseIterDataset`.
        etl_name: transformation that shards are read through.
        show_progress: write a line of progress to standard error for each shard.
    """

    def __init__(
        self,
        bucket_list: Bucket | Sequence[Bucket],
        prefix_map: PrefixMap | None = None,
        etl_name: str | None = None,
        show_progress: bool = False,
        partition_sources_by_worker: bool = False,
        *,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        super().__init__(bucket_list, prefix_map, partition_sources_by_worker, rank=rank, world_size=world_size)
        self._etl_name, self._show_progress = etl_name, show_progress
        self._observed_keys: dict[str, None] = {}  # a set that keeps the order

    def __iter__(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        """Raises tarfile.TarError where a shard is no archive."""
        self._reset_iterator()
        shards, worker = self._get_worker_iter_info()
        for name, samples in ahead(self._read, shards, _SHARDS_AHEAD):
            self._observed_keys.update((key, None) for parts in samples.values() for key in parts)
            for basename, parts in shown(samples.items(), f"{name}{worker}", self._show_progress):
                yield basename, {**parts, **{key: b"" for key in self._observed_keys if key not in parts}}

    def _read(self, shard: Object) -> tuple[str, Samples]:
        content = shard.get_reader(etl=ETLConfig(self._etl_name)).read_all()
        samples: Samples = {}
        try:
            for member, payload in read_members(content, format_of_name(shard.name) or Format.TAR):
                extension = get_extension(member.name)
                if member.kind is Kind.FILE and extension:
                    samples.setdefault(get_basename(member.name), {})[extension] = bytes(payload)
        except (BadArchive, ArchiveLimit) as error:
            raise tarfile.ReadError(f"shard {shard.name!r}: {error}") from error
        return shard.name, samples

    def __len__(self) -> int:
        """Samples that this rank reads with all its workers; lists all members, downloads nothing."""
        return sum(len(_basenames(shard)) for shard in self._shards_of_rank())

    def _shards_of_rank(self) -> Iterable[Object]:
        return list(self._create_objects_iter())[self._rank :: self._world_size]


def _basenames(shard: Object) -> set[str]:
    members = (entry.archpath or "" for entry in list_members(shard.bucket, shard.name) if entry.obj_name == shard.name)
    return {get_basename(member) for member in members if get_extension(member)}
