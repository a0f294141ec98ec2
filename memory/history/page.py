"""The page of a report: one HTML file that holds all it shows and loads nothing.

Rollouts, names and settings are hostile text: whatever comes from a run's folder is escaped, and the page forbids
scripts and loading to the browser besides.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from memory.history.abilities import abilities_section, play_section, tasks_section
from memory.history.charts import colour, draw, letter, on_log_scale
from memory.history.elements import figure, key, table
from memory.history.highlight import highlight
from memory.history.many_folder import ManyFolder
from memory.history.panels import PANELS
from memory.history.run_folder import RunFolder
from memory.history.run_log import BestRecord
from memory.history.wording import duration, listed, plain, shown

STYLE = Path(__file__).with_name("page.css")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
TOLD_ANYWAY = ("run.task", "run.seed", "paths.model_state", "paths.optimizer_state", "paths.run_state", "paths.runs")


def make_page(
    runs: Sequence[RunFolder],
    notes: Sequence[str] = (),
    many: Sequence[ManyFolder] = (),
    abilities: Mapping[str, Any] | None = None,
) -> str:
    """The whole file.

    runs: of tasks or of play; notes: what else there is to say, a line each; many: runs of many tasks; abilities: what
    a mind can do.
    """
    plays, of_tasks = [run for run in runs if run.is_play], [run for run in runs if not run.is_play]
    kinds = [*dict.fromkeys(run.task for run in runs), *(["many tasks"] if many else [])]
    count = len(runs) + len(many)
    title = f"{count} run{'s' if count > 1 else ''} of {listed(kinds)}"
    solved = sum(run.solved_at is not None for run in of_tasks)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>AltLAS: {escape(title)}</title>",
            f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>",
            "</head>",
            "<body>",
            f"<h1>{escape(title)}</h1>",
            *([f"<p>{solved} of {len(of_tasks)} solved.</p>"] if of_tasks else []),
            *(f"<p>{escape(note)}</p>" for note in notes),
            *(_tasks(of_tasks) if of_tasks else []),
            tasks_section(of_tasks, many),
            play_section(plays),
            abilities_section(abilities or {}),
            "</body>",
            "</html>",
            "",
        ]
    )


def _tasks(runs: Sequence[RunFolder]) -> list[str]:
    """All that is told of runs of a task each."""
    differing = differences(runs)
    panels = [(panel, svg) for panel in PANELS if (svg := draw(panel, runs))]
    scale = ", on a log scale" if on_log_scale(runs) else ""
    marks = "A dot is a new best program: point at it to see it, click to find it below. "
    if any(run.restarts for run in runs):
        marks += "A tick at the bottom is a restart with fresh weights. "
    return [
        _runs_table(runs),
        _settings_table(runs, differing),
        f"<h2>Learning curves</h2>\n<p>Over attempts{scale}. {marks}</p>",
        _legend(runs, differing),
        '<div class="panels">',
        *(figure(panel, svg) for panel, svg in panels),
        "</div>",
        "<h2>Best programs</h2>",
        *(_run(run, index, differing) for index, run in enumerate(runs)),
    ]


def differences(runs: Sequence[RunFolder]) -> dict[str, str]:
    """The settings, as section.key, that are not the same in all runs that know them, or changed within one.

    With each goes its usual course through a run, as `_course` writes it. Task and seed are told anyway, and where a
    run left its files makes no difference to it.
    """
    differing = {}
    for name in dict.fromkeys(name for run in runs for _, settings in run.settings for name in settings):
        courses = Counter(_course(run, name) for run in runs if run.setting(name))
        changed = any(len(run.setting(name)) > 1 for run in runs)
        if (len(courses) > 1 or changed) and name not in TOLD_ANYWAY:
            differing[name] = courses.most_common(1)[0][0]
    return differing


def _course(run: RunFolder, name: str) -> str:
    """The values that a setting had in a run, one after the other; most often there is one."""
    return " \u2192 ".join(shown(value) for _, value in run.setting(name))


def _seed(run: RunFolder) -> str:
    """Empty where it is not known."""
    return _course(run, "run.seed") or str(run.result.get("seed", ""))


def _runs_table(runs: Sequence[RunFolder]) -> str:
    """A row a run: what it is, and how it went."""
    rows = []
    for index, run in enumerate(runs):
        last = run.last
        rows.append(
            [
                f'<a href="#{letter(index)}">{key(index)}</a>',
                escape(run.task),
                escape(_seed(run) or shown(None)),
                _outcome(run),
                f"{run.attempts:,}",
                duration(last.get("elapsed_seconds")),
                plain(last.get("attempts_per_second"), 0),
                plain(last.get("best_reward"), 3),
                plain(last.get("best_tokens"), 0),
                plain(last.get("restarts"), 0),
                escape(shown(run.result.get("device") if run.ended else None)),
            ]
        )
    return table(
        [
            "Run",
            "Task",
            "#Seed",
            "Outcome",
            "#Attempts",
            "#Time",
            "#Attempts/s",
            "#Best reward",
            "#Tokens",
            "#Restarts",
            "Device",
        ],
        rows,
    )


def _settings_table(runs: Sequence[RunFolder], differing: Mapping[str, str]) -> str:
    """A row a run: the settings in which the runs differ; nothing where there are none."""
    if not differing:
        return ""
    heads = [
        f"<small>{escape(section)}</small>{escape(key)}"
        for section, _, key in (name.partition(".") for name in differing)
    ]
    rows = [[key(index), *(_setting(run, *one) for one in differing.items())] for index, run in enumerate(runs)]
    return "<h3>Settings that differ</h3>\n" + table(["Run", *heads], rows)


def _outcome(run: RunFolder) -> str:
    if run.solved_at is not None:
        return f"solved at {run.solved_at:,}"
    return "not solved" if run.ended else "no result yet"


def _setting(run: RunFolder, name: str, usual: str) -> str:
    """Its value in this run, and since when where it was changed; bold where it is not the usual one of these runs."""
    first, *later = run.setting(name) or [(0, None)]
    lines = [shown(first[1]), *(f"{shown(value)} from {attempts:,}" for attempts, value in later)]
    text = "<br>".join(map(escape, lines))
    return text if _course(run, name) in ("", usual) else f"<b>{text}</b>"


def _label(run: RunFolder, differing: Mapping[str, str]) -> str:
    """A run in a few words: task, seed, and the settings that set it apart from most."""
    apart = [
        f"{escape(name.partition('.')[2])} <b>{escape(_course(run, name))}</b>"
        for name, usual in differing.items()
        if _course(run, name) not in ("", usual)
    ]
    seed = [f"seed {escape(_seed(run))}"] if _seed(run) else []
    return ", ".join([escape(run.task), *seed, *apart])


def _legend(runs: Sequence[RunFolder], differing: Mapping[str, str]) -> str:
    entries = [f"<li>{key(index)}<span>{_label(run, differing)}</span></li>" for index, run in enumerate(runs)]
    return f'<ul class="legend">{"".join(entries)}</ul>'


def _run(run: RunFolder, index: int, differing: Mapping[str, str]) -> str:
    """The best program of a run, and those that were the best before it, the first one first."""
    cards = [_card(one, index) for one in run.bests[:-1]]
    cards.insert(0, _card(run.bests[-1], index, " best") if run.bests else "<li>no program yet</li>")
    return "\n".join(
        [
            f'<section class="run" id="{letter(index)}">',
            f"<header>{key(index)}<h3>{_label(run, differing)}</h3>",
            f"<span>{_outcome(run)}</span><code>{escape(run.folder.name)}</code></header>",
            '<ol class="bests">',
            *cards,
            "</ol>",
            "</section>",
        ]
    )


def _card(best: BestRecord, index: int, also: str = "") -> str:
    edge = f' style="border-left-color: {colour(index)}"' if also else ""
    return (
        f'<li class="card{also}" id="{letter(index)}-{best.attempts}"{edge}>'
        f'<div class="when"><span>attempt {best.attempts:,}</span><span>reward {best.reward:.4g}</span></div>'
        f"<pre>{highlight(best.program)}</pre></li>"
    )
