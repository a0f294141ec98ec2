"""How near one wrong answer is to the right one: a number by distance, a text by what they share, a list by both."""

from collections.abc import Sequence
from typing import Any

from agent_core.scoring.similarity import bag_similarity, edit_similarity, prefix_similarity
from agent_core.tasks.values import as_text, is_number, same

MISSED = 0.95  # of the way to exact, the most that a near miss makes
_WRONG_TYPE = 0.5  # 1.0 where 1 is expected is half as near


def nearness(got: Any, right: Any, scale: float, tolerance: float | None) -> float:
    """How near a wrong answer is to the right one, in [0, 1): half as near at `scale`; 0 where one is no number."""
    kinds = type(got), type(right)
    if kinds == (bool, bool) or not (is_number(got) and is_number(right)):
        return 0.0
    alike = kinds[0] is kinds[1] or (tolerance is not None and bool not in kinds)
    return MISSED * scale / (scale + abs(got - right)) * (1.0 if alike else _WRONG_TYPE)


def likeness(got: Any, right: Any, scale: float, tolerance: float | None) -> tuple[float, float, float]:
    """Of one wrong answer: how near, the share of the right elements, the share of the right beginning.

    Texts and lists by edits, elements and beginning, a list also by how near each element is to that in its place; of
    other things only the type counts for the last two.
    """
    kind = type(right)
    if type(got) is not kind or (kind is not str and kind is not list):
        alike = float(_same_type(got, right, tolerance))
        return nearness(got, right, scale, tolerance), alike, alike
    if len(got) > 10 * len(right) + 100:  # has nothing in common but by sheer mass
        return 0.0, 0.0, 0.0
    a, b = (got, right) if kind is str else (_keys(got), _keys(right))
    near = MISSED * edit_similarity(a, b)
    if kind is list:
        near = max(near, _by_place(got, right, scale, tolerance))
    return near, bag_similarity(a, b), prefix_similarity(a, b)


def _by_place(got: list, right: list, scale: float, tolerance: float | None) -> float:
    """The mean over the places of the longer list of how near the elements are, in [0, 1)."""
    pairs = zip(got, right, strict=False)
    near = sum(1.0 if same(a, b, tolerance) else likeness(a, b, scale, tolerance)[0] for a, b in pairs)
    return MISSED * near / max(len(got), len(right), 1)


def _keys(items: list) -> list:
    """What stands for the items when they are compared: hashable, and with `True` another than `1`."""
    return [item if type(item) is int else as_text(item) for item in items]


def typed(got: Any, right: Any, tolerance: float | None) -> float:
    """The share of the types that are right: of a list its own counts for one half, those of its elements by place for
    the other."""
    if not _same_type(got, right, tolerance):
        return 0.0
    if type(right) is not list or not right:
        return 1.0
    return 0.5 + 0.5 * sum(typed(a, b, tolerance) for a, b in zip(got, right, strict=False)) / max(len(got), len(right))


def partly_right(got: Any, right: Any, tolerance: float | None) -> tuple[bool, bool, bool]:
    """Whether a list or text is as long as the right one, begins as it does, and ends as it does.

    Of anything else, all is wrong.
    """
    if type(got) is not type(right) or type(right) not in (list, str):
        return False, False, False
    return len(got) == len(right), same(got[:1], right[:1], tolerance), same(got[-1:], right[-1:], tolerance)


def _same_type(got: Any, right: Any, tolerance: float | None) -> bool:
    """tolerance: 1 and 1.0 are of one type, unless it is None."""
    return type(got) is type(right) or (tolerance is not None and {type(got), type(right)} == {int, float})


def numbers_in(values: Sequence) -> list[int | float]:
    """All numbers among the values and in their lists, in order."""
    found: list[int | float] = []
    for value in values:
        if type(value) is list:
            found += numbers_in(value)
        elif is_number(value):
            found.append(value)
    return found


def size(value: Any) -> float:
    """How long a text, list or dictionary is; 0 for all else."""
    return float(len(value)) if isinstance(value, str | list | dict) else 0.0
