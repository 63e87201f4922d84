"""Results as docs/benchmarks.md (tables) and docs/benchmarks.svg (plot). Ratios first; absolute figures beside them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.remote_goals import FEW
from benchmarks.results import TITLES, Result

BUSY_CORES_MAX = 0.1
README_MARK = "<!-- written by make bench -->"

INTRODUCTION = """# Benchmarks

Written by `make bench`; do not edit. **The ratios are the message**: they hold from machine to machine, the
absolute figures beside them do not. *must* and *goal* are what the project asks of itself; *reached* says which it got.

![G5 and G6](benchmarks.svg)

## How it is measured

- Everything in one run on one machine, over loopback. The measured server has one core (one worker); the client
  lives in another process on another core. Arms alternate round by round ({rounds}), every figure is a median, every
  ratio the median of the ratios of one round. Data are seeded random bytes, hot in the page cache; batches are random
  samples of them.
- The server's own speed is measured with a client that only receives: one kept-alive connection, `recv_into` one
  1 MiB buffer, everything thrown away. Its figures are the server's; rows that name an SDK include that SDK's work.
- *nginx*: Debian's `nginx-light`, one worker on the same core, `sendfile` on, access log off, sending the very archive
  that Moss assembles anew at each request (random objects gathered from its store) as one finished file.
- *loopback TCP*: a process on the same core that calls `sendall` with 1 MiB pieces of one buffer, the same receiver.
- Batches ask for placeholders instead of failing (`coer`), as the SDK does by default, streaming TAR.
- *not redirected*: the client spares the redirect from gateway to target that other clients follow at each GET.
- G21 takes its ratio from the arms of G5, the same samples.
- Two workers against one: N workers *and* their clients share N cores, since two cores leave none for the clients.
- Single objects (S1 to S3): 64 kept-alive connections from one process, one request each in flight; nginx sends 1,000
  other files of 10 KiB. Every PUT is answered when it is on stable storage. S4 makes its buckets with another worker of
  the same store, unsynced and unmeasured; the calls that are measured go over HTTP. S8 compares the
  CPU time that the client's process spends, since the wait for the server is the same for all.
- Training loops (L1 to L3): all loaders make tensors of bytes and stack them to batches; their workers share the
  client's core, live on from epoch to epoch, and everything is in the page cache. The node has its core beside them,
  as a machine of its own would. A ratio above 1 says that reading from the node is faster.
- Buckets in a cloud store (R1 to R6): the store and a proxy that delays every answer by 20 ms share the client's core,
  so that the node has its own to itself. For R1 to R5 the store is nginx that sends files under S3's names, since a
  real service on the same machine would need more of its cores than everything that is measured; R6 reads from a real
  one (Ceph's RADOS gateway) without delay. Clients that read one object after the other read {few}, and their time is
  carried over to 1,000. The cache is emptied before each cold batch.
- Memory is what the node's processes hold for themselves (anonymous and shared memory); mapped data files are page
  cache and not counted.
- **The reference server cannot run here.** Its figures come from a machine of this class and are carried over as ratios
  to nginx sending the same archive (0.02 at 1 KiB, 0.07 at 10 KiB, 0.28 at 100 KiB, 0.37 at 1 MiB; 10 thousand
  indexed members/s, 53 `.tgz` members/s, P50 25 ms and P99 62 ms with four clients): rows G21, G22, G23 compare
  Moss's ratio in this run with that one. They are comparisons through a third program, not side by side. S1, S2, S3 and
  S6 do the same with 60 thousand GETs/s of nginx there against 22.5 thousand of the reference where clients know the
  owner, 5.6 thousand through the redirect, and 1.4 thousand PUTs/s, which it does not sync.
"""


def number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def amount(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{number(value)}{'' if unit in ('×', '%') else ' '}{unit}"


def text_line(result: Result) -> str:
    absolute = "; ".join(f"{name}: {text}" for name, text in result.absolute.items())
    verdict = result.verdict.strip("*")
    bound = f" (must {amount(result.must, result.unit)})" if result.must is not None else ""
    return f"{result.goal:<4} {result.case:<42} {amount(result.value, result.unit):>12}{bound} {verdict}  {absolute}"


def markdown(results: Sequence[Result], machine: Mapping[str, str], busy_cores: float, rounds: int = 7) -> str:
    parts = [
        INTRODUCTION.format(rounds=f"{rounds} rounds", few=FEW),
        disturbance(busy_cores),
        "## Machine\n\n| | |\n|---|---|",
    ]
    parts += [f"| {name} | {text} |" for name, text in machine.items()]
    parts.append("\n## Results")
    for goal, title in TITLES.items():
        rows = [result for result in results if result.goal == goal]
        if not rows:
            continue
        heading = title if goal == "SDK" else f"{goal}: {title}"
        parts.append(f"\n### {heading}\n")
        parts.append("| case | measured | must | goal | reached | absolute |\n|---|---:|---:|---:|---|---|")
        parts += [_row(result) for result in rows]
    return "\n".join(parts) + "\n"


def _row(result: Result) -> str:
    sign = "" if result.must is None else ("≥ " if result.better == "more" else "≤ ")
    cells = (
        result.case,
        f"**{amount(result.value, result.unit)}**",
        sign + amount(result.must, result.unit),
        sign + amount(result.aim, result.unit),
        result.verdict,
        "; ".join(f"{name} {text}" for name, text in result.absolute.items()),
    )
    return "| " + " | ".join(cells) + " |"


def plot(results: Sequence[Result], path: Path, busy_cores: float) -> None:
    """Bars for what carries a goal in G5 and G6, with the must and goal marks."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "moss"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for axis, goal, title in (
        (axes[0], "G5", "random batch ÷ nginx sending the same TAR"),
        (axes[1], "G6", "% of loopback TCP, one server core"),
    ):
        rows = [result for result in results if result.goal == goal and result.must is not None]
        places = range(len(rows))
        axis.bar(places, [row.value for row in rows], width=0.55, color="#2a7f62", label="measured")
        axis.scatter(places, [row.must for row in rows], marker="_", s=900, color="#b3541e", label="must")
        axis.scatter(places, [row.aim for row in rows], marker="_", s=900, color="#444444", label="goal")
        axis.set_xticks(list(places), [row.case.replace(", ", "\n") for row in rows], fontsize=8)
        axis.set_title(f"{goal}: {title}", fontsize=10)
        axis.set_ylim(bottom=0)
        axis.legend(fontsize=8, frameon=False)
    if busy_cores > BUSY_CORES_MAX:
        figure.suptitle("disturbed run: other programs used the cores", fontsize=10, color="#b3541e")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def disturbance(busy_cores: float) -> str:
    """Says whether the run had the machine for itself: ratios of a disturbed run can err in either direction."""
    if busy_cores <= BUSY_CORES_MAX:
        return f"Other programs kept {busy_cores:.2f} cores busy during this run: it had the machine for itself.\n"
    return (
        f"> **This run was disturbed**: other programs kept {busy_cores:.2f} cores busy during it. Where cores are\n"
        "> short, slow and fast arms move together, and single rows may be off by a factor of two, either way.\n"
        "> Take no verdict from this page; run `make bench` on a quiet machine.\n"
    )


def summary(results: Sequence[Result]) -> str:
    """The few rows that the README shows, in its words."""
    chosen = (
        ("G1", "one batch of 1,000 against sequential GETs with `requests`, 10 KiB", "requests, not redirected"),
        ("G2", "the same against `aiohttp` with 64 GETs in flight", "aiohttp"),
        ("G20", "our SDK against the official one, on the same node", "official"),
        ("G5", "random objects of 10 KiB against nginx sending the same archive as a file", "10 KiB, batch 1,000"),
        ("G5", "the same with 1 MiB objects", "1 MiB"),
        ("G10", "members of a TAR shard against objects, 10 KiB", ""),
        ("G21", "entries/s against the reference, 10 KiB (carried over through nginx)", "10 KiB"),
        ("G22", "members of a `.tgz` shard against the reference (carried over through nginx)", "`.tgz`"),
        ("S1", "single GETs of 10 KiB against the reference (carried over through nginx)", "owner known"),
        ("S3", "single PUTs, synced, against the reference, unsynced (carried over through nginx)", "PUT, redirected"),
    )
    lines = ["| | measured |", "|---|---:|"]
    for goal, words, case in chosen:
        rows = [row for row in results if row.goal == goal and row.must is not None and case in row.case]
        if rows:
            lines.append(f"| {words} | {amount(rows[-1].value, rows[-1].unit)} |")
    return "\n".join(lines)


def write_texts(folder: Path, results: Sequence[Result], machine: Mapping[str, str], busy_cores: float) -> None:
    """Writes the page; and, when the run was undisturbed, the README's table between its two marks."""
    folder.mkdir(exist_ok=True)
    (folder / "benchmarks.md").write_text(markdown(results, machine, busy_cores))
    if busy_cores > BUSY_CORES_MAX:
        return
    readme = folder.parent / "README.md"
    before, _, rest = readme.read_text().partition(README_MARK)
    _, _, after = rest.partition(README_MARK)
    readme.write_text(f"{before}{README_MARK}\n{summary(results)}\n{README_MARK}{after}")


def write(folder: Path, results: Sequence[Result], machine: Mapping[str, str], busy_cores: float) -> None:
    """Writes page, plot and README."""
    write_texts(folder, results, machine, busy_cores)
    plot(results, folder / "benchmarks.svg", busy_cores)
