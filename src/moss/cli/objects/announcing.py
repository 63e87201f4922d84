"""What is said, and asked, before many files are sent. Source: spec/cli.md 5.6."""

from collections.abc import Callable, Sequence

from moss.cli.context import Context
from moss.cli.failures import CommandError
from moss.cli.formats import format_count
from moss.cli.objects.local_files import LocalFile, extension_rows

__all__ = ["announce", "confirm"]

DRY_RUN_NAMES = 10


def confirm(context: Context, question: str, unanswered: str) -> None:
    """Ask, unless `--yes` has answered. With `--json` nothing can be asked: the document is all that is printed.

    Raises:
        Canceled: the answer is no.
        CommandError: there is none; its text is `unanswered`.
    """
    if context.parsed.flag("yes"):
        return
    if context.wants_json:
        raise CommandError(unanswered)
    context.console.confirm(question, unanswered=unanswered)


def announce(context: Context, files: Sequence[LocalFile], summary: str, line: Callable[[LocalFile], str]) -> bool:
    """Show which files there are, and ask whether to go on; with `--dry-run` show what would be done.

    Args:
        summary: what is to be done with all of them.
        line: what is to be done with one.

    Returns:
        Whether to go on.

    Raises:
        Canceled: the answer is no.
        CommandError: there is none.
    """
    console, is_dry = context.console, context.parsed.flag("dry-run")
    unanswered = f"{format_count(len(files))} files to send (use '--yes' to go on)"
    if context.wants_json:
        if not is_dry:
            confirm(context, f"{summary}?", unanswered)
        return not is_dry
    if is_dry:
        console.result("[DRY RUN] with no modifications to the cluster")
    console.result("Files to upload:")
    console.table(extension_rows(files, context.units))
    console.result("")
    if not is_dry:
        confirm(context, f"{summary}?", unanswered)
        return True
    console.result(f"[DRY RUN] {summary}")
    for file in files[:DRY_RUN_NAMES]:
        console.result(line(file))
    if len(files) > DRY_RUN_NAMES:
        console.result(f"(and {format_count(len(files) - DRY_RUN_NAMES)} more)")
    return False
