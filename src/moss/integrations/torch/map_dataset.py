"""A data set with random access: each batch of a DataLoader is one request."""

import logging
from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any

from torch.utils.data import Dataset

from moss.integrations.torch.errors import MissingSample
from moss.integrations.torch.fetch import Decoder, Fetched, Fetcher, OnMissing, Skipped
from moss.integrations.torch.samples import (
    Sample,
    fingerprint,
    group_members,
    list_members,
    list_objects,
    sample_name,
    to_samples,
)
from moss.sdk import Bucket, Client, Object
from moss.sdk.request_client import RequestClient

__all__ = ["MossMapDataset"]

_log = logging.getLogger("moss.integrations.torch")


class MossMapDataset(Dataset[Any]):
    """Samples by their index. With a `DataLoader`, each batch is fetched with one request.

    It lists nothing and sends nothing when it is made from items; `from_bucket` and `from_shards` list a bucket once.
    It can be pickled, so that workers may be forked or spawned.

    Args:
        items: what the samples are: names, URLs, `(shard, member)` pairs, `Object`s, dicts with the arguments of
            `Batch.add` (for byte ranges), or dicts of such items, one for each part of a sample.
        bucket: of items that name none.
        client: the way to the cluster; None takes that of the bucket or of the first `Object`, else one of the
            environment's settings.
        decode: called with the name of a sample and its bytes (with parts: a dict of bytes); what it returns is the
            sample. Without it a sample is the pair of both. It may be called by several threads at a time.
        on_missing: `raise` makes a missing sample an error; `skip` leaves it out of its batch and logs a warning with
            its name and the reason.
        zero_copy: give `decode` memoryviews of the receive buffers, which tensors can share; see `TensorDecoder`.
            A memoryview itself cannot leave a worker process.
        checksum: verify the checksum of each sample, with servers that send them.

    Raises:
        ValueError: an item is no sample, or names no bucket.
    """

    def __init__(
        self,
        items: Iterable[Any],
        bucket: Bucket | None = None,
        *,
        client: Client | None = None,
        decode: Decoder | None = None,
        on_missing: OnMissing = "raise",
        zero_copy: bool = False,
        checksum: bool = False,
    ) -> None:
        items = list(items)
        session = _session(client, bucket, items)
        self._fetcher = Fetcher(session, decode, on_missing, zero_copy, checksum)
        self.samples: list[Sample] = to_samples(items, session, bucket)
        self._fingerprint = ""

    @classmethod
    def from_bucket(cls, bucket: Bucket, prefix: str = "", **options: Any) -> "MossMapDataset":
        """A sample of each object whose name begins with `prefix`, in byte order of the names.

        Raises:
            ErrBckNotFound: the bucket does not exist.
        """
        return cls(list_objects(bucket, prefix), bucket, **options)

    @classmethod
    def from_shards(cls, bucket: Bucket, prefix: str = "", *, group: bool = True, **options: Any) -> "MossMapDataset":
        """The samples in the archives whose names begin with `prefix`.

        Args:
            group: the members of one stem are the parts of one sample, as WebDataset has it; False makes a sample of
                each member.
        """
        members = list_members(bucket, prefix)
        return cls(group_members(members) if group else members, bucket, **options)

    def subset(self, indices: Iterable[int]) -> "MossMapDataset":
        """A data set of these samples, which are read and decoded in the same way."""
        other = copy(self)
        other.samples = [self.samples[index] for index in indices]
        other._fingerprint = ""
        return other

    @property
    def fingerprint(self) -> str:
        """Hex digits that only the same samples in the same order have."""
        self._fingerprint = self._fingerprint or fingerprint(self.samples)
        return self._fingerprint

    def name(self, index: int) -> str:
        """The name of a sample: `object`, `object/member`, or with parts their common beginning."""
        return sample_name(self.samples[index])

    def fetch(self, indices: Sequence[int]) -> Fetched:
        """Read samples with one request; also tells what was skipped. Raises as `Fetcher.fetch`."""
        return self._fetcher.fetch([self.samples[index] for index in indices])

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        """One sample, with a request of its own; a missing one is an error, for nothing could take its place.

        Raises:
            IndexError: no such index.
            MissingSample, DecodeError: as for `fetch`.
        """
        fetched = self.fetch([index])
        if fetched.skipped:
            name, reason = fetched.skipped[0]
            raise MissingSample(f"sample {name!r}: {reason}")
        return fetched.samples[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """The samples of a batch, with one request.

        Raises:
            MissingSample: one is missing; with `on_missing="skip"`, all are: torch has no batch of nothing.
            DecodeError: as for `fetch`.
        """
        fetched = self.fetch(indices)
        self.report(fetched.skipped)
        if fetched.skipped and not fetched.samples:
            name, reason = fetched.skipped[0]
            raise MissingSample(f"all {len(fetched.skipped)} samples of a batch are missing: sample {name!r}: {reason}")
        return fetched.samples

    def report(self, skipped: Sequence[Skipped]) -> None:
        """Log what was left out."""
        for name, reason in skipped:
            _log.warning("left out sample %r: %s", name, reason)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} samples)"


def _session(client: Client | None, bucket: Bucket | None, items: Sequence[Any]) -> RequestClient:
    if client is not None:
        return client.request_client
    if bucket is None:
        bucket = next((item.bucket for item in items if isinstance(item, Object)), None)
    return bucket.client if bucket is not None else Client().request_client
