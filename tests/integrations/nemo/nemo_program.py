"""Loads minibatches as NeMo does, with NeMo's own iterator and data set; the program of `test_nemo.py`.

    AIS_ENDPOINT=URL USE_AIS_GET_BATCH=true python nemo_program.py MANIFESTS TARS CUTS_OF_A_BATCH OUTPUT

Writes the minibatches to OUTPUT, pickled: ids, audio, lengths and tokens of each. The packages above the modules that
are used here are empty shells: what stands in their `__init__` needs the whole of NeMo's requirements. One function
stands in for one of a module that needs them too: it expands braces.
"""

import importlib.util
import pickle
import sys
import types
from pathlib import Path

from braceexpand import braceexpand

SHELLS = (
    "core",
    "collections",
    "collections.asr",
    "collections.asr.data",
    "collections.common",
    "collections.common.data",
    "collections.common.data.lhotse",
    "collections.common.parts",
    "collections.common.parts.preprocessing",
    "collections.common.tokenizers",
)


def use_parts_of_nemo() -> None:
    root = Path(importlib.util.find_spec("nemo").origin).parent
    for name in SHELLS:
        shell = types.ModuleType(f"nemo.{name}")
        shell.__path__ = [str(root.joinpath(*name.split(".")))]
        sys.modules[shell.__name__] = shell
    module = types.ModuleType("nemo.collections.asr.data.audio_to_text")
    module.expand_sharded_filepaths = lambda paths, **_: list(
        braceexpand(paths.replace("_OP_", "{").replace("_CL_", "}"), escape=False)
    )
    sys.modules[module.__name__] = module


use_parts_of_nemo()
# -- here the tests insert what a user would write --


def main() -> None:
    import torch
    from lhotse import CutSet
    from lhotse.dataset import SimpleCutSampler
    from nemo.collections.asr.data.audio_to_text_lhotse import LhotseSpeechToTextBpeDataset
    from nemo.collections.common.data.lhotse.nemo_adapters import LazyNeMoTarredIterator

    manifests, tars, count, output = sys.argv[1:]
    cuts = CutSet(LazyNeMoTarredIterator(manifests, tars, shuffle_shards=False, shard_seed=0))
    dataset = LhotseSpeechToTextBpeDataset(tokenizer=lambda text: [ord(letter) for letter in text], return_cuts=True)
    sampler = SimpleCutSampler(cuts, max_cuts=int(count))
    batches = []
    for audio, lengths, tokens, _, left in torch.utils.data.DataLoader(dataset, sampler=sampler, batch_size=None):
        batches.append(([cut.id for cut in left], audio.numpy(), lengths.numpy(), tokens.numpy()))
    Path(output).write_bytes(pickle.dumps(batches))


main()
