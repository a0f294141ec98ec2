"""Do two checkouts make the same runs? For changes that move, rename or tidy code and must not change what is learned.

    python tests/same_runs.py PATH_BEFORE PATH_AFTER

Makes ten short runs in each checkout: five tasks with two seeds each. One of them resumes in both from a state that
the first checkout saved, one has two ranks. Compares metrics.csv (without the columns that the machine decides), the
best programs in best.py and the outcome in result.json. Prints a table; the exit code is 1 where something differs.

Only the command line is used, and only settings that have always had their names, so that the checkouts may be laid
out differently. Nothing is written into either of them.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SETTINGS = {
    "run.device": "cpu",
    "run.threads": 1,
    "run.save_every": 1000,
    "run.polish_attempts": 500,
    "generator.batch_size": 128,
    "executor.workers": 1,
    "learning.restart_after": 700,  # so that short runs have restarts, and time for recursive elites
}
OUTCOME = ("task", "seed", "ranks", "solved", "attempts", "best_reward", "tokens", "program")
MACHINE = ("_seconds", "_per_second", "_reruns")  # endings of the columns that the machine decides
LONGEST_SECONDS = 600


@dataclass(frozen=True)
class Run:
    """One run to be made in both checkouts."""

    task: str
    seed: int
    attempts: int
    saved_at: int = 0  # attempts that the first checkout makes; both go on from what it saved
    ranks: int = 1

    def __str__(self) -> str:
        extra = f", resumed at {self.saved_at}" * bool(self.saved_at) + f", {self.ranks} ranks" * (self.ranks > 1)
        return f"{self.task}, seed {self.seed}{extra}"


RUNS = (
    Run("hello_world", 0, 3_000),
    Run("hello_world", 1, 3_000, ranks=2),
    Run("add", 0, 3_000),
    Run("add", 1, 3_000),
    Run("is_even", 0, 3_000),
    Run("is_even", 1, 3_000, saved_at=1_500),
    Run("reverse", 0, 3_000),
    Run("reverse", 1, 3_000),
    Run("factorial", 0, 4_000),
    Run("factorial", 1, 4_000),
)


class Failed(Exception):
    """A run did not end as it should; the text says how."""


def make(run: Run, checkout: Path, home: Path, attempts: int) -> None:
    """Makes the run, or goes on with it, up to `attempts`, with everything that it keeps below `home`."""
    states = {f"paths.{name}_state": home / f"{name}_state.pth" for name in ("model", "optimizer", "run")}
    settings = {"run.task": run.task, "run.seed": run.seed, "run.max_attempts": attempts, **SETTINGS, **states}
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(run.ranks)] if run.ranks > 1 else []
    options = [f"--set={key}={value}" for key, value in (settings | {"paths.runs": home / "runs"}).items()]
    ended = subprocess.run(
        [sys.executable, *start, "runner.py", *options],
        cwd=checkout,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
    )
    if ended.returncode:
        last = (ended.stderr.strip() or ended.stdout.strip()).splitlines()[-1:]
        raise Failed(f"exit code {ended.returncode} in {checkout}: {' '.join(last)}")


def in_both(run: Run, checkouts: Sequence[Path], scratch: Path) -> list[Path]:
    """Makes the run in both checkouts. Returns the folders of their results."""
    home, saved, results = scratch / "home", scratch / "saved", []
    if run.saved_at:
        make(run, checkouts[0], home, run.saved_at)
        shutil.move(home, saved)
    for place, checkout in enumerate(checkouts):
        if run.saved_at:
            shutil.copytree(saved, home)  # where it was: a saved run knows the path of its folder
        make(run, checkout, home, run.attempts)
        (folder,) = (home / "runs").iterdir()
        results.append(Path(shutil.move(folder, scratch / f"result{place}")))
        shutil.rmtree(home)
    return results


def differences(first: Path, second: Path) -> list[str]:
    """What differs between the folders of two runs, one line each; empty where they are the same run."""
    tables = [_rows(folder) for folder in (first, second)]
    if not all(tables):
        return ["metrics.csv has no rows"]
    found = []
    lengths = [len(table) for table in tables]
    if lengths[0] != lengths[1]:
        found.append(f"steps: {lengths[0]} and {lengths[1]}")
    for column in tables[0][0]:
        if column not in tables[1][0]:
            found.append(f"metrics.csv has no column {column} any more")
            continue
        pairs = ((row[column], other[column]) for row, other in zip(*tables, strict=False))
        if unlike := next(((step, pair) for step, pair in enumerate(pairs, 1) if pair[0] != pair[1]), None):
            found.append(f"{column} from step {unlike[0]} on: {unlike[1][0]} and {unlike[1][1]}")
    outcomes = [json.loads((folder / "result.json").read_text()) for folder in (first, second)]
    for key in OUTCOME:
        values = [outcome.get(key) for outcome in outcomes]
        if values[0] != values[1]:
            found.append(f"result.json, {key}: {values[0]!r} and {values[1]!r}")
    if (first / "best.py").read_text() != (second / "best.py").read_text():
        found.append("best.py")
    return found


def _rows(folder: Path) -> list[dict[str, str]]:
    """metrics.csv without the columns that the machine decides. Columns may be added, so the second may have more."""
    with open(folder / "metrics.csv", newline="") as file:
        return [{key: text for key, text in row.items() if not key.endswith(MACHINE)} for row in csv.DictReader(file)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 where all runs are the same, 1 where something differs, 2 for a user's mistake."""
    options = parse(arguments)
    checkouts = [path.resolve() for path in (options.before, options.after)]
    for checkout in checkouts:
        if not (checkout / "runner.py").is_file():
            print(f"error: {checkout} is no checkout of this project: it has no runner.py", file=sys.stderr)
            return 2
    began, different = time.monotonic(), 0
    print(f"{'run':<38}{'steps':>6}{'attempts':>10}{'best':>8}  same?", flush=True)
    for run in RUNS:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                results = in_both(run, checkouts, Path(scratch))
                found = differences(*results)
                outcome = json.loads((results[0] / "result.json").read_text())
                known = f"{len(_rows(results[0])):>6}{outcome['attempts']:>10,}{outcome['best_reward']:>8.3f}"
            except (Failed, subprocess.TimeoutExpired) as error:
                found, known = [str(error)], f"{'-':>6}{'-':>10}{'-':>8}"
        different += bool(found)
        lines = [f"{run!s:<38}{known}  {'no' if found else 'yes'}", *(f"    {line}" for line in found)]
        print(*lines, sep="\n", flush=True)
    print(f"{len(RUNS) - different} of {len(RUNS)} runs are the same; {time.monotonic() - began:.0f} s")
    return 1 if different else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="a checkout of the code before the change")
    parser.add_argument("after", type=Path, help="a checkout of the code after it")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
