"""The sections of a report that tell of play: how it grew, what it can do, which tasks it has solved."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from memory.history.charts import draw, on_log_scale
from memory.history.elements import figure, key, table
from memory.history.highlight import highlight
from memory.history.many_folder import ManyFolder, TaskRow
from memory.history.panels import PLAY_PANELS
from memory.history.run_folder import RunFolder
from memory.history.wording import duration, plain, shown


def play_section(runs: Sequence[RunFolder]) -> str:
    """How play grew, over the programs that it wrote."""
    if not runs:
        return ""
    rows = [
        [
            key(index),
            escape(str(run.result.get("seed", shown(None)))),
            f"{run.attempts:,}",
            duration(run.last.get("elapsed_seconds")),
            plain(run.last.get("attempts_per_second"), 0),
            plain(run.last.get("behaviours"), 0),
            plain(run.last.get("new_per_thousand"), 1),
            _percent(run.last.get("held_back_written")),
        ]
        for index, run in enumerate(runs)
    ]
    heads = ["Run", "#Seed", "#Programs", "#Time", "#Programs/s", "#Behaviours", "#New of 1,000", "#Held back, written"]
    scale = ", on a log scale" if on_log_scale(runs) else ""
    panels = [(panel, svg) for panel in PLAY_PANELS if (svg := draw(panel, runs))]
    return "\n".join(
        [
            f"<h2>Play</h2>\n<p>No task: it asks itself. Over programs{scale}.</p>",
            table(heads, rows),
            '<div class="panels">',
            *(figure(panel, svg) for panel, svg in panels),
            "</div>",
        ]
    )


def abilities_section(abilities: Mapping[str, Any]) -> str:
    """What a mind can do, as `summary_of` in agent_core/play/summary.py has it."""
    if not abilities:
        return ""
    most = max((count for _, counts in abilities["constructs"] for count in counts), default=0)
    columns = list(zip(abilities["lengths"], *(counts for _, counts in abilities["constructs"]), strict=False))
    filled = [place for place, (_, *counts) in enumerate(columns) if any(counts)]
    rows = [
        [escape(name), f"{sum(counts):,}", *(_shaded(counts[place], most) for place in filled)]
        for name, counts in abilities["constructs"]
    ]
    heads = ["A program with", "#Behaviours", *(f"#{escape(abilities['lengths'][place])}" for place in filled)]
    return "\n".join(
        [
            "<h2>What it can do</h2>",
            f"<p>{abilities['behaviours']:,} behaviours, each with the shortest program that is known for it, after "
            f"{abilities['programs']:,} programs of play. By what the program is made of, and by its tokens:</p>",
            table(heads, rows),
            *(_cards(title, programs) for title, programs in abilities["shown"] if programs),
        ]
    )


def tasks_section(runs: Sequence[RunFolder], many: Sequence[ManyFolder]) -> str:
    """The tasks of runs of many, and those of single runs that were solved."""
    parts = [_many_table(each) for each in many]
    solved = [run for run in runs if run.solved_at is not None and run.bests]
    if solved and parts:
        rows = [
            [
                escape(run.task),
                f"{run.solved_at:,}",
                plain(run.last.get("best_tokens"), 0),
                _code(run.bests[-1].program),
            ]
            for run in solved
        ]
        parts.append("<h3>Each in a run of its own</h3>\n" + table(["Task", "#Solved in", "#Tokens", "Program"], rows))
    return "\n".join(["<h2>Tasks</h2>", *parts]) if parts else ""


def _many_table(many: ManyFolder) -> str:
    """A row a task, the solved ones first, by the attempts that they took."""
    ordered = sorted(many.rows, key=lambda row: (row.solved_in is None, row.solved_in or 0))
    rows = [
        [
            escape(row.task),
            _number(row.solved_in),
            _again(row),
            _number(row.tokens),
            _number(row.visits),
            _number(row.attempts),
            plain(row.best_reward, 3),
            _code(row.program),
        ]
        for row in ordered
    ]
    heads = ["Task", "#Solved in", "#Again in", "#Tokens", "#Visits", "#Attempts", "#Best reward", "Program"]
    title = f"{escape(many.folder.name)}: {many.solved} of {len(many.rows)} solved"
    return f"<h3>{title}</h3>\n{table(heads, rows)}"


def _again(row: TaskRow) -> str:
    return f"not in {row.not_again_in:,}" if row.not_again_in is not None else _number(row.again_in)


def _number(value: int | None) -> str:
    return shown(None) if value is None else f"{value:,}"


def _percent(share: float | None) -> str:
    return shown(None) if share is None or share != share else f"{share:.0%}"


def _shaded(count: int, most: int) -> str:
    """The more behaviours, the darker, on a scale of their digits."""
    if not count:
        return ""
    strength = len(str(count)) / len(str(most))
    return f'<span class="cell" style="--strength: {strength:.2f}">{count:,}</span>'


def _cards(title: str, programs: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join([f"<h3>{escape(title)}</h3>", '<ol class="bests">', *map(_card, programs), "</ol>"])


def _card(shown_program: Mapping[str, Any]) -> str:
    cases = "\n".join(map(escape, shown_program["cases"]))
    return (
        f'<li class="card"><div class="when"><span>{shown_program["tokens"]} tokens</span></div>'
        f'<pre>{highlight(shown_program["program"])}</pre><pre class="cases">{cases}</pre></li>'
    )


def _code(program: str) -> str:
    return f"<pre>{highlight(program)}</pre>"
