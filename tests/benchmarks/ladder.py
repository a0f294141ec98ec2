"""How far up the ladder of tasks the agent gets: tasks x seeds x variants, in parallel, resumable.

    python -m tests.benchmarks.ladder                    # a small part of it, in about five minutes on two cores
    python -m tests.benchmarks.ladder --ablation         # full against uniform, plain REINFORCE, and without each part
    python -m tests.benchmarks.ladder --all              # every task of the ladder; many hours

A run that is finished is a line in the results file and is not made again, also not for another cap that it was solved
within, so Ctrl-C loses only runs under way and the same command goes on. Progress goes to standard error, tables to
standard output.
"""

import argparse
import contextlib
import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agent_core.run.session import Stop
from agent_core.tasks.task import RUNGS, Task, builtin_tasks
from tests.benchmarks import figures
from tests.benchmarks.arguments import listed, positive, seeds_of
from tests.benchmarks.cells import (
    PARTS,
    VARIANTS,
    Cell,
    code_digest,
    load_tasks,
    make_cells,
    run_cell,
)
from tests.benchmarks.parallel import Broken, cores, in_parallel
from tests.benchmarks.results import Results
from utils import UserError, write_atomically

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "memory" / "runs" / "ladder" / "results.jsonl"
SMALL = {
    "tasks": ("hello_world", "add", "is_even", "maximum"),
    "variants": ("uniform", "reinforce", "full"),
    "seeds": 2,
    "cap": 30_000,
}
ABLATION = {"tasks": ("is_even", "maximum", "abs_diff", "reverse"), "variants": VARIANTS, "seeds": 5, "cap": 100_000}
WHOLE = {"variants": ("full",)}
WHOLE_SEEDS = dict(zip(RUNGS, (10, 10, 10, 5, 3), strict=True))
WHOLE_CAPS = dict(zip(RUNGS, (300_000, 300_000, 300_000, 500_000, 1_000_000), strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line. Returns the exit code: 0, 1 when a run broke, 2 for a user's mistake, 130 or 143 after a
    signal."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    try:
        tasks, cells = plan(options)
        results = Results(options.results)
        missing = [cell for cell in cells if cell not in results]
        say(f"{len(cells) - len(missing)} of {len(cells)} runs are there already: {options.results}")
        code = 0 if options.report else make_runs(missing, options.jobs, results)
        report(results.of(cells), tasks, options, arguments)
        return code
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"variants: {', '.join(VARIANTS)};\nall for all of them, parts for those that lack one part. "
        "Lists are written with commas;\none that begins with a minus needs an equals sign: "
        "--variants=-novelty,full",
    )
    parser.add_argument("--tasks", type=listed, metavar="A,B", help="these tasks only")
    parser.add_argument("--rungs", type=listed, metavar="A,B", help=f"the tasks of these rungs: {', '.join(RUNGS)}")
    parser.add_argument("--seeds", type=seeds_of, metavar="N", help="how many seeds, or which: 10, 3-7 or 0,2,5")
    parser.add_argument("--variants", type=listed, metavar="A,B", help="these variants only, see below")
    parser.add_argument("--cap", type=positive, metavar="N", help="attempts until a run counts as failed")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="section.key=value",
        help="a setting for all runs, before what the variant sets; may be repeated",
    )
    preset = parser.add_mutually_exclusive_group()
    preset.add_argument(
        "--all",
        action="store_true",
        help="every task with the seeds and caps of its rung: "
        + ", ".join(f"{rung} {WHOLE_SEEDS[rung]} x {WHOLE_CAPS[rung]:,}" for rung in RUNGS),
    )
    preset.add_argument(
        "--ablation",
        action="store_true",
        help=f"every variant on {', '.join(ABLATION['tasks'])}: {ABLATION['seeds']} seeds, "
        f"{ABLATION['cap']:,} attempts each",
    )
    parser.add_argument(
        "--jobs",
        type=positive,
        default=cores(),
        metavar="N",
        help="runs at a time, one core each (default: the cores there are)",
    )
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="PATH", help=f"default: {RESULTS}")
    parser.add_argument("--report", action="store_true", help="make no run, show those that are there")
    parser.add_argument("--markdown", action="store_true", help="tables as the README has them")
    return parser.parse_args(arguments)


def plan(options: argparse.Namespace) -> tuple[list[Task], list[Cell]]:
    """The tasks in the order of the ladder, and the runs to be made. Raises UserError."""
    preset = WHOLE if options.all else ABLATION if options.ablation else SMALL
    for setting in options.set:
        if setting.strip().lower().startswith(("run.", "executor.workers")):
            raise UserError(f"--set {setting}: what is under [run], and executor.workers, is for the benchmark to say")
    known = load_tasks(builtin_tasks())
    for kind, asked, names in (("task", options.tasks, [task.name for task in known]), ("rung", options.rungs, RUNGS)):
        if unknown := [name for name in asked or () if name not in names]:
            raise UserError(f"there is no {kind} {', '.join(unknown)}; there are {', '.join(names)}")
    if options.tasks or options.rungs:
        tasks = [t for t in known if t.name in (options.tasks or ()) or t.rung in (options.rungs or ())]
    else:
        tasks = [task for task in known if task.name in preset.get("tasks", [task.name])]
    tasks.sort(key=lambda task: RUNGS.index(task.rung))
    seeds = {t.name: options.seeds or range(WHOLE_SEEDS[t.rung] if options.all else preset["seeds"]) for t in tasks}
    caps = {task.name: options.cap or (WHOLE_CAPS[task.rung] if options.all else preset["cap"]) for task in tasks}
    variants = chosen_variants(options.variants or preset["variants"])
    cells = make_cells(tasks, seeds, variants, caps, options.set)
    if idle := [variant for variant in variants if variant not in {cell.variant for cell in cells}]:
        say(f"left out, since these settings make them the same as full: {', '.join(idle)}")
    return tasks, cells


def chosen_variants(names: Sequence[str]) -> list[str]:
    """In the order of VARIANTS; `all` and `parts` stand for several. Raises UserError."""
    wanted: set[str] = set()
    for name in names:
        if name not in (*VARIANTS, "all", "parts"):
            raise UserError(f"there is no variant {name}; there are {', '.join(VARIANTS)}, and all and parts")
        wanted |= {"all": {*VARIANTS}, "parts": {*PARTS}}.get(name, {name})
    return [variant for variant in VARIANTS if variant in wanted]


def make_runs(cells: Sequence[Cell], jobs: int, results: Results, work: Callable[[Cell], dict] = run_cell) -> int:
    """Makes the runs and keeps each as it ends. Returns the exit code; where one broke, the others went on.

    work: what makes a run; a function of a module, so that other processes find it.
    """
    began, broken = time.monotonic(), 0
    with Stop() as stop, contextlib.closing(in_parallel(work, cells, jobs, lambda: stop.signal)) as outcomes:
        for number, (cell, found) in enumerate(outcomes, 1):
            elapsed = f"{time.monotonic() - began:,.0f} s"
            name = f"[{number}/{len(cells)}, {elapsed}] {cell.task}, {cell.variant}, seed {cell.seed}"
            if isinstance(found, Broken):
                broken += 1
                say(f"{name}: broke, and is not counted\n{found.problem}")
                continue
            results.add(found)
            verdict = "solved in" if found["solved"] else f"not solved (best {found['reward']:.3f}) in"
            wrong = "; BUT A FRESH SCORER REFUSES IT" if found["solved"] and not found["checked"] else ""
            say(f"{name}: {verdict} {found['attempts']:,} attempts, {found['seconds']:,.1f} s{wrong}")
    if stop.signal:
        say("stopped; the same command goes on from here")
        return 128 + stop.signal
    return 1 if broken else 0


def report(found: Sequence[dict], tasks: Sequence[Task], options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Prints the tables, and leaves them as JSON beside the results."""
    order = {task.name: place for place, task in enumerate(tasks)}
    found = sorted(found, key=lambda run: (order[run["task"]], VARIANTS.index(run["variant"])))
    summaries = figures.summarise(found)
    if not summaries:
        return
    comparisons = figures.compare(summaries)
    rungs = figures.rungs_table(summaries, {task.name: task.rung for task in tasks})
    tables = [figures.results_table(summaries), rungs]
    if comparisons:
        tables.append(figures.comparison_table(comparisons))
    if options.markdown:
        command = [word for word in arguments if word not in ("--markdown", "--report")]
        print("```bash", shlex.join(["python", "-m", "tests.benchmarks.ladder", *command]), "```\n", sep="\n")
    print("\n\n".join(table.markdown() if options.markdown else table.plain() for table in tables), end="\n\n")
    for verdict in ("hurts", "unproven"):
        if parts := [comparison.variant for comparison in comparisons if comparison.verdict == verdict]:
            print(f"{verdict}: {', '.join(part.removeprefix('-') for part in parts)}\n")
    for summary in summaries:
        show_program(summary, options.markdown)
    now = code_digest()
    if older := sum(run["code"] != now for run in found):
        say(
            f"note: {older} of {len(found)} runs were made by other code than there is now; "
            "another --results starts anew"
        )
    with contextlib.suppress(UserError):
        text = json.dumps([summary.as_json() for summary in summaries], indent=1, ensure_ascii=False)
        write_atomically(options.results.with_suffix(".summary.json"), (text + "\n").encode())


def show_program(summary: figures.Summary, markdown: bool) -> None:
    what = f"{summary.tokens} tokens" if summary.solved else f"not solved; best reward {summary.reward:.3f}"
    heading = f"{summary.task}, {summary.variant}: {what}"
    print(f"{heading}\n\n```python\n{summary.program}\n```\n" if markdown else f"# {heading}\n{summary.program}\n")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
