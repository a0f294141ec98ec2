"""How far a program holds to its task's constraints. Tokens are looked for in the syntax tree, not in the text, so a
word inside a quoted text does not count as having been used."""

import ast
from collections import Counter
from collections.abc import Iterable
from typing import Any

_OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.UAdd: "+", ast.USub: "-", ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.Gt: ">", ast.LtE: "<=",
    ast.GtE: ">=", ast.And: "and", ast.Or: "or", ast.Not: "not", ast.In: "in", ast.Is: "is",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>", ast.Invert: "~",
}  # fmt: skip
_STATEMENTS = {
    ast.If: "if", ast.IfExp: "if", ast.For: "for", ast.While: "while", ast.FunctionDef: "def", ast.Return: "return",
    ast.Pass: "pass", ast.Break: "break", ast.Continue: "continue", ast.Assign: "=", ast.Lambda: "lambda",
    ast.comprehension: "for", ast.List: "[", ast.ListComp: "[", ast.Subscript: "[",
}  # fmt: skip
_NO_TRACE = frozenset(["(", ")", "]", "{", "}", ":", ",", ";", ".", "NEWLINE", "INDENT", "DEDENT"])


def can_be_required(token: str) -> bool:
    """Whether a syntax tree shows that the token was used."""
    return token not in _NO_TRACE and not token.startswith("<P") and token not in ("<SOS>", "<EOS>", "<UNK>")


def held(
    module: str, token_count: int, required: Iterable[str], max_tokens: int | None, function: str | None
) -> tuple[float, ...]:
    """How far each constraint holds, each in [0, 1]: one entry a required token, then one for the length.

    function: the name of the function that the task gives; its own `def` does not count as the program's.
    """
    shares = []
    required = list(required)
    if required:
        left = _tokens(module, function)
        for token in required:
            key = _key(token)
            shares.append(float(left[key] > 0))
            left[key] -= 1
    if max_tokens is not None:
        shares.append(min(1.0, max_tokens / max(1, token_count)))
    return tuple(shares)


def _key(token: str) -> object:
    """Literals by type and value, so that 'a' and "a" are the same; everything else by its text."""
    try:
        value = ast.literal_eval(token)
    except (ValueError, SyntaxError):
        return token
    return type(value), value


def _tokens(module: str, function: str | None) -> Counter:
    """How often each token occurs in the syntax tree; nothing where there is none."""
    found: Counter = Counter()
    try:
        tree = ast.parse(module)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return found
    given = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function), None)
    node: Any  # what it has depends on its type
    for node in ast.walk(tree):
        kind = type(node)
        if kind is ast.Name:
            found["func_a" if node.id == function else node.id] += 1
        elif kind is ast.Constant:
            found[type(node.value), node.value] += 1
        elif kind is ast.AugAssign:
            found[_OPERATORS.get(type(node.op), "") + "="] += 1
            found[_OPERATORS.get(type(node.op), "")] -= 1  # the walk meets the operator too
        elif kind in _OPERATORS:
            found[_OPERATORS[kind]] += 1
        elif kind in _STATEMENTS and node is not given:
            found[_STATEMENTS[kind]] += 1
        if kind in (ast.For, ast.comprehension, ast.NotIn):
            found["in"] += 1
        if kind is ast.NotIn:
            found["not"] += 1
        if kind is ast.ListComp:
            found["[for"] += 1
        if kind is ast.Attribute:
            found[f".{node.attr}"] += 1
        if kind is ast.keyword and node.arg:
            found[f"{node.arg}="] += 1
        if kind is ast.IfExp or (kind in (ast.If, ast.For, ast.While) and node.orelse):
            found["else"] += 1
        if kind is ast.BoolOp:  # one operator for all its values
            found[_OPERATORS[type(node.op)]] += len(node.values) - 2
    return found
