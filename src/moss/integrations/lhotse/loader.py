"""Loads the data of whole minibatches of cuts with one request each."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from lhotse.cut import CutSet

from moss.errors import InvalidName, MossError
from moss.integrations.lhotse.fetch import Fetcher
from moss.integrations.lhotse.locations import Location
from moss.integrations.lhotse.manifests import Slot, find_slots
from moss.integrations.lhotse.spans import find_spans
from moss.sdk import Client

try:  # Programs catch Lhotse's own error; its module needs a package that Lhotse itself does not bring.
    from lhotse.ais.batch_loader import AISBatchLoaderError as _LhotseError
except ImportError:
    _LhotseError = Exception

__all__ = ["AISBatchLoaderError", "MossBatchLoader"]

_logger = logging.getLogger(__name__)
_ON_ERROR: Final = ("raise", "drop", "keep")
_FAILURES_SHOWN_MAX = 5
_POOL_SIZE = 50


class AISBatchLoaderError(MossError, _LhotseError):
    """Data of cuts could not be loaded. Also an instance of Lhotse's error of this name.

    Attributes:
        failures: what failed and why, by URL.
        cut_ids: the cuts that lack it.
    """

    code = "lhotse-batch"

    def __init__(self, message: str, failures: dict[str, Exception] | None = None, cut_ids: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.failures, self.cut_ids = failures or {}, list(cut_ids)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.failures, self.cut_ids)


class MossBatchLoader:
    """Loads everything that an eager `CutSet` refers to in a store, with one GetBatch request.

    A drop-in for `lhotse.ais.AISBatchLoader`: the same cuts come back, and their manifests hold the data. It can be
    pickled, and used by threads and by the workers of a `DataLoader`; the connection stays open between calls.

    Every track of a `MixedCut` and every source of a `Recording` gets its own data. What several cuts share is fetched
    once and kept once. Manifests of local or in-memory data stay as they are.

    Args:
        force_individual: one GET for each piece of data instead of a batch.
        skip_failed_fetches: same as `on_error="drop"`.
        client: the connection to use; None makes one for `MOSS_ENDPOINT` or `AIS_ENDPOINT` when it is first needed.
        max_entries_per_request: larger batches are split; None sends everything in one.
        prefetch: minibatches that `stream` fetches ahead.
        verify: compare the data with the checksums that the server sends with it; costs about as much again as
            receiving small pieces does, and much less than decoding them. Names and sizes are compared always.
        on_error: what happens when data cannot be had, not even asked for by itself: `raise` names all that failed,
            `drop` returns the cuts that have all of theirs, and logs a warning; it is an error when none has;
            `keep` leaves the manifests as they were, and logs a warning.
        audio_ranges: of uncompressed WAV files fetch the samples of the cut only: two requests, and far fewer bytes
            when cuts are short parts of long recordings. Such a cut then starts at 0 of a recording of its own.

    Raises:
        ValueError: an unknown `on_error`, or a number out of range.
    """

    def __init__(
        self,
        force_individual: bool = False,
        skip_failed_fetches: bool = False,
        *,
        client: Client | None = None,
        max_entries_per_request: int | None = None,
        prefetch: int = 0,
        verify: bool = True,
        on_error: str = "raise",
        audio_ranges: bool = False,
    ) -> None:
        if on_error not in _ON_ERROR:
            raise ValueError(f"on_error must be one of {', '.join(_ON_ERROR)}, found {on_error!r}")
        if max_entries_per_request is not None and max_entries_per_request < 1:
            raise ValueError(f"max_entries_per_request must be at least 1, found {max_entries_per_request}")
        if prefetch < 0:
            raise ValueError(f"prefetch must not be negative, found {prefetch}")
        self.force_individual, self.verify, self.prefetch = force_individual, verify, prefetch
        self.max_entries_per_request, self.audio_ranges = max_entries_per_request, audio_ranges
        self.on_error = "drop" if skip_failed_fetches else on_error
        self._client = client

    @property
    def client(self) -> Client:
        """The connection to the cluster."""
        if self._client is None:
            self._client = Client(max_pool_size=_POOL_SIZE)
        return self._client

    def __call__(self, cuts: CutSet) -> CutSet:
        """Load the data of some cuts.

        Returns:
            The same `CutSet`, changed in place; with `on_error="drop"`, and something to drop, one with fewer cuts.

        Raises:
            ValueError: the cuts are lazy.
            AISBatchLoaderError: data could not be had (with `drop`: of any cut), or a URL names no object.
        """
        if cuts.is_lazy:
            raise ValueError("a lazy CutSet has no batch to load yet: use cuts.to_eager() first")
        fetcher = Fetcher(
            self.client,
            entries_max=self.max_entries_per_request,
            verify=self.verify,
            individually=self.force_individual,
        )
        try:
            narrowed, slots = find_spans(cuts, fetcher) if self.audio_ranges else (frozenset(), [])
            slots += find_slots(cuts, narrowed)
        except InvalidName as error:
            raise AISBatchLoaderError(f"invalid object URL: {error}") from error
        if not slots:
            return cuts
        failures = _fill(slots, fetcher)
        if not failures:
            return cuts
        lacking = {position for slot in slots if slot.location in failures for position in slot.cuts}
        error = _error_of(failures, [cut.id for position, cut in enumerate(cuts) if position in lacking])
        # A store that is away must not look like a data set without data.
        if self.on_error == "raise" or (self.on_error == "drop" and len(lacking) == len(cuts)):
            raise error
        _logger.warning("%s (on_error=%r)", error, self.on_error)
        if self.on_error == "keep":
            return cuts
        return CutSet.from_cuts(cut for position, cut in enumerate(cuts) if position not in lacking)

    def stream(self, batches: Iterable[CutSet]) -> Iterator[CutSet]:
        """Load minibatches in their order, with up to `prefetch` of them on their way while one is being used.

        Args:
            batches: such as a sampler of Lhotse's. Lazy minibatches are made eager.

        Raises:
            AISBatchLoaderError: data of the minibatch that is reached could not be had.
        """
        if not self.prefetch:
            yield from map(self, map(_eager, batches))
            return
        pending: deque[Future[CutSet]] = deque()
        executor = ThreadPoolExecutor(self.prefetch, "moss-lhotse")
        try:
            for batch in batches:
                pending.append(executor.submit(self, _eager(batch)))
                if len(pending) > self.prefetch:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(on_error={self.on_error!r}, prefetch={self.prefetch})"


def _fill(slots: Sequence[Slot], fetcher: Fetcher) -> dict[Location, MossError]:
    """Fetch and put in place; return what failed."""
    fetched = fetcher.fetch(list(dict.fromkeys(slot.location for slot in slots)))
    for slot in slots:
        data = fetched.data.get(slot.location)
        if data is None:
            continue
        try:
            slot.put(data)
        except MossError as error:
            fetched.failures[slot.location] = error
    return fetched.failures


def _eager(cuts: CutSet) -> CutSet:
    return cuts.to_eager() if cuts.is_lazy else cuts


def _error_of(failures: dict[Location, MossError], cut_ids: list[str]) -> AISBatchLoaderError:
    by_url: dict[str, Exception] = {str(location): error for location, error in failures.items()}
    shown = "; ".join(f"{url}: {error}" for url, error in list(by_url.items())[:_FAILURES_SHOWN_MAX])
    more = f"; and {len(by_url) - _FAILURES_SHOWN_MAX} more" if len(by_url) > _FAILURES_SHOWN_MAX else ""
    return AISBatchLoaderError(
        f"{len(by_url)} pieces of data of {len(cut_ids)} cuts could not be loaded: {shown}{more}", by_url, cut_ids
    )
