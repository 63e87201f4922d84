"""One distributed sort: showing it, waiting for it, stopping it, forgetting it. Source: spec/cli.md 5.12."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from moss.cli.cluster import config
from moss.cli.cluster.calls import ask, call
from moss.cli.context import Context
from moss.cli.failures import CommandError
from moss.cli.formats import UNSET, format_count, format_elapsed
from moss.cli.jobs.following import follow_until_over
from moss.cli.jobs.lists import is_sort_over, sort_status
from moss.cli.progress import Progress
from moss.cli.tables import property_table, table
from moss.cli.transport import Transport

_PHASES = (
    ("Extraction", "local_extraction", "extracted_count", "total_count"),
    ("Sorting", "meta_sorting", "", ""),
    ("Creation", "shard_creation", "created_count", "to_create"),
)


def fetch_sort(transport: Transport, job_id: str) -> dict[str, dict[str, Any]]:
    """What every target says about a sort, by the target's id."""
    return ask(transport, "sort", query={"uuid": job_id}) or {}


def show_sort(context: Context, job_id: str) -> bool:
    """Print one sort: its phases, with `--verbose` all statistics; True when it has ended."""
    found = fetch_sort(context.transport, job_id)
    is_over = all(map(is_sort_over, found.values()))
    text = _text(context, job_id, found)
    if context.wants_json:
        context.console.document(found)
    else:
        context.console.result(text)
    if path := context.parsed.text("log"):
        with open(path, "a", encoding="utf-8") as log:
            log.write(text + "\n")
    return is_over


def _text(context: Context, job_id: str, found: dict[str, dict[str, Any]]) -> str:
    with_headers = not context.parsed.flag("no-headers")
    rows = phase_rows(found.values())
    shown = table(rows if with_headers else rows[1:])
    if with_headers:
        shown = f"dsort[{job_id}]{_about(found)}: {_state(found)}\n" + shown
    for title, key in (("Warnings", "warnings"), ("Errors", "errors")):
        if texts := _texts(found, key):
            shown += "\n".join([f"{title}:", *(f"  {text}" for text in texts)]) + "\n"
    if context.parsed.flag("verbose"):
        leaves = [
            (f"{target}.{key}", leaf)
            for target, info in sorted(found.items())
            for key, leaf in config.flat(info).items()
        ]
        rows = [(key, config.shown(key, leaf)) for key, leaf in leaves]
        shown += "\n" + property_table(rows, headers=with_headers)
    return shown.rstrip("\n")


def _about(found: dict[str, dict[str, Any]]) -> str:
    texts = [str((info.get("Metrics") or {}).get("description") or "") for info in found.values()]
    text = next((text for text in texts if text), "")
    return f" ({text})" if text else ""


def _state(found: dict[str, dict[str, Any]]) -> str:
    states = [sort_status(info) for info in found.values()]
    return next((state for state in ("Aborted", "Running") if state in states), "Finished")


def _texts(found: dict[str, dict[str, Any]], key: str) -> list[str]:
    texts = [text for info in found.values() for text in (info.get("Metrics") or {}).get(key) or ()]
    return list(dict.fromkeys(texts))


def phase_rows(infos: Iterable[dict[str, Any]]) -> list[list[str]]:
    """`PHASE DONE TOTAL ELAPSED STATE`: sums over the targets, the longest time."""
    metrics = [info.get("Metrics") or {} for info in infos]
    rows = [["PHASE", "DONE", "TOTAL", "ELAPSED", "STATE"]]
    for title, key, done_key, total_key in _PHASES:
        parts = [one.get(key) or {} for one in metrics]
        done, total = (sum(int(part.get(name) or 0) for part in parts) for name in (done_key, total_key))
        elapsed_s = max((int(part.get("elapsed") or 0) for part in parts), default=0) / 1e9
        state = UNSET
        if parts and all(part.get("finished") for part in parts):
            state = "finished"
        elif any(part.get("running") for part in parts):
            state = "running"
        counts = [format_count(done), format_count(total)] if done_key else [UNSET, UNSET]
        rows.append([title, *counts, format_elapsed(elapsed_s) if elapsed_s else UNSET, state])
    return rows


def wait_for_sort(context: Context, job_id: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait for the end of a sort, with progress on a terminal; `--timeout` limits the wait.

    Raises:
        CommandError: it was aborted or failed, or did not end in time.
    """

    def tell(progress: Progress, found: dict[str, dict[str, Any]]) -> None:
        progress(0, _created(found), items_total=_created(found, "to_create"))

    def is_over(found: dict[str, dict[str, Any]]) -> bool:
        return all(map(is_sort_over, found.values()))

    look = partial(fetch_sort, context.transport, job_id)
    label = f"dsort[{job_id}]"
    found = follow_until_over(context, label, job_id, look, is_over, tell, items="shards", sleep=sleep)
    errors = _texts(found, "errors")
    if errors or _state(found) == "Aborted":
        raise CommandError(f"dsort[{job_id}] {'failed' if errors else 'was aborted'}", *errors[:3])


def _created(found: dict[str, dict[str, Any]], key: str = "created_count") -> int:
    parts = [(info.get("Metrics") or {}).get("shard_creation") or {} for info in found.values()]
    return sum(int(part.get(key) or 0) for part in parts)


def stop_sort(transport: Transport, job_id: str) -> None:
    """Stop a sort; harmless when it has ended."""
    call(transport, "DELETE", "sort", "abort", query={"uuid": job_id})


def remove_sort(transport: Transport, job_id: str) -> None:
    """Forget a sort that has ended."""
    call(transport, "DELETE", "sort", query={"uuid": job_id})
