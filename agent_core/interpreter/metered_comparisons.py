"""Comparisons, searches and look-ups that charge the step budget by the size of what they walk."""

from __future__ import annotations

import _ast as ast
import operator

from agent_core.interpreter.cpython_facts import BIG, NEVER_NAIVELY, SEARCHED_NAIVELY, WANTED_NAIVELY
from agent_core.interpreter.instrument import KEY, SIZED, operator_name
from agent_core.interpreter.meter import ELEMENTS, LETTERS, Meter, count
from agent_core.interpreter.metered_types import ITERATOR, VIEWS, Keys, Set

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_LONG = 8  # as a shift: texts of up to 256 letters are compared for nothing, longer ones cost a step for as many
_COMPARED_LETTERS = 10  # as a shift: comparisons of one letter with another that a step buys in a search
_HASHING = 16  # steps for what a dict may have to compare with many others
COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def search_steps(letters: int, wanted: int) -> int:
    """Steps for looking for a text of `wanted` letters in one of so many, at worst; see cpython_facts.py."""
    steps = letters >> LETTERS
    naive = letters < SEARCHED_NAIVELY or wanted < WANTED_NAIVELY and letters < NEVER_NAIVELY
    if naive and 1 < wanted < letters:
        steps += (letters - wanted) * wanted >> _COMPARED_LETTERS
    return steps


def metered_comparisons(meter: Meter) -> dict[str, Any]:
    """By the hidden names that the rewriting inserts, a function for each comparison, and those for operands."""
    key = metered_key(meter)
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
    equal = _compared(meter, operator.eq)

    def search_opened(item: Any, box: Any) -> bool:
        """What few programs search, after the kinds that many do."""
        kind = type(box)
        if kind is dict or kind is Set or kind is Keys:
            key(item)
        elif kind in VIEWS:
            charge(measure(box) >> ELEMENTS)
        elif kind is ITERATOR:
            for element in box:
                charge(1)
                if element is item or equal(element, item):
                    return True
            return False
        return item in box

    def search(item: Any, box: Any) -> bool:
        kind = type(box)
        if kind is list or kind is tuple:
            whole = type(item) is list or type(item) is tuple
            charge((measure(box) if whole else len(box)) >> ELEMENTS)
        elif kind is str:
            charge(search_steps(len(box), len(item)) if type(item) is str else 0)
        elif kind is range and type(item) is not int and type(item) is not bool:
            charge(count(box) >> ELEMENTS)
        else:
            return search_opened(item, box)
        return item in box

    return search


def metered_key(meter: Meter) -> Callable[[Any], Any]:
    charge, measure = meter.charge, meter.measure

    def key(value: Any) -> Any:
        """Charges for hashing, and for comparing with a key that is alike.

        Tuples are walked each time, large numbers can be made to collide, long texts are compared letter by letter.
        """
        if type(value) is tuple:
            charge(_HASHING + (measure(value) >> ELEMENTS))
        elif type(value) is str:
            charge(len(value) >> _LONG)
        elif isinstance(value, (int, float)) and not -BIG < value < BIG:
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
