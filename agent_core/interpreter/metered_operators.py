"""Arithmetic and slices that charge the step budget by the size of what they are given or make.

The functions are closures over the meter's two verbs, since a generated program's every operator goes through them:
a method, or one more call in between, would cost each of them a fifth.
"""

from __future__ import annotations

import _ast as ast

from agent_core.interpreter.cpython_facts import BIG, DIGIT_BITS
from agent_core.interpreter.instrument import SLICE, operator_name
from agent_core.interpreter.meter import ELEMENTS, LETTERS, Meter, count
from agent_core.interpreter.metered_comparisons import metered_comparisons
from agent_core.interpreter.metered_types import VIEWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Charge = Callable[[int], None]
    Operators = dict[type[ast.AST], Callable[[Any, Any], Any]]

EXTENDING = frozenset({list, tuple, str, range, dict}) | VIEWS  # what a list can be added to with +=
PRODUCT = 6  # as a shift: a product of 64 pairs of digits costs a step


def metered_operators(meter: Meter) -> dict[str, Any]:
    """By the hidden names that the rewriting inserts, a function for each operator that it replaces."""
    charge = meter.charge
    before_product = _before_product(charge)
    plain = _sums(charge) | _divisions(charge) | _powers(charge) | _product(charge, before_product)
    plain |= _union(charge)
    in_place = plain | _in_place(charge, before_product, plain) | _in_place_union(charge)
    names: dict[str, Any] = {operator_name(kind): function for kind, function in plain.items()}
    names |= {operator_name(kind, in_place=True): function for kind, function in in_place.items()}
    return names | {SLICE: _slice(charge)} | metered_comparisons(meter)


def _digits(number: int) -> int:
    return number.bit_length() // DIGIT_BITS + 1


def _charge_built(charge: Charge) -> Callable[[Any], Any]:
    def built(result: Any) -> Any:
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

    return built


def _sums(charge: Charge) -> Operators:
    built = _charge_built(charge)

    def add(a: Any, b: Any) -> Any:
        result = a + b
        if type(result) is int and -BIG < result < BIG:
            return result
        return built(result)

    def subtract(a: Any, b: Any) -> Any:
        result = a - b
        if type(result) is int and -BIG < result < BIG:
            return result
        return built(result)

    return {ast.Add: add, ast.Sub: subtract}


def _slice(charge: Charge) -> Callable[..., Any]:
    built = _charge_built(charge)
    return lambda value, *parts: built(value[slice(*parts)])


def _before_product(charge: Charge) -> Callable[[Any, Any], None]:
    def before_product(a: Any, b: Any) -> None:
        """Charges for a * b: for digits times digits, or for the elements or letters that it will have."""
        kind, other = type(a), type(b)
        if isinstance(a, int) and isinstance(b, int):
            charge(_digits(a) * _digits(b) >> PRODUCT)
        elif kind is str or kind is list or kind is tuple:
            if isinstance(b, int) and b > 0:
                charge(len(a) * b >> (LETTERS if kind is str else ELEMENTS))
        elif (other is str or other is list or other is tuple) and isinstance(a, int) and a > 0:
            charge(len(b) * a >> (LETTERS if other is str else ELEMENTS))

    return before_product


def _product(charge: Charge, before_product: Callable[[Any, Any], None]) -> Operators:
    def multiply(a: Any, b: Any) -> Any:
        if type(a) is type(b) is int and -BIG < a < BIG and -BIG < b < BIG:
            return a * b
        before_product(a, b)
        return a * b

    return {ast.Mult: multiply}


def _divisions(charge: Charge) -> Operators:
    def before_division(a: int, b: Any) -> None:
        if isinstance(b, int):
            charge(_digits(a) * _digits(b) >> PRODUCT)

    def divide(a: Any, b: Any) -> Any:
        if type(a) is int and not -BIG < a < BIG:
            before_division(a, b)
        return a / b

    def floor_divide(a: Any, b: Any) -> Any:
        if type(a) is int and not -BIG < a < BIG:
            before_division(a, b)
        return a // b

    def modulo(a: Any, b: Any) -> Any:
        if type(a) is int:
            if not -BIG < a < BIG:
                before_division(a, b)
        elif type(a) is str and "%" in a:
            raise TypeError("filling in text with % is not supported")
        return a % b

    return {ast.Div: divide, ast.FloorDiv: floor_divide, ast.Mod: modulo}


def _powers(charge: Charge) -> Operators:
    def power(a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int) and b > 0 and not -2 < a < 2:
            charge((a.bit_length() * b // DIGIT_BITS) ** 2 >> PRODUCT + 1)
        return a**b

    def shift_left(a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int) and b > 0:
            charge((_digits(a) + b // DIGIT_BITS) ** 2 >> PRODUCT + 1)
        return a << b

    return {ast.Pow: power, ast.LShift: shift_left}


def _in_place(charge: Charge, before_product: Callable[[Any, Any], None], plain: Operators) -> Operators:
    """The operators that change a list or a set instead of making a new one; for all else they are the plain ones."""
    built = _charge_built(charge)
    add, multiply = plain[ast.Add], plain[ast.Mult]

    def add_in_place(a: Any, b: Any) -> Any:
        if type(a) is not list:
            return add(a, b)
        if type(b) in EXTENDING:
            charge(count(b) >> ELEMENTS)
        a += b
        return a

    def multiply_in_place(a: Any, b: Any) -> Any:
        if type(a) is not list:
            return multiply(a, b)
        before_product(a, b)
        a *= b
        return a

    def subtract_in_place(a: Any, b: Any) -> Any:
        a -= b
        if type(a) is int and -BIG < a < BIG:
            return a
        return built(a)

    return {ast.Add: add_in_place, ast.Mult: multiply_in_place, ast.Sub: subtract_in_place}


def _union(charge: Charge) -> Operators:
    def either(a: Any, b: Any) -> Any:
        if type(a) is dict and type(b) is dict:
            charge(len(a) + len(b) >> ELEMENTS)
        return a | b

    return {ast.BitOr: either}


def _in_place_union(charge: Charge) -> Operators:
    def either_in_place(a: Any, b: Any) -> Any:
        if type(a) is dict:
            if type(b) is not dict:  # CPython takes pairs as well, and hashes what nobody has paid for
                raise TypeError("only a dict can be merged into a dict here")
            charge(len(b) >> ELEMENTS)
        a |= b
        return a

    return {ast.BitOr: either_in_place}
