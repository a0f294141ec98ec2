"""The static check: a program is run only if every node, name and argument of its syntax tree is on a list.

The lists are in allowlist.py. The only attributes that pass are method calls, which the rewriting (instrument.py) turns
into plain function calls, so that no compiled program contains an attribute.

The walk goes level by level without recursion, so that a deep tree is refused before any C code recurses over it. The
check runs inside the jail, since even parsing hostile text is a risk.
"""

from __future__ import annotations

import _ast as ast  # the classes and nothing else: what `import ast` brings along would make every fork dearer

from agent_core.interpreter.allowlist import (
    ALWAYS_CHECKED,
    BUILTINS,
    CALL_BACK,
    CHILDREN,
    COMPARISONS,
    CONSTANTS,
    KEYWORDS,
    LARGE_NODE,
    MAX_DEPTH,
    MAX_SOURCE,
    METHODS,
    OPERATORS,
    SELF_REFERENCE,
)
from agent_core.interpreter.wire_format import is_writable

TYPE_CHECKING = False  # that of typing would make every fork dearer
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Refused(Exception):
    """The program is not run; the text says why."""


class Checked:
    """A tree that passed, every node of it in a list, and what the rewriting has to know."""

    __slots__ = (
        "calls_back",
        "extra_nodes",
        "growing",
        "keyed",
        "loaded",
        "loops",
        "nodes",
        "rewrite",
        "stored",
        "tree",
    )

    def __init__(self, tree: Any):
        self.tree: ast.Module = tree
        self.nodes: list[ast.AST] = []
        self.loops = False  # a while, a for or a comprehension
        self.calls_back = False  # a call of something that may be a function of the program
        self.extra_nodes = 0  # what is made of some nodes takes as much memory as what is made of several others
        self.keyed = False  # a display of a dict
        self.rewrite = False  # something that must be replaced wherever it stands
        self.growing = 0  # displays and additions: what can make a value grow without a loop
        self.stored: set[str] = set()
        self.loaded: set[str] = set()


def check(source: str) -> Checked:
    """Parses the source and holds every node against the lists above; raises Refused with the reason.

    MemoryError is passed on: the parser raises it for what is nested too deep, and the machine when memory is short.
    """
    if len(source) > MAX_SOURCE:
        raise Refused(f"longer than {MAX_SOURCE} characters")
    try:
        tree = compile(source, "<program>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    except SyntaxError as error:
        raise Refused(f"SyntaxError: {error.msg} (line {error.lineno})") from None
    except (ValueError, RecursionError, OverflowError) as error:
        raise Refused(f"cannot be parsed: {type(error).__name__}") from None
    checked = Checked(tree)
    nodes, depth = checked.nodes, 0
    level: list[ast.AST] = [tree]
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise Refused(f"nested deeper than {MAX_DEPTH} levels")
        nodes += level
        below: list[ast.AST] = []
        for node in level:
            kind = type(node)
            fields = CHILDREN.get(kind)
            if fields is None:
                raise Refused(f"{kind.__name__} is not allowed (line {getattr(node, 'lineno', '?')})")
            rule = RULES.get(kind)
            if rule is not None:
                rule(node, checked, below)
            for name in fields[0]:
                child = getattr(node, name)
                if child is not None:
                    below.append(child)
            for name in fields[1]:
                below += getattr(node, name)
        level = below
    checked.calls_back |= not checked.loaded.isdisjoint(CALL_BACK)
    unknown = checked.loaded - checked.stored - BUILTINS
    if unknown:
        raise Refused(f"NameError: name '{min(unknown)}' is not defined")
    if not checked.calls_back and not checked.stored.isdisjoint(BUILTINS):
        checked.calls_back = True  # a built-in's name may now stand for a function of the program
    return checked


def _add_name(name: str, checked: Checked) -> None:
    if name[0] == "_" and name != "_":
        raise Refused(f"the name {name} is not allowed")
    checked.stored.add(name)


def _name(node: Any, checked: Checked, below: list[ast.AST]) -> None:
    name = node.id
    if name[0] == "_" and name != "_":
        raise Refused(f"the name {name} is not allowed")
    (checked.stored if type(node.ctx) is ast.Store else checked.loaded).add(name)


def _constant(node: Any, checked: Checked, below: list[ast.AST]) -> None:
    value = node.value
    if type(value) not in CONSTANTS:
        raise Refused(f"a literal of type {type(value).__name__} is not allowed")
    if type(value) is str and not is_writable(value):
        raise Refused("half of a surrogate pair in a text is not allowed")


def _function(node: Any, checked: Checked, below: list[ast.AST]) -> None:
    if node.decorator_list or node.returns or getattr(node, "type_params", None):
        raise Refused("decorators and annotations are not allowed")
    _add_name(node.name, checked)
    _parameters(node.args, checked, below)


def _lambda(node: Any, checked: Checked, below: list[ast.AST]) -> None:
    checked.extra_nodes += LARGE_NODE
    _parameters(node.args, checked, below)


def _parameters(arguments: ast.arguments, checked: Checked, below: list[ast.AST]) -> None:
    if arguments.posonlyargs or arguments.vararg or arguments.kwonlyargs or arguments.kwarg:
        raise Refused("only plain parameters are allowed")
    if any(type(default) is not ast.Constant for default in arguments.defaults):
        raise Refused("only a literal can be the default of a parameter")
    below += arguments.defaults
    for argument in arguments.args:
        _add_name(argument.arg, checked)
    if any(argument.annotation for argument in arguments.args):
        raise Refused("decorators and annotations are not allowed")


def _call(node: Any, checked: Checked, below: list[ast.AST]) -> None:
    function = node.func
    kind = type(function)
    if kind is ast.Attribute:
        if function.attr not in METHODS:
            raise Refused(f"the attribute {function.attr} is not allowed")
        checked.rewrite = True
        below.append(function.value)
    else:
        if kind is not ast.Name or function.id not in BUILTINS:
            checked.calls_back = True
        below.append(function)


def _keyword(node: Any, checked: Checked, below: list[ast.AST]) -> None:
    if node.arg not in KEYWORDS:
        raise Refused(f"the keyword argument {node.arg} is not allowed")
    checked.calls_back |= node.arg == "key"


def _subscript(node: Any, checked: Checked, below: list[ast.AST]) -> None:
    index = node.slice
    if type(index) is ast.Slice:
        if type(node.ctx) is not ast.Load:
            raise Refused("assigning to a slice is not allowed")
        below += [part for part in (index.lower, index.upper, index.step) if part is not None]
    else:
        below.append(index)
    if type(node.ctx) is not ast.Load:
        checked.growing += SELF_REFERENCE


def _operator(node: Any, checked: Checked, below: list[ast.AST]) -> None:
    kind = type(node.op)
    if kind not in OPERATORS:
        raise Refused(f"the operator {kind.__name__} is not allowed")
    if kind is ast.Add or kind is ast.BitOr:
        checked.growing += 1
    if kind in ALWAYS_CHECKED or type(node) is ast.AugAssign:
        checked.rewrite = True


def _comparison(node: Any, checked: Checked, below: list[ast.AST]) -> None:
    for operator, right in zip(node.ops, node.comparators, strict=True):
        kind = type(operator)
        if kind in COMPARISONS:
            checked.rewrite |= kind is ast.In or kind is ast.NotIn
            continue
        # Identity is reproducible only against the three values that exist once.
        single = isinstance(right, ast.Constant) and type(right.value) in (bool, type(None))
        if not single or (kind is not ast.Is and kind is not ast.IsNot):
            raise Refused(f"the comparison {kind.__name__} is not allowed")


def _display(node: Any, checked: Checked, below: list[ast.AST]) -> None:
    checked.growing += 1


def _dict(node: Any, checked: Checked, below: list[ast.AST]) -> None:
    if None in node.keys:
        raise Refused("** in a dict is not allowed")
    checked.growing += 1
    checked.extra_nodes += LARGE_NODE
    checked.keyed = True


def _loop(node: Any, checked: Checked, below: list[ast.AST]) -> None:
    checked.loops = True
    if getattr(node, "is_async", 0):
        raise Refused("async is not allowed")


RULES: dict[type[ast.AST], Callable[[Any, Checked, list[ast.AST]], None]] = {
    ast.Name: _name,
    ast.Constant: _constant,
    ast.FunctionDef: _function,
    ast.Lambda: _lambda,
    ast.Call: _call,
    ast.keyword: _keyword,
    ast.Subscript: _subscript,
    ast.BinOp: _operator,
    ast.AugAssign: _operator,
    ast.Compare: _comparison,
    ast.List: _display,
    ast.Tuple: _display,
    ast.Dict: _dict,
    ast.While: _loop,
    ast.For: _loop,
    ast.comprehension: _loop,
}
