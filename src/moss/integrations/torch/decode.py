"""From received bytes to tensors, without a copy where that is possible."""

from collections.abc import Sequence
from typing import Any

import torch

__all__ = ["TensorDecoder", "as_tensor"]

Data = bytes | bytearray | memoryview


def as_tensor(data: Data, dtype: torch.dtype = torch.uint8, shape: Sequence[int] | None = None) -> torch.Tensor:
    """A tensor of raw values in this machine's byte order.

    It shares the memory of a writable buffer, such as the memoryviews that `zero_copy=True` delivers, and keeps it from
    being used again; what is read-only, such as bytes, is copied.

    Args:
        shape: of the tensor, one dimension may be -1; None makes it flat.

    Raises:
        ValueError: the data is no whole number of values, or not of this shape.
    """
    view = memoryview(data)
    if view.nbytes % dtype.itemsize:
        raise ValueError(f"{view.nbytes} bytes are no whole number of {dtype} ({dtype.itemsize} bytes each)")
    if not view.nbytes:  # torch has no tensor that shares nothing.
        tensor = torch.empty(0, dtype=dtype)
    else:
        tensor = torch.frombuffer(bytearray(view) if view.readonly else data, dtype=dtype)
    if shape is None:
        return tensor
    try:
        return tensor.reshape(tuple(shape))
    except RuntimeError as error:
        raise ValueError(f"{tensor.numel()} values of {dtype} cannot be of shape {tuple(shape)}") from error


class TensorDecoder:
    """A decoder for samples that are raw values: makes a tensor, of samples with parts a dict of tensors.

    Args:
        dtype, shape: as for `as_tensor`.
    """

    def __init__(self, dtype: torch.dtype = torch.uint8, shape: Sequence[int] | None = None) -> None:
        self.dtype, self.shape = dtype, shape

    def __call__(self, name: str, data: Any) -> Any:
        if isinstance(data, dict):
            return {part: as_tensor(content, self.dtype, self.shape) for part, content in data.items()}
        return as_tensor(data, self.dtype, self.shape)
