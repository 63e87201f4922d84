"""The classes of the official PyTorch plugin (`aistore.pytorch`), by its names. Needs the extra `torch`.

Beyond the official ones: ranks of a distributed training share the samples, map-style data sets fetch a batch with one
request, iterable ones have requests on their way while a sample is used, and no progress bar has to be installed. For
shuffles, exact resume and decoders see `moss.integrations.torch`.
"""

from moss.pytorch.base_iter_dataset import AISBaseIterDataset
from moss.pytorch.base_map_dataset import AISBaseMapDataset
from moss.pytorch.batch_iter_dataset import AISBatchIterDataset
from moss.pytorch.dynamic_sampler import DynamicBatchSampler
from moss.pytorch.iter_dataset import AISIterDataset
from moss.pytorch.map_dataset import AISMapDataset
from moss.pytorch.multishard_dataset import AISMultiShardStream
from moss.pytorch.parallel_map_dataset import AISParallelMapDataset
from moss.pytorch.shard_reader import AISShardReader

__all__ = [
    "AISBaseIterDataset",
    "AISBaseMapDataset",
    "AISBatchIterDataset",
    "AISIterDataset",
    "AISMapDataset",
    "AISMultiShardStream",
    "AISParallelMapDataset",
    "AISShardReader",
    "DynamicBatchSampler",
]
