"""The configuration file of the command line as `config cli` and `alias` change it. Source: spec/cli.md 5.3, 5.10.

The file is written when something is first set, whole and through a temporary name. Keys that are not ours, as other
releases of the program have them, are kept.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from moss.cli.aliases import ALIASES_KEY
from moss.cli.failures import CommandError, UsageError
from moss.cli.options import FALSE_WORDS, TRUE_WORDS
from moss.cli.settings import DEFAULT_AUTHN_URL, DEFAULT_URL, config_file, normal_url, read_config
from moss.cli.table import ALIASES

__all__ = ["DEFAULTS", "Preference", "Preferences", "write_private"]


class Preference(NamedTuple):
    """One key.

    Attributes:
        default: also tells the kind: a bool is a switch, the rest is text.
        kind: `text`, `url`, `duration` or `switch`.
        summary: what it is, for the help.
    """

    default: str | bool
    kind: str
    summary: str


DEFAULTS: dict[str, Preference] = {
    "cluster.url": Preference(DEFAULT_URL, "url", "address of a gateway; AIS_ENDPOINT wins"),
    "cluster.skip_verify_crt": Preference(False, "switch", "accept any TLS certificate"),
    "cluster.client_ca_tls": Preference("", "text", "file of certificate authorities"),
    "cluster.client_crt": Preference("", "text", "file of the client's certificate"),
    "cluster.client_crt_key": Preference("", "text", "file of its key"),
    "timeout.tcp_timeout": Preference("60s", "duration", "how long connecting may take"),
    "timeout.http_timeout": Preference("0s", "duration", "how long a silent server is waited for; 0 means for ever"),
    "auth.url": Preference(DEFAULT_AUTHN_URL, "url", "address of the AuthN service; AIS_AUTHN_URL wins"),
    "no_color": Preference(False, "switch", "no colours"),
    "no_more": Preference(False, "switch", "no pager for long help"),
}


class Preferences:
    """The file's content over the defaults.

    Raises:
        CommandError: the file cannot be understood.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.path = config_file(environ)
        self._tree = read_config(environ)

    def values(self) -> dict[str, str | bool]:
        """All keys in a fixed order, with their values."""
        return {key: self.get(key) for key in DEFAULTS}

    def get(self, key: str) -> str | bool:
        section, _, name = key.rpartition(".")
        found = self._section(section).get(name, DEFAULTS[key].default)
        return found if isinstance(found, bool) else str(found)

    def set(self, key: str, text: str) -> str | bool:
        """Change a key, in memory; returns its new value.

        Raises:
            UsageError: no such key, or not a value for it.
        """
        preference = DEFAULTS.get(key)
        if preference is None:
            raise UsageError(f'invalid property name "{key}" (expecting one of: {", ".join(DEFAULTS)})')
        value = _checked(key, preference.kind, text)
        section, _, name = key.rpartition(".")
        if section:
            self._tree[section] = {**self._section(section), name: value}
        else:
            self._tree[name] = value
        return value

    @property
    def aliases(self) -> dict[str, str]:
        """Aliases and what they stand for."""
        found = self._tree.get(ALIASES_KEY)
        if not isinstance(found, dict):
            return {alias: " ".join(words) for alias, words in ALIASES.items()}
        return {str(alias): str(command) for alias, command in found.items()}

    def set_aliases(self, aliases: dict[str, str] | None) -> None:
        """Replace all aliases, in memory; None goes back to the built-in ones."""
        self._tree.pop(ALIASES_KEY, None)
        if aliases is not None:
            self._tree[ALIASES_KEY] = dict(sorted(aliases.items()))

    def document(self) -> dict[str, Any]:
        """Everything, as the file would hold it."""
        tree: dict[str, Any] = {}
        for key, value in self.values().items():
            section, _, name = key.rpartition(".")
            (tree.setdefault(section, {}) if section else tree)[name] = value
        return tree | {ALIASES_KEY: dict(sorted(self.aliases.items()))}

    def save(self) -> None:
        """Write the file.

        Raises:
            CommandError: it cannot be written.
        """
        import json

        write_private(self.path, json.dumps(self._tree, indent=2) + "\n")

    def _section(self, name: str) -> dict[str, Any]:
        section = self._tree.get(name) if name else self._tree
        return section if isinstance(section, dict) else {}


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all.

    Raises:
        CommandError: the folder or the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise CommandError(f'cannot write "{path}": {error.strerror}', "XDG_CONFIG_HOME moves the folder.") from None


def _checked(key: str, kind: str, text: str) -> str | bool:
    if kind == "switch":
        word = text.lower()
        if word in TRUE_WORDS or word in FALSE_WORDS:
            return word in TRUE_WORDS
        raise UsageError(f'invalid value "{text}" of "{key}": expecting true or false')
    if kind == "duration":
        from moss.units import parse_duration

        try:
            if parse_duration(text) < 0:
                raise ValueError("expecting 0 or more")
        except ValueError as error:
            raise UsageError(f'invalid value "{text}" of "{key}": {error}') from None
    if kind == "url":
        from urllib.parse import urlsplit

        text = normal_url(text)
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f'invalid value "{text}" of "{key}": expecting an http or https address')
    return text
