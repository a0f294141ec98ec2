"""What play is worth: minds after more and more programs of play, against the ladder's function tasks.

    python -m tests.benchmarks.play --sizes 300000 1000000 --minds 2 --seeds 5 --hours 8

Each mind plays up to each size; what it is then is kept, so that the benchmark goes on where it was stopped. Every mind
of every size is asked for a thousand programs of every task without any learning (`sampled`), with the task's examples
and without (`hidden`), and begins the task from there (`learned`). Size 0 is a cold start of today's agent. With
--left-out there are minds, too, from whose play every program was left out that is right on one of the tasks, so that
nobody can say that they look answers up.

Results are lines of JSON beside the minds; table and curve are made from them. All sizes take days on two cores.
"""

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from agent_core.agent import Agent
from agent_core.sandbox.executor import Executor
from tests.benchmarks import play_curve
from tests.benchmarks.beginning import begin, read_mind
from tests.benchmarks.cells import code_digest
from tests.benchmarks.minds import function_tasks, mind_file, play_up_to, settings

HERE = Path(__file__).resolve().parent
SAMPLES = 1_000
CAPS = {"repeat it": 500_000}  # attempts of a learned run until it counts as failed, by rung
CAP = 300_000


class Cell(NamedTuple):
    """One thing to measure."""

    kind: str  # sampled, hidden or learned
    task: str
    mind: int  # its seed
    size: int  # programs that it has played; 0: a cold start
    left_out: bool
    seed: int  # of the task; 0 for samples


def measure(cell: Cell, folder: Path, more: Sequence[str]) -> dict[str, Any]:
    """Returns what the results file holds of the cell, besides the cell itself."""
    torch.set_num_threads(1)
    config = settings(cell.task, cell.seed, more)
    mind = read_mind(mind_file(folder, cell.mind, cell.size, cell.left_out)) if cell.size else None
    with Executor(config.executor) as executor:
        agent, run = begin(config, mind, executor)
        if cell.kind != "learned":
            return {"hits": sum(hits(agent, cell.kind == "hidden"))}
        cap = CAPS.get(agent.task.rung, CAP)
        run.go_on(lambda: 0, lambda: agent.solved or agent.progress.attempts >= cap)
        best = agent.memory.best
        attempts = agent.progress.solved_at if agent.solved else cap
        return {"solved": agent.solved, "attempts": attempts, "program": agent.best_program, "reward": best.reward}


@torch.no_grad()
def hits(agent: Agent, hidden: bool) -> Iterator[int]:
    """How often a right program is among so many samples, a batch at a time."""
    for _ in range(SAMPLES // 250):
        rows = Counter(agent.samples(250, hidden))
        scores = agent.scorer.score(list(map(agent.task_run.module_of, rows)), [len(row) for row in rows])
        yield sum(count for count, score in zip(rows.values(), scores, strict=True) if score.solved)


def cells_of(options: argparse.Namespace) -> list[Cell]:
    tasks = options.tasks or [task.name for task in function_tasks()]
    sizes = sorted({0, *options.sizes})
    left_out = [(max(sizes), True)] * options.left_out
    cells = []
    for size, without in [*((size, False) for size in sizes), *left_out]:
        for mind in range(options.minds if size else 1):
            kinds = ("sampled",) if not size else ("sampled", "hidden")
            cells += [Cell(kind, task, mind, size, without, 0) for kind in kinds for task in tasks]
            seeds = range(options.seeds)
            cells += [Cell("learned", task, mind, size, without, seed) for seed in seeds for task in tasks]
    return cells


def known(results: Path) -> dict[Cell, dict[str, Any]]:
    """What was measured before; a line that a kill cut off counts for nothing."""
    found = {}
    for line in results.read_text().splitlines() if results.exists() else ():
        try:
            entry = json.loads(line)
            found[Cell(*entry["cell"])] = entry
        except (ValueError, KeyError, TypeError):
            continue
    return found


def table(found: dict[Cell, dict[str, Any]]) -> str:
    """Of each task, by size of the mind: hits in a thousand samples, and the median of attempts."""
    sizes = sorted({(cell.size, cell.left_out) for cell in found})
    names = [f"{size:,}{' left out' * out}" for size, out in sizes]
    lines = ["| task | " + " | ".join(f"{name} hits (hidden), attempts" for name in names) + " |"]
    lines.append("|---" * (len(names) + 1) + "|")
    for task in sorted({cell.task for cell in found}):
        parts = []
        for size, out in sizes:
            of = {
                kind: [
                    entry.get("attempts", entry.get("hits"))
                    for cell, entry in found.items()
                    if (cell.task, cell.size, cell.left_out, cell.kind) == (task, size, out, kind)
                ]
                for kind in ("sampled", "hidden", "learned")
            }
            shown = [f"{statistics.median(values):,.0f}" if values else "-" for values in of.values()]
            parts.append(f"{shown[0]} ({shown[1]}), {shown[2]}")
        lines.append(f"| {task} | " + " | ".join(parts) + " |")
    return "\n".join(lines)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[300_000, 1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--minds", type=int, default=2, help="minds of each size, by seed")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each learned task")
    parser.add_argument("--tasks", nargs="*", help="names of tasks; all function tasks where there are none")
    parser.add_argument("--left-out", action="store_true", help="also minds without dreams that are right on a task")
    parser.add_argument("--hours", type=float, default=1e6, help="stop after so long; the same command goes on")
    parser.add_argument("--set", action="append", default=[], help="a setting, as runner.py takes it")
    parser.add_argument("--curve", type=Path, metavar="FILE.png", help="draw what grew, once it is measured")
    parser.add_argument("--folder", type=Path, default=HERE / "minds", help="where minds and results are kept")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse(sys.argv[1:])
    results, until = options.folder / "results.jsonl", time.monotonic() + 3_600 * options.hours
    options.folder.mkdir(parents=True, exist_ok=True)
    found = known(results)
    for cell in cells_of(options):
        if cell in found:
            continue
        if time.monotonic() >= until:
            break
        if cell.size and not play_up_to(options.folder, cell.mind, cell.size, cell.left_out, options.set, until):
            break
        entry = {"cell": list(cell), **measure(cell, options.folder, options.set), "code": code_digest()}
        found[cell] = entry
        with open(results, "a") as file:
            file.write(json.dumps(entry) + "\n")
        print(json.dumps(entry), flush=True)
    print(table(found))
    if options.curve:
        play_curve.draw(found, options.curve)


if __name__ == "__main__":
    main()
