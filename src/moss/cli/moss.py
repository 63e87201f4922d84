"""The `moss` program: `moss serve` runs a node, `moss --version` names the version."""

import os
import sys
from pathlib import Path

from moss.cli.failures import CommandError, UsageError
from moss.cli.options import HELP, Command, Option, parse

DEFAULT_DATA = "moss-data"


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit status: 0, 1 failed, 2 wrong usage, 130 interrupted."""
    words = sys.argv[1:] if argv is None else argv
    try:
        return _dispatch(words)
    except KeyboardInterrupt:
        return 130


def _dispatch(words: list[str]) -> int:
    from moss import __version__

    if words and words[0] in ("--version", "-version", "-v", "version"):
        print(f"moss {__version__}")
        return 0
    if not words or words[0] in ("help", "--help", "-help", "-h"):
        print(_page())
        return 0
    if words[0] != "serve":
        print(f"Incorrect usage: unknown command \"{words[0]}\".\nSee 'moss --help'", file=sys.stderr)
        return 2
    return _serve(words[1:])


def _page() -> str:
    return f"""moss: an object store with batch retrieval for machine-learning data

USAGE:
   moss serve [options]   {SERVE.summary}
   moss --version         show the version

See 'moss serve --help'. The client program is 'ais': see 'ais --help'."""


def _serve(words: list[str]) -> int:
    from moss.cli.output import Console
    from moss.errors import MossError

    console = Console.standard(os.environ)
    try:
        parsed = parse((*SERVE.options, HELP), words)
        if parsed.flag("help"):
            from moss.cli import help as pages

            pages.show(pages.command_page("moss serve", SERVE))
            return 0
        if parsed.positionals:
            raise UsageError(f'unexpected argument "{parsed.positionals[0]}"')
        return SERVE.run(parsed) or 0
    except UsageError as error:
        console.usage_error("moss serve", SERVE.usage, str(error))
        return error.status
    except (CommandError, MossError) as error:
        console.error(str(error))
        return 1
    except OSError as error:
        console.error(f"{error.filename or 'moss serve'}: {error.strerror or error}")
        return 1


def _run(parsed) -> int:
    given = {}
    for name in ("port", "target-port"):
        if parsed.given(name):
            given[name.replace("-", "_")] = _checked(name, parsed.number(name, 0), 0, 65535)
    workers = _checked("workers", parsed.number("workers", 1), 1, 1024)
    if parsed.given("stall-timeout"):
        given["stall_s_max"] = float(_checked("stall-timeout", parsed.number("stall-timeout", 0), 0, 86_400))
    if parsed.given("download-hosts"):
        given["download_hosts"] = tuple(filter(None, (parsed.text("download-hosts") or "").split(",")))
    if parsed.given("cache-limit"):
        given["cache_bytes_max"] = _size("cache-limit", parsed.text("cache-limit") or "")
    for name in ("store", "endpoint-url"):
        if parsed.given(name):
            given[name.replace("-", "_")] = parsed.text(name) or ""
    if parsed.given("promote-root"):
        given["promote_roots"] = _roots(parsed.text("promote-root") or "")
    data = Path(parsed.text("data") or DEFAULT_DATA).expanduser()

    from moss.node.assemble import ServeOptions, serve  # imported late: it takes a while, and wrong usage need not wait

    options = ServeOptions(
        data=data,
        host=parsed.text("host") or "127.0.0.1",
        workers=workers,
        direct=parsed.flag("direct"),
        insecure=parsed.flag("insecure"),
        **given,
    )
    return serve(options, lambda url, target_url: print(greeting(url, target_url, data), flush=True)) or 0


def _roots(text: str) -> tuple[str, ...]:
    roots = tuple(filter(None, text.split(",")))
    for root in roots:
        if not root.startswith("/"):
            raise UsageError(f"'--promote-root' must be an absolute path, got \"{root}\"")
    return roots


def _size(name: str, text: str) -> int:
    from moss.units import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise UsageError(f"'--{name}': {error}") from None


def _checked(name: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise UsageError(f"'--{name}' must be from {least} to {most}, got {value}")
    return value


def greeting(url: str, target_url: str, data: Path) -> str:
    """Where the node listens, and what to type next."""
    from moss.cli.settings import DEFAULT_URL

    export = "" if url == DEFAULT_URL else f"   export AIS_ENDPOINT={url}\n"
    return f"""Serving {data}
   gateway  {url}
   target   {target_url}

Try it from another terminal:
{export}   ais bucket create ais://demo
   ais put README.md ais://demo
   ais ml get-batch ais://demo demo.tar

Ctrl-C stops the node."""


SERVE = Command(
    usage="",
    summary="run a node that keeps its data in one folder",
    run=_run,
    options=(
        Option("data", f"folder of the data, made when absent (default {DEFAULT_DATA})", value="DIR"),
        Option("port", "port of the gateway (default 51080; 0 takes a free one)", value="P", number=True),
        Option("host", "address to listen at (default 127.0.0.1)", value="H"),
        Option("workers", "processes (default 1)", value="N", number=True),
        Option("direct", "let the gateway answer itself instead of redirecting"),
        Option("target-port", "port of the target (default the next free one)", value="P", number=True),
        Option("stall-timeout", "seconds a client may read nothing (default 120)", value="S", number=True),
        Option("download-hosts", "hosts of downloads, ht:// buckets and remote clusters (default none)", value="LIST"),
        Option(
            "promote-root",
            "folders, comma-separated, whose files may be promoted (default /var/lib/ais/promote; '' for none)",
            value="DIR",
        ),
        Option("store", "object store for the objects of new ais:// buckets: s3://BUCKET[/PREFIX]", value="URL"),
        Option("endpoint-url", "S3-compatible store instead of Amazon (default: AWS_ENDPOINT_URL)", value="URL"),
        Option("cache-limit", "most that cached objects may take, as in 500GiB (default: the disk)", value="SIZE"),
        Option("insecure", "listen at other addresses than loopback without authentication"),
    ),
    examples=("moss serve", "moss serve --data /srv/moss --workers 4", "moss serve --host 0.0.0.0 --insecure"),
)

if __name__ == "__main__":
    sys.exit(main())
