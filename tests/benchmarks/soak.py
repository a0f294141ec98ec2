"""Long runs of the jail that are no tests: is it flat over a million programs, and just as right on a busy machine?

python -m tests.benchmarks.soak flat [--programs 1000000]     memory, descriptors and processes, ten times
python -m tests.benchmarks.soak load [--programs 5000]        the same verdicts beside two busy loops
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from agent_core.sandbox.executor import Executor
from agent_core.settings.config import ExecutorConfig
from tests import random_programs

BATCH = 256


def resident(pid: int | str) -> float:
    """MiB of memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def offspring() -> list[str]:
    """States of all processes that descend from this one."""
    parents, states = {}, {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[entry.parent.name], states[entry.parent.name] = fields[1], fields[0]
    mine = {str(os.getpid())}
    for _ in range(4):
        mine |= {pid for pid, parent in parents.items() if parent in mine}
    return [states[pid] for pid in mine - {str(os.getpid())}]


def flat(count: int) -> None:
    """A tenth of the programs are random and new; the others are what a policy writes most: something short."""
    step = max(BATCH, count // 10)
    with Executor(ExecutorConfig()) as pool:
        first: list[float] = []
        done, seed, started = 0, 0, time.monotonic()
        statuses: Counter[str] = Counter()
        for tenth in range(1, 11):
            while done < tenth * step:
                seed += 1
                sources = random_programs.programs(BATCH // 10, seed)
                sources += [f'print("hello world", {done + place})\n' for place in range(BATCH - len(sources))]
                statuses.update(result.status for result in pool.run(sources))
                done += BATCH
            pids = ["self", *(worker.process.pid for worker in pool._workers)]
            memory = [resident(pid) for pid in pids]
            descriptors = [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]
            first = first or memory
            growth = max(now / then for now, then in zip(memory, first, strict=True)) - 1
            states = offspring()
            print(
                f"{done:>9,} programs {done / (time.monotonic() - started):>8,.0f}/s  MiB "
                f"{' '.join(f'{size:.1f}' for size in memory)} ({growth:+.1%})  descriptors {descriptors}  "
                f"processes {len(states)}, zombies {states.count('Z')}, reruns {pool.reruns}",
                flush=True,
            )
        print(dict(statuses))


def load(count: int) -> None:
    sources = random_programs.programs(count, seed=0)
    with Executor(ExecutorConfig()) as pool:
        started = time.monotonic()
        idle = pool.run(sources)
        between = time.monotonic()
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
        try:
            loaded = pool.run(sources)
        finally:
            for process in busy:
                process.kill()
                process.wait()
        ended = time.monotonic()
        print(f"{count} programs: {between - started:.1f} s idle, {ended - between:.1f} s beside two busy loops")
        print(dict(Counter(result.status for result in idle)))
        print(
            f"{sum(one != other for one, other in zip(idle, loaded, strict=True))} results differ, {pool.reruns} reruns"
        )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["flat", "load"])
    parser.add_argument("--programs", type=int, default=0)
    return parser.parse_args(arguments)


def main() -> None:
    arguments = parse(None)
    if arguments.what == "flat":
        flat(arguments.programs or 1_000_000)
    else:
        load(arguments.programs or 5_000)


if __name__ == "__main__":
    main()
