"""Kills runs with SIGKILL at random instants, to see that a kill costs nothing but time.

python -m tests.benchmarks.kill [--kills 100] [--each 10]     real runs; some minutes
python -m tests.benchmarks.kill --kills 10 --fork             without loading PyTorch for each process; seconds

The runs are of two tasks that begin cold, of play, and of a task that begins from a mind and teaches it. A run is
killed and started again some times, and then left to end. After each kill all its processes must be gone, a whole
generation must be there, never an older one than before, and the rows on disk must be those of a run that was left
alone, at least as far as that generation; the next process must go on from exactly there. In the end nothing may differ
from the run that was left alone but what the clock decides, and no lock or temporary file may be left.

Linux only: this process adopts the orphans of those that it kills, to see that they end.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import ctypes
import importlib
import itertools
import json
import os
import random
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from memory.state.checkpoint import Checkpoint, CheckpointStore
from tests.benchmarks.run_process import RunProcess, anywhere, at_the_end, at_the_start, in_a_save, in_another_file

PLAY = "play"
KINDS = ("hello_world", PLAY, "maximum", "maximum from a mind")
SETTINGS = {
    "run.stop_on_success": "no",
    "run.save_every": "48",
    "run.show_every": "0",
    "run.threads": "1",
    "generator.batch_size": "16",
    "generator.max_length": "14",
    "model.hidden_dim": "16",
    "executor.workers": "1",
    "learning.elites": "8",
    "learning.restart_after": "300",
    "play.batch_size": "16",
    "play.signatures": "4",
    "play.learn_every": "32",
    "play.look_every": "200",
    "mind.hidden_dim": "16",
    "mind.encoder_dim": "16",
    "mind.batch_size": "16",
    "mind.behaviours": "100",
    "mind.task_learn_every": "32",
    "mind.recall": "100",
}
WHERE_AND_WHEN = ("seconds", "folder")  # of a saved mind
CLOCK = ("jail_reruns", "jail_wait_seconds", "elapsed_seconds", "attempts_per_second")
AIMS = (at_the_start, anywhere, anywhere, in_a_save, in_a_save, in_a_save, in_another_file)
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: the orphans of a child become this process's children


class Run:
    """The folder of a run that is lived in several processes."""

    def __init__(self, home: Path, kind: str, attempts: int, mind: Run | None = None):
        """kind: one of KINDS; mind: a run of play that a task begins from."""
        home.mkdir()
        (home / "config.ini").touch()
        self.home, self.memory, self._mind = home, home / "memory", bool(mind) or kind == PLAY
        self.task = kind.split()[0]
        settings = SETTINGS | {"run.task": self.task, "run.max_attempts": str(attempts)}
        self.arguments = [f"--config={home / 'config.ini'}", *(f"--set={key}={settings[key]}" for key in settings)]
        if mind:
            self.memory.mkdir()
            for path in mind.memory.glob("*.pth"):
                shutil.copy(path, self.memory)

    def start(self, fork: bool) -> RunProcess:
        return RunProcess(self.home, self.arguments, fork, self._mind)

    def attempts_of(self, saved: Checkpoint) -> int | None:
        """That a process goes on from; None for the first."""
        of_play, of_task = saved.mind and saved.mind["progress"]["programs"], saved.run_state["agent"]
        return of_play if self.task == PLAY else of_task and of_task["progress"]["attempts"]

    def left_to_end(self, fork: bool) -> Run:
        process = self.start(fork)
        while process.is_alive():
            time.sleep(0.01)
        assert process.code == 0, f"it ended with {process.code}: {process.said}"
        return self

    def saved(self) -> Checkpoint | None:
        return CheckpointStore(*(self.memory / f"{name}_state.pth" for name in ("model", "optimizer", "run"))).load()

    def rows(self) -> list[list[str]]:
        """metrics.csv, its header first, without what the clock decides and without a last line that was cut."""
        tables = list((self.memory / "runs").glob("*/metrics.csv"))
        assert len(tables) < 2, f"the run has begun in two folders: {tables}"
        lines = tables[0].read_text().splitlines(keepends=True) if tables else []
        table = list(csv.reader(line for line in lines if line.endswith("\n")))
        return [[field for name, field in zip(table[0], row, strict=True) if name not in CLOCK] for row in table]

    def best(self) -> str:
        return "".join(path.read_text() for path in (self.memory / "runs").glob("*/best.py"))

    def result(self) -> dict:
        result = json.loads("".join(path.read_text() for path in (self.memory / "runs").glob("*/result.json")) or "{}")
        return {key: result[key] for key in result if "second" not in key}


def killed(run: Run, whole: Run, kills: int, chance: random.Random, fork: bool) -> Counter[str]:
    """Makes a run in up to `kills` + 1 processes and checks all that must hold. Returns how many were killed where."""
    done, generation, attempts = Counter(), -1, None
    expected = whole.rows()
    process = run.start(fork)
    for number in range(kills):
        aim = at_the_end if number == kills - 1 else chance.choice(AIMS)
        if not aim(process, chance):  # it has ended before
            break
        process.kill()
        done[aim.__name__] += 1
        no_orphans()
        check_resumed(process.said, attempts)
        saved = run.saved()
        if saved:
            assert not saved.notes, saved.notes
            assert saved.generation >= generation, f"generation {saved.generation} after {generation}"
            generation, attempts = saved.generation, run.attempts_of(saved)
        rows = run.rows()
        assert rows == expected[: len(rows)], "there are other rows than in the run that was left alone"
        behind = attempts and (not rows or int(rows[-1][rows[0].index("attempts")]) < attempts)
        assert not behind, f"{attempts} attempts were saved, but their rows are not all there"
        process = run.start(fork)
    while process.is_alive():
        time.sleep(0.01)
    assert process.code == 0, f"it ended with {process.code}: {process.said}"
    no_orphans()
    check_resumed(process.said, attempts)
    check_equal(run, whole)
    return done


def check_resumed(said: str, attempts: int | None) -> None:
    """The process, if it came to say so, went on from where the one before had saved."""
    going_on = r"resumed at ([\d,]+) attempts|from the first attempt|all ([\d,]+) (?:attempts|programs) are"
    if resumed := re.search(rf"{going_on}|mind: (?:([\d,]+) programs behind it|new)", said):
        found = int((resumed[1] or resumed[2] or resumed[3] or "0").replace(",", ""))
        assert found == (attempts or 0), f"{attempts} attempts were saved, but it went on from {found}"


def check_equal(run: Run, whole: Run) -> None:
    assert run.rows() == whole.rows(), "metrics.csv differs"
    assert run.best() == whole.best(), "best.py differs"
    assert run.result() == whole.result(), "result.json differs"
    one, other = run.saved(), whole.saved()
    for part in ("model_state", "optimizer_state"):
        assert same(getattr(one, part), getattr(other, part)), f"{part} differs"
    assert same(one.run_state["agent"], other.run_state["agent"]), "run_state differs"
    assert same(mind_of(one), mind_of(other)), "the mind differs"
    kept = {path.name for path in whole.memory.iterdir()}
    left = [path for path in run.memory.rglob("*") if path.name == ".lock" or path.suffix == ".tmp"]
    left += [path for path in run.memory.iterdir() if path.name not in kept]
    assert not left, f"left behind: {left}"
    folders = [folder for folder in (run.memory / "runs").iterdir() if any(folder.iterdir())]
    assert len(folders) == 1, "a run has left several folders"  # an empty one was made before anything was saved


def mind_of(saved: Checkpoint) -> dict[str, Any]:
    return {key: part for key, part in (saved.mind or {}).items() if key not in WHERE_AND_WHEN}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def no_orphans() -> None:
    """Waits until all processes are gone that descended from those that were killed."""
    deadline = time.monotonic() + 10
    with contextlib.suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                assert time.monotonic() < deadline, "a process has outlived the run that started it"
                time.sleep(0.005)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    chance, began, done = random.Random(options.seed), time.monotonic(), Counter()
    torch.set_num_threads(1)  # a process that has computed in several threads must not fork
    if ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0):
        raise OSError("this system gives orphans to nobody but its first process")
    if options.fork:
        for slow in ("torch._dynamo", "torch.utils.tensorboard"):  # which a run loads only when it comes to them
            with contextlib.suppress(ImportError):
                importlib.import_module(slow)
    with tempfile.TemporaryDirectory(prefix="altlas-kill-", ignore_cleanup_errors=True) as folder:
        whole: dict[str, Run] = {}
        mind = Run(Path(folder, "mind"), PLAY, options.attempts // 2).left_to_end(options.fork)
        for number in itertools.count():
            kind = KINDS[number % len(KINDS)]
            begins_from = mind if kind.endswith("a mind") else None
            if kind not in whole:
                whole[kind] = Run(Path(folder, kind), kind, options.attempts, begins_from).left_to_end(options.fork)
            run = Run(Path(folder, str(number)), kind, options.attempts, begins_from)
            try:
                done += killed(run, whole[kind], min(options.each, options.kills - done.total()), chance, options.fork)
            except AssertionError:
                shutil.copytree(folder, kept := f"{folder}kept")
                print(f"see {kept}/{number}, and {kept}/{kind} that was left alone")
                raise
            print(
                f"{done.total()} of {options.kills} kills, {time.monotonic() - began:.0f} s: run {number}, {kind}, "
                f"ended as if it had not been killed ({len(run.rows()) - 1} rows)",
                flush=True,
            )
            if done.total() >= options.kills:
                break
    print(", ".join(f"{name.replace('_', ' ')} {count}" for name, count in done.most_common()))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--each", type=int, default=10, help="of the same run, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--attempts", type=int, default=4_800, help="length of a run")
    parser.add_argument("--fork", action="store_true", help="load PyTorch once for all processes")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
