"""Gets the bytes of locations: as few requests as possible, and every failure known by its location."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from moss.errors import MossError
from moss.integrations.lhotse.locations import Location
from moss.sdk import ArchiveConfig, Client, Object
from moss.sdk.batch.types import MossIn, make_entry
from moss.sdk.enums import Colocation
from moss.sdk.errors import ConnectFailed
from moss.sdk.namespace import Namespace

__all__ = ["Fetched", "Fetcher", "object_of"]

_logger = logging.getLogger(__name__)
_BATCH_ATTEMPTS = 2
"""Beyond what the SDK does inside one batch, which continues broken answers by itself."""

_INDIVIDUAL_WORKERS = 8
"""Single requests at a time, for what no batch delivered."""

_REFUSALS_FOR_GOOD = (400, 401, 403)


def object_of(client: Client, location: Location) -> Object:
    """The object that a location is, or is in."""
    bucket, space = location.bucket, location.bucket.namespace
    namespace = None if space.is_global else Namespace(space.uuid, space.name)
    return client.bucket(bucket.name, bucket.provider.value, namespace).object(location.name)


def _entry_of(location: Location) -> MossIn:
    bucket = location.bucket
    uname = None if bucket.namespace.is_global else bucket.uname
    length = location.length if location.is_range else None
    return make_entry(
        location.name,
        bucket.name,
        bucket.provider.value,
        uname,
        None,
        location.member or None,
        location.start or None,
        length,
    )


@dataclass(slots=True)
class Fetched:
    """What was got, and what was not and why. Both by location."""

    data: dict[Location, bytes] = field(default_factory=dict)
    failures: dict[Location, MossError] = field(default_factory=dict)


class Fetcher:
    """Fetches locations through one client. Safe to use from several threads.

    Args:
        client: the connection to the cluster.
        entries_max: entries of one batch request at most; None means all in one.
        verify: compare what is received with the checksums that the server sends with it, if it does.
        individually: one GET for each location, and no batch.
    """

    def __init__(
        self, client: Client, *, entries_max: int | None = None, verify: bool = True, individually: bool = False
    ) -> None:
        self._client, self._entries_max, self._verify = client, entries_max, verify
        self._individually = individually

    def fetch(self, locations: Sequence[Location]) -> Fetched:
        """Fetch each of some different locations once.

        A location that its batch does not deliver, for whatever reason, is asked for again by itself before it counts
        as a failure.
        """
        fetched = Fetched()
        if self._individually:
            self._fetch_singly(locations, fetched)
            return fetched
        step = self._entries_max or len(locations) or 1
        for start in range(0, len(locations), step):
            chunk = locations[start : start + step]
            missing = self._fetch_batch(chunk, fetched)
            if missing:
                self._fetch_singly(missing, fetched)
        return fetched

    def _fetch_batch(self, locations: Sequence[Location], fetched: Fetched) -> list[Location]:
        """Fetch by batches; return what they did not deliver."""
        missing: list[Location] = []
        rest = list(locations)
        for _ in range(_BATCH_ATTEMPTS):
            done = 0
            try:
                for location, data in self._batch(rest):
                    done += 1
                    if data is None:
                        missing.append(location)
                    else:
                        fetched.data[location] = data
            except MossError as error:
                _logger.warning("a batch of %d entries ended after %d of them: %s", len(rest), done, error)
                rest = rest[done:]
                if getattr(error, "status_code", 0) in _REFUSALS_FOR_GOOD:
                    break
            else:
                return missing
        return missing + rest

    def _batch(self, locations: Sequence[Location]) -> Iterator[tuple[Location, bytes | None]]:
        batch = self._client.batch(colocation=Colocation.TARGET_AWARE)
        batch.requests_list.extend(map(_entry_of, locations))
        with batch.get(checksum=self._verify) as pairs:
            for location, (out, data) in zip(locations, pairs, strict=True):
                yield location, None if out.err_msg is not None else bytes(data)

    def _fetch_singly(self, locations: Sequence[Location], fetched: Fetched) -> None:
        results = [self._single(location) for location in locations[:1]]
        rest = locations[1:]
        if rest and isinstance(results[0], ConnectFailed):
            results += [results[0]] * len(rest)  # Nobody is there: the others would wait as long for the same answer.
        elif rest:
            with ThreadPoolExecutor(min(_INDIVIDUAL_WORKERS, len(rest))) as executor:
                results += executor.map(self._single, rest)
        for location, result in zip(locations, results, strict=True):
            if isinstance(result, MossError):
                fetched.failures[location] = result
            else:
                fetched.data[location] = result

    def _single(self, location: Location) -> bytes | MossError:
        archive = ArchiveConfig(archpath=location.member) if location.member else None
        byte_range = None
        if location.is_range:
            last = "" if location.length < 0 else location.start + location.length - 1
            byte_range = f"bytes={location.start}-{last}"
        try:
            reader = object_of(self._client, location).get_reader(archive_config=archive, byte_range=byte_range)
            return bytes(reader.read_all(verify_checksum=self._verify and not location.is_range and archive is None))
        except MossError as error:
            return error
        except ValueError as error:  # A name that HTTP cannot carry.
            return MossError(str(error))
