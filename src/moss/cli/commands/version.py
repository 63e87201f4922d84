"""`ais version`."""

from moss import __version__
from moss.cli.context import Context
from moss.cli.options import Command


def _run(context: Context) -> None:
    context.console.result(f"version {__version__}")


VERSION = Command("", "show the version of this program", _run)
