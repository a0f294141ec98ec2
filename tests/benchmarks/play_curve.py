"""The curve of `play.py`: what minds can do, and how soon, after more and more programs of play."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

INK, COLOUR = "#333333", "#0077bb"


def written(found: Mapping[Any, Mapping[str, Any]]) -> dict[int, float]:
    """By size: how many tasks a mind writes right at least once in its samples, without any learning; the mean over
    minds. found: cells (see play.py) and what they hold."""
    tasks: dict[tuple[int, int], int] = defaultdict(int)
    for cell, entry in found.items():
        if cell.kind == "sampled" and not cell.left_out:
            tasks[cell.size, cell.mind] += entry["hits"] > 0
    return _mean_by_size((size, count) for (size, _), count in tasks.items())


def attempts(found: Mapping[Any, Mapping[str, Any]]) -> dict[int, float]:
    """By size: the geometric mean over tasks of the median attempts, of the tasks that were learned at every size."""
    runs: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for cell, entry in found.items():
        if cell.kind == "learned" and not cell.left_out:
            runs[cell.size][cell.task].append(entry["attempts"])
    shared = set.intersection(*map(set, runs.values())) if runs else set()
    if not shared:
        return {}
    logs = {size: [math.log(statistics.median(of[task])) for task in shared] for size, of in sorted(runs.items())}
    return {size: math.exp(statistics.fmean(values)) for size, values in logs.items()}


def draw(found: Mapping[Any, Mapping[str, Any]], path: Path) -> None:
    """Writes the curve as a picture."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    panels = (
        (left, written(found), "tasks written within 1,000 samples"),
        (right, attempts(found), "attempts to a solution, geometric mean"),
    )
    for axes, values, label in panels:
        axes.plot(list(values), list(values.values()), marker="o", color=COLOUR)
        axes.set_xlabel("programs of play")
        axes.set_title(label, fontsize=10, color=INK)
        axes.xaxis.set_major_formatter(FuncFormatter(_millions))
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(bottom=0)
    if any(right.lines[0].get_ydata()):
        right.set_ylim(bottom=1)
        right.set_yscale("log")
    figure.savefig(path, dpi=110)


def _mean_by_size(counts: Iterable[tuple[int, int]]) -> dict[int, float]:
    by_size: dict[int, list[int]] = defaultdict(list)
    for size, count in counts:
        by_size[size].append(count)
    return {size: statistics.fmean(values) for size, values in sorted(by_size.items())}


def _millions(value: float, _: object) -> str:
    return f"{value / 1e6:g} million" if value else "none"
