"""The pool of jailed workers: a batch of hostile programs in, plain results out.

A program's result depends on its text, the call and the settings, never on time, neighbours or workers: see
agent_core/sandbox/dispatch.py for how that is kept up, agent_core/sandbox/zygote.py for what a worker is.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import warnings
import weakref
from collections.abc import Sequence

from agent_core.sandbox.dispatch import BatchRun
from agent_core.sandbox.results import Call, CaseResult, RunResult
from agent_core.sandbox.room import reason
from agent_core.sandbox.seccomp import SeccompMissing, filter_program
from agent_core.sandbox.worker import WAY_OUT, JailError, Worker
from agent_core.settings.config import ExecutorConfig

__all__ = ["Call", "CaseResult", "Executor", "JailError", "BatchRun", "RunResult"]

START_TRIES = 5
INSTALL = "install what is missing (apt-get install libseccomp2; pip install pyseccomp), " + WAY_OUT
LIMITS_WARNING = (
    "jail = limits: generated programs run with the static check and resource limits only, without the kernel's "
    "system call filter. Use this only on a machine where nothing is worth attacking."
)


class Executor:
    """Runs programs in jailed workers; a context manager.

    `reruns` counts the programs that had to be run a second time, `wait_seconds` the time they held their owner up;
    both only ever grow. `layers` says in words what the jail is made of here.
    """

    def __init__(self, config: ExecutorConfig, neighbours: int = 1):
        """Starts and tests the workers. Raises JailError where the jail that `config.jail` asks for cannot be had.

        neighbours: executors that share the machine's cores, this one among them.
        """
        self.config = config
        self.reruns = 0
        self.wait_seconds = 0.0
        strict, program = _layers(config.jail)
        self.layers = "static check, step budget, resource limits" + (", seccomp" if program else "")
        self._settings = {
            "strict": strict,
            "filter": program,
            "max_steps": config.max_steps,
            "memory_mb": config.memory_mb,
            "timeout_seconds": config.timeout_seconds,
            "max_output": config.max_output,
        }
        self._workers: list[Worker] = []
        self._closer = weakref.finalize(self, _kill_all, self._workers)  # also at exit, if nobody closes
        try:
            for _ in range(config.workers or max(1, _cores() // neighbours)):
                self._workers.append(Worker(self._settings))
            for place in range(len(self._workers)):
                self._await_start(place)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all workers; may be called more than once."""
        self._closer()

    def run(self, sources: Sequence[str], call: Call | None = None, alone: bool = False) -> list[RunResult]:
        """Runs every program, and calls its function on every case; one result each, in order.

        sources: (B,) texts. alone: each in a child of its own, as is due to all whose verdict matters.
        Raises TypeError for arguments that are not plain values, JailError if a jail that once held no longer does.
        """
        return self.start(call, alone).finish(sources)

    def start(self, call: Call | None = None, alone: bool = False) -> BatchRun:
        """The same for programs that are still being written: `add` some as they come, `finish` waits for all results.

        One at a time: what an earlier run has under way is given up.
        """
        if not self._closer.alive:
            raise ValueError("this executor is closed")
        run = BatchRun(self._workers, self._replace, self.config, call, alone, self._count)
        run.give_up()
        for place, worker in enumerate(self._workers):
            if worker.dead:
                self._replace(place)
        return run

    def _count(self, reruns: int, seconds: float) -> None:
        self.reruns += reruns
        self.wait_seconds += seconds

    def _replace(self, place: int) -> None:
        self._workers[place].kill()
        self._workers[place] = Worker(self._settings)
        self._await_start(place)

    def _await_start(self, place: int) -> None:
        """Waits for a new worker; if somebody kills it before it is up, for another one, a few times."""
        for tries_left in reversed(range(START_TRIES)):
            try:
                return self._workers[place].await_start()
            except JailError:
                self._workers[place].kill()
                if tries_left == 0 or self._workers[place].process.returncode != -signal.SIGKILL:
                    raise
            self._workers[place] = Worker(self._settings)
        return None


def _layers(jail: str) -> tuple[bool, bytes]:
    """For `auto`, `strict` or `limits`: whether every layer must hold, and the filter to load (empty: none)."""
    if os.name != "posix" or not hasattr(select, "poll"):
        raise JailError("the jail needs Linux or macOS: on Windows, use the dev container")
    if jail == "auto":
        jail = "strict" if sys.platform.startswith("linux") else "limits"
    if jail == "strict":
        try:
            return True, filter_program()
        except SeccompMissing as problem:
            raise JailError(f"jail = strict, but {problem}; {INSTALL if problem.missing else WAY_OUT}") from None
        except OSError as error:
            raise JailError(f"the jail's filter cannot be made: {reason(error.errno or 0)}") from None
    if jail == "limits":
        try:
            warnings.warn(LIMITS_WARNING, RuntimeWarning, stacklevel=3)
        except RuntimeWarning as warning:
            raise JailError(f"{warning} Here it is an error, since PYTHONWARNINGS or -W says so.") from None
        return False, b""
    raise JailError(f"jail = {jail} under [executor] is not known: it is auto, strict or limits")


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _kill_all(workers: list[Worker]) -> None:
    for worker in workers:
        worker.hang_up()
    for worker in workers:
        worker.kill()
    workers.clear()
