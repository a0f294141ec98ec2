"""Plain values out of a syntax tree: literals, names that stand for plain values, and a little arithmetic.

Nothing is executed: what people write for a long literal, `10**9 + 7` or `"a" * 5`, is computed here, as long as it
stays small.
"""

import ast
import math
from typing import Any

_LONGEST = 10_000  # elements of a folded text or list
_MOST_BITS = 10_000  # of a folded number: JSON takes it
_MOST_ROUNDS = 200  # of a loop that is followed


class NotUsable(Exception):
    """A line that looks like an example and is none; the text says why."""


def folded(node: ast.expr, constants: dict[str, object]) -> object:
    """The plain value that an expression of literals stands for. Raises NotUsable."""
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str | None):
        if isinstance(node.value, float) and not math.isfinite(node.value):
            raise NotUsable("an infinite number cannot be compared")
        return node.value
    if isinstance(node, ast.Name) and node.id in constants:
        return constants[node.id]
    if isinstance(node, ast.List | ast.Tuple):
        return [folded(item, constants) for item in node.elts]
    if isinstance(node, ast.Dict) and None not in node.keys:
        keys = [folded(key, constants) for key in node.keys if key is not None]
        if not all(isinstance(key, str) for key in keys):
            raise NotUsable("a dict whose keys are not all texts is no plain value")
        return dict(zip(map(str, keys), (folded(value, constants) for value in node.values), strict=True))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = folded(node.operand, constants)
        if isinstance(value, int | float):
            return -value if isinstance(node.op, ast.USub) else +value
    if isinstance(node, ast.BinOp):
        return _computed(node, folded(node.left, constants), folded(node.right, constants))
    raise NotUsable(f"{ast.unparse(node)[:40]} is no plain value")


def elements(node: ast.expr, constants: dict[str, object]) -> list[object]:
    """What a loop over the expression runs through: a list, or range, enumerate, zip and items of such. Raises
    NotUsable."""
    found: object = None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if node.func.id == "range":
            found = _range([folded(argument, constants) for argument in node.args])
        elif node.func.id == "enumerate" and len(node.args) == 1:
            found = [[place, item] for place, item in enumerate(elements(node.args[0], constants))]
        elif node.func.id == "zip":
            found = [list(row) for row in zip(*(elements(each, constants) for each in node.args), strict=False)]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "items":
        value = folded(node.func.value, constants)
        found = [list(item) for item in value.items()] if isinstance(value, dict) else None
    else:
        value = folded(node, constants)
        found = list(value) if isinstance(value, list | str | dict) else None
    if not isinstance(found, list) or len(found) > _MOST_ROUNDS:
        raise NotUsable(f"{ast.unparse(node)[:40]} cannot be followed")
    return found


def _range(bounds: list[Any]) -> list[object] | None:
    if not 1 <= len(bounds) <= 3 or not all(type(bound) is int for bound in bounds) or bounds[2:] == [0]:
        return None
    return list(range(*bounds)[: _MOST_ROUNDS + 1])


def _computed(node: ast.BinOp, left: Any, right: Any) -> object:
    """`10**9 + 7`, `"a" * 5`, `[1] + [2]`: what people write for a long literal, as long as it stays small."""
    text = ast.unparse(node)[:40]
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    value: Any
    try:
        if numbers and isinstance(node.op, ast.Pow) and abs(right) <= 64 and abs(left) < 1 << 64:
            value = left**right
        elif numbers and (compute := _ARITHMETIC.get(type(node.op))):
            value = compute(left, right)
        elif isinstance(node.op, ast.Add) and type(left) is type(right) and isinstance(left, str | list):
            value = left + right
        elif isinstance(node.op, ast.Mult) and isinstance(left, str | list) and isinstance(right, int):
            if len(left) * right > _LONGEST:
                raise NotUsable(f"{text} is too long")
            value = left * right
        else:
            raise NotUsable(f"{text} is no plain value")
    except (ArithmeticError, ValueError) as error:
        raise NotUsable(f"{text} cannot be computed ({error})") from None
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise NotUsable(f"{text} is too large")
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        raise NotUsable(f"{text} is no plain value")
    return value


_ARITHMETIC = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
}
