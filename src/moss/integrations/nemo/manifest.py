"""NeMo's tarred manifests as a source of cuts, without NeMo."""

import random
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from lhotse import MonoCut
from lhotse.dataset.dataloading import resolve_seed
from lhotse.serialization import load_jsonl

from moss.integrations.nemo.cuts import cuts_of_shard, group_by_file
from moss.sdk.utils import expand_braces

__all__ = ["TarredManifest"]

_SHARD_NUMBER = re.compile(r"_(\d+)[^/]*\.(?:json|tar)")
_BRACES = str.maketrans("([<)]>", "{{{}}}")
_BRACE_WORDS = {"_OP_": "{", "_CL_": "}"}


class TarredManifest:
    """Cuts of a tarred data set of NeMo's, by URL; give it to `CutSet`.

    A minibatch of them is loaded with one request by `MossBatchLoader`. Every iteration is one epoch: it shuffles
    the shards anew when they are shuffled at all.

    Args:
        manifest_path: JSON-lines manifest of each shard, or one of all (whose entries have a `shard_id`). As a text it
            may hold braces, as in `manifest_{0..511}.json`, also in NeMo's other spellings (`_OP_0..511_CL_`).
        tar_paths: URLs of the shards, in the same way; not `pipe:` commands.
        shuffle_shards: take the shards in an order of chance.
        shard_seed: of that order: a number, or `trng` or `randomized` as Lhotse has it.
        text_field, lang_field: keys of the transcript and of its language.
        slice_length: of each shard only this many consecutive entries, from a place of chance.

    Raises:
        ValueError: no paths, or the shards of the manifests and of the tars are not the same.
    """

    def __init__(
        self,
        manifest_path: str | Sequence[str],
        tar_paths: str | Sequence[str],
        *,
        shuffle_shards: bool = False,
        shard_seed: int | str = "trng",
        text_field: str = "text",
        lang_field: str = "lang",
        slice_length: int | None = None,
    ) -> None:
        self._manifests, tars = _expand(manifest_path), _expand(tar_paths)
        if not self._manifests or not tars:
            raise ValueError("expected at least one manifest and one tar")
        self._tars = _by_shard(tars)
        self._has_numbers = _number_of_shard(tars[0]) is not None
        if len(self._manifests) > 1 and _by_shard(self._manifests).keys() != self._tars.keys():
            raise ValueError(
                f"the manifests are of the shards {sorted(_by_shard(self._manifests))}, "
                f"the tars of the shards {sorted(self._tars)}"
            )
        self._shuffle_shards, self._shard_seed = shuffle_shards, shard_seed
        self._text_field, self._lang_field, self._slice_length = text_field, lang_field, slice_length
        self.epoch = 0

    def __iter__(self) -> Iterator[MonoCut]:
        chance = random.Random(resolve_seed(self._shard_seed) + self.epoch)
        shards = self._shards()
        order = sorted(shards)
        if self._shuffle_shards:
            chance.shuffle(order)
        for shard in order:
            manifest, entries = shards[shard]
            if entries is None:
                entries = list(load_jsonl(manifest))
            entries = self._slice([entry for entry in entries if not entry.get("_skipme", False)], chance)
            yield from cuts_of_shard(
                group_by_file(entries),
                self._tars[shard],
                manifest,
                text_field=self._text_field,
                lang_field=self._lang_field,
            )
        self.epoch += 1

    def _slice(self, entries: list[dict], chance: random.Random) -> list[dict]:
        length = self._slice_length
        if length is None or length >= len(entries):
            return entries
        start = chance.randint(0, len(entries) - length)
        return list(islice(entries, start, start + length))

    def _shards(self) -> dict[int, tuple[str, list[dict] | None]]:
        """Manifest of each shard, and its entries when they are known already."""
        if len(self._manifests) > 1:
            return {shard: (path, None) for shard, path in _by_shard(self._manifests).items()}
        path = self._manifests[0]
        only = next(iter(self._tars)) if len(self._tars) == 1 else None
        entries: dict[int, list[dict]] = {shard: [] for shard in self._tars}
        for entry in load_jsonl(path):
            # The only tar has all entries, unless both it and they have numbers.
            shard = only if only is not None and not self._has_numbers else entry.get("shard_id", only)
            if shard not in entries:
                raise ValueError(f"{path}: an entry has the shard_id {shard!r}, the tars are of {sorted(self._tars)}")
            entries[shard].append(entry)
        return {shard: (path, found) for shard, found in entries.items()}


def _expand(paths: str | Sequence[str]) -> list[str]:
    if not isinstance(paths, str):
        return [str(path) for path in paths]
    for word, brace in _BRACE_WORDS.items():
        paths = paths.replace(word, brace)
    return list(expand_braces(paths.translate(_BRACES)))


def _by_shard(paths: Sequence[str]) -> dict[int, str]:
    """Paths by the number of their shard: the digits behind the last `_` of a name; one alone needs none."""
    shards: dict[int, str] = {}
    for path in paths:
        number = _number_of_shard(path)
        if number is None and len(paths) > 1:
            raise ValueError(
                f"no number of a shard in {path!r} (expected a name like audio_12.tar or manifest_12.json)"
            )
        shard = number or 0
        if shard in shards:
            raise ValueError(f"two paths of shard {shard}: {shards[shard]!r} and {path!r}")
        shards[shard] = path
    return shards


def _number_of_shard(path: str) -> int | None:
    found = _SHARD_NUMBER.search(path.rpartition("/")[2])
    return None if found is None else int(found[1])
