"""What several ranks cost and bring: attempts a second of N ranks against one on the same cores, and the exchange.

    python -m tests.benchmarks.ranks --ranks 2 --rounds 5

Each round runs one rank and N in turn, each rank with one thread and one jailed worker, and `hello_world` kept from
stopping at success; the first steps do not count. The exchange is timed by itself, on ranks that have waited for one
another.
"""

import argparse
import csv
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from agent_core.batch_exchange import BatchExchange, Share
from agent_core.distributed.ranks import join
from agent_core.model import CodePolicy
from agent_core.scoring.score import Score
from agent_core.scoring.scorer import Scorer
from agent_core.settings.config import Config, load_config
from agent_core.tasks.task import load_task
from memory.archive.task_memory import TaskMemory
from tokenizer import Tokenizer

ROOT = Path(__file__).resolve().parent.parent.parent
WARM_UP = 10  # steps that do not count
SETTINGS = ("run.threads=1", "executor.workers=1", "run.stop_on_success=no", "run.save_every=1e9", "run.show_every=0")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=70, help="that count, in each run")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse(None)
    if "RANK" in os.environ:
        time_exchange(load_config(ROOT / "config.ini", options.set))
        return
    speeds = {1: [], options.ranks: []}
    for number in range(options.rounds):
        for count in speeds if number % 2 else reversed(speeds):
            speeds[count].append(speed(count, options.steps, options.set))
            print(f"round {number + 1}, {count} ranks: {speeds[count][-1]:,.0f} attempts/s", flush=True)
    ratios = [many / one for one, many in zip(*speeds.values(), strict=True)]
    one, many = (statistics.median(found) for found in speeds.values())
    print(
        f"medians: 1 rank {one:,.0f} attempts/s, {options.ranks} ranks {many:,.0f}; ratio of a round "
        f"{statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )
    torchrun(options.ranks, "-m", "tests.benchmarks.ranks", *(f"--set={setting}" for setting in options.set))


def torchrun(count: int, *command: object, output: int | None = None) -> None:
    launcher = [] if count == 1 else ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    command = [sys.executable, *launcher, *map(str, command)]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=output)


def speed(count: int, steps: int, settings: list[str]) -> float:
    """Attempts a second of a whole run, its first steps left out."""
    batch_size = load_config(ROOT / "config.ini", settings).generator.batch_size
    attempts = (WARM_UP + 1 + max(1, steps)) * batch_size
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.ini"
        config.write_text(f"[run]\nmax_attempts = {attempts}\n")
        chosen = [f"--set={setting}" for setting in (*SETTINGS, *settings)]
        torchrun(count, ROOT / "runner.py", "--config", config, *chosen, output=subprocess.DEVNULL)
        (table,) = Path(folder).glob("memory/runs/*/metrics.csv")
        with open(table, newline="") as file:
            rows = list(csv.DictReader(file))
    first, last = rows[WARM_UP], rows[-1]
    tried, seconds = (float(last[key]) - float(first[key]) for key in ("attempts", "elapsed_seconds"))
    return tried / seconds


def time_exchange(config: Config) -> None:
    """What each step says to the other ranks, by itself: made-up programs, and gradients of the network's size."""
    tokenizer = Tokenizer.from_file(config.paths.vocabulary)
    scorer = Scorer(load_task(config.run.task, tokenizer.tokens), NoExecutor(), config.scorer)
    length, total = config.generator.max_length, config.generator.batch_size
    model = config.model
    policy = CodePolicy(len(tokenizer), model.embedding_dim, model.hidden_dim, model.num_layers)
    with join() as ranks:
        memory = TaskMemory(config.scorer.memory_limit, 32, 1)
        exchange = BatchExchange(ranks, memory, scorer, length, len(tokenizer))
        chance = random.Random(ranks.rank)
        flags = tuple(False for _ in scorer.task.expected_output.split())
        spent = {"programs and scores": [], "gradients": []}
        for _ in range(WARM_UP + 200):
            share = ranks.share(total)
            rows = [
                tuple(chance.randrange(4, len(tokenizer)) for _ in range(chance.randrange(2, length)))
                for _ in range(share.stop - share.start)
            ]
            memory.remember(rows, [Score(0.1, False, "finished", "", "", hash(row), flags, 0) for row in rows])
            for parameter in policy.parameters():
                parameter.grad = torch.ones_like(parameter)
            ranks.exchange(b"")  # all at the same place
            began = time.perf_counter()
            batch = exchange.gather(Share(rows, torch.zeros(len(rows), dtype=torch.bool), total, 0), (), 0)
            memory.record(batch.scored, 0)
            middle = time.perf_counter()
            ranks.add_up(policy.parameters(), torch.ones(()))
            spent["programs and scores"].append(middle - began)
            spent["gradients"].append(time.perf_counter() - middle)
        if ranks.leads:
            found = ", ".join(
                f"{name} {statistics.median(times[WARM_UP:]) * 1e3:.2f} ms" for name, times in spent.items()
            )
            print(f"exchange of a step, {ranks.count} ranks, a batch of {total}: {found}")


class NoExecutor:
    reruns, wait_seconds = 0, 0.0


if __name__ == "__main__":
    main()
