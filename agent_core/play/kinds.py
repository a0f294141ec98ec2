"""The kinds of values that play gives to its programs, and how values of each are drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

_RANGES = ((0, 10), (-10, 10), (0, 30), (-100, 100), (1, 1_000), (-10_000, 10_000))
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DEPTH = 2  # lists in lists, and no deeper


@dataclass(frozen=True)
class Kind:
    """Values that are alike. `name` says everything: two kinds of one name draw the same values."""

    name: str
    draw: Callable[[Random], Any]
    element: "Kind | None" = None  # of a list, or a letter of a text


def draw_kind(random: Random, depth: int = 0) -> Kind:
    """A kind of number, truth value, text or list."""
    form = random.choices(("whole", "decimal", "truth", "text", "list"), (9, 1, 1, 5, 8 if depth < _DEPTH else 0))[0]
    if form == "whole":
        return _whole(*random.choice(_RANGES))
    if form == "decimal":
        return Kind("decimal", lambda draw: draw.randint(-200, 200) / draw.choice((2, 4, 10)))
    if form == "truth":
        return Kind("truth", lambda draw: draw.random() < 0.5)
    if form == "text":
        return _text(random)
    return _list(draw_kind(random, depth + 1), random.choice((4, 8, 12)) if depth == 0 else 4)


def common_kinds(random: Random) -> list[Kind]:
    """The kinds that most tasks are about, the simplest first: numbers, lists of them, texts, lists of these, and lists
    of lists."""
    number, text = _whole(*random.choice(_RANGES)), _text(random)
    longest = random.choice((4, 8, 12))
    return [number, _list(number, longest), text, _list(text, longest), _list(_list(number, 4), longest)]


def _whole(low: int, high: int) -> Kind:
    def draw(random: Random) -> int:
        near = random.random() < 0.3  # small numbers are met often, whatever the range
        return random.randint(max(low, -3), min(high, 3)) if near else random.randint(low, high)

    return Kind(f"whole {low} to {high}", draw)


def _text(random: Random) -> Kind:
    """Texts of a few letters of their own; some with spaces, digits or capitals among them."""
    letters = "".join(sorted(random.sample(_LETTERS, random.choice((2, 4, 10, 20)))))
    letters += random.choice(("", "", " ", " ", "0123456789", letters.upper()))
    longest = random.choice((3, 8, 14))
    letter = Kind(f"letter of {letters!r}", lambda draw: draw.choice(letters))

    def draw(draw: Random) -> str:
        return "".join(draw.choice(letters) for _ in range(draw.randint(0, longest)))

    return Kind(f"text of {letters!r} up to {longest}", draw, letter)


def _list(element: Kind, longest: int) -> Kind:
    def draw(random: Random) -> list:
        values = [element.draw(random) for _ in range(random.randint(0 if random.random() < 0.3 else 1, longest))]
        if values and random.random() < 0.2:  # repeated elements, which chance alone seldom gives
            values = [random.choice(values[:2]) for _ in values]
        if random.random() < 0.15:
            values.sort(key=lambda value: (len(value), str(value)) if isinstance(value, (str, list)) else value)
        return values

    return Kind(f"list up to {longest} of {element.name}", draw, element)
