"""Large bodies arrive whole in memory that was asked for as such."""

import os

import pytest

from moss.sdk import Client
from moss.sdk.transport.memory import LARGE_BYTES_MIN, prefer_large_pages
from moss.testing import NodeProcess


@pytest.mark.parametrize("size", [LARGE_BYTES_MIN - 1, LARGE_BYTES_MIN, LARGE_BYTES_MIN + 12_345])
def test_read_all_returns_every_byte_as_bytes(node: NodeProcess, size: int):
    content = os.urandom(size)
    source = Client(node.url).bucket("large-answers").create(exist_ok=True).object(f"{size}")
    source.get_writer().put_content(content)
    found = source.get_reader().read_all()
    assert type(found) is bytes
    assert found == content


@pytest.mark.parametrize("offset", [0, 1, 4095])
@pytest.mark.parametrize("size", [0, 100, 1 << 20])
def test_the_hint_changes_no_byte(offset: int, size: int):
    content = os.urandom(offset + size)
    buffer = bytearray(content)
    prefer_large_pages(memoryview(buffer)[offset:])
    assert bytes(buffer) == content


def test_a_buffer_that_cannot_be_written_is_left_alone():
    prefer_large_pages(memoryview(b"read only"))
