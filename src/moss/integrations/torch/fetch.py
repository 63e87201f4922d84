"""One batch request for many samples, and what comes of each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from moss.integrations.torch.errors import DecodeError, MissingSample
from moss.integrations.torch.samples import Sample, sample_name
from moss.sdk.batch.batch import Batch
from moss.sdk.request_client import RequestClient

__all__ = ["Decoder", "Fetched", "Fetcher", "OnMissing", "Skipped"]

Decoder = Callable[[str, Any], Any]
OnMissing = Literal["raise", "skip"]


class Skipped(NamedTuple):
    """A sample that was left out, and why it could not be had."""

    name: str
    reason: str


@dataclass
class Fetched:
    """The decoded samples of one request, in the order in which they were asked for."""

    samples: list[Any] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


@dataclass(frozen=True)
class Fetcher:
    """How samples are read. Picklable when its parts are; threads may share it.

    Attributes:
        session: the way to the cluster.
        decode: makes of a sample's name and bytes what the data set yields; None yields the pair. A sample with parts
            has a dict of bytes by part.
        on_missing: what a missing sample does.
        zero_copy: give the decoder memoryviews of the receive buffers instead of bytes.
        checksum: verify the checksum of every sample, with servers that send them.
    """

    session: RequestClient
    decode: Decoder | None = None
    on_missing: OnMissing = "raise"
    zero_copy: bool = False
    checksum: bool = False

    def __post_init__(self) -> None:
        if self.on_missing not in ("raise", "skip"):
            raise ValueError(f"on_missing must be raise or skip, found {self.on_missing!r}")

    def fetch(self, samples: Sequence[Sample]) -> Fetched:
        """Read samples with one request.

        Raises:
            MissingSample: one is missing, unless they are to be skipped.
            DecodeError: the decoder raised.
            AISError, TransportError, BatchError: the cluster did not deliver, also not after the SDK's retries.
        """
        fetched = Fetched()
        if not samples:
            return fetched
        batch = Batch(self.session)
        entries = batch.requests_list
        for sample in samples:
            entries.extend(sample.values() if isinstance(sample, dict) else (sample,))
        with batch.get(zero_copy=self.zero_copy, checksum=self.checksum) as pairs:
            for sample in samples:
                self._take(sample, pairs, fetched)
            for _ in pairs:  # There is no further one; the connection can be used again once this is known.
                pass
        return fetched

    def _take(self, sample: Sample, pairs: Iterator[Any], fetched: Fetched) -> None:
        """Take the next sample from the stream."""
        reason = None
        if isinstance(sample, dict):
            data: Any = {}
            for part in sample:
                out, data[part] = next(pairs)
                reason = reason or out.err_msg
        else:
            out, data = next(pairs)
            reason = out.err_msg
        name = sample_name(sample)
        if reason is None:
            fetched.samples.append(self._decoded(name, data))
        elif self.on_missing == "raise":
            raise MissingSample(f"sample {name!r}: {reason}")
        else:
            fetched.skipped.append(Skipped(name, reason))

    def _decoded(self, name: str, data: Any) -> Any:
        if self.decode is None:
            return name, data
        try:
            return self.decode(name, data)
        except Exception as error:
            raise DecodeError(f"sample {name!r}: {type(error).__name__}: {error}") from error
