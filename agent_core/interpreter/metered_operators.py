"""Operators, comparisons and slices that charge the step budget by the size of what they are given or make."""

from __future__ import annotations

import operator

from agent_core.interpreter.instrument import KEY, SIZED, SLICE
from agent_core.interpreter.meter import BIG, ELEMENTS, LETTERS, Meter, count


def _digits(number: int) -> int:
    return number.bit_length() // 30 + 1


def checked_operators(meter: Meter) -> dict[str, object]:
    """By hidden name (agent_core/py), a function for each operator that the rewriting replaces."""
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
            elif kind is not int and type(b) is kind and (kind is list or kind is tuple or kind is dict):
                charge(measure(a) + measure(b) >> ELEMENTS)
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
        elif kind is dict:
            key(item)
        return item in box

    def key(value):
        """Charges for hashing: tuples are walked each time, and large numbers can be made to collide."""
        if type(value) is tuple:
            charge(16 + (measure(value) >> ELEMENTS))
        elif type(value) is not str and isinstance(value, (int, float)) and not -BIG < value < BIG:
            charge(16)
        return value

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
    names |= {SLICE: lambda value, *parts: built(value[slice(*parts)]), SIZED: sized, KEY: key}
    return names
