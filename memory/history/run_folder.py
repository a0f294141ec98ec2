"""One run's folder, read back: curves thinned out while they stream by, the history of bests, the result, the settings.

The run may have been killed at any instant, or still be going on: the last row may be half there, and result.json may
be missing or older than the rows. metrics.csv may be larger than memory; only means over 1,000 stretches of it stay.
"""

import codecs
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy

from memory.history.run_log import BestRecord, read_settings
from utils import UserError

POINTS = 1_000  # of a curve: more than a screen shows
CHUNK = 1 << 22  # bytes of metrics.csv that are looked at together
PER_BATCH = ("distinct_programs", "distinct_behaviours", "new_programs")  # counts, read as shares of their batch
LOOKED_AT = {"loss_own_examples", "loss_other_examples", "held_back_written"}  # of play; 0 until measured
COLUMNS = (
    "attempts",
    "mean_reward",
    "best_reward",
    "best_tokens",
    *PER_BATCH,
    "finished",
    "elites",
    "elite_reward",
    "restarts",
    "entropy",
    "elapsed_seconds",
    "attempts_per_second",
    "behaviours",
    "new_per_thousand",
    "new_per_thousand_policy",
    "new_per_thousand_mutation",
    "spread",
    "loss_own_examples",
    "loss_other_examples",
    "held_back_written",
)


@dataclass(frozen=True)
class RunFolder:
    """What there is to say about one run."""

    folder: Path
    curves: dict[str, numpy.ndarray]  # by column, (P,) each, with nan where no value was finite
    last: dict[str, float]  # the last whole row
    restarts: list[int]  # attempts at each
    bests: list[BestRecord]  # the oldest first
    result: dict[str, Any]  # result.json, or nothing
    settings: list[tuple[int, dict[str, Any]]]  # attempts from which they held, and each as "section.key"

    @property
    def task(self) -> str:
        return str(self.result.get("task") or re.sub(r"-\d{8}-\d{6}(-\d+)?$", "", self.folder.name))

    @property
    def is_play(self) -> bool:
        """Whether it has no task."""
        return "behaviours" in self.curves

    @property
    def attempts(self) -> int:
        return int(self.last["attempts"])

    @cached_property
    def solved_at(self) -> int | None:
        """Attempts until solved; None where it is not. Only what is solved earns 1."""
        if self.result.get("solved") is not True and not self.last.get("best_reward", 0) >= 1:
            return None
        return min((best.attempts for best in self.bests if best.reward >= 1), default=self.attempts)

    @property
    def ended(self) -> bool:
        """Whether result.json speaks of the last row: if not, the run was killed, or goes on."""
        return self.result.get("solved") is True or self.result.get("attempts") == self.attempts

    def setting(self, name: str) -> list[tuple[int, Any]]:
        """Its values, each with the attempts from which it held; nothing where that is not known."""
        values: list[tuple[int, Any]] = []
        for attempts, settings in self.settings:
            if name in settings and (not values or values[-1][1] != settings[name]):
                values.append((attempts, settings[name]))
        return values


def read_run(folder: Path) -> RunFolder:
    """Raises UserError for what is no run's folder, or has no rows yet."""
    curves, last, restarts = _read_metrics(folder / "metrics.csv")
    settings = [
        (
            entry["attempts"],
            {f"{section}.{key}": value for section, values in entry["config"].items() for key, value in values.items()},
        )
        for entry in read_settings(folder)
    ]
    return RunFolder(folder, curves, last, restarts, _read_bests(folder / "best.py"), _read_result(folder), settings)


def _read_metrics(path: Path) -> tuple[dict[str, numpy.ndarray], dict[str, float], list[int]]:
    """Curves, the last whole row, and the attempts at which weights were made anew."""
    try:
        with open(path, "rb") as file:
            header = file.readline().removeprefix(codecs.BOM_UTF8)
            start = file.tell()
            rows = sum(block.count(b"\n") for block in iter(lambda: file.read(CHUNK), b""))
            fields = header.decode(errors="replace").strip().split(",")
            if header.endswith(b"\n") and "attempts" not in fields:
                raise UserError(f"{path} has no column attempts; name a run's folder, as memory/runs/<task>-<time>")
            names = [name for name in COLUMNS if name in fields]
            thinned = _Thinned(names, rows)
            file.seek(start)
            while lines := file.readlines(CHUNK):
                thinned.add(_numbers(lines, [fields.index(name) for name in names], len(fields)))
    except (FileNotFoundError, NotADirectoryError):
        what = "is not a run's folder: it has no metrics.csv" if path.parent.is_dir() else "is not there"
        raise UserError(f"{path.parent} {what}; name one like memory/runs/<task>-<time>") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; make it readable, or name another run") from None
    if not thinned.seen:
        raise UserError(f"{path} has no rows yet; wait for the run's first step, or name another run")
    return thinned.curves(), thinned.last, thinned.restarts


def _numbers(lines: Sequence[bytes], columns: Sequence[int], width: int) -> numpy.ndarray:
    """The chosen columns of the whole rows, (R, N); what is no number is nan, and a damaged row is left out."""
    lines = [line for line in lines if line.endswith(b"\n") and line.strip()]  # the last one may be half there
    if not lines:
        return numpy.empty((0, len(columns)))
    try:
        table = numpy.loadtxt(lines, delimiter=",", usecols=columns, ndmin=2, comments=None)
    except ValueError:
        rows = [line.decode(errors="replace").split(",") for line in lines]
        table = numpy.array([[_number(row[column]) for column in columns] for row in rows if len(row) == width])
        table = table.reshape(-1, len(columns))
    return table[numpy.isfinite(table[:, 0])]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


class _Thinned:
    """Means over stretches of equally many rows, gathered a table at a time; the first column is the attempts."""

    def __init__(self, names: Sequence[str], rows: int):
        self.seen = 0
        self.last: dict[str, float] = {}
        self.restarts: list[int] = []
        self._names, self._batch = names, 0.0
        self._stretch = max(1, -(-rows // POINTS))
        shape = (max(1, -(-rows // self._stretch)), len(names))
        self._sums, self._counts = numpy.zeros(shape), numpy.zeros(shape)

    def add(self, table: numpy.ndarray) -> None:
        """table: (R, N), the rows that come next."""
        if not len(table):
            return
        column = {name: table[:, index] for index, name in enumerate(self._names)}
        batch = numpy.diff(column["attempts"], prepend=self.last.get("attempts", 0))
        whole = batch >= numpy.append(self._batch, batch[:-1])  # the last one of a run may be a small rest
        self._batch = batch[-1]
        if "restarts" in column:
            anew = numpy.diff(column["restarts"], prepend=self.last.get("restarts", 0)) > 0
            self.restarts += [int(at) for at in (column["attempts"] - batch)[anew]]
        if "loss_other_examples" in column:
            unmeasured = column["loss_other_examples"] == 0
            for name in LOOKED_AT & column.keys():
                column[name][unmeasured] = numpy.nan
        self.last = {name: float(values[-1]) for name, values in column.items()}
        for name in PER_BATCH:
            if name in column:
                column[name] /= numpy.where(whole & (batch > 0), batch, numpy.nan)
        if "elites" in column and "elite_reward" in column:
            column["elite_reward"][column["elites"] == 0] = numpy.nan
        # a run that is going on may have more rows now than were counted: they belong to the last stretch
        at = numpy.minimum((self.seen + numpy.arange(len(table))) // self._stretch, len(self._sums) - 1)
        finite = numpy.isfinite(table)
        numpy.add.at(self._sums, at, numpy.where(finite, table, 0))
        numpy.add.at(self._counts, at, finite)
        self.seen += len(table)

    def curves(self) -> dict[str, numpy.ndarray]:
        with numpy.errstate(invalid="ignore"):  # 0 / 0 is nan, as it should be
            means = self._sums / self._counts
        means = means[self._counts[:, 0] > 0]
        return dict(zip(self._names, means.T, strict=True))


def _read_bests(path: Path) -> list[BestRecord]:
    """The history in best.py, oldest first. Below the first program, every line but the headings is indented."""
    try:
        text = path.read_bytes().decode(errors="replace")
    except OSError:
        return []
    parts = re.split(r"\n\n# attempt (\d{1,3}(?:_\d{3}){0,5}), reward (\d\.\d{4})(?=\n)", text)[1:]
    bests: list[BestRecord] = []
    for attempts, reward, program in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        lines = program.strip("\n").split("\n")
        program = "\n".join(line.removeprefix("#     ") if bests else line for line in lines)
        bests.append(BestRecord(int(attempts), float(reward), program))
    return bests[::-1]


def _read_result(folder: Path) -> dict[str, Any]:
    try:
        result = json.loads((folder / "result.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return result if isinstance(result, dict) else {}
