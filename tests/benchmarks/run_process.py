"""A process of a run that is to be killed (see kill.py), and the instants: anywhere, or while a file is written."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import runner

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds until a process that neither ends nor gets to where it is to be killed is given up


class RunProcess:
    """One process of a run, and what it said."""

    def __init__(self, home: Path, arguments: Sequence[str], fork: bool, mind: bool = False):
        """home: the run's folder; fork: from this process, which has PyTorch loaded, instead of a new interpreter;
        mind: whether it saves one."""
        self.home, self.memory, self.fork, self.code = home, home / "memory", fork, None
        self.saves = ["model_state", "optimizer_state", "run_state", *["run_state_mind"] * mind]
        sys.stdout.flush()
        said = os.open(home / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self.pid = os.fork()
        if self.pid == 0:
            os.dup2(said, 1)
            os.dup2(said, 2)
            code = 1
            try:
                if not fork:
                    os.execv(sys.executable, [sys.executable, str(ROOT / "runner.py"), *arguments])
                code = runner.main(arguments)
                sys.stdout.flush()
            finally:
                os._exit(code)
        os.close(said)

    @property
    def said(self) -> str:
        return (self.home / "said.txt").read_text()

    def is_alive(self) -> bool:
        if self.code is None and (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            self.code = os.waitstatus_to_exitcode(ended[1])
        return self.code is None

    def comes_to(self, seen: Callable[[], object]) -> bool:
        """Waits until something is seen; False where the process ends before."""
        deadline = time.monotonic() + PATIENCE
        while self.is_alive():
            if seen():
                return True
            assert time.monotonic() < deadline, f"it hangs: {self.said}"
            time.sleep(0.0002)
        return False

    def waits(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        return self.comes_to(lambda: time.monotonic() >= deadline)

    def starts(self) -> bool:
        """Waits until it holds the lock."""

        def holds_it() -> bool:
            with contextlib.suppress(OSError):
                return (self.memory / ".lock").read_text() == f"{self.pid}\n"
            return False

        return self.comes_to(holds_it)

    def learns(self) -> bool:
        """Waits until it has opened metrics.csv, to which it has then something to add soon."""

        def has_it() -> bool:
            with contextlib.suppress(OSError):
                return any("metrics.csv" in os.readlink(file) for file in Path(f"/proc/{self.pid}/fd").iterdir())
            return False

        return self.comes_to(has_it)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


# Where to kill. Each of these waits for its instant and returns whether the process is still alive then.


def at_the_start(process: RunProcess, chance: random.Random) -> bool:
    """While PyTorch loads, the workers start, or the state is loaded and saved again."""
    if chance.random() < 0.2:
        return process.waits(chance.uniform(0, 0.2 if process.fork else 2.0))
    return process.starts() and process.waits(chance.uniform(0, 0.4 if process.fork else 4.0))


def anywhere(process: RunProcess, chance: random.Random) -> bool:
    return process.learns() and process.waits(chance.uniform(0, 0.2 if process.fork else 0.4))


def in_a_save(process: RunProcess, chance: random.Random) -> bool:
    """After the temporary file of a state has come up for the first to fifth time."""
    new = process.memory / f"{chance.choice(process.saves)}.new.pth"
    for _ in range(chance.randint(1, 5)):
        if not (process.comes_to(lambda: not new.exists()) and process.comes_to(new.exists)):
            return False
    return process.waits(chance.uniform(0, 0.006))


def in_another_file(process: RunProcess, chance: random.Random) -> bool:
    """While metrics.csv is written without the rows that come again, or best.py with an improvement, if one comes."""
    runs = process.memory / "runs"
    if chance.random() < 0.5:
        return process.comes_to(lambda: any(runs.glob("*/metrics.csv.tmp")) or any(runs.glob("*/best.py.tmp")))
    deadline = time.monotonic() + 0.2
    return process.learns() and process.comes_to(lambda: any(runs.glob("*/best.py.tmp")) or time.monotonic() > deadline)


def at_the_end(process: RunProcess, chance: random.Random) -> bool:
    """While the result is written, or what was learned last is saved, or the workers end."""

    def has_its_result() -> bool:
        return any((process.memory / "runs").glob("*/result.json*"))

    return process.learns() and process.comes_to(has_its_result) and process.waits(chance.uniform(0, 0.04))
