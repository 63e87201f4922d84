"""The log that a node shows: bounded, by severity, without the server's paths, of all worker processes."""

import gzip
import io
import logging
import tarfile

import pytest

from moss.errors import InvalidRequest
from moss.node.server.log_ring import LogRing


@pytest.fixture
def ring() -> LogRing:
    return LogRing()


def _log(ring: LogRing, level: int, text: str, created: float) -> None:
    record = logging.LogRecord("moss.test", level, __file__, 1, text, (), None)
    record.created = created
    ring.handle(record)


def test_lines_by_severity(ring: LogRing):
    _log(ring, logging.INFO, "first", 1.0)
    _log(ring, logging.ERROR, "second", 2.0)
    assert [line[0] for line in ring.text("info").splitlines()] == ["I", "I", "E"]
    assert ring.text("warning") == ring.text("e")
    assert "second" in ring.text("ERROR")
    assert "first" not in ring.text("ERROR")
    with pytest.raises(InvalidRequest):
        ring.text("x")


def test_tracebacks_are_not_kept(ring: LogRing):
    try:
        raise ValueError("inner")
    except ValueError as error:
        record = logging.LogRecord("moss", logging.ERROR, __file__, 1, "outer", (), (ValueError, error, None))
        record.exc_info = (ValueError, error, error.__traceback__)
        ring.handle(record)
    assert "outer" in ring.text()
    assert __file__ not in ring.text()


def test_lines_of_other_workers_are_sorted_in(ring: LogRing):
    other = LogRing()
    for number in range(4):
        _log((ring, other)[number % 2], logging.INFO, f"message {number}", number + 1.0)
    text = ring.text("", [[list(line) for line in other.lines()]])
    assert [line.rpartition(" ")[2] for line in text.splitlines()[1:]] == ["0", "1", "2", "3"]
    assert text.count("Moss ") == 1
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(ring.archive("", [other.lines()])))) as archive:
        assert archive.extractfile("moss.log").read().decode() == text
