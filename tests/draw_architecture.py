"""Draws docs/architecture.png from the imports, and writes the table beside it: `python -m tests.draw_architecture`.

A layered drawing (Sugiyama, Tagawa and Toda 1981): a room stands right below the lowest of those that import it, an
arrow that passes a floor has a place of its own there, and of many orders on the floors the one with the shortest
arrows that cross least is taken. An arrow is left out where several others lead to the same room.
"""

import random
import re
import textwrap
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch

from tests.architecture import MAY_IMPORT, ROOT, arrows, imports, room_of

PICTURE = ROOT / "docs" / "architecture.png"
PAGE = ROOT / "docs" / "architecture.md"
COLOURS = {"agent_core/": "#d6e6f5", "memory/": "#dcefd5", "the root": "#eeeeee"}
BOX, PASSAGE, GAP = 3.4, 0.3, 0.3  # widths of a room and of the place of an arrow that passes; between two of them
HEADING, LINE, BETWEEN = 0.7, 0.22, 0.8  # heights of a room without its lines, of a line, between two floors
INCHES = 0.7  # of such a unit
TRIES = 300  # random orders to begin with
LETTERS = 32  # in a line of a room

Arrow = tuple[str, str]


class Spot(NamedTuple):
    """The place of a room or a passage: its middle, its lower and its upper edge."""

    x: float
    bottom: float
    top: float


def without_detours(between: dict[str, set[str]]) -> list[Arrow]:
    """The arrows for which no way of several arrows stands (the transitive reduction)."""

    def reach(room: str) -> set[str]:
        return between[room].union(*map(reach, between[room]))

    return [
        (room, other)
        for room, others in sorted(between.items())
        for other in sorted(others)
        if not any(other in reach(through) for through in others - {other})
    ]


def floors(rooms: Sequence[str], edges: Sequence[Arrow]) -> dict[str, int]:
    """The floor of each room, 0 the lowest: right below the lowest of those that import it."""
    depth: dict[str, int] = {}

    def down(room: str) -> int:
        if room not in depth:
            depth[room] = 1 + max((down(above) for above, below in edges if below == room), default=-1)
        return depth[room]

    lowest = max(map(down, rooms))
    return {room: lowest - depth[room] for room in rooms}


def ways_of(floor: dict[str, int], edges: Sequence[Arrow]) -> list[list[str]]:
    """Each arrow as its room, a passage on each floor that it passes, and the room that it leads to."""
    return [
        [above, *(f"{passed} to {below}" for passed in range(floor[above] - 1, floor[below], -1)), below]
        for above, below in edges  # arrows to the same room share their passages
    ]


def arrange(floor: dict[str, int], ways: Sequence[Sequence[str]]) -> dict[str, tuple[float, float]]:
    """Where the middle of each room and passage is, and on which floor."""
    height = {name: floor[way[0]] - step for way in ways for step, name in enumerate(way)} | floor
    links = sorted({link for way in ways for link in pairwise(way)})
    standing = [sorted(name for name in height if height[name] == y) for y in range(max(height.values()) + 1)]
    chance, best = random.Random(0), (float("inf"), {})
    for _ in range(TRIES):
        for names in standing:
            chance.shuffle(names)
        x = _spread(standing)
        for _ in range(8):
            for names in standing:
                near = {name: [x[a if b == name else b] for a, b in links if name in (a, b)] for name in names}
                names.sort(key=lambda name: sum(near[name]) / len(near[name]) if near[name] else x[name])
                x |= _spread([names])
        best = min(best, (_cost(x, height, links), dict(x)), key=lambda found: found[0])
    return {name: (x, height[name]) for name, x in best[1].items()}


def _spread(standing: Sequence[Sequence[str]]) -> dict[str, float]:
    """Side by side on each floor, the middle at 0."""
    x = {}
    for names in standing:
        widths = [PASSAGE if " to " in name else BOX for name in names]
        left = -(sum(widths) + GAP * (len(widths) - 1)) / 2
        for name, width in zip(names, widths, strict=True):
            x[name] = left + width / 2
            left += width + GAP
    return x


def _cost(x: dict[str, float], height: dict[str, int], links: Sequence[Arrow]) -> float:
    """Thirty for two arrows that cross, and how far all of them lead aside."""
    crossings = sum(
        height[a] == height[c] and (x[a] - x[c]) * (x[b] - x[d]) < 0 for (a, b), (c, d) in combinations(links, 2)
    )
    return 30 * crossings + sum(abs(x[a] - x[b]) for a, b in links)


def facts(found: dict[str, set[str]]) -> str:
    """What the picture shows, as text: it is kept inside the file, which tells when the picture is out of date."""
    rooms = sorted(f"{room_of(module)}/{module}" for module in found)
    return " ".join([*rooms, *(f"{above}>{below}" for above, below in without_detours(arrows(found)))])


def picture(found: dict[str, set[str]]) -> Figure:
    """found: which module imports which, as `imports` gives it."""
    between, members = arrows(found), {}
    for module in found:
        members.setdefault(room_of(module), []).append(module)
    edges = without_detours(between)
    floor = floors(sorted(between), edges)
    ways = ways_of(floor, edges)
    place = arrange(floor, ways)
    lines = {
        room: textwrap.wrap("  ".join(inside(names)), LETTERS, break_long_words=False) if names != [room] else []
        for room, names in members.items()
    }
    high = [HEADING + LINE * max(len(lines[room]) for room in floor if floor[room] == y) for y in set(floor.values())]
    middle = [sum(high[:y]) + y * BETWEEN + high[y] / 2 for y in range(len(high))]
    xs = [x for x, _ in place.values()]
    left, wide, tall = min(xs) - BOX / 2 - GAP, max(xs) - min(xs) + BOX + 2 * GAP, middle[-1] + high[-1] / 2 + GAP
    figure = Figure(figsize=(wide * INCHES, tall * INCHES))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(left, left + wide), ylim=(-GAP, tall))
    axes.set_axis_off()
    spots = {name: Spot(x, middle[y] - high[y] / 2, middle[y] + high[y] / 2) for name, (x, y) in place.items()}
    for way in ways:
        _draw_way(axes, [spots[name] for name in way])
    for room, names in members.items():
        _draw_room(axes, room, names[0].split(".")[0], lines[room], spots[room])
    entries = [Patch(facecolor=colour, edgecolor="black", label=f"in {name}") for name, colour in COLOURS.items()]
    axes.legend(handles=entries, loc="lower left", frameon=False, fontsize=11, title="an arrow: imports")
    return figure


def inside(names: Sequence[str]) -> list[str]:
    """What a room shows of its modules: their own names, and of a folder in the room the folder."""
    parts = [name.split(".") for name in names]
    return sorted({part[-1] if len(part) < 4 else f"{part[2]}/" for part in parts})


def _draw_room(axes: Axes, room: str, folder: str, lines: Sequence[str], spot: Spot) -> None:
    corner, high, shape = (spot.x - BOX / 2, spot.bottom), spot.top - spot.bottom, "round,pad=0,rounding_size=0.08"
    colour = COLOURS.get(f"{folder}/", COLOURS["the root"])
    axes.add_patch(FancyBboxPatch(corner, BOX, high, shape, facecolor=colour, edgecolor="black"))
    style = {"ha": "center", "va": "center"}
    if not lines:
        axes.text(spot.x, spot.bottom + high / 2, f"{room}.py", fontsize=12, fontweight="bold", **style)
        return
    axes.text(spot.x, spot.top - 0.25, room, fontsize=12, fontweight="bold", **style)
    axes.text(spot.x, spot.bottom + high / 2 - 0.2, "\n".join(lines), fontsize=8.5, **style)


def _draw_way(axes: Axes, spots: Sequence[Spot]) -> None:
    """A line from the lower edge of the first room to the upper edge of the last, through the passages."""
    first, *passages, last = spots
    corners = [(first.x, first.bottom)]
    for passage in passages:
        corners += [(passage.x, passage.top), (passage.x, passage.bottom)]
    corners.append((last.x, last.top + 0.02))
    axes.plot(*zip(*corners[:-1], strict=True), color="#555555", linewidth=1.2)
    arrow = {"arrowstyle": "-|>", "color": "#555555", "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", corners[-1], corners[-2], arrowprops=arrow)


def with_table(page: str) -> str:
    """The page with the last column of its table of rooms as tests/architecture.py has it."""
    for room, others in MAY_IMPORT.items():
        page = re.sub(rf"(?m)^(\| `{room}` \| .* \| )[^|]+ \|$", rf"\g<1>{', '.join(others) or 'nothing'} |", page)
    return page


if __name__ == "__main__":
    now = imports()
    picture(now).savefig(PICTURE, dpi=100, metadata={"Comment": facts(now)})
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
