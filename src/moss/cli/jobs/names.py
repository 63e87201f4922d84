"""Names of jobs: kinds, the words that people use, families of them. Source: spec/cli.md 5.8.1. Pure."""

import re

from moss.wire.job_kinds import DISPLAY_NAMES

SYNONYMS = {"ls": "list", "cp": "copy", "encode": "ec", "transform": "etl"}
_BY_DISPLAY = {display: kind for kind, display in DISPLAY_NAMES.items()}
_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{7,30}[A-Za-z0-9]|g[0-9]+", re.ASCII)

START_ELSEWHERE = {
    "archive": "ais archive bucket",
    "copy-bck": "ais bucket cp",
    "copy-listrange": "ais bucket cp",
    "create-inventory": "ais nbi create",
    "delete-listrange": "ais object rm",
    "ec-encode": "ais bucket props set BUCKET ec.enabled=true",
    "etl-bck": "ais etl bucket",
    "etl-listrange": "ais etl bucket",
    "evict-listrange": "ais bucket evict",
    "evict-remote-bck": "ais bucket evict",
    "get-batch": "ais ml get-batch",
    "index-shard": "ais bucket shard-index",
    "list": "ais ls",
    "make-n-copies": "ais bucket props set BUCKET mirror.enabled=true",
    "move-bck": "ais bucket mv",
    "promote": "ais object promote",
    "summary-bck": "ais bucket summary",
}
"""Kinds that are not started by their name, and the command that starts them."""

NEVER_STARTED = frozenset(("ec-get", "ec-put", "ec-resp", "election", "etl-inline", "put-copies", "summary-shard"))
"""Kinds that the cluster starts itself."""

BUCKET_NEEDED = frozenset(("blob-download", "load-lom-cache", "prefetch-listrange", "rechunk"))
"""Kinds that start in one bucket only."""


def kinds_of(word: str) -> tuple[str, ...]:
    """The kinds that a word names: one by its kind or display name, a family by the first part of their names.

    Empty when it names none.
    """
    word = SYNONYMS.get(word, word)
    if word in _BY_DISPLAY:
        return (_BY_DISPLAY[word],)
    if word in DISPLAY_NAMES:
        return (word,)
    return tuple(kind for display, kind in sorted(_BY_DISPLAY.items()) if word and display.startswith(word + "-"))


def all_names() -> list[str]:
    """Display names of all kinds, sorted."""
    return sorted(_BY_DISPLAY)


def startable_names() -> list[str]:
    """Display names of the kinds that `ais start` starts itself, sorted."""
    hidden = START_ELSEWHERE.keys() | NEVER_STARTED
    return [name for name in all_names() if _BY_DISPLAY[name] not in hidden]


def is_job_id(text: str) -> bool:
    """Whether a text has the form of a job id."""
    return _ID.fullmatch(text) is not None
