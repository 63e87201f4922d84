"""`ais config cli`: the configuration file of this program. Source: spec/cli.md 5.10."""

from moss.cli.arguments import check_count, parse_pairs
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.flags import JSON, NO_HEADERS
from moss.cli.options import Command, Option
from moss.cli.preferences import DEFAULTS, Preferences, write_private
from moss.cli.settings import config_file


def _show_or_set(context: Context) -> None:
    """`config cli` alone shows; the reference documents that `config cli KEY=VALUE` sets."""
    words = context.parsed.positionals
    if words and (len(words) > 1 or "=" in words[0]):
        _set(context)
    else:
        _show(context)


def _show(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=1)
    if context.parsed.flag("path"):
        context.console.result(str(config_file(context.environ)))
        return
    preferences = Preferences(context.environ)
    wanted = context.parsed.positionals[0] if context.parsed.positionals else ""
    values = {
        key: value
        for key, value in preferences.values().items()
        if not wanted or key == wanted or key.startswith(wanted + ".")
    }
    if not values:
        raise UsageError(f'invalid property name "{wanted}" (expecting one of: {", ".join(DEFAULTS)})')
    rows = [("PROPERTY", "VALUE"), *((key, _text(value)) for key, value in values.items())]
    context.show(rows, values if wanted else preferences.document)


def _set(context: Context) -> None:
    check_count(context.parsed.positionals, ["KEY=VALUE"], most=None)
    pairs = parse_pairs(context.parsed.positionals)
    preferences = Preferences(context.environ)
    lines = []
    for key, text in pairs:
        old = preferences.get(key) if key in DEFAULTS else ""
        new = preferences.set(key, text)
        lines.append(f'"{key}" set to: "{_text(new)}" (was: "{_text(old)}")')
    preferences.save()
    for line in lines:
        context.console.result(line)


def reset_cli(context: Context) -> None:
    """Write the defaults; works with a file that cannot be understood, and is what repairs it."""
    write_private(config_file(context.environ), "{}\n")
    context.console.result("CLI config successfully reset to all defaults")


def _reset(context: Context) -> None:
    check_count(context.parsed.positionals, [], most=0)
    reset_cli(context)


def _text(value: str | bool) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else value


def _complete(context: Context) -> list[str]:
    words = context.parsed.positionals
    if words and words[-1] in DEFAULTS:
        return ["true", "false"] if DEFAULTS[words[-1]].kind == "switch" else []
    return [f"{key}=" for key in DEFAULTS]


_NOTES = "Keys:\n" + "\n".join(f"   {key:<24} {preference.summary}" for key, preference in DEFAULTS.items())
_PATH = Option("path", "print where the file is")

CLI = Command(
    usage="[KEY=VALUE...|SECTION|KEY]",
    summary="show or change the configuration of this program",
    run=_show_or_set,
    complete=_complete,
    options=(_PATH, NO_HEADERS, JSON),
    notes=_NOTES,
    examples=("ais config cli", "ais config cli --path", "ais config cli cluster.url=http://10.0.0.1:51080"),
)

SHOW = Command(
    usage="[SECTION|KEY]",
    summary="show the configuration of this program",
    run=_show,
    complete=lambda _context: list(DEFAULTS),
    options=(_PATH, NO_HEADERS, JSON),
    notes=_NOTES,
    examples=("ais config cli show", "ais config cli show timeout", "ais config cli show --json"),
)

SET = Command(
    usage="KEY=VALUE [KEY=VALUE...]",
    summary="change the configuration of this program",
    run=_set,
    complete=_complete,
    notes=_NOTES,
    examples=("ais config cli set timeout.http_timeout=30s", "ais config cli set no_color=true"),
)

RESET = Command(
    usage="",
    summary="set the configuration of this program back to its defaults",
    run=_reset,
    notes="Aliases of your own go too. It also repairs a file that cannot be read.",
    examples=("ais config cli reset",),
)
