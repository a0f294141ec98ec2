"""The built-ins that programs see: each call is a step, and they charge more before C code loops.

None calls back: C code that calls into the program would use up the C stack. So there is no `key=`, and nothing is
lazy: `enumerate`, `zip` and `reversed` give lists.
"""

from __future__ import annotations

import _ast as ast
import builtins
from types import FunctionType

from agent_core.interpreter.instrument import ENTER, LEAVE, operator_name
from agent_core.interpreter.meter import CONTAINERS, ELEMENTS, LETTERS, OVERFLOW, Meter, count, text_of
from agent_core.interpreter.metered_methods import metered_methods
from agent_core.interpreter.metered_operators import metered_operators

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Names = dict[str, Any]

MOST_DIGITS = 399  # that round() may be asked for: beyond, it would build a power of ten as large as it likes


def metered_names(meter: Meter) -> Names:
    """Everything that a program can reach without defining it, by name."""
    operators = metered_operators(meter)
    paid = _paid(meter)
    names = _texts(meter) | _numbers(meter) | _order(meter, paid) | _sequences(meter, paid)
    names["sum"] = _sum(meter, operators[operator_name(ast.Add)])
    for name, function in names.items():
        if type(function) is FunctionType:
            function.__name__ = function.__qualname__ = name
    names["range"] = range
    return names | operators | metered_methods(meter) | {ENTER: meter.slots.pop, LEAVE: meter.slots.append}


def _paid(meter: Meter) -> Callable[[Any], Any]:
    charge, measure = meter.charge, meter.measure

    def paid(items: Any) -> Any:
        """The iterable, after charging for one pass over it."""
        meter.tick()
        kind = type(items)
        charge((measure(items) if kind in CONTAINERS else count(items)) >> ELEMENTS)
        return items

    return paid


def _texts(meter: Meter) -> Names:
    charge = meter.charge

    def show(*values: Any, sep: Any = " ", end: Any = "\n") -> None:
        meter.tick()
        if len(values) == 1:
            text = text_of(meter, values[0]) + ("\n" if end is None else end)
        else:
            texts = [text_of(meter, value) for value in values]
            text = (" " if sep is None else sep).join(texts) + ("\n" if end is None else end)
        charge(len(text) >> LETTERS)
        if meter.room < 0:
            charge(OVERFLOW)
            return
        meter.room -= len(text)
        meter.printed.append(text)

    def text(value: Any = "") -> str:
        meter.tick()
        return text_of(meter, value)

    return {"print": show, "str": text}


def _numbers(meter: Meter) -> Names:
    charge = meter.charge

    def integer(value: Any = 0, *base: Any) -> int:
        meter.tick()
        if type(value) is str:
            charge((len(value) // 7) ** 2 >> 7)
        return builtins.int(value, *base)

    def decimal(value: Any = 0.0) -> float:
        if type(value) is str:
            charge(len(value) >> LETTERS)
        return builtins.float(value)

    def rounded(value: Any, digits: Any = None) -> Any:
        if digits is not None and not -MOST_DIGITS <= digits <= MOST_DIGITS:
            raise ValueError(f"round() takes -{MOST_DIGITS} to {MOST_DIGITS} digits here")
        return builtins.round(value, digits)

    def true(value: Any = False) -> bool:
        return builtins.bool(value)

    return {"int": integer, "float": decimal, "round": rounded, "bool": true, "abs": builtins.abs}


def _sum(meter: Meter, add: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    charge = meter.charge
    numbers = {int, float, bool}

    def add_up(items: Any, start: Any = 0) -> Any:
        meter.tick()
        kind = type(items)
        if kind is range:
            charge(count(items) >> ELEMENTS)
            return builtins.sum(items, start)
        if kind is list or kind is tuple:
            charge(len(items) >> ELEMENTS)
            if numbers.issuperset(map(type, items)) and isinstance(start, (int, float)):
                return builtins.sum(items, start)
        if type(start) is str:
            raise TypeError("sum() can't sum strings [use ''.join(seq) instead]")
        for item in items:
            charge(1)
            start = add(start, item)
        return start

    return add_up


def _order(meter: Meter, paid: Callable[[Any], Any]) -> Names:
    charge, measure = meter.charge, meter.measure

    def smallest(*values: Any) -> Any:
        paid(values[0] if len(values) == 1 else values)
        return builtins.min(*values)

    def largest(*values: Any) -> Any:
        paid(values[0] if len(values) == 1 else values)
        return builtins.max(*values)

    def in_order(items: Any, /, *, reverse: Any = False) -> list:
        meter.tick()
        size = measure(items) if type(items) in CONTAINERS else count(items)
        charge(size * (size.bit_length() >> 1) >> ELEMENTS)
        return builtins.sorted(items, reverse=reverse)

    return {"min": smallest, "max": largest, "sorted": in_order}


def _sequences(meter: Meter, paid: Callable[[Any], Any]) -> Names:
    charge = meter.charge

    def listed(items: Any = ()) -> list:
        return list(paid(items))

    def fixed(items: Any = ()) -> tuple:
        return tuple(paid(items))

    def numbered(items: Any, start: Any = 0) -> list:
        return list(builtins.enumerate(paid(items), start))

    def zipped(*lists: Any) -> list:
        size = min((count(items) for items in lists), default=0)
        charge(size * len(lists) >> ELEMENTS)
        return list(builtins.zip(*lists, strict=False))

    def backwards(items: Any) -> Any:
        return paid(items)[::-1]

    def any_of(items: Any) -> bool:
        return builtins.any(paid(items))

    def all_of(items: Any) -> bool:
        return builtins.all(paid(items))

    return {
        "list": listed,
        "tuple": fixed,
        "enumerate": numbered,
        "zip": zipped,
        "reversed": backwards,
        "any": any_of,
        "all": all_of,
        "len": builtins.len,
    }
