"""First words that stand for other words: the built-in ones, and those of the user's configuration file.

The file's map, once there is one, is the whole truth: a built-in alias that the user removed stays away.
Source: spec/cli.md 5.14.
"""

from collections.abc import Mapping

from moss.cli.table import ALIASES, Words

ALIASES_KEY = "aliases"


def load_aliases(environ: Mapping[str, str]) -> dict[str, Words]:
    """All aliases that count; the built-in ones when the configuration file has none or cannot be read.

    A broken file is not reported here: the command that needs it says so, and help works without it.
    """
    import shlex

    from moss.cli.failures import CommandError
    from moss.cli.settings import config_file, read_config

    if not config_file(environ).exists():
        return ALIASES
    try:
        found = read_config(environ).get(ALIASES_KEY)
        if not isinstance(found, dict):
            return ALIASES
        return {str(alias): tuple(shlex.split(str(command))) for alias, command in found.items()}
    except (CommandError, ValueError):
        return ALIASES
