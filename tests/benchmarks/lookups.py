"""Whether memory stays as fast and as small as it was: many distinct programs go in, and are looked up.

A machine that others use, too, is slower at one time than at another. So each batch also goes into a fresh memory, made
anew every tenth of the way and compared once it is as full as memory gets: the two differ in nothing but their age.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import add
from typing import NamedTuple

from agent_core.settings.config import Config
from memory.archive.evaluation import TokenIds
from memory.archive.task_memory import TaskMemory
from tests.benchmarks.figures import Table
from tests.benchmarks.soak import resident

BATCH = 256
DIGITS = 75  # tokens that made-up programs are told apart by
FILLER = tuple(range(8))  # and those that they share: a dozen in all, as long as programs are
POWER = 0.3  # of novelty
NICHES = tuple(itertools.product((False, True), repeat=3))


class MadeUp(NamedTuple):
    """A score of a program that nobody ran."""

    reward: float
    status: str
    behaviour: int
    solved_cases: tuple[bool, ...]
    solved: bool = False
    self_calls: tuple[int, int] = (0, 0)
    version: int = 0


class Costs(NamedTuple):
    """Seconds of processor time, or µs of one program."""

    lookup: float  # of a program, new or known
    remember: float
    record: float  # how novel it is included


@dataclass(frozen=True)
class Tenth:
    """A tenth of the programs."""

    programs: int  # so far
    new: int  # of those that were looked up
    old: Costs  # of the memory that has them all, in the second half of this tenth
    fresh: Costs  # of one that began with this tenth, at the same time
    resident: float  # MiB of this process


def made_up(number: int) -> tuple[TokenIds, MadeUp]:
    """The program of that number: no two are the same, nor do they do the same."""
    digits, rest = [], number
    for _ in range(5):
        rest, digit = divmod(rest, DIGITS)
        digits.append(digit)
    chance = number * 2_654_435_761 % (1 << 32) / (1 << 32)  # Knuth's multiplicative hash: looks drawn, and is not
    return (*digits, *FILLER), MadeUp(0.9 * chance, "finished", number, NICHES[number % len(NICHES)])


def fill(count: int, make: Callable[[], TaskMemory]) -> Iterator[Tenth]:
    """Ten tenths of that many programs, in batches as a run has them; each program is looked up a second time."""
    old, done, before = make(), 0, ()
    for tenth in range(1, 11):
        memories = {"old": old, "fresh": make()}
        began, end, new, timed = done, tenth * count // 10, 0, 0
        spent = {name: Costs(0.0, 0.0, 0.0) for name in memories}
        while done < end:
            rows, scores = zip(*map(made_up, range(done, min(end, done + BATCH))), strict=True)
            for name in sorted(memories, reverse=done % (2 * BATCH) == 0):  # the first of them warms the cache
                unknown, costs = _put(memories[name], rows, scores, before, done)
                if 2 * (done - began) >= end - began:
                    spent[name] = Costs(*map(add, spent[name], costs))
                new += len(unknown) if name == "old" else 0
            timed += len(rows) if 2 * (done - began) >= end - began else 0
            before, done = rows, done + len(rows)
        each = {name: Costs(*(1e6 * seconds / max(timed, 1) for seconds in costs)) for name, costs in spent.items()}
        yield Tenth(done, new, **each, resident=resident("self"))


def _put(
    memory: TaskMemory, rows: Sequence[TokenIds], scores: Sequence[MadeUp], before: Sequence[TokenIds], done: int
) -> tuple[list[TokenIds], Costs]:
    """What a step does with its programs, those of the batch before looked up, too. Returns those that were unknown."""
    began = time.process_time()
    unknown = memory.unknown((*before, *rows), version=0)
    known = time.process_time()
    memory.remember(rows, scores)
    remembered = time.process_time()
    found = memory.batch(rows)
    memory.record(found, done)
    memory.novelty(found, POWER)
    return unknown, Costs((known - began) / 2, remembered - known, time.process_time() - remembered)


def lookups_table(count: int, config: Config) -> tuple[Table, str]:
    """A row for each tenth, and the end of it in words. count: 10 or more."""
    scorer, learning = config.scorer, config.learning
    tenths = list(fill(count, lambda: TaskMemory(scorer.memory_limit, learning.elites, learning.elites_per_niche)))
    headings = ("programs", "look-up, µs", "fresh", "remember, µs", "fresh", "record, µs", "fresh", "resident MiB")
    rows = [
        (
            f"{tenth.programs:,}",
            *(f"{us:.2f}" for pair in zip(tenth.old, tenth.fresh, strict=True) for us in pair),
            f"{tenth.resident:,.1f}",
        )
        for tenth in tenths
    ]
    first, last = tenths[0], tenths[-1]
    ratios = ", ".join(
        f"{name} {old / fresh:.2f}"
        for name, old, fresh in zip(("look-up", "remember", "record"), last.old, last.fresh, strict=True)
        if fresh
    )
    return Table(headings, rows, frozenset(headings)), (
        f"after {last.programs:,} programs, times a fresh memory's cost: {ratios}; resident "
        f"{last.resident - first.resident:+,.1f} MiB since the first tenth; {scorer.memory_limit:,} scores are kept"
    )
