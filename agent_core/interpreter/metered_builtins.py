"""The built-ins that programs see: each call is a step, and they charge more before C code loops.

None calls back: C code that calls into the program would use up the C stack. So there is no `key=`, and nothing is
lazy: `enumerate`, `zip` and `reversed` give lists.
"""

from __future__ import annotations

import builtins
from types import FunctionType

from agent_core.interpreter.instrument import ENTER, LEAVE
from agent_core.interpreter.meter import CONTAINERS, ELEMENTS, LETTERS, OVERFLOW, Meter, count, text_of
from agent_core.interpreter.metered_methods import checked_methods
from agent_core.interpreter.metered_operators import checked_operators


def checked_names(meter: Meter) -> dict[str, object]:
    """Everything that a program can reach without defining it, by name."""
    charge, measure = meter.charge, meter.measure

    def paid(items):
        """The iterable, after charging for one pass over it."""
        meter.tick()
        kind = type(items)
        charge((measure(items) if kind in CONTAINERS else count(items)) >> ELEMENTS)
        return items

    def show(*values, sep=" ", end="\n"):
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

    def add_up(items, start=0):
        meter.tick()
        kind = type(items)
        if kind is range:
            charge(count(items) >> ELEMENTS)
            return builtins.sum(items, start)
        if kind is list or kind is tuple:
            charge(len(items) >> ELEMENTS)
            if {int, float, bool}.issuperset(map(type, items)) and isinstance(start, (int, float)):
                return builtins.sum(items, start)
        if type(start) is str:
            raise TypeError("sum() can't sum strings [use ''.join(seq) instead]")
        add = names["Add "]
        for item in items:
            charge(1)
            start = add(start, item)
        return start

    def smallest(*values):
        paid(values[0] if len(values) == 1 else values)
        return builtins.min(*values)

    def largest(*values):
        paid(values[0] if len(values) == 1 else values)
        return builtins.max(*values)

    def in_order(items, /, *, reverse=False):
        meter.tick()
        size = measure(items) if type(items) in CONTAINERS else count(items)
        charge(size * (size.bit_length() >> 1) >> ELEMENTS)
        return builtins.sorted(items, reverse=reverse)

    def text(value=""):
        meter.tick()
        return text_of(meter, value)

    def integer(value=0, *base):
        meter.tick()
        if type(value) is str:
            charge((len(value) // 7) ** 2 >> 7)
        return builtins.int(value, *base)

    def decimal(value=0.0):
        if type(value) is str:
            charge(len(value) >> LETTERS)
        return builtins.float(value)

    def rounded(value, digits=None):
        if digits is not None and not -400 < digits < 400:
            raise ValueError("round() takes -399 to 399 digits here")
        return builtins.round(value, digits)

    def listed(items=()):
        return list(paid(items))

    def numbered(items, start=0):
        return list(builtins.enumerate(paid(items), start))

    def zipped(*lists):
        size = min((count(items) for items in lists), default=0)
        charge(size * len(lists) >> ELEMENTS)
        return list(builtins.zip(*lists, strict=False))

    names: dict[str, object] = {
        "print": show, "sum": add_up, "min": smallest, "max": largest, "sorted": in_order, "str": text,
        "int": integer, "float": decimal, "round": rounded, "list": listed, "enumerate": numbered, "zip": zipped,
        "tuple": lambda items=(): tuple(paid(items)), "reversed": lambda items: paid(items)[::-1],
        "any": lambda items: builtins.any(paid(items)), "all": lambda items: builtins.all(paid(items)),
        "bool": lambda value=False: builtins.bool(value), "abs": builtins.abs, "len": builtins.len,
    }  # fmt: skip
    for name, function in names.items():
        if type(function) is FunctionType:
            function.__name__ = function.__qualname__ = name
    names["range"] = range
    names |= checked_operators(meter) | checked_methods(charge, measure, ELEMENTS)
    return names | {ENTER: meter.slots.pop, LEAVE: meter.slots.append}
