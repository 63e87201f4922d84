"""Makes NeMo load from Moss."""

import os
import random
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from lhotse import MonoCut

from moss.integrations.lhotse.audio import install as install_into_lhotse
from moss.integrations.nemo import is_enabled
from moss.integrations.nemo.cuts import cuts_of_shard, url_cut
from moss.sdk import Client

__all__ = ["install"]

_ADAPTERS = "nemo.collections.common.data.lhotse.nemo_adapters"
_TEXT_ADAPTERS = "nemo.collections.common.data.lhotse.text_adapters"


def install(client: Client | None = None, **options: Any) -> bool:
    """Make NeMo's loading from AIStore use Moss, in this process; call it before data sets are made.

    - `MOSS_GET_BATCH=1` is taken for `USE_AIS_GET_BATCH=true`.
    - `AudioSamples(use_batch_loader=True)`, which NeMo's data sets use, loads with a `MossBatchLoader`.
    - Segments of longer files (`offset`, `-subN`) get their whole duration.

    Args:
        client: the connection to use; None makes one when it is needed.
        options: of `MossBatchLoader`.

    Returns:
        Whether loading by batches is switched on.

    Raises:
        ImportError: NeMo is not installed.
    """
    if is_enabled():
        os.environ["USE_AIS_GET_BATCH"] = "true"
    install_into_lhotse(client, **options)
    import_module(_ADAPTERS).LazyNeMoTarredIterator._iter_batch_for_ais_get_batch = _tarred_cuts
    import_module(_TEXT_ADAPTERS)._make_url_cut = _conversation_cut
    return is_enabled()


def _tarred_cuts(
    iterator: Any,
    tar_path: str,
    shard_manifest: Mapping[str, list[dict[str, Any]]],
    manifest_path: str,
    rng: random.Random,
    extra_fields: list[Any],
) -> Iterator[MonoCut]:
    """In the place of the method of `LazyNeMoTarredIterator` that makes cuts by URL."""
    groups = _slice(shard_manifest, iterator.slice_length, rng)
    cuts = cuts_of_shard(
        groups, tar_path, manifest_path, text_field=iterator.text_field, lang_field=iterator.lang_field
    )
    for cut in cuts:
        for field in extra_fields:
            field.attach_to(cut)
        yield cut


def _slice(
    groups: Mapping[str, list[dict[str, Any]]], length: int | None, rng: random.Random
) -> Mapping[str, list[dict[str, Any]]]:
    """So many consecutive entries, from a place of chance; all of them without a length."""
    total = sum(map(len, groups.values()))
    if length is None or length >= total:
        return groups
    start = rng.randint(0, total - length)
    chosen: dict[str, list[dict[str, Any]]] = {}
    position = 0
    for member, entries in groups.items():
        first, last = max(start - position, 0), min(start + length - position, len(entries))
        if first < last:
            chosen[member] = entries[first:last]
        position += len(entries)
    return chosen


def _conversation_cut(
    tar_path: str, audio_filename: str, duration: float, offset: float = 0.0, sampling_rate: int = 16_000
) -> MonoCut:
    """In the place of the function that makes the cut of one audio turn of a conversation."""
    return url_cut(tar_path, audio_filename, duration, offset_s=offset or 0.0, sampling_rate=sampling_rate)
