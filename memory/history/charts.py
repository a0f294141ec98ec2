"""Learning curves of several runs laid over one another, each panel an SVG for the page to hold.

Drawn with Matplotlib, which is optional and takes a while to load: it is imported when there is something to draw, and
its figures are used without pyplot, which would keep them alive and look for a display. No text of a run comes into a
drawing: curves are named by letters, what depends on the reader's theme (ink, grid, paper) is a CSS variable, and the
same runs give the same bytes.
"""

import io
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy

from memory.history.panels import Panel
from memory.history.run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Paul Tol's "vibrant" scheme, which colour-blind readers can tell apart; each is seen on white and on black.
COLOURS = ("#0077bb", "#ee7733", "#009988", "#cc3311", "#33a7e0", "#ee3377", "#808890")
DASHES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))  # once the colours are used up
THEME = {"#010101": "var(--ink)", "#020202": "var(--quiet)", "#030303": "var(--line)", "#040404": "var(--paper)"}
INK, QUIET, LINE, PAPER = THEME
LOG_FROM = 20  # times longer than the shortest run is the longest, for attempts to be drawn on a log scale
APART = 5  # pixels between two marks, at the least


def letter(index: int) -> str:
    """A, B, ... Z, AA, AB, ...: what a run is called in the drawings."""
    return (letter(index // 26 - 1) if index >= 26 else "") + chr(ord("A") + index % 26)


def colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def on_log_scale(runs: Sequence[RunFolder]) -> bool:
    lengths = [run.attempts for run in runs]
    return max(lengths) > LOG_FROM * max(1, min(lengths))


def draw(panel: Panel, runs: Sequence[RunFolder]) -> str | None:
    """The panel as an SVG element; None where no run has this column."""
    if not any(panel.column in run.curves for run in runs):
        return None
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the reader's matplotlibrc says
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": panel.column,
                "svg.fonttype": "none",
                "font.size": 11,
                "axes.spines.top": False,
                "axes.spines.right": False,
            }
        )
        width, height = panel.size
        figure = Figure(figsize=(width / 72, height / 72), facecolor="none")  # a point is a pixel of the page
        left, right, bottom, top = 44, 26, 24, 8
        axes = figure.add_axes(
            (left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height),
            facecolor="none",
        )
        _set_scales(axes, panel, runs)
        for index, run in enumerate(runs):
            if panel.column in run.curves:
                _draw_run(axes, panel, run, index)
        _draw_restarts(axes, panel, runs)
        if not panel.share:
            axes.set_ylim(bottom=0)
        _name_curves(axes, panel, runs)
        file = io.StringIO()
        figure.savefig(
            file, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    tips = {
        f"{letter(i)}-{best.attempts}": f"run {letter(i)}, attempt {best.attempts:,}, reward {best.reward:.4g}\n"
        f"{best.program}"
        for i, run in enumerate(runs)
        for best in run.bests
    }
    return _for_a_page(file.getvalue(), f"{panel.title}: {panel.note}, over attempts", tips)


def _set_scales(axes: "Axes", panel: Panel, runs: Sequence[RunFolder]) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator, NullFormatter, PercentFormatter

    longest = max(run.attempts for run in runs)
    if on_log_scale(runs):
        axes.set_xscale("log")
        first = min([run.curves["attempts"][0] for run in runs])
        axes.set_xlim(max(1, first * 0.9), longest)
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, longest)
        axes.xaxis.set_major_locator(MaxNLocator(8 if panel.size[0] > 600 else 4))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_major_locator(MaxNLocator(5 if panel.size[0] > 600 else 4))
    if panel.share:
        axes.set_ylim(0, 1.04)
    if panel.percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="y", color=LINE, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", color=LINE, labelcolor=QUIET, length=0, pad=6)
    axes.tick_params(axis="x", which="major", length=4)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)


def _draw_run(axes: "Axes", panel: Panel, run: RunFolder, index: int) -> None:
    """A curve; on the best reward with the moments of the bests."""
    attempts, values = run.curves["attempts"], run.curves[panel.column]
    style: dict[str, Any] = {"color": colour(index)}
    dashes = DASHES[index // len(COLOURS) % len(DASHES)]
    line: dict[str, Any] = {"linestyle": dashes, "linewidth": 1.4, "solid_joinstyle": "round", **style}
    if panel.column == "best_reward":
        found = [best for best in run.bests if best.attempts <= run.attempts]
        attempts = numpy.append([best.attempts for best in found], attempts)
        order = numpy.argsort(attempts, kind="stable")  # the moment comes before the row that tells of it
        values = numpy.append([best.reward for best in found], values)[order]
        axes.plot(attempts[order], values, drawstyle="steps-post", **{**line, "linewidth": 2})
        if found:
            first = axes.get_xlim()[0]  # on a log scale not 0: what the first batch found is at the edge
            dots = axes.scatter(
                [max(first, best.attempts) for best in found],
                [best.reward for best in found],
                s=[100 if best.reward >= 1 else 42 for best in found],
                zorder=3,
                clip_on=False,
                edgecolor=PAPER,
                linewidth=1.2,
                **style,
            )
            dots.set_urls([f"#{letter(index)}-{best.attempts}" for best in found])
    else:
        axes.plot(attempts, values, **line)
        if panel.beside in run.curves:
            axes.plot(attempts, run.curves[panel.beside], **{**line, "linestyle": ":"})


def _draw_restarts(axes: "Axes", panel: Panel, runs: Sequence[RunFolder]) -> None:
    """Ticks along the bottom, where the weights were made anew: those of several runs above one another."""
    restarted = [(index, run) for index, run in enumerate(runs) if run.restarts]
    for lane, (index, run) in enumerate(restarted):
        places = _apart(run.restarts, axes, panel.size[0] / APART)
        axes.plot(
            places,
            [0.04 + 0.12 * lane / len(restarted)] * len(places),
            "|",
            color=colour(index),
            markersize=9,
            markeredgewidth=2,
            clip_on=False,
            transform=axes.get_xaxis_transform(),
        )


def _apart(places: Sequence[int], axes: "Axes", room: float) -> numpy.ndarray:
    """Of these attempts, those that can be told apart where the axis has room for so many."""
    at = numpy.maximum(places, 1)  # a log scale has no 0
    on_axis = (axes.transData - axes.transAxes).transform(numpy.column_stack([at, numpy.ones(len(at))]))[:, 0]
    return at[numpy.unique((on_axis * room).round(), return_index=True)[1]]


def _name_curves(axes: "Axes", panel: Panel, runs: Sequence[RunFolder]) -> None:
    """A letter right of each curve's end, and a dot there; moved up or down where two would cover each other."""
    width, height = panel.size
    to_axes = axes.transData - axes.transAxes
    ends = []
    for index, run in enumerate(runs):
        values = run.curves.get(panel.column, numpy.array([]))
        if numpy.isfinite(values).any():
            at = numpy.flatnonzero(numpy.isfinite(values))[-1]
            x, y = to_axes.transform((run.curves["attempts"][at], values[at]))
            ends.append((x, y, index))
            if panel.column != "best_reward":  # where a dot is something else
                axes.plot(x, y, "o", transform=axes.transAxes, markersize=4, color=colour(index), clip_on=False)
    near, gap = 20 / width, 12 / (height - 32)  # of the panel's width and height
    placed: list[tuple[float, float]] = []
    for x, y, index in sorted(ends, key=lambda end: -abs(end[1] - 0.5)):  # from the edges inwards
        step = gap if y < 0.5 else -gap
        while any(abs(x - other_x) < near and abs(y - other_y) < gap * 0.99 for other_x, other_y in placed):
            y += step
        placed.append((x, y))
        axes.annotate(
            letter(index),
            (x, y),
            (8, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            va="center",
            color=colour(index),
            weight="bold",
            annotation_clip=False,
            parse_math=False,
        )


def _for_a_page(svg: str, label: str, tips: dict[str, str]) -> str:
    """The element alone, without what only a file of its own needs, in the page's fonts and colours."""
    svg = re.sub(r"<style.*?</style>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # the same in every panel, and nothing points there
    svg = re.sub(r" font-family: [^;\"]*;| target=\"_blank\"", "", svg)
    named = f'role="img" aria-label="{escape(label)}"'
    svg = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', lambda m: named, svg, count=1)
    for sentinel, variable in THEME.items():
        svg = svg.replace(sentinel, variable)
    return re.sub(r'<a xlink:href="#([\w-]+)">', lambda m: m[0] + f"<title>{escape(tips[m[1]])}</title>", svg)
