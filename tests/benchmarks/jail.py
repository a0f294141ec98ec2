"""How many programs a second the jail runs, beside a new interpreter for each and a fork for each.

    python -m tests.benchmarks.jail [--seconds 3] [--workers 0]

All three use the same number of processes at once. Ratios are what counts: the figures depend on the machine and on
what else it does.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from agent_core.sandbox.executor import Executor
from agent_core.settings.config import ExecutorConfig

PROGRAM = 'print("hello world")\n'
ENDLESS = "var_a = 1\nwhile True:\n    var_a = var_a + 1\n"
TASK_BATCH = 256  # as many as a run asks for at a time


def rate(seconds: float, batch: int, run) -> float:
    """Programs a second of run(batch), over at least that many seconds."""
    run(batch)
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        run(batch)
        done += batch
    return done / (time.perf_counter() - started)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="for each figure")
    parser.add_argument("--workers", type=int, default=0, help="0 = one for each core")
    return parser.parse_args(arguments)


def main() -> None:
    arguments = parse(None)
    seconds = arguments.seconds
    with Executor(ExecutorConfig(workers=arguments.workers)) as pool:
        workers = len(pool._workers)
        print(f"{workers} at once, layers of the jail: {pool.layers}")

        def interpreter(_: int) -> None:
            command = [sys.executable, "-I", "-S", "-E", "-c", PROGRAM]
            subprocess.run(command, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)

        def mixed(batch: int, every: int) -> list[str]:
            return [ENDLESS if every and place % every == every // 2 else PROGRAM for place in range(batch)]

        with ThreadPoolExecutor(workers) as threads:
            new = rate(seconds, 8 * workers, lambda batch: list(threads.map(interpreter, range(batch))))
        print(f"{'a new interpreter each':34}{new:10,.0f} programs/s")
        fork = rate(seconds, 64, lambda batch: pool.run([PROGRAM] * batch, alone=True))
        print(f"{'a fork each, every layer':34}{fork:10,.0f} programs/s {fork / new:8.1f} x the interpreter")
        for share, every in (("0%", 0), ("1%", 100), ("5%", 20)):
            sources = mixed(TASK_BATCH, every)
            shipped = rate(seconds, TASK_BATCH, lambda batch, sources=sources: pool.run(sources))
            print(
                f"{f'the jail, {share} endless':34}{shipped:10,.0f} programs/s {shipped / new:8.1f} x the interpreter"
            )
        assert pool.reruns == 0


if __name__ == "__main__":
    main()
