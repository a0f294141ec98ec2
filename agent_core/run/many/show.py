"""What a run of many tasks says, and the tables that it leaves."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from agent_core.run.many.schedule import Standing, repeated, total
from agent_core.run.many.state import VisitRow
from memory.history.many_folder import TASKS
from utils import counted, write_atomically

VISITS = "visits.csv"
_HEADS = ("task", "solved in", "again in", "tokens", "visits", "attempts", "best reward")
COLUMNS = (
    "task",
    "solved_in",
    "again_in",
    "not_again_in",
    "times_again",
    "tokens",
    "visits",
    "attempts",
    "best_reward",
    "program",
)


def visit_line(row: VisitRow, standing: Standing, standings: Mapping[str, Standing]) -> str:
    """How a visit went. standing: of its task; standings: of all tasks."""
    if row.again:
        how = "solved again in" if row.solved_at else "not solved again in"
        how += f" {counted(row.solved_at or row.attempts, 'attempt')}"
        return f"{row.task}: {how}, after {standing.solved_at:,} at first; {row.total:,} attempts in all"
    if row.solved_at:
        how = f"solved in {counted(row.solved_at, 'attempt')}, {standing.tokens} tokens"
    else:
        how = f"not solved in {standing.attempts:,} attempts, best reward {row.best_reward:.3f}"
    return f"{row.task}: {how}; {_solved(standings)} of {len(standings)} solved, {row.total:,} attempts in all"


def table(standings: Mapping[str, Standing]) -> list[str]:
    """A line a task, and one for all."""
    rows = [_HEADS, *(_cells(name, standing) for name, standing in standings.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *numbers]))
    return [*lines, summary(standings), *remembered(standings)]


def remembered(standings: Mapping[str, Standing]) -> list[str]:
    """How solving again went in all, in a line; nothing where it was not tried."""
    tried = [(each.again[-1].solved_at, each.solved_at) for each in standings.values() if each.again and each.solved_at]
    if not tried:
        return []
    times = [again / first for again, first in tried if again is not None]
    median_times = f", in a median of {median(times):.2f} times the attempts that they took at first" if times else ""
    return [f"{len(times)} of {len(tried)} solved again from the mind{median_times}"]


def summary(standings: Mapping[str, Standing]) -> str:
    """All tasks in a line."""
    again = f", {repeated(standings):,} of them to solve again" if repeated(standings) else ""
    return f"{_solved(standings)} of {len(standings)} tasks solved in {total(standings):,} attempts{again}"


def _solved(standings: Mapping[str, Standing]) -> int:
    return sum(each.solved_at is not None for each in standings.values())


def write_tables(folder: Path, standings: Mapping[str, Standing], visits: Sequence[VisitRow]) -> None:
    """tasks.csv and visits.csv: all of it follows from the seed alone."""
    rows = [_figures(name, standing) for name, standing in standings.items()]
    write_atomically(folder / TASKS, _csv(COLUMNS, rows))
    write_atomically(folder / VISITS, _csv(VisitRow._fields, visits))


def _figures(name: str, standing: Standing) -> list[Any]:
    """What `COLUMNS` names; None for what there is not."""
    last = standing.again[-1] if standing.again else None
    return [
        name,
        standing.solved_at,
        last and last.solved_at,
        last.attempts if last and last.solved_at is None else None,
        len(standing.again),
        standing.tokens,
        standing.visits,
        standing.attempts,
        standing.best_reward,
        standing.program,
    ]


def _cells(name: str, standing: Standing) -> tuple[str, ...]:
    """What `_HEADS` names, as it is shown."""
    again = _text(standing.again[-1].solved_at) if standing.again else _text(None)
    if standing.again and standing.again[-1].solved_at is None:
        again = f"not in {standing.again[-1].attempts:,}"
    counts = standing.tokens, standing.visits, standing.attempts
    return name, _text(standing.solved_at), again, *map(_text, counts), f"{standing.best_reward:.3f}"


def _text(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _csv(heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(list(heads))
    writer.writerows(list(row) for row in rows)
    return text.getvalue().encode(errors="backslashreplace")
