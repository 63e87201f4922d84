"""Which files make the samples of a data set. Source: spec/python-sdk.md 5.1."""

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from moss.sdk.const import DEFAULT_DATASET_MAX_COUNT
from moss.sdk.dataset.config_attribute import ConfigAttribute
from moss.sdk.dataset.data_attribute import DataAttribute
from moss.sdk.dataset.samples import KEY, pack_shard

__all__ = ["DatasetConfig"]

_log = logging.getLogger("moss.sdk.dataset")
_SHARD_BYTES_MAX = 3e9


class DatasetConfig:
    """A data set: for each file of the primary attribute a sample, with the parts that the secondary ones add.

    Args:
        primary_attribute: a `DataAttribute`, or anything with its `path` and `file_type`.
        secondary_attributes: further parts.

    Raises:
        ValueError: the primary attribute has no path or file_type.
    """

    def __init__(
        self, primary_attribute: DataAttribute, secondary_attributes: Sequence[ConfigAttribute] | None = None
    ) -> None:
        if not hasattr(primary_attribute, "path") or not hasattr(primary_attribute, "file_type"):
            raise ValueError("the primary attribute needs a path and a file_type")
        self.primary_attribute, self.secondary_attributes = primary_attribute, list(secondary_attributes or ())

    def generate_dataset(self, max_shard_items: int) -> Iterator[tuple[dict[str, Any], list[str]]]:
        """Yield each sample, in the order of the file names, with the keys of the parts that it lacks.

        The samples are called `sample_0…`, with as many digits as `max_shard_items` has.
        """
        primary = self.primary_attribute
        digits = len(str(max_shard_items))
        for index, file in enumerate(sorted(primary.path.glob(f"*.{primary.file_type}"))):
            sample: dict[str, Any] = {KEY: f"sample_{index:0{digits}d}"}
            missing = []
            name = file.name.removesuffix(f".{primary.file_type}")
            for attribute in (primary, *self.secondary_attributes):
                key, data = attribute.get_data_for_entry(name)
                if data is None:
                    missing.append(key)
                else:
                    sample[key] = data
            yield sample, missing

    def shards(
        self,
        skip_missing: bool,
        pattern: str = "dataset",
        maxcount: int = DEFAULT_DATASET_MAX_COUNT,
        maxsize: float = _SHARD_BYTES_MAX,
        start_shard: int = 0,
    ) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield the shards one after another: name and pieces. Each must be read to its end before the next.

        Args:
            skip_missing: leave out samples that lack a part; otherwise they are written without it.
            pattern: beginning of the names, `<pattern>-<number>.tar`, or a name with a `%d` in it.
            maxcount, maxsize: samples and bytes of a shard.
            start_shard: number of the first one.

        Raises:
            ValueError: `maxcount` is below 1, or the pattern is no pattern.
        """
        if maxcount < 1:
            raise ValueError(f"maxcount must be positive, found {maxcount}")
        name_of = _naming(pattern, maxcount)
        samples = self._samples(skip_missing, maxcount)
        number = start_shard
        for first in samples:
            yield name_of(number), pack_shard(chain([first], islice(samples, maxcount - 1)), maxsize)
            number += 1

    def _samples(self, skip_missing: bool, max_shard_items: int) -> Iterator[dict[str, Any]]:
        for sample, missing in self.generate_dataset(max_shard_items):
            if missing:
                _log.warning("%s lacks %s%s", sample[KEY], ", ".join(missing), ": left out" if skip_missing else "")
            if not missing or not skip_missing:
                yield sample

    def write_shards(self, skip_missing: bool, **kwargs: Any) -> list[str]:
        """Write the shards as files; arguments as for `shards`, and `post`, called with the name of each.

        Returns:
            The names of the files.
        """
        post: Callable[[str], Any] | None = kwargs.pop("post", None)
        names = []
        for name, pieces in self.shards(skip_missing, **kwargs):
            with open(name, "wb") as file:
                file.writelines(pieces)
            names.append(name)
            if post is not None:
                post(name)
        return names


def _naming(pattern: str, maxcount: int) -> Callable[[int], str]:
    form = pattern if "%" in pattern else f"{pattern}-%0{len(str(maxcount))}d.tar"
    try:
        form % 0
    except (TypeError, ValueError):
        raise ValueError(f"pattern {pattern!r} must have one place for a number, like %05d") from None
    return lambda number: form % number
