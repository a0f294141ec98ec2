"""What longer programs cost, in time and in memory: sampled by random weights under the grammar, and learned from.

Each combination has a process of its own, so that what one took is not there for the next.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from agent_core.grammar.legal_tokens import Prompt
from agent_core.learning.generator import CodeGenerator
from agent_core.run.parts import Parts
from agent_core.settings.config import load_config
from tests.benchmarks.cells import CONFIG
from tests.benchmarks.figures import Table
from tests.benchmarks.parallel import Broken, in_parallel
from tests.benchmarks.soak import resident
from utils import UserError

STILL = "optimizer.learning_rate=1e-30"  # the weights stay what they are, at the same cost


@dataclass(frozen=True)
class Cell:
    """One combination."""

    overrides: tuple[str, ...]
    batch: int
    max_length: int
    seconds: float
    processor_time: bool


@dataclass(frozen=True)
class Cost:
    """What a batch cost: tokens a program, seconds a step, MiB beyond what was there before the first step."""

    tokens: float
    sampling: float
    learning: float
    memory: float


def cost(cell: Cell) -> Cost:
    """Runs one combination, in a process that has done nothing else."""
    own = (f"generator.batch_size={cell.batch}", f"generator.max_length={cell.max_length}", STILL)
    config = load_config(CONFIG, [*cell.overrides, *own])
    parts = Parts.of(config)
    generator = CodeGenerator(parts.tokenizer, parts.legal_tokens, Prompt(*parts.task.start), config)
    rewards = torch.rand(cell.batch, generator=torch.Generator().manual_seed(config.run.seed))
    clock = time.process_time if cell.processor_time else time.perf_counter
    generator.learn(rewards[:1], generator.generate(1))  # the first step pays for much that others do not
    before = resident("self")
    generator.learn(rewards, generator.generate(cell.batch))
    steps, tokens, sampling, learning = 0, 0, 0.0, 0.0
    while sampling + learning < cell.seconds:
        began = clock()
        programs = generator.generate(cell.batch)
        written = clock()
        generator.learn(rewards, programs)
        learning += clock() - written
        sampling += written - began
        tokens += int(programs.mask.sum())
        steps += 1
    return Cost(tokens / steps / cell.batch, sampling / steps, learning / steps, most_resident() - before)


def most_resident() -> float:
    """MiB, the most that this process ever had."""
    line = next(line for line in Path(f"/proc/{os.getpid()}/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) / 1_024


def lengths_table(
    overrides: Sequence[str], batches: Sequence[int], max_lengths: Sequence[int], seconds: float, processor_time: bool
) -> Table:
    """A row for each batch and length. Raises UserError where one of them cannot be run."""
    cells = [
        Cell(tuple(overrides), batch, length, seconds, processor_time) for batch in batches for length in max_lengths
    ]
    for cell in cells:  # a mistake in the settings is told before the first is run
        Parts.of(load_config(CONFIG, [*overrides, f"generator.max_length={cell.max_length}"]))
    headings = (
        "batch",
        "max_length",
        "tokens a program",
        "sampling, µs a token",
        "learning, µs a token",
        "µs a program",
        "peak MiB",
        "KiB a place (B x T)",
    )
    rows = []
    for cell, found in in_parallel(cost, cells, 1, lambda: False):
        if isinstance(found, Broken):
            raise UserError(f"batch {cell.batch}, max_length {cell.max_length}: {found.problem.strip()}")
        each = [1e6 * seconds / cell.batch / found.tokens for seconds in (found.sampling, found.learning)]
        rows.append(
            (
                f"{cell.batch:,}",
                str(cell.max_length),
                f"{found.tokens:.1f}",
                *(f"{us:.2f}" for us in each),
                f"{1e6 * (found.sampling + found.learning) / cell.batch:,.0f}",
                f"{found.memory:,.0f}",
                f"{1_024 * found.memory / cell.batch / cell.max_length:.2f}",
            )
        )
    return Table(headings, rows, frozenset(headings))
