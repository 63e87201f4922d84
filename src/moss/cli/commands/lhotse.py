"""`ais ml lhotse-get-batch`: the recordings of Lhotse cuts as one archive or many. Source: spec/cli.md 3."""

import sys
from typing import NamedTuple

from moss.cli.arguments import parse_object
from moss.cli.batch import base_request, output_format
from moss.cli.commands.ml import BATCH_OPTIONS, list_names
from moss.cli.context import Context
from moss.cli.cuts.audio import Headers
from moss.cli.cuts.collect import Batch, Collector
from moss.cli.cuts.manifest import Manifest, open_file, pieces_of_file
from moss.cli.cuts.many import produce_many
from moss.cli.cuts.produce import Producer, produce_one
from moss.cli.cuts.ranges import Clock
from moss.cli.destination import Destination
from moss.cli.failures import CommandError, UsageError
from moss.cli.listing import complete_buckets
from moss.cli.options import Command, Option, Parsed
from moss.cli.selection import SELECTORS, archive_extension, parse_names, resolve, select, split_positionals
from moss.cli.spec import STDIN, Spec, load_spec
from moss.naming.bucket import Bucket
from moss.naming.template import Template
from moss.naming.uri import is_uri, split_archive_path

RATES = (1000, 384_000)
JOBS_MAX = 64
JOBS = 4
_RAW = ("bytes-per-sample", "header-bytes", "whole-seconds")


class _Shape(NamedTuple):
    """How the cuts are divided among archives: the template and the size are None and 0 for a single one."""

    template: Template | None
    size: int
    jobs: int


def _run(context: Context) -> None:
    parsed, console = context.parsed, context.console
    _check_cuts(parsed)
    shape = _shape(parsed)
    clock = _clock(parsed)
    sources, place = split_positionals(parsed.positionals)
    default = sources[0][0] if sources else None
    if shape.template is not None:
        _check_many(context, shape, sources, place)
        destination = Destination(next(shape.template.iterate()))
    elif place is not None:
        destination = Destination(place)
        destination.check_no_directory()
    else:
        raise UsageError("output file is required for single-batch mode")
    extension = archive_extension(destination.text) if destination.is_file else ""
    spec = _spec(context)
    warn = None if parsed.flag("non-verbose") else console.warn
    mime = output_format(extension, spec.mime, warn)
    for_audio = parsed.flag("audio")
    producer = Producer(
        context,
        base_request(parsed, spec, default, mime),
        headers=Headers(context.transport) if for_audio else None,
        rate=parsed.number("sample-rate", 0) or None,
        cut_names=parsed.flag("cut-names"),
        can_ask=parsed.text("cuts") != STDIN,
    )
    collector = Collector(clock=clock, all_sources=parsed.flag("all-sources"), for_audio=for_audio)
    with _open(context, parsed.text("cuts") or "") as manifest:
        try:
            if shape.template is None:
                _one(producer, collector, manifest, destination, mime, sources)
            else:
                produce_many(producer, collector, manifest, template=shape.template, size=shape.size, jobs=shape.jobs)
        finally:
            _tell_counts(context, collector)


def _open(context: Context, name: str) -> Manifest:
    """A manifest in a file, in an object, or from standard input."""
    if name == STDIN:
        return Manifest("standard input", pieces_of_file(sys.stdin.buffer))
    if not is_uri(name):
        return open_file(name)
    from moss.cli.objects.fetch import Wish, open_wish

    bucket, object_name = parse_object(name)
    opened = open_wish(context, Wish(bucket, *split_archive_path(object_name)))
    return Manifest(name, opened.pieces(), size=opened.length or 0, close=opened.close)


def _one(
    producer: Producer, collector: Collector, manifest: Manifest, destination: Destination, mime: str,
    sources: list[tuple[Bucket, str]],
) -> None:  # fmt: skip
    context = producer.context
    batch = next(collector.batches(manifest, 0), Batch([], [], 0))
    selection = select(context.parsed, sources, has_spec=True, warn=context.console.warn)
    if not batch.entries and not selection.parts:
        raise CommandError("empty get-batch request")
    added = resolve(selection, lambda listing: list_names(context, listing))
    if added:
        if context.parsed.flag("audio"):
            raise UsageError("object names in the command line cannot be used together with '--audio'")
        names = "name" if len(added) == 1 else "names"
        context.console.warn(
            f"adding {len(added)} command-line defined {names} to the {len(batch.entries)} spec-defined"
        )
        batch = batch._replace(entries=batch.entries + added)
    produce_one(producer, producer.archive(destination, batch, mime))


def _check_cuts(parsed: Parsed) -> None:
    cuts = parsed.text("cuts")
    for option in SELECTORS:
        if parsed.given(option) and cuts is not None:
            raise UsageError(f"flags '--{option}' and '--cuts' are mutually exclusive")
    if not cuts:
        raise UsageError('Required flag "cuts" not set')
    if cuts == STDIN and (parsed.text("spec") or "").strip() == STDIN:
        raise UsageError("'--cuts' and '--spec' cannot both be read from standard input")


def _shape(parsed: Parsed) -> _Shape:
    size, jobs = parsed.number("batch-size", 0), parsed.number("jobs", JOBS)
    if size < 0:
        raise UsageError(f"'--batch-size' cannot be negative (got {size})")
    if not 1 <= jobs <= JOBS_MAX:
        raise UsageError(f"'--jobs' must be within [1, {JOBS_MAX}] (got {jobs})")
    text = parsed.text("output-template")
    if not size:
        if text is not None:
            raise UsageError("'--output-template' requires '--batch-size'")
        return _Shape(None, 0, jobs)
    if not text:
        raise UsageError("'--output-template' must be set when '--batch-size' > 0")
    template = parse_names(text)
    if template.is_prefix:
        raise UsageError(f'prefix-only template not supported (prefix: "{text}")')
    return _Shape(template, size, jobs)


def _clock(parsed: Parsed) -> Clock | None:
    """How times become bytes; None when whole recordings are wanted, or their headers will tell."""
    rate = parsed.number("sample-rate", 0)
    if parsed.given("sample-rate"):
        if rate <= 0:
            raise UsageError(f"sample rate must be positive, got {rate}")
        if not RATES[0] <= rate <= RATES[1]:
            raise UsageError(f"sample rate {rate} Hz is outside reasonable range [{RATES[0]}, {RATES[1]}]")
    for option in _RAW:
        if parsed.given(option) and parsed.flag("audio"):
            raise UsageError(f"flags '--{option}' and '--audio' are mutually exclusive")
        if parsed.given(option) and not rate:
            raise UsageError(f"'--{option}' requires '--sample-rate'")
    if parsed.flag("cut-names") and not parsed.flag("audio"):
        raise UsageError("'--cut-names' requires '--audio'")
    width, header = parsed.number("bytes-per-sample", 1), parsed.number("header-bytes", 0)
    if width <= 0:
        raise UsageError(f"'--bytes-per-sample' must be positive, got {width}")
    if header < 0:
        raise UsageError(f"'--header-bytes' cannot be negative (got {header})")
    if not rate or parsed.flag("audio"):
        return None
    return Clock(rate, width, header, parsed.flag("whole-seconds"))


def _check_many(context: Context, shape: _Shape, sources: list[tuple[Bucket, str]], place: str | None) -> None:
    for bucket, name in sources:
        if name:
            raise UsageError(f'object "{bucket.cname_of(name)}" cannot be added to batches: expecting a bucket')
    if place is not None:
        context.console.warn(f"output file {place} is ignored in multi-batch mode (batch size {shape.size})")


def _spec(context: Context) -> Spec:
    """The keys of `--spec`, which apply to every request."""
    value = context.parsed.text("spec")
    if value is None:
        return Spec([])
    spec = load_spec(value, lambda: sys.stdin.buffer)
    if spec.entries:
        raise UsageError("'--spec' used with '--cuts' must not contain entries (\"in\")")
    return spec


def _tell_counts(context: Context, collector: Collector) -> None:
    console = context.console
    if collector.padding:
        console.warn(f"skipped {collector.padding} padding cut(s)")
    if collector.partial and console.stderr.isatty():
        console.note(
            f"{collector.partial} cut(s) have several sources: the first was taken ('--all-sources' takes all)"
        )


LHOTSE_GET_BATCH = Command(
    usage="--cuts MANIFEST [BUCKET] [DST_ARCHIVE]",
    summary="get the recordings of Lhotse cuts, or just the seconds that they use, as one archive or many",
    run=_run,
    complete=complete_buckets,
    options=(
        Option("cuts", "a file, an object, or '-' (standard input): JSON lines, plain, .gz or .lz4", value="MANIFEST"),
        Option("batch-size", "cuts in each archive; one archive for all without it", value="N", number=True),
        Option("output-template", "names of the archives, as in 'batch-{001..999}.tar' or 'batch-%06d.tar'",
               value="TEMPLATE"),
        Option("jobs", f"archives that are fetched at the same time ({JOBS})", value="N", number=True),
        Option("skip-existing", "keep whole archives of an earlier run, fetch the others"),
        Option("audio", "fetch just the part of each cut, as a WAV file that plays"),
        Option("cut-names", "with '--audio': name the files after the cuts"),
        Option("sample-rate", "samples a second: fetch bytes 'start' to 'start + duration' of each cut", value="HZ",
               number=True),
        Option("bytes-per-sample", "with '--sample-rate': of all channels together (1)", value="N", number=True),
        Option("header-bytes", "with '--sample-rate': before the first sample (0)", value="N", number=True),
        Option("whole-seconds", "with '--sample-rate': cut times to whole seconds"),
        Option("all-sources", "every source of a recording, not only the first"),
        Option("spec", "keys for every request (mime, coer, onob, strm, coloc), as JSON or YAML",
               value="PATH|-|TEXT", aliases=("f",)),
        Option("list", "not with '--cuts'", value="NAMES"),
        Option("template", "not with '--cuts'", value="TEMPLATE"),
        Option("prefix", "not with '--cuts'", value="PREFIX"),
        *BATCH_OPTIONS,
    ),
    notes="""
One entry for each cut, in the order of the manifest: the recording's first source (ais://b/x.wav, s3://b/x.wav,
ais://b/shard.tar/x.wav, b/x.wav, or /x.wav in BUCKET); one for each track of a MixedCut that is no padding.

With --batch-size each archive holds so many cuts and is named by --output-template; the extension decides the format.
Several are fetched at a time and reported in order. An archive appears when it is whole; those that are there stay
when a later one fails, and --skip-existing goes on from there.

Without further options whole recordings are fetched. --audio reads the headers of WAV files first, and then fetches
and writes exactly the samples and the channels of each cut, rounded as Lhotse does it. --sample-rate is for recordings
without any header: seconds times HZ times --bytes-per-sample, behind --header-bytes.
""",
    examples=(
        "ais ml lhotse-get-batch --cuts manifest.jsonl.gz output.tar",
        "ais ml lhotse-get-batch --cuts ais://speech/cuts.jsonl output.tgz",
        "ais ml lhotse-get-batch --cuts cuts.jsonl --audio --cut-names output.tar",
        'ais ml lhotse-get-batch --cuts manifest.jsonl.lz4 --batch-size 1000 --output-template "batch-{001..999}.tar"',
        'ais ml lhotse-get-batch --cuts cuts.jsonl.gz --batch-size 500 --output-template "b-%06d.tgz" --skip-existing',
        "ais ml lhotse-get-batch --cuts cuts.jsonl --sample-rate 16000 --bytes-per-sample 2 ais://raw output.tar",
    ),
)  # fmt: skip
