"""Training with PyTorch on data in Moss. Needs the extra `torch`.

`MossMapDataset` names the samples and reads them, a batch with one request; `MossLoader` yields batches in a planned
order, with several on their way, and resumes exactly. The parts can be used alone: `MossIterableDataset` and
`MossBatchSampler` with any `DataLoader`. The classes of the official plugin are in `moss.pytorch`.
"""

from moss.integrations.torch.decode import TensorDecoder, as_tensor
from moss.integrations.torch.errors import DecodeError, MissingSample
from moss.integrations.torch.iterable_dataset import MossIterableDataset
from moss.integrations.torch.loader import MossLoader
from moss.integrations.torch.map_dataset import MossMapDataset
from moss.integrations.torch.sampler import MossBatchSampler

__all__ = [
    "DecodeError",
    "MissingSample",
    "MossBatchSampler",
    "MossIterableDataset",
    "MossLoader",
    "MossMapDataset",
    "TensorDecoder",
    "as_tensor",
]
