import pytest

from moss.cli.jobs.names import NEVER_STARTED, START_ELSEWHERE, all_names, is_job_id, kinds_of, startable_names
from moss.sdk.xact_const import KNOWN_KINDS
from moss.wire.job_kinds import DISPLAY_NAMES, display_name


def test_every_kind_has_one_word_and_every_word_one_kind() -> None:
    assert set(DISPLAY_NAMES) == KNOWN_KINDS
    assert len(set(DISPLAY_NAMES.values())) == len(DISPLAY_NAMES)
    for kind, word in DISPLAY_NAMES.items():
        assert kinds_of(kind) == kinds_of(word) == (kind,)
    assert display_name("of-a-later-release") == "of-a-later-release"


@pytest.mark.parametrize(
    ("word", "kinds"),
    [
        ("ls", ("list",)),
        ("copy", ("copy-bck", "copy-listrange")),
        ("cp", ("copy-bck", "copy-listrange")),
        ("evict", ("evict-listrange", "evict-remote-bck")),
        ("ec", ("ec-encode", "ec-get", "ec-put", "ec-resp")),
        ("encode", ("ec-encode", "ec-get", "ec-put", "ec-resp")),
        ("transform", ("etl-bck", "etl-inline", "etl-listrange")),
        ("prefetch", ("prefetch-listrange",)),
        ("delete", ("delete-listrange",)),
        ("rename", ("move-bck",)),
        ("promote", ("promote",)),
        ("x", ()),
        ("", ()),
        ("get-batc", ()),
    ],
)
def test_families_and_beginnings(word: str, kinds: tuple[str, ...]) -> None:
    assert kinds_of(word) == kinds


def test_names_are_told_as_people_use_them() -> None:
    assert all_names() == sorted(DISPLAY_NAMES.values())
    assert "lru-eviction" in startable_names() and "get-batch" not in startable_names()
    assert not START_ELSEWHERE.keys() & NEVER_STARTED


@pytest.mark.parametrize(
    ("text", "is_id"),
    [("gbt-NeEra51oM", True), ("g12", True), ("KbV3xQa1d", True), ("nosuch", False), ("1bV3xQa1d", False),
     ("KbV3xQa1d-", False), ("KbV3xQa1d\n", False), ("a" * 33, False)],
)  # fmt: skip
def test_form_of_ids(text: str, is_id: bool) -> None:
    assert is_job_id(text) is is_id
