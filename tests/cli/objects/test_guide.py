"""The guide on moving data: its blocks are run, and do what the text says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.sdk import Client
from moss.testing import NodeProcess, start_node
from tests.test_docs import PROJECT, run_document


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node without anything in it, as a reader has it."""
    with start_node(tmp_path_factory.mktemp("guide") / "data") as running:
        yield running


@pytest.mark.slow
def test_the_guide_on_moving_data(node: NodeProcess, tmp_path: Path) -> None:
    put, back, large, grown, shards, made = run_document("moving-data.md", node, tmp_path)
    assert "[DRY RUN] PUT " in put and put.count("\nPUT ") >= 4
    assert back.count("\nGET ") >= 2 and (tmp_path / "back/photos/rocket.jpg").is_file()
    assert (tmp_path / "large").read_bytes() == (tmp_path / "large-2").read_bytes()
    assert large.split()[-1] == "100"
    assert "Created ais://moving/log" in grown and "Appended " in grown
    assert "photos.tar/text/README.md" in shards
    photos = PROJECT / "examples" / "data" / "photos"
    assert sorted(path.name for path in (tmp_path / "jpegs").iterdir()) == sorted(p.name for p in photos.glob("*.jpg"))
    assert "Archived ais://moving/speech/digits/* => ais://moving/digits.tgz" in made
    assert "Shards created: 4/4 in ais://moving" in made
    with Client(node.url) as client:
        names = {entry.name for entry in client.bucket("moving").list_all_objects()}
    assert {"large", "speech.tar", "text/LICENSE", "some/2.wav", "try-03.tar"} <= names
