"""The agent beside what a user would take instead: genetic programming, on the same tasks, cases, seeds and cap.

    python -m tests.benchmarks.peers                     # the agent beside DEAP; hours on two cores
    python -m tests.benchmarks.peers --tasks add,double --seeds 2 --cap 20000
    python -m tests.benchmarks.peers --systems agent,deap,alogos

An attempt is one program run on all paid cases, repeats too; a program right on all of them that fails a check case has
that case added, on all sides. DEAP (deap_peer.py) is told the types of arguments and answer; alogos (alogos_peer.py)
is told no more than the agent. Both write expressions only. The agent has two processes, itself and its jailed worker;
a peer has one and no jail. Seconds leave out the start. Runs of the systems alternate, one at a time, so that none has
a quieter machine; a run that is finished is a line in the results file and is not made again.
"""

import argparse
import math
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from tests.benchmarks import figures, peer_runs
from tests.benchmarks.arguments import listed, positive, seeds_of
from tests.benchmarks.cells import Cell, code_digest, load_tasks
from tests.benchmarks.ladder import make_runs, say
from tests.benchmarks.results import Results
from utils import UserError

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "memory" / "runs" / "peers" / "results.jsonl"
TASKS = (
    "add",
    "double",
    "is_even",
    "maximum",
    "abs_diff",
    "average",
    "sign",
    "last",
    "sum_list",
    "reverse",
    "spread",
    "contains",
    "fizz",
    "triangle",
)
SEEDS, CAP = 5, 100_000
LEAST_SECONDS = 0.001  # of a median, for the geometric mean
MEASURES = {"attempts": "attempts", "cpu_seconds": "CPU s", "seconds": "s"}  # by their names in the results file


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line. Returns the exit code: 0, 1 when a run broke, 2 for a user's mistake, 130 or 143 after a
    signal."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    try:
        cells = plan(options)
        results = Results(options.results)
        missing = [cell for cell in cells if cell not in results]
        say(f"{len(cells) - len(missing)} of {len(cells)} runs are there already: {options.results}")
        code = 0
        if missing and not options.report:
            peer_runs.require(dict.fromkeys(cell.variant for cell in missing))
            code = make_runs(missing, 1, results, peer_runs.run_system)
        report(results.of(cells), options, arguments)
        return code
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=listed, default=list(TASKS), metavar="A,B", help=f"default: {', '.join(TASKS)}")
    parser.add_argument(
        "--seeds",
        type=seeds_of,
        default=seeds_of(str(SEEDS)),
        metavar="N",
        help=f"how many seeds, or which: 10, 3-7 or 0,2,5 (default: {SEEDS})",
    )
    parser.add_argument(
        "--cap", type=positive, default=CAP, metavar="N", help=f"attempts until a run counts as failed (default: {CAP})"
    )
    parser.add_argument(
        "--systems",
        type=listed,
        default=["agent", "deap"],
        metavar="A,B",
        help=f"of {', '.join(peer_runs.SYSTEMS)} (default: agent,deap)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="section.key=value",
        help="a setting of the agent for all its runs; may be repeated",
    )
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="PATH", help=f"default: {RESULTS}")
    parser.add_argument("--report", action="store_true", help="make no run, show those that are there")
    parser.add_argument("--markdown", action="store_true", help="tables as the README has them")
    return parser.parse_args(arguments)


def plan(options: argparse.Namespace) -> list[Cell]:
    """The runs to be made. Raises UserError."""
    if unknown := [name for name in options.systems if name not in peer_runs.SYSTEMS]:
        raise UserError(f"there is no system {', '.join(unknown)}; there are {', '.join(peer_runs.SYSTEMS)}")
    for setting in options.set:
        if setting.strip().lower().startswith(("run.", "executor.workers")):
            raise UserError(f"--set {setting}: what is under [run], and executor.workers, is for the benchmark to say")
    tasks = load_tasks(options.tasks)
    if printing := [task.name for task in tasks if task.kind != "function"]:
        raise UserError(f"{', '.join(printing)}: a text to print has no cases; take tasks that ask for a function")
    return peer_runs.make_all_cells(tasks, options.seeds, options.systems, options.cap, options.set)


@dataclass(frozen=True)
class Standing:
    """All seeds of one system on one task."""

    system: str
    summary: figures.Summary
    medians: dict[str, float]  # by measure; a failure counts as the cap, and with the seconds until there


def standings(found: Sequence[dict]) -> list[Standing]:
    """In the order in which they first appear."""
    runs: dict[tuple[str, str], list[dict]] = {}
    for run in found:
        runs.setdefault((run["task"], peer_runs.system_of(run)), []).append(run)
    return [
        Standing(
            system,
            figures.summarise(group)[0],
            {measure: median(run.get(measure, math.nan) for run in group) for measure in MEASURES},
        )
        for (_, system), group in runs.items()
    ]


def report(found: Sequence[dict], options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Prints the tables, over the tasks and seeds that every system has run."""
    shared = {(run["task"], run["seed"]) for run in found}
    for system in options.systems:
        shared &= {(run["task"], run["seed"]) for run in found if peer_runs.system_of(run) == system}
    used = [run for run in found if (run["task"], run["seed"]) in shared]
    if len(used) < len(found):
        say(f"left out: {len(found) - len(used)} runs of a task and seed that not every system has run")
    if not used:
        return
    order = {name: place for place, name in enumerate(options.tasks)}
    systems = options.systems
    used.sort(key=lambda run: (order[run["task"]], systems.index(peer_runs.system_of(run)), run["seed"]))
    rows = standings(used)
    tables = [medians_table(rows, systems), details_table(rows), means_table(rows, systems)]
    if options.markdown:
        command = [word for word in arguments if word not in ("--markdown", "--report")]
        print("```bash", shlex.join(["python", "-m", "tests.benchmarks.peers", *command]), "```\n", sep="\n")
    print("\n\n".join(table.markdown() if options.markdown else table.plain() for table in tables), end="\n\n")
    now = code_digest()
    if older := sum(run.get("code", now) != now for run in used):  # peers' runs have none: their digest says it
        say(f"note: {older} runs of the agent were made by other code than there is now; another --results starts anew")


def medians_table(rows: Sequence[Standing], systems: Sequence[str]) -> figures.Table:
    """Median attempts, a line a task."""
    texts = {(row.summary.task, row.system): _median_text(row) for row in rows}
    tasks = dict.fromkeys(row.summary.task for row in rows)
    lines = [(task, *(texts[task, system] for system in systems)) for task in tasks]
    return figures.Table(("median attempts", *systems), lines, frozenset(systems))


def details_table(rows: Sequence[Standing]) -> figures.Table:
    headings = ("task", "system", "solved", "checks hold", "attempts", "CPU s", "s", "attempts by seed")
    lines = []
    for row in rows:
        summary = row.summary
        seconds = [f"{row.medians[measure]:,.2f}" for measure in ("cpu_seconds", "seconds")]
        lines.append(
            (
                summary.task,
                row.system,
                f"{summary.solved}/{len(summary.seeds)}",
                f"{summary.checked}/{summary.solved}",
                figures.median_text(summary),
                *seconds,
                summary.by_seed,
            )
        )
    return figures.Table(headings, lines, frozenset(headings[2:7]))


def means_table(rows: Sequence[Standing], systems: Sequence[str]) -> figures.Table:
    """Over all tasks: solved, geometric means of the medians, and how many times a system's the first one's are."""
    first = systems[0]
    headings = ["system", "tasks", "solved", *(f"{name}, mean" for name in MEASURES.values())]
    headings += [f"{first}'s {name}, times this" for name in MEASURES.values()] + ["95 % interval of attempts"]
    lines = []
    for system in systems:
        own = [row for row in rows if row.system == system]
        means = [geometric_mean(row.medians[measure] for row in own) for measure in MEASURES]
        base = [geometric_mean(row.medians[measure] for row in rows if row.system == first) for measure in MEASURES]
        pairs = [
            (row.summary.attempts, mine.summary.attempts)
            for mine in own
            for row in rows
            if row.system == first and row.summary.task == mine.summary.task
        ]
        _, low, high = figures.ratio_interval(pairs)
        solved = f"{sum(row.summary.solved for row in own)}/{sum(len(row.summary.seeds) for row in own)}"
        ratios = [f"{theirs / mean:.2f}" for theirs, mean in zip(base, means, strict=True)]
        lines.append(
            (
                system,
                str(len(own)),
                solved,
                f"{means[0]:,.0f}",
                *(f"{mean:,.2f}" for mean in means[1:]),
                *ratios,
                f"{low:.2f} to {high:.2f}" if system != first else "",
            )
        )
    return figures.Table(tuple(headings), lines, frozenset(headings[1:]))


def geometric_mean(values) -> float:
    return math.exp(fmean(math.log(max(value, LEAST_SECONDS)) for value in values))


def _median_text(row: Standing) -> str:
    solved, runs = row.summary.solved, len(row.summary.seeds)
    return figures.median_text(row.summary) + (f" ({solved} of {runs})" if solved < runs else "")


if __name__ == "__main__":
    sys.exit(main())
