"""Comparisons, searches and look-ups that charge the step budget by the size of what they walk."""

from __future__ import annotations

import _ast as ast
import operator

from agent_core.interpreter.cpython_facts import BIG
from agent_core.interpreter.instrument import KEY, SIZED, operator_name
from agent_core.interpreter.meter import ELEMENTS, LETTERS, Meter, count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_LONG = 8  # as a shift: texts of up to 256 letters are compared for nothing, longer ones cost a step for as many
_HASHING = 16  # steps for what a dict may have to compare with many others
COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def metered_comparisons(meter: Meter) -> dict[str, Any]:
    """By the hidden names that the rewriting inserts, a function for each comparison, and those for operands."""
    key = _key(meter)
    search = _search(meter, key)
    names: dict[str, Any] = {operator_name(kind): _compared(meter, compare) for kind, compare in COMPARISONS.items()}
    names |= {operator_name(ast.In): search, operator_name(ast.NotIn): lambda item, box: not search(item, box)}
    return names | {KEY: key, SIZED: _sized(meter)}


def _compared(meter: Meter, compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    charge, measure = meter.charge, meter.measure

    def check(a: Any, b: Any) -> bool:
        kind = type(a)
        if kind is str:
            if len(a) > 1 << _LONG and type(b) is str:
                charge(min(len(a), len(b)) >> _LONG)
        elif kind is not int and type(b) is kind and (kind is list or kind is tuple or kind is dict):
            charge(measure(a) + measure(b) >> ELEMENTS)
        return compare(a, b)

    return check


def _search(meter: Meter, key: Callable[[Any], Any]) -> Callable[[Any, Any], bool]:
    charge, measure = meter.charge, meter.measure

    def search(item: Any, box: Any) -> bool:
        kind = type(box)
        if kind is list or kind is tuple:
            whole = type(item) is list or type(item) is tuple
            charge((measure(box) if whole else len(box)) >> ELEMENTS)
        elif kind is str:
            charge(len(box) >> LETTERS)
        elif kind is range and type(item) is not int and type(item) is not bool:
            charge(count(box) >> ELEMENTS)
        elif kind is dict:
            key(item)
        return item in box

    return search


def _key(meter: Meter) -> Callable[[Any], Any]:
    charge, measure = meter.charge, meter.measure

    def key(value: Any) -> Any:
        """Charges for hashing: tuples are walked each time, and large numbers can be made to collide."""
        if type(value) is tuple:
            charge(_HASHING + (measure(value) >> ELEMENTS))
        elif type(value) is not str and isinstance(value, (int, float)) and not -BIG < value < BIG:
            charge(_HASHING)
        return value

    return key


def _sized(meter: Meter) -> Callable[[Any], Any]:
    charge, measure = meter.charge, meter.measure

    def sized(value: Any) -> Any:
        """Charges for one walk over the value, as an operand of a chain of comparisons."""
        if type(value) is range:
            charge(count(value) >> ELEMENTS)
        charge(measure(value) >> ELEMENTS)
        return value

    return sized
