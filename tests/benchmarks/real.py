"""Real problems: how many of a set of task files the agent solves, and how many of its solutions are right.

    python -m tests.benchmarks.real FOLDER_OR_FILE [--cap 100000] [--seeds 1] [--only 1-100:3] [--set section.key=value]
        [--mind FILE]

A folder of task files (.json, or .py with asserts), or JSON lines of {"task": ..., "fresh_cases": [[inputs, answer],
...]}: fresh cases are shown to no search, and say whether what counts as solved is right. A run that is finished is a
line in the results file and is not made again. Progress goes to standard error, the table to standard output.

The project ships none. MBPP's (Austin et al. 2021, CC BY 4.0) come as asserts, which a .py file holds as they are.
"""

import argparse
import contextlib
import dataclasses
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from agent_core.run.session import Stop
from agent_core.sandbox.executor import Executor
from agent_core.scoring.evidence import Evidence
from agent_core.scoring.scorer import Scorer
from agent_core.settings.config import Config, load_config
from agent_core.tasks.task import Case, Task
from tests.benchmarks.arguments import positive, seeds_of
from tests.benchmarks.beginning import begin, digest_of, read_mind
from tests.benchmarks.cells import CONFIG, ROOT, code_digest, load_tasks, settings_digest
from tests.benchmarks.figures import Table
from tests.benchmarks.ladder import say
from tests.benchmarks.parallel import Broken, cores, in_parallel
from utils import UserError, write_atomically

RESULTS = ROOT / "memory" / "runs" / "real"
KEPT = "solved", "attempts", "seconds", "best_reward", "tokens", "program", "evidence"  # of a run's result
RIGHT = 0.95  # of the fresh cases, from which on a solution counts as right


@dataclass(frozen=True, eq=False)
class Problem:
    """A task file, and the cases that only judge what came of it."""

    name: str
    file: Path
    fresh: tuple[Case, ...]


@dataclass(frozen=True, eq=False)
class Item:
    """One run to be made."""

    problem: Problem
    seed: int
    cap: int
    settings: tuple[str, ...]
    mind: Path | None = None  # that the task begins from; None: cold

    def config(self) -> Config:
        own = (f"run.task={self.problem.file}", f"run.seed={self.seed}", f"run.max_attempts={self.cap}")
        fixed = ("run.device=cpu", "run.stop_on_success=yes", "executor.workers=1")
        return load_config(CONFIG, [*self.settings, *own, *fixed])


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line. Returns the exit code: 0, 1 when a run broke, 2 for a user's mistake, 130 after Ctrl-C."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        problems = read_problems(options.problems, options.results / "tasks")
        problems = [problems[i - 1] for i in options.only if i <= len(problems)] if options.only else problems
        own = options.cap, tuple(options.set), options.mind
        items = [Item(p, seed, *own) for seed in options.seeds for p in problems]
        mind = ""
        if options.mind:
            read_mind(options.mind)
            mind = digest_of(options.mind)
        file = options.results / "results.jsonl"
        known = read_results(file)
        keys = {item: key_of(item, mind) for item in items}
        missing = [item for item in items if keys[item] not in known]
        say(f"{len(items) - len(missing)} of {len(items)} runs are there already: {file}")
        code = make_runs(missing, keys, options.jobs, file, known)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = [known[keys[item]] for item in items if keys[item] in known]
    print(table(found).markdown() if options.markdown else table(found).plain(), *summary(found), sep="\n")
    return code


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", type=Path, help="a folder of task files, or a file of JSON lines")
    parser.add_argument("--cap", type=positive, default=100_000, metavar="N", help="attempts until a run has failed")
    parser.add_argument("--seeds", type=seeds_of, default=[0], metavar="N", help="how many seeds, or which: 3 or 0,2")
    parser.add_argument("--only", type=places, metavar="A-B:STEP", help="these problems only, counted from 1")
    parser.add_argument("--mind", type=Path, metavar="FILE", help="a saved mind to begin each problem from; else cold")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value", help="may be repeated")
    parser.add_argument("--jobs", type=positive, default=cores(), metavar="N", help="runs at a time")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help=f"default: {RESULTS}")
    parser.add_argument("--markdown", action="store_true", help="the table in Markdown")
    return parser.parse_args(arguments)


def places(text: str) -> list[int]:
    """`1-100:3` is 1, 4, ..., 100; `7` is 7."""
    found = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"must be a range of places, as in 1-100:3 or 7; not {text}")
    first, last, step = (int(part) if part else None for part in found.groups())
    return list(range(first or 0, (last or first or 0) + 1, step or 1))


def read_problems(path: Path, folder: Path) -> list[Problem]:
    """The problems of a folder, or of JSON lines, whose tasks are written into `folder` first. Raises UserError."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in (".json", ".py"))
        if not files:
            raise UserError(f"{path}: holds no task file (.json or .py)")
        return [Problem(file.stem, file, ()) for file in files]
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    problems = []
    for number, line in enumerate(filter(str.strip, lines), 1):
        try:
            content = json.loads(line)
            name, task = content["task"]["name"], content["task"]
            fresh = tuple(Case(tuple(inputs), answer) for inputs, answer in content.get("fresh_cases", ()))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}, line {number}: must be an object with a task ({error!r})") from None
        write_atomically(folder / f"{name}.json", json.dumps(task, ensure_ascii=False).encode())
        problems.append(Problem(name, folder / f"{name}.json", fresh))
    return problems


def key_of(item: Item, mind: str) -> str:
    """Tells runs apart: problem, seed, cap, settings, the mind, and the code that they go through. Raises UserError."""
    config = item.config()
    (task,) = load_tasks([str(item.problem.file)])
    parts = item.problem.name, item.seed, item.cap, settings_digest(config, task), mind, code_digest()
    return json.dumps(parts)


def read_results(file: Path) -> dict[str, dict]:
    """Finished runs by their key; a line that a kill cut off counts for nothing."""
    known: dict[str, dict] = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        with contextlib.suppress(ValueError, KeyError):
            found = json.loads(line)
            known[found["key"]] = found
    return known


def make_runs(items: Sequence[Item], keys: dict[Item, str], jobs: int, file: Path, known: dict[str, dict]) -> int:
    began, broken = time.monotonic(), 0
    with Stop() as stop, contextlib.closing(in_parallel(run_item, items, jobs, lambda: bool(stop.signal))) as outcomes:
        for number, (item, found) in enumerate(outcomes, 1):
            name = f"[{number}/{len(items)}, {time.monotonic() - began:,.0f} s] {item.problem.name}, seed {item.seed}"
            if not isinstance(found, dict):
                broken += 1
                say(f"{name}: broke, and is not counted\n{found.problem if isinstance(found, Broken) else found}")
                continue
            known[keys[item]] = found = found | {"key": keys[item]}
            file.parent.mkdir(parents=True, exist_ok=True)
            with open(file, "a", encoding="utf-8") as results:
                results.write(json.dumps(found, ensure_ascii=True) + "\n")
            say(f"{name}: {verdict(found)} in {found['attempts']:,} attempts, {found['seconds']:,.1f} s")
    return 128 + stop.signal if stop.signal else 1 if broken else 0


def run_item(item: Item) -> dict:
    """Learns one problem, polishing included, and judges what came of it by the fresh cases."""
    torch.set_num_threads(1)
    config = item.config()
    with Executor(config.executor) as executor:
        agent, run = begin(config, read_mind(item.mind) if item.mind else None, executor)
        run.learn(lambda: 0)
        result = run.result()
        right = fresh_right(config, agent.task, item.problem.fresh, result["program"], executor)
    return {
        "problem": item.problem.name,
        "seed": item.seed,
        **{name: result[name] for name in KEPT},
        "disputed": bool(result.get("disputes")),
        "fresh_right": right,
        "fresh": len(item.problem.fresh),
    }


def fresh_right(config: Config, task: Task, fresh: Sequence[Case], program: str, executor: Executor) -> int:
    """How many of the fresh cases the program has right."""
    if not (fresh and program):
        return 0
    judged = dataclasses.replace(task, test_cases=tuple(fresh), check_cases=(), required_tokens=(), max_tokens=None)
    (score,) = Scorer(judged, executor, config.scorer).score([program], [0], task.function_name or "")
    return sum(score.exact)


def verdict(run: dict) -> str:
    """disputed by made inputs, doubtful by the evidence, right or wrong by fresh cases, solved without any; or not."""
    if not run["solved"]:
        return f"not solved (best {run['best_reward']:.3f})"
    if run["disputed"]:
        return "disputed"
    if run["evidence"] and not Evidence(**run["evidence"]).enough:
        return "doubtful"
    if not run["fresh"]:
        return "solved"
    return "right" if run["fresh_right"] >= RIGHT * run["fresh"] else "wrong"


def table(found: Sequence[dict]) -> Table:
    columns = ("problem", "seed", "verdict", "attempts", "s", "fresh", "tokens", "program")
    rows = [
        (
            run["problem"],
            str(run["seed"]),
            verdict(run),
            f"{run['attempts']:,}",
            f"{run['seconds']:.1f}",
            f"{run['fresh_right']}/{run['fresh']}" if run["fresh"] else "-",
            str(run["tokens"]),
            " ".join(run["program"].split("\n", 1)[-1].split()),
        )
        for run in found
    ]
    return Table(columns, rows)


def summary(found: Sequence[dict]) -> list[str]:
    """The counts in words, and the medians of what was solved."""
    verdicts = [verdict(run) for run in found]
    counts = {name: verdicts.count(name) for name in ("right", "wrong", "solved", "disputed", "doubtful")}
    lines = ["", f"{len(found)} runs; " + ", ".join(f"{name} {count}" for name, count in counts.items())]
    if solved := [run for run in found if run["solved"]]:
        attempts, seconds = (median(run[name] for run in solved) for name in ("attempts", "seconds"))
        lines.append(f"of those solved: median {attempts:,.0f} attempts, {seconds:.1f} s")
    return lines


if __name__ == "__main__":
    sys.exit(main())
