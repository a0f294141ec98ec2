"""Rewrites a checked syntax tree so that everything that can take long draws on one step budget.

- A tick goes into every loop and comprehension, and into every function that could be called by the program itself,
  where it also counts the calls.
- Functions and lambdas that could recurse also take one of a fixed number of call slots and give it back, so that how
  deep a program may recurse depends on the program alone.
- Operators that can make large values, or take long on large ones, become calls of the functions in
  metered_operators.py and metered_comparisons.py; so do slices and the few allowed methods.

A program without loops and without calls of its own functions executes each node at most once, so most of that is
left out where it also cannot build anything large. The nodes are changed where they stand (a BinOp becomes a Call by
assigning its class), which needs neither recursion nor a second tree. The names of what is inserted end in a space,
so that no program can say them.

Source of the tick: an idea in common use; that it is a C iterator's `__next__` keeps it at some 40 ns.
"""

from __future__ import annotations

import _ast as ast

from agent_core.interpreter.allowlist import ALWAYS_CHECKED
from agent_core.interpreter.static_check import Checked

TYPE_CHECKING = False  # that of typing would make every fork dearer
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NODES_PER_TICK = 128  # a loop's body of more nodes than this takes several steps a turn
FREE_GROWTH = 6  # additions and displays that a program without loops may make unchecked: at most 2**6 times its input

TICK, CALL, ENTER, LEAVE, PAY = "tick ", "call ", "enter ", "leave ", "pay "
SLICE, SIZED, KEY, OBJECT, INDEX = "slice ", "sized ", "key ", "object ", "index "


def method_name(name: str) -> str:
    return f"method {name} "


def operator_name(operator: type[ast.AST], in_place: bool = False) -> str:
    return f"{'in place ' if in_place else ''}{operator.__name__} "


def _load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load(), lineno=1, col_offset=0)


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(_load(name), [*arguments], [], lineno=1, col_offset=0)


def _statement(name: str) -> ast.Expr:
    return ast.Expr(_call(name), lineno=1, col_offset=0)


# Nodes that are the same wherever they are inserted are made once and shared between all trees.
_TICK, _CALL, _ENTER = map(_statement, (TICK, CALL, ENTER))
_ENTERED, _LEFT = _call(ENTER), _call(LEAVE, ast.Constant(None, lineno=1, col_offset=0))
_LEAVE = ast.Expr(_LEFT, lineno=1, col_offset=0)
_BODY = ast.Constant(-2, lineno=1, col_offset=0)  # where the value is in a rewritten lambda
_TICK_TEST = _call(TICK)
_SLICE, _SIZED, _KEY, _NONE = _load(SLICE), _load(SIZED), _load(KEY), ast.Constant(None, lineno=1, col_offset=0)
_TRUE = ast.Constant(True, lineno=1, col_offset=0)

_IN_LOOPS = frozenset({ast.Add, ast.Sub, ast.Div, ast.FloorDiv, ast.BitOr})
_COMPARED = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)
_OPERATORS = {kind: _load(operator_name(kind)) for kind in (*ALWAYS_CHECKED, *_IN_LOOPS, *_COMPARED)}
_IN_PLACE = {kind: _load(operator_name(kind, True)) for kind in (*ALWAYS_CHECKED, *_IN_LOOPS)}


class _Plan:
    """What the rewriting of one program depends on, beside the node at hand."""

    __slots__ = ("calls_back", "keyed", "small", "ticks")

    def __init__(self, checked: Checked, keyed: bool, small: bool, size: int):
        self.calls_back = checked.calls_back
        self.keyed = keyed or checked.keyed  # the program may be given a dict, or makes one
        self.small = small  # it can neither repeat anything nor grow much
        self.ticks = size // NODES_PER_TICK + 1  # steps that a turn of a loop costs


def rewrite(checked: Checked, keyed: bool = False) -> ast.Module:
    """The same tree, changed in place, ready for compile(). keyed: the program may be given a dict."""
    size = len(checked.nodes) + checked.extra_nodes
    straight = not (checked.loops or checked.calls_back)
    small = straight and checked.growing <= FREE_GROWTH and size <= NODES_PER_TICK
    if small and not checked.rewrite:
        return checked.tree
    plan = _Plan(checked, keyed, small, size)
    changes = _IN_SMALL if small else _CHANGES
    for node in checked.nodes:
        change = changes.get(type(node))
        if change is not None:
            change(node, plan)
    return checked.tree


def _operation(node: Any, plan: _Plan) -> None:
    operator = type(node.op)
    in_loop = not plan.small and operator in _IN_LOOPS and _can_grow(operator, node.left, node.right)
    if in_loop or operator in ALWAYS_CHECKED:
        _become_call(node, _OPERATORS[operator], [node.left, node.right])


def _method_call(node: Any, plan: _Plan) -> None:
    function = node.func
    if type(function) is ast.Attribute:
        node.args = [function.value, *node.args]
        node.func = _load(method_name(function.attr))


def _assignment_in_place(node: Any, plan: _Plan) -> None:
    operator = type(node.op)
    if operator in ALWAYS_CHECKED or (operator in _IN_LOOPS and _can_grow(operator, node.value, node.value)):
        _become_assignment(node, _IN_PLACE[operator], plan.keyed)


def _subscript(node: Any, plan: _Plan) -> None:
    index = node.slice
    if type(index) is ast.Slice:
        parts = [index.lower or _NONE, index.upper or _NONE, index.step or _NONE]
        _become_call(node, _SLICE, [node.value, *parts])
    elif plan.keyed and type(index) is not ast.Constant:
        node.slice = ast.Call(_KEY, [index], [], lineno=node.lineno, col_offset=node.col_offset)


def _loop(node: Any, plan: _Plan) -> None:
    node.body[:0] = [_TICK] * plan.ticks


def _comprehension(node: Any, plan: _Plan) -> None:
    node.ifs[:0] = [_TICK_TEST] * plan.ticks


def _function(node: Any, plan: _Plan) -> None:
    if plan.calls_back:
        body = ast.Try(node.body, [], [], [_LEAVE], lineno=1, col_offset=0)
        node.body = [_CALL, *[_TICK] * (plan.ticks - 1), _ENTER, body]


def _lambda(node: Any, plan: _Plan) -> None:
    """`lambda: x` becomes `lambda: (tick(), enter(), x, leave(None))[-2]`. It ticks, but is not counted as a call."""
    if plan.calls_back:
        place = {"lineno": node.lineno, "col_offset": node.col_offset}
        ticks = [_TICK_TEST]
        if (
            plan.ticks > 1
        ):  # at once: as many ticks as a long program takes, in each of many lambdas, would be far longer
            ticks.append(_call(PAY, ast.Constant(plan.ticks - 1, **place)))
        parts = ast.Tuple([*ticks, _ENTERED, node.body, _LEFT], ast.Load(), **place)
        node.body = ast.Subscript(parts, _BODY, ast.Load(), **place)


def _dict(node: Any, plan: _Plan) -> None:
    for i, key in enumerate(node.keys):
        if type(key) is not ast.Constant:
            node.keys[i] = ast.Call(_KEY, [key], [], lineno=node.lineno, col_offset=node.col_offset)


def _comparison(node: Any, plan: _Plan) -> None:
    if plan.small and not any(type(operator) is ast.In or type(operator) is ast.NotIn for operator in node.ops):
        return
    operands = [node.left, *node.comparators]
    if len(operands) > 2:
        place = {"lineno": node.lineno, "col_offset": node.col_offset}
        node.left, *node.comparators = (ast.Call(_SIZED, [operand], [], **place) for operand in operands)
        return
    operator = type(node.ops[0])
    if operator is ast.Is or operator is ast.IsNot or type(operands[1]) is ast.Constant:
        return
    if type(operands[0]) is ast.Constant and operator is not ast.In and operator is not ast.NotIn:
        return
    _become_call(node, _OPERATORS[operator], operands)


def _can_grow(operator: type[ast.AST], left: ast.expr, right: ast.expr) -> bool:
    """Whether the operation may build something large, or take long: not where one side is a plain number."""
    if operator is ast.Div or operator is ast.FloorDiv:
        return True
    return not any(type(side) is ast.Constant and type(side.value) is not str for side in (left, right))


def _become_call(node: Any, function: ast.Name, arguments: list[ast.expr]) -> None:
    node.__class__ = ast.Call
    node.func, node.args, node.keywords = function, arguments, []


def _become_assignment(node: Any, function: ast.Name, keyed: bool) -> None:
    """`x += y` becomes `x = add(x, y)`; `o[i] += y` first keeps o and i: each is evaluated once, and in order."""
    place = {"lineno": node.lineno, "col_offset": node.col_offset}
    target = node.target
    if type(target) is ast.Name:
        value = ast.Call(function, [ast.Name(target.id, ast.Load(), **place), node.value], [], **place)
        node.__class__ = ast.Assign
        node.targets, node.value = [target], value
        return
    index = ast.Call(_KEY, [target.slice], [], **place) if keyed else target.slice
    keep = [
        ast.Assign([ast.Name(name, ast.Store(), **place)], value, **place)
        for name, value in ((OBJECT, target.value), (INDEX, index))
    ]
    old = ast.Subscript(_load(OBJECT), _load(INDEX), ast.Load(), **place)
    new = ast.Subscript(_load(OBJECT), _load(INDEX), ast.Store(), **place)
    value = ast.Call(function, [old, node.value], [], **place)
    node.__class__ = ast.If
    node.test, node.body, node.orelse = _TRUE, [*keep, ast.Assign([new], value, **place)], []


# What may have to be replaced even where a program can neither repeat nor grow much, and what besides where it can.
_IN_SMALL: dict[type[ast.AST], Callable[[Any, _Plan], None]] = {
    ast.BinOp: _operation,
    ast.Call: _method_call,
    ast.AugAssign: _assignment_in_place,
    ast.Compare: _comparison,
}
_CHANGES = _IN_SMALL | {
    ast.Subscript: _subscript,
    ast.While: _loop,
    ast.For: _loop,
    ast.comprehension: _comprehension,
    ast.FunctionDef: _function,
    ast.Lambda: _lambda,
    ast.Dict: _dict,
}
