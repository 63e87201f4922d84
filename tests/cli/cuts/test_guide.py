"""The guide on cuts as files: its blocks are run, and do what the text says."""

import tarfile
import wave
from pathlib import Path

import pytest

from moss.testing import NodeProcess
from tests.test_docs import run_document


@pytest.mark.slow
def test_the_guide_on_cuts_as_archives(node: NodeProcess, tmp_path: Path) -> None:
    _, one, many, holes = run_document("cuts-as-archives.md", node, tmp_path)
    assert "Created ML batch archive" in one and "digit-1.wav" in one
    with tarfile.open(tmp_path / "parts.tar") as archive:
        for member in archive:
            with wave.open(archive.extractfile(member)) as part:
                assert (part.getframerate(), part.getnframes()) == (8000, 4000)
    assert many.count("Created ") == 4 and many.count("Kept ") == 2
    assert "Generated 1 batches from 5 cuts (2 more were kept)" in many
    assert "status 1" in holes and holes.count("Created ") == 1
