"""What a running command knows: its words, the console, the settings, the connection."""

from collections.abc import Mapping
from functools import cached_property

from moss.cli.options import Parsed
from moss.cli.output import Console
from moss.cli.settings import Settings, load_settings
from moss.cli.transport import Transport


class Context:
    """One run of one command."""

    def __init__(self, invoked: str, parsed: Parsed, console: Console, environ: Mapping[str, str]) -> None:
        self.invoked = invoked
        self.parsed = parsed
        self.console = console
        self.environ = environ

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.environ, self.console.warn)

    @cached_property
    def transport(self) -> Transport:
        """The connection to the cluster; nothing is sent before it is first used."""
        return Transport(self.settings, notice=self.console.note)
