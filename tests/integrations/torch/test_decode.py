import struct

import pytest
import torch

from moss.integrations.torch import TensorDecoder, as_tensor
from moss.sdk.batch.buffers import BufferPool


def test_a_tensor_shares_a_writable_buffer_and_keeps_it():
    pool = BufferPool(4096)
    buffer = pool.take()
    tensor = as_tensor(memoryview(buffer)[512:768])
    buffer[512] = 7
    assert tensor[0] == 7 and tensor.shape == (256,)
    assert pool.take() is not buffer
    del tensor
    assert pool.take() is buffer


def test_what_is_read_only_is_copied(recwarn: pytest.WarningsRecorder):
    tensor = as_tensor(b"abc")
    tensor[0] = 0
    assert tensor.tolist() == [0, 98, 99]
    assert not recwarn.list


def test_types_and_shapes():
    data = bytearray(struct.pack("<6f", *range(6)))
    assert as_tensor(data, torch.float32, (2, -1)).tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert as_tensor(memoryview(data)[4:], torch.float32).tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    unaligned = bytearray(b"\0" + data)
    assert as_tensor(memoryview(unaligned)[1:], torch.float32).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert as_tensor(b"", torch.int16).shape == (0,)
    assert as_tensor(b"", torch.int16, (0, 4)).shape == (0, 4)


def test_data_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"7 bytes are no whole number of torch.float32 \(4 bytes each\)"):
        as_tensor(b"1234567", torch.float32)
    with pytest.raises(ValueError, match=r"3 values of torch.uint8 cannot be of shape \(2, 2\)"):
        as_tensor(b"123", shape=(2, 2))


def test_a_decoder_of_samples_and_of_their_parts():
    decode = TensorDecoder(torch.uint8, (1, -1))
    assert decode("name", b"ab").tolist() == [[97, 98]]
    assert {part: tensor.tolist() for part, tensor in decode("name", {"x": b"a", "y": b"b"}).items()} == {
        "x": [[97]],
        "y": [[98]],
    }
