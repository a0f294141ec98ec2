"""The tables of runs of many tasks, and what a mind can do, read back from run folders.

Like run_folder.py: the run may have been killed or go on, and what is damaged counts for nothing.
"""

import contextlib
import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TASKS = "tasks.csv"
ABILITIES = "abilities.json"


@dataclass(frozen=True)
class TaskRow:
    """A row of tasks.csv."""

    task: str
    solved_in: int | None
    again_in: int | None
    not_again_in: int | None
    tokens: int | None
    visits: int | None
    attempts: int | None
    best_reward: float | None
    program: str


@dataclass(frozen=True)
class ManyFolder:
    """A run of many tasks."""

    folder: Path
    rows: list[TaskRow]

    @property
    def solved(self) -> int:
        return sum(row.solved_in is not None for row in self.rows)


def read_many(folder: Path) -> ManyFolder | None:
    """None where it is no folder of a run of many tasks."""
    try:
        text = (folder / TASKS).read_bytes().decode(errors="replace")
    except OSError:
        return None
    rows: list[TaskRow] = []
    with contextlib.suppress(csv.Error):  # what is damaged, and what follows, counts for nothing
        rows.extend(map(_row, csv.DictReader(text.splitlines(keepends=True))))
    return ManyFolder(folder, rows)


def _row(fields: dict[str, Any]) -> TaskRow:
    def number(name: str) -> int | None:
        text = fields.get(name) or ""
        return int(text) if text.isdecimal() and len(text) < 20 else None

    try:
        share = float(fields.get("best_reward") or "nan")
    except ValueError:
        share = math.nan
    return TaskRow(
        task=fields.get("task") or "",
        solved_in=number("solved_in"),
        again_in=number("again_in"),
        not_again_in=number("not_again_in"),
        tokens=number("tokens"),
        visits=number("visits"),
        attempts=number("attempts"),
        best_reward=share if 0 <= share <= 1 else None,
        program=fields.get("program") or "",
    )


def read_abilities(folders: Sequence[Path]) -> dict[str, Any]:
    """What the mind can do that has most behind it, of those that these folders tell of; empty where none does."""
    found = [read for folder in folders if (read := _read(folder / ABILITIES))]
    return max(found, key=lambda each: (each["programs"], each["behaviours"]), default={})


def _read(path: Path) -> dict[str, Any]:
    """The file, if all in it is as it should be."""
    try:
        values = json.loads(path.read_bytes())
        whole = (
            isinstance(values["programs"] + values["behaviours"], int)
            and all(isinstance(text, str) for text in [*values["solved"], *values["lengths"]])
            and all(isinstance(name, str) and sum(counts) >= 0 for name, counts in values["constructs"])
            and all(isinstance(title, str) and all(map(_is_shown, shown)) for title, shown in values["shown"])
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return values if whole else {}


def _is_shown(value: Any) -> bool:
    return (
        isinstance(value["program"], str)
        and isinstance(value["tokens"], int)
        and all(isinstance(case, str) for case in value["cases"])
    )
