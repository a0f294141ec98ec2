"""Draws docs/architecture.png from the imports as they are: `python -m tests.draw_architecture`.

A layered drawing (Sugiyama, Tagawa and Toda 1981): a room stands right below the lowest of those that import it, an
arrow that passes a floor has a place of its own there, and of many orders on the floors the one with the shortest
arrows that cross least is taken. An arrow is left out where several others lead to the same room.
"""

import random
import textwrap
from collections.abc import Sequence
from itertools import combinations, pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch

from tests.architecture import ROOT, arrows, imports, room_of

PICTURE = ROOT / "docs" / "architecture.png"
COLOURS = {"agent_core/": "#d6e6f5", "memory/": "#dcefd5", "the root": "#eeeeee"}
BOX, PASSAGE, GAP = 3.0, 0.3, 0.3  # widths of a room and of the place of an arrow that passes; between two of them
HEIGHT, FLOOR = 1.7, 2.5  # of a room; from one floor to the next
TRIES = 300  # random orders to begin with
LETTERS = 25  # in a line of a room

Arrow = tuple[str, str]


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
    """The centre of each room and passage."""
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
    return {name: (x, height[name] * FLOOR) for name, x in best[1].items()}


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
    figure = Figure(figsize=(14, 12))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for way in ways:
        _draw_way(axes, [place[name] for name in way])
    for room, names in members.items():
        _draw_room(axes, room, names, place[room])
    entries = [Patch(facecolor=colour, edgecolor="black", label=f"in {name}") for name, colour in COLOURS.items()]
    axes.legend(handles=entries, loc="lower left", frameon=False, fontsize=11, title="an arrow: imports")
    axes.set_aspect("equal")
    axes.autoscale_view()
    return figure


def _draw_room(axes: Axes, room: str, names: Sequence[str], centre: tuple[float, float]) -> None:
    x, y = centre
    colour = COLOURS.get(f"{names[0].split('.')[0]}/", COLOURS["the root"])
    corner, shape = (x - BOX / 2, y - HEIGHT / 2), "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch(corner, BOX, HEIGHT, shape, facecolor=colour, edgecolor="black"))
    parts = [name.split(".") for name in names]
    inside = sorted({part[-1] if len(part) < 4 else f"{part[2]}/" for part in parts})  # a folder in a room, as such
    style = {"ha": "center", "va": "center"}
    if inside == [room]:
        axes.text(x, y, f"{room}.py", fontsize=12, fontweight="bold", **style)
        return
    axes.text(x, y + HEIGHT / 2 - 0.25, room, fontsize=12, fontweight="bold", **style)
    axes.text(x, y - 0.2, textwrap.fill("  ".join(inside), LETTERS, break_long_words=False), fontsize=8.5, **style)


def _draw_way(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """A line from the lower edge of the first room to the upper edge of the last, through the passages."""
    (x, y), *passages, (to_x, to_y) = points
    corners = [(x, y - HEIGHT / 2)]
    for passage_x, passage_y in passages:
        corners += [(passage_x, passage_y + HEIGHT / 2), (passage_x, passage_y - HEIGHT / 2)]
    corners.append((to_x, to_y + HEIGHT / 2 + 0.02))
    axes.plot(*zip(*corners[:-1], strict=True), color="#555555", linewidth=1.2)
    arrow = {"arrowstyle": "-|>", "color": "#555555", "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", corners[-1], corners[-2], arrowprops=arrow)


if __name__ == "__main__":
    now = imports()
    picture(now).savefig(PICTURE, dpi=100, bbox_inches="tight", metadata={"Comment": facts(now)})
