"""The built-ins that programs see: each call is a step, and they charge more before C code loops.

C code never calls into the program, which would use up the C stack: `map`, `filter` and `key=` call from Python code,
one step a call, and what C code then sorts are the keys. Nothing is lazy, since what is not yet done is not yet paid:
`map`, `filter`, `zip`, `enumerate` and `reversed` do all their work at once and give an iterator over the finished
list, which can be gone through once and has no length, as in plain Python. What differs is when callbacks run: a
program whose callback prints, or changes what it goes through, or fails for an element that is never asked for, shows
that.
"""

from __future__ import annotations

import _ast as ast
import builtins
import math
from types import FunctionType

from agent_core.interpreter.cpython_facts import BIG
from agent_core.interpreter.instrument import ENTER, LEAVE, PAY, operator_name
from agent_core.interpreter.meter import CONTAINERS, ELEMENTS, LETTERS, OVERFLOW, Meter, count, text_of
from agent_core.interpreter.metered_methods import metered_methods
from agent_core.interpreter.metered_operators import PRODUCT, metered_operators
from agent_core.interpreter.metered_order import metered_order
from agent_core.interpreter.metered_types import ITERATOR, Set

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Names = dict[str, Any]

MOST_DIGITS = 399  # that round() may be asked for: beyond, it would build a power of ten as large as it likes


def metered_names(meter: Meter) -> Names:
    """Everything that a program can reach without defining it, by name."""
    operators = metered_operators(meter)
    paid = _paid(meter)
    names = _texts(meter) | _numbers(meter) | _truth(meter, paid) | _sequences(meter, paid)
    names |= {"map": _map(meter, paid), "filter": _filter(meter, paid)}
    names |= metered_order(meter, operators[operator_name(ast.Add)])
    for name, function in names.items():
        if type(function) is FunctionType:
            function.__name__ = function.__qualname__ = name
    names |= {"range": range, "sqrt": math.sqrt, "floor": math.floor, "ceil": math.ceil, "pi": math.pi}
    names |= {"abs": builtins.abs, "len": builtins.len}
    return (
        names
        | operators
        | metered_methods(meter)
        | {
            ENTER: meter.slots.pop,
            LEAVE: meter.slots.append,
            PAY: meter.charge,
        }
    )


def _paid(meter: Meter) -> Callable[[Any], Any]:
    charge, measure, opened = meter.charge, meter.measure, meter.opened

    def paid(items: Any) -> Any:
        """The iterable, after charging for one pass over it; iterators and views become lists."""
        meter.tick()
        items = opened(items)
        charge((measure(items) if type(items) in CONTAINERS else count(items)) >> ELEMENTS)
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
        if type(value) is int and not -BIG < value < BIG:  # divided by a power of ten of up to 45 digits of 30 bits
            charge(1 + (value.bit_length() >> PRODUCT))
        return builtins.round(value, digits)

    def true(value: Any = False) -> bool:
        return builtins.bool(value)

    return {"int": integer, "float": decimal, "round": rounded, "bool": true}


def _truth(meter: Meter, paid: Callable[[Any], Any]) -> Names:
    def elements(items: Any) -> Any:
        items = paid(items)
        return items.parts() if type(items) is Set else items

    def any_of(items: Any) -> bool:
        return builtins.any(elements(items))

    def all_of(items: Any) -> bool:
        return builtins.all(elements(items))

    return {"any": any_of, "all": all_of}


def _sequences(meter: Meter, paid: Callable[[Any], Any]) -> Names:
    charge, opened = meter.charge, meter.opened

    def listed(items: Any = ()) -> list:
        return list(paid(items))

    def fixed(items: Any = ()) -> tuple:
        return tuple(paid(items))

    def numbered(items: Any, start: Any = 0) -> Iterator:
        return iter(list(builtins.enumerate(paid(items), start)))

    def zipped(*lists: Any) -> Iterator:
        meter.tick()
        lists = tuple([opened(items) for items in lists])
        size = min((count(items) for items in lists), default=0)
        charge(size * len(lists) >> ELEMENTS)
        return iter(list(builtins.zip(*lists, strict=False)))

    def backwards(items: Any) -> Iterator:
        if type(items) is ITERATOR:
            raise TypeError("an iterator is not reversible")
        return iter(list(builtins.reversed(paid(items))))

    return {"list": listed, "tuple": fixed, "enumerate": numbered, "zip": zipped, "reversed": backwards}


def _map(meter: Meter, paid: Callable[[Any], Any]) -> Callable[..., Iterator]:
    def mapped(function: Any, *lists: Any) -> Iterator:
        """Up to three lists: more would have to be unpacked by C code."""
        tick, found = meter.tick, []
        columns = [paid(items) for items in lists]
        if len(columns) == 1:
            for a in columns[0]:
                tick()
                found.append(function(a))
        elif len(columns) == 2:
            for a, b in zip(*columns, strict=False):
                tick()
                found.append(function(a, b))
        elif len(columns) == 3:
            for a, b, c in zip(*columns, strict=False):
                tick()
                found.append(function(a, b, c))
        else:
            raise TypeError("map() takes a function and one to three lists here")
        return iter(found)

    return mapped


def _filter(meter: Meter, paid: Callable[[Any], Any]) -> Callable[[Any, Any], Iterator]:
    def filtered(function: Any, items: Any) -> Iterator:
        tick, found = meter.tick, []
        for item in paid(items):
            tick()
            if item if function is None else function(item):
                found.append(item)
        return iter(found)

    return filtered
