"""`ais version`."""

from moss import __version__
from moss.cli.arguments import check_count
from moss.cli.context import Context
from moss.cli.flags import JSON
from moss.cli.options import Command


def _run(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=0)
    if context.wants_json:
        context.console.document({"version": __version__})
        return
    context.console.result(f"version {__version__}")


VERSION = Command("", "show the version of this program", _run, options=(JSON,), examples=("ais version",))
