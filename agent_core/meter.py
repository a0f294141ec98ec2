"""The step budget of the program that is running, and the built-ins and operators that charge it by size.

What loops in C cannot tick, so it pays beforehand (or, where the result is at most twice what there was, afterwards).
A step buys 2**ELEMENTS elements of a list, 2**LETTERS letters of a text, or a product of 64 pairs of 30-bit digits,
each well under a microsecond, so that `max_steps` bounds time and memory well before the timer and the memory limit do.
Whether a program runs out depends on nothing but the program and what it was given.

No function here ever calls back into the program: C code that calls Python would use up the C stack.
"""

from __future__ import annotations

import builtins
import operator
from collections import deque
from itertools import islice, repeat
from types import BuiltinFunctionType, FunctionType

from agent_core import budget
from agent_core.methods import checked_methods

ELEMENTS = 3  # as a shift: 8 elements a step
LETTERS = 5  # 32 letters a step
BIG = 1 << 64  # integers below are as good as free; none of more than some 35,000 bits can be paid for
OVERFLOW = 64  # steps for printing more when there is already too much
MAX_CALLS = 1_000  # calls of functions inside each other
MAX_NESTING = 200  # lists inside each other that are compared or shown
_ENDLESS = 1 << 62


class OutOfSteps(BaseException):
    """The budget is used up. No program can catch it: the static check knows no exception handling."""


class Meter:
    """Budget, output and the names that programs see; one per process, started anew for every run."""

    def __init__(self, max_steps: int, max_output: int):
        self.max_steps = max_steps
        self.max_output = max_output
        self.slots = deque()
        self.names = _names(self)
        self.fresh = False
        self.begin()

    def begin(self) -> None:
        """A full budget, an empty output, all call slots free."""
        self.steps = repeat(True, self.max_steps)
        self.tick = self.steps.__next__
        self.left = self.steps.__length_hint__
        self.printed: list[str] = []
        self.room = self.max_output
        self.names[budget.TICK] = self.tick
        if len(self.slots) != MAX_CALLS:
            self.slots.clear()
            self.slots.extend([None] * MAX_CALLS)

    def exhausted(self) -> bool:
        """Whether the run tried to use more than its budget, whatever it did about being stopped."""
        return self.left() == 0

    def output(self) -> str:
        return "".join(self.printed)

    def charge(self, steps: int) -> None:
        if steps <= 0:
            return
        if steps >= self.left():
            deque(self.steps, maxlen=0)
            raise OutOfSteps
        deque(islice(self.steps, steps), maxlen=0)

    def measure(self, value: object) -> int:
        """The size of a value in elements, counted as a tree: shared parts count as often as they are reached.

        Raises OutOfSteps when it is more than the budget could pay for, and RecursionError when it is nested too
        deep for the C code that is going to walk it.
        """
        limit = (self.left() + 1) << ELEMENTS
        total, depth, level = 1, 0, (value,)
        while level:
            below: list = []
            for item in level:
                kind = type(item)
                if kind is list or kind is tuple:
                    total += len(item)
                    if total > limit:
                        self.charge(_ENDLESS)
                    below += item
                elif kind is str:
                    total += len(item) >> (LETTERS - ELEMENTS)
                elif kind is int and not -BIG < item < BIG:
                    digits = item.bit_length() // 30
                    total += digits * digits >> 7  # turning it into text is quadratic
            if total > limit:
                self.charge(_ENDLESS)
            level = below
            depth += 1
            if depth > MAX_NESTING:
                raise RecursionError("maximum recursion depth exceeded")
        return total


def count(items: object) -> int:
    """How many elements an iterable has; TypeError as Python words it where it is none."""
    try:
        return len(items)
    except TypeError:
        iter(items)
        raise
    except OverflowError:
        return _ENDLESS


def text_of(meter: Meter, value: object) -> str:
    """str(value), charged, and without the address of anything in memory."""
    kind = type(value)
    if kind is str:
        return value
    if kind is int and -BIG < value < BIG or kind is float or kind is bool or value is None:
        return repr(value)
    if kind is FunctionType or kind is BuiltinFunctionType:
        return f"<function {value.__name__}>"
    meter.charge(meter.measure(value) >> ELEMENTS)
    text = repr(value)
    if " at 0x" in text:
        text = without_addresses(text)
    meter.charge(len(text) >> LETTERS)
    return text


def without_addresses(text: str) -> str:
    """The text without any ` at 0x...`, which Python adds to what has no better way to show itself."""
    first, *rest = text.split(" at 0x")
    return first + "".join([part.lstrip("0123456789abcdef") for part in rest])


def _digits(number: int) -> int:
    return number.bit_length() // 30 + 1


def _operators(meter: Meter) -> dict[str, object]:
    charge, measure = meter.charge, meter.measure

    def built(result):
        """Charges for a sum, a difference or a slice, which is never larger than what it was made of, doubled."""
        kind = type(result)
        if kind is int:
            if not -BIG < result < BIG:
                charge(result.bit_length() >> 13)
        elif kind is str:
            charge(len(result) >> LETTERS)
        elif kind is list or kind is tuple:
            charge(len(result) >> ELEMENTS)
        return result

    def add(a, b):
        result = a + b
        if type(result) is int and -BIG < result < BIG:
            return result
        return built(result)

    def subtract(a, b):
        result = a - b
        if type(result) is int and -BIG < result < BIG:
            return result
        return built(result)

    def before_product(a, b):
        kind, other = type(a), type(b)
        if isinstance(a, int) and isinstance(b, int):
            charge(_digits(a) * _digits(b) >> 6)
        elif kind is str or kind is list or kind is tuple:
            if isinstance(b, int) and b > 0:
                charge(len(a) * b >> (LETTERS if kind is str else ELEMENTS))
        elif (other is str or other is list or other is tuple) and isinstance(a, int) and a > 0:
            charge(len(b) * a >> (LETTERS if other is str else ELEMENTS))

    def multiply(a, b):
        if type(a) is type(b) is int and -BIG < a < BIG and -BIG < b < BIG:
            return a * b
        before_product(a, b)
        return a * b

    def before_division(a, b):
        if isinstance(b, int):
            charge(_digits(a) * _digits(b) >> 6)

    def divide(a, b):
        if type(a) is int and not -BIG < a < BIG:
            before_division(a, b)
        return a / b

    def floor_divide(a, b):
        if type(a) is int and not -BIG < a < BIG:
            before_division(a, b)
        return a // b

    def modulo(a, b):
        if type(a) is int:
            if not -BIG < a < BIG:
                before_division(a, b)
        elif type(a) is str and "%" in a:
            raise TypeError("filling in text with % is not supported")
        return a % b

    def power(a, b):
        if isinstance(a, int) and isinstance(b, int) and b > 0 and not -2 < a < 2:
            charge((a.bit_length() * b // 30) ** 2 >> 7)
        return a**b

    def shift_left(a, b):
        if isinstance(a, int) and isinstance(b, int) and b > 0:
            charge((_digits(a) + b // 30) ** 2 >> 7)
        return a << b

    def add_in_place(a, b):
        if type(a) is not list:
            return add(a, b)
        if type(b) is list or type(b) is tuple or type(b) is str or type(b) is range:
            charge(count(b) >> ELEMENTS)
        a += b
        return a

    def multiply_in_place(a, b):
        if type(a) is not list:
            return multiply(a, b)
        before_product(a, b)
        a *= b
        return a

    def compared(compare):
        def check(a, b):
            kind = type(a)
            if kind is str:
                if len(a) > 256 and type(b) is str:
                    charge(min(len(a), len(b)) >> 8)
            elif (kind is list or kind is tuple) and type(b) is kind:
                charge(min(measure(a), measure(b)) >> ELEMENTS)
            return compare(a, b)

        return check

    def search(item, box):
        kind = type(box)
        if kind is list or kind is tuple:
            whole = type(item) is list or type(item) is tuple
            charge((measure(box) if whole else len(box)) >> ELEMENTS)
        elif kind is str:
            charge(len(box) >> LETTERS)
        elif kind is range and type(item) is not int and type(item) is not bool:
            charge(count(box) >> ELEMENTS)
        return item in box

    def sized(value):
        if type(value) is range:
            charge(count(value) >> ELEMENTS)
        charge(measure(value) >> ELEMENTS)
        return value

    plain = {"Add": add, "Sub": subtract, "Mult": multiply, "Div": divide, "FloorDiv": floor_divide, "Mod": modulo}
    plain |= {"Pow": power, "LShift": shift_left}
    comparisons = {"Eq": "eq", "NotEq": "ne", "Lt": "lt", "LtE": "le", "Gt": "gt", "GtE": "ge"}
    names = {f"{name} ": function for name, function in plain.items()}
    names |= {f"in place {name} ": function for name, function in plain.items()}
    names |= {"in place Add ": add_in_place, "in place Mult ": multiply_in_place}
    names |= {f"{name} ": compared(getattr(operator, short)) for name, short in comparisons.items()}
    names |= {"In ": search, "NotIn ": lambda item, box: not search(item, box)}
    return names | {budget.SLICE: lambda value, *parts: built(value[slice(*parts)]), budget.SIZED: sized}


def _names(meter: Meter) -> dict[str, object]:
    """Everything that a program can reach without defining it, by name."""
    charge, measure = meter.charge, meter.measure

    def paid(items):
        """The iterable, after charging for one pass over it."""
        kind = type(items)
        charge((measure(items) if kind is list or kind is tuple else count(items)) >> ELEMENTS)
        return items

    def show(*values, sep=" ", end="\n"):
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

    def in_order(items, reverse=False):
        size = measure(items) if type(items) is list or type(items) is tuple else count(items)
        charge(size * (size.bit_length() >> 1) >> ELEMENTS)
        return builtins.sorted(items, reverse=reverse)

    def text(value=""):
        return text_of(meter, value)

    def integer(value=0, *base):
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
    names |= _operators(meter) | checked_methods(charge, measure, ELEMENTS)
    return names | {budget.ENTER: meter.slots.pop, budget.LEAVE: meter.slots.append}
