"""Handwritten digits in a node, as objects and as shards."""

import io
import tarfile
import uuid
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from moss.sdk import Bucket, Client
from moss.testing import NodeProcess

DIGITS = Path(__file__).resolve().parents[3] / "examples" / "data" / "digits"
FILES = {path.name: path.read_bytes() for path in sorted(DIGITS.glob("*.png"))}
SHARDS = 4


def label(name: str) -> str:
    """`012-label-7.png` shows a 7."""
    return name.partition("-label-")[2][0]


def flat(batches: Iterable[list[Any]]) -> list[Any]:
    """The samples of batches, in their order."""
    return list(chain.from_iterable(batches))


def shard(names: list[str]) -> bytes:
    """A TAR with an image and its label for each name, as WebDataset writers make it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            for extension, content in (("png", FILES[name]), ("cls", label(name).encode())):
                member = tarfile.TarInfo(f"{name[:3]}.{extension}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def new_bucket(url: str) -> Bucket:
    return Client(url).bucket(f"t{uuid.uuid4().hex[:12]}").create()


@pytest.fixture
def bucket(node: NodeProcess) -> Bucket:
    """An empty bucket."""
    return new_bucket(node.url)


@pytest.fixture(scope="session")
def digits(node: NodeProcess) -> Bucket:
    """200 images, an object each."""
    made = new_bucket(node.url)
    made.put_files(DIGITS)
    return made


@pytest.fixture(scope="session")
def shards(node: NodeProcess) -> Iterator[Bucket]:
    """The same images in shards, with objects between that are none."""
    made = new_bucket(node.url)
    names = list(FILES)
    for number in range(SHARDS):
        made.object(f"train-{number}.tar").put_content(shard(names[number::SHARDS]))
    made.object("train-0.tar.md5").put_content(b"0 train-0.tar")
    yield made
