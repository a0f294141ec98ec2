"""Plain values, the only things that cross between a program and its verdict: when two are the same, and what a value
looks like as text that is the same in every process."""

import math
from typing import Any

_CONTAINERS = frozenset((list, tuple, dict, set, frozenset))
MOST_LEVELS, MOST_ITEMS = 20, 10_000  # of an answer; an element and a letter of a text are an item each
CLOSE = 1e-9  # two floats that are no further apart are the same, in proportion to their size where that is above 1
_BEYOND = 2**1000  # a name, because Python would compute it anew each time
_SIMPLE = frozenset((int, bool, float, str, type(None)))  # whose repr is the same in every process


def same(got: Any, expected: Any, tolerance: float | None = None) -> bool:
    """Whether `got` is the expected answer: same type, same value, floats within CLOSE.

    tolerance: numbers of either type are the same where they are no further apart, in proportion to the size of the
    larger one where that is above 1; from 0 to 1, CLOSE at least. `True` and `1` never are the same.
    """
    kind = type(expected)
    if type(got) is kind and (kind is int or kind is bool or kind is str):
        return got == expected or (kind is int and (tolerance or 0.0) > CLOSE and _close(got, expected, tolerance))
    if type(got) is not kind:
        return tolerance is not None and {type(got), kind} == {int, float} and _close(got, expected, tolerance)
    if kind is float:
        return _close(got, expected, tolerance)
    if kind is list or kind is tuple:
        return len(got) == len(expected) and all(same(a, b, tolerance) for a, b in zip(got, expected, strict=True))
    if kind is dict:
        return got.keys() == expected.keys() and all(same(got[key], expected[key], tolerance) for key in expected)
    return got == expected


def tolerance_of(numeric: str | float) -> float | None:
    """What `same` takes, for what a task file says: "exact", "loose" or a number."""
    return {"exact": None, "loose": CLOSE}[numeric] if isinstance(numeric, str) else numeric


def _close(got: float, expected: float, tolerance: float | None) -> bool:
    apart = max(tolerance or 0.0, CLOSE)
    try:
        return math.isclose(got, expected, rel_tol=apart, abs_tol=apart)
    except OverflowError:  # an integer beyond every float
        return False


def as_lists(value: Any) -> Any:
    """The same value with lists for tuples, at every depth; it must be small."""
    kind = type(value)
    if kind is list or kind is tuple:
        return [as_lists(item) for item in value]
    return {key: as_lists(item) for key, item in value.items()} if kind is dict else value


def is_small(value: Any) -> bool:
    """Whether it is shallow and small enough to be compared, hashed and shown without harm.

    A program of a few tokens makes a list a thousand levels deep, or one of two items forty times over.
    """
    if type(value) not in _CONTAINERS:
        return type(value) is not str or len(value) <= MOST_ITEMS
    level, seen = [value], 0
    for _ in range(MOST_LEVELS):
        below: list = []
        for item in level:
            if type(item) is dict:
                below += item.keys()
                below += item.values()
            elif type(item) in _CONTAINERS:
                below += item
            elif type(item) is str:
                seen += len(item)
            if seen + len(below) > MOST_ITEMS:
                return False
        seen += len(below)
        level = [item for item in below if type(item) is str or type(item) in _CONTAINERS]
        if not level:
            return True
    return False


def is_number(value: Any) -> bool:
    """Whether it is a finite number that fits a float; `True` counts as 1, as it does in Python's arithmetic."""
    kind = type(value)
    if kind is int:
        return -_BEYOND < value < _BEYOND
    return kind is bool or (kind is float and math.isfinite(value))


def as_text(value: Any) -> str:
    """Like `repr`, but for every plain value: sets in a fixed order, integers of any length."""
    kind = type(value)
    if kind is int:
        return str(value) if value.bit_length() < 10_000 else hex(value)  # str() refuses more than 4,300 digits
    if (kind is list or kind is tuple) and _SIMPLE.issuperset(map(type, value)):
        try:
            return repr(value)
        except ValueError:  # an integer too long for str()
            pass
    if kind is list:
        return f"[{', '.join(map(as_text, value))}]"
    if kind is tuple:
        return f"({', '.join(map(as_text, value))},)"
    if kind is dict:
        return f"{{{', '.join(f'{as_text(key)}: {as_text(item)}' for key, item in value.items())}}}"
    if kind is set or kind is frozenset:
        return f"{kind.__name__}({', '.join(sorted(map(as_text, value)))})"
    return repr(value)


def as_json(value: Any) -> Any:
    """The value as JSON can hold it; what JSON has no word for becomes text."""
    kind = type(value)
    if value is None or kind is bool or kind is str or (kind is float and math.isfinite(value)):
        return value
    if kind is int and value.bit_length() < 10_000:
        return value
    if kind is list or kind is tuple:
        return [as_json(item) for item in value]
    if kind is dict and all(type(key) is str for key in value):
        return {key: as_json(item) for key, item in value.items()}
    return as_text(value)
