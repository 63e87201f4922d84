"""What a running command knows: its words, the console, the settings, the connection."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from moss.cli.failures import UsageError
from moss.cli.options import Parsed
from moss.cli.output import Console
from moss.cli.settings import Settings, load_settings

if TYPE_CHECKING:
    from moss.cli.transport import Transport
    from moss.sdk import Client

UNITS = ("iec", "si", "raw")


class Context:
    """One run of one command.

    Attributes:
        invoked: the command as it was typed, for messages.
        parsed: options and positionals.
    """

    def __init__(self, invoked: str, parsed: Parsed, console: Console, environ: Mapping[str, str]) -> None:
        self.invoked = invoked
        self.parsed = parsed
        self.console = console
        self.environ = environ

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.environ, self.console.warn)

    @cached_property
    def transport(self) -> "Transport":
        """Plain requests, for what the SDK does not have; nothing is sent before it is first used."""
        from moss.cli.transport import Transport

        return Transport(self.settings, notice=self.console.note)

    @cached_property
    def client(self) -> "Client":
        """The SDK's client with the settings of the command line; nothing is sent before it is first used."""
        from moss.cli.connection import make_client

        return make_client(self.settings)

    @property
    def units(self) -> str:
        """The value of `--units`.

        Raises:
            UsageError: it is none of iec, si and raw.
        """
        units = self.parsed.text("units") or "iec"
        if units not in UNITS:
            raise UsageError(f"invalid '--units' \"{units}\" (expecting {', '.join(UNITS[:-1])} or {UNITS[-1]})")
        return units

    @property
    def wants_json(self) -> bool:
        """Whether one JSON document is wanted instead of text."""
        return self.parsed.flag("json")

    def seconds(self, name: str, default: float | None = None) -> float | None:
        """The value of an option that is a duration; a bare number means seconds.

        Raises:
            UsageError: it is no duration.
        """
        text = self.parsed.text(name)
        if text is None:
            return default
        from moss.cli.formats import parse_interval_s

        try:
            return parse_interval_s(text)
        except ValueError as error:
            raise UsageError(f"'--{name}': {error}") from None

    def size(self, name: str, default: int = 0) -> int:
        """The value of an option that is a size in bytes: `10MiB`, `4mb`, `1048576`.

        Raises:
            UsageError: it is no size.
        """
        text = self.parsed.text(name)
        if text is None:
            return default
        from moss.units import parse_size

        try:
            return parse_size(text)
        except ValueError as error:
            raise UsageError(f"'--{name}': {error}") from None

    def show(self, rows: Iterable[Sequence[str]], document: Any = None, *, closed: bool = False) -> None:
        """Print a table, or with `--json` the document; with `--no-headers` the table loses its first row.

        Args:
            rows: the header first; lines of text.
            document: what `--json` prints; a function is called for it. None makes objects of the rows, under the
                headers in lower case.
        """
        if self.wants_json:
            self.console.document(
                _objects(rows) if document is None else document() if callable(document) else document
            )
            return
        rows = list(rows)
        self.console.table(rows[1:] if self.parsed.flag("no-headers") else rows, closed=closed)


def _objects(rows: Iterable[Sequence[str]]) -> list[dict[str, str]]:
    header, *body = list(rows)
    keys = [name.lower().replace(" ", "_") for name in header]
    return [dict(zip(keys, row, strict=True)) for row in body]
