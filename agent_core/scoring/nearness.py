"""How near one wrong answer is to the right one: a number by distance, texts and lists by what they share."""

from typing import Any

from agent_core.scoring.similarity import bag_similarity, edit_similarity, prefix_similarity
from agent_core.tasks.values import as_text, is_number

MISSED = 0.95  # of the way to exact, the most that a near miss makes
_WRONG_TYPE = 0.5  # 1.0 where 1 is expected is half as near


def nearness(got: Any, right: Any, scale: float, loose: bool) -> float:
    """How near a wrong answer is to the right one, in [0, 1): half as near at `scale`; 0 where one is no number."""
    kinds = type(got), type(right)
    if kinds == (bool, bool) or not (is_number(got) and is_number(right)):
        return 0.0
    alike = kinds[0] is kinds[1] or (loose and bool not in kinds)
    return MISSED * scale / (scale + abs(got - right)) * (1.0 if alike else _WRONG_TYPE)


def likeness(got: Any, right: Any, scale: float, loose: bool) -> tuple[float, float, float]:
    """Of one wrong answer: how near, the share of the right elements, the share of the right beginning.

    Texts and lists by edits, elements and beginning; of other things only the type counts for the last two.
    """
    kind = type(right)
    if type(got) is not kind or (kind is not str and kind is not list):
        typed = float(same_type(got, right, loose))
        return nearness(got, right, scale, loose), typed, typed
    if len(got) > 10 * len(right) + 100:  # has nothing in common but by sheer mass
        return 0.0, 0.0, 0.0
    a, b = (got, right) if kind is str else (_keys(got), _keys(right))
    return MISSED * edit_similarity(a, b), bag_similarity(a, b), prefix_similarity(a, b)


def _keys(items: list) -> list:
    """What stands for the items when they are compared: hashable, and with `True` another than `1`."""
    return [item if type(item) is int else as_text(item) for item in items]


def same_type(got: Any, right: Any, loose: bool) -> bool:
    """Whether the types are the same; loose: 1 and 1.0 are of one type."""
    return type(got) is type(right) or (loose and {type(got), type(right)} == {int, float})


def size(value: Any) -> float:
    """How long a text, list or dictionary is; 0 for all else."""
    return float(len(value)) if isinstance(value, str | list | dict) else 0.0
