"""The part of Python that programs may use: syntax nodes, operators, built-ins, methods and literals.

These are lists of what is allowed, not of what is forbidden: static_check.py refuses whatever is not on them. In
particular there is no import, no class, no exception handling, no generator, no display of a set, and no attribute but
the method calls in `METHODS`.
"""

from __future__ import annotations

import _ast as ast  # the classes and nothing else: what `import ast` brings along would make every fork dearer

MAX_SOURCE = 8_192  # characters; the longest program the shipped grammar writes in 256 tokens has about 6,000
MAX_DEPTH = 320  # levels of the tree; 250 times `not` is a legal program of 256 tokens, and compiles safely

BUILTINS = frozenset(
    {"print", "range", "len", "sum", "max", "min", "abs", "sorted", "str", "int", "float", "bool", "list", "tuple"}
    | {"enumerate", "zip", "reversed", "any", "all", "round", "set", "map", "filter"}
    | {"sqrt", "floor", "ceil", "pi"}  # those of math, without an import
)
CALL_BACK = frozenset({"map", "filter"})  # built-ins that call what they are given; so does whatever has a `key`
METHODS = frozenset(
    {"append", "extend", "insert", "pop", "remove", "reverse", "index", "count"}
    | {"upper", "lower", "strip", "split", "join", "replace", "startswith", "endswith", "find"}
    | {"isdigit", "isalpha", "isupper", "islower"}
    | {"get", "keys", "values", "items"}
    | {"add"}
)
KEYWORDS = frozenset({"sep", "end", "reverse", "key"})
SELF_REFERENCE = 1_000  # assigning to an item can make a list contain itself, which is as large as anything
LARGE_NODE = 8  # further nodes that a dict or a lambda counts for: each takes up some 250 bytes
CONSTANTS = frozenset({int, float, str, bool, type(None)})

# The fields of each allowed node that hold one node (or none), and those that hold a list of nodes.
CHILDREN: dict[type, tuple[tuple[str, ...], tuple[str, ...]]] = {
    ast.Module: ((), ("body",)),
    ast.Expr: (("value",), ()),
    ast.Assign: (("value",), ("targets",)),
    ast.AugAssign: (("target", "value"), ()),
    ast.If: (("test",), ("body", "orelse")),
    ast.While: (("test",), ("body", "orelse")),
    ast.For: (("target", "iter"), ("body", "orelse")),
    ast.FunctionDef: ((), ("body",)),
    ast.Return: (("value",), ()),
    ast.Pass: ((), ()),
    ast.Break: ((), ()),
    ast.Continue: ((), ()),
    ast.Constant: ((), ()),
    ast.Name: ((), ()),
    ast.Lambda: (("body",), ()),
    ast.List: ((), ("elts",)),
    ast.Dict: ((), ("keys", "values")),
    ast.Tuple: ((), ("elts",)),
    ast.BoolOp: ((), ("values",)),
    ast.UnaryOp: (("operand",), ()),
    ast.BinOp: (("left", "right"), ()),
    ast.Compare: (("left",), ("comparators",)),
    ast.IfExp: (("test", "body", "orelse"), ()),
    ast.ListComp: (("elt",), ("generators",)),
    ast.comprehension: (("target", "iter"), ("ifs",)),
    ast.Call: ((), ("args", "keywords")),  # its function: see static_check._call
    ast.keyword: (("value",), ()),
    ast.Subscript: (("value",), ()),  # its index: see static_check._subscript
}
OPERATORS = frozenset(
    {ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.LShift, ast.RShift}
    | {ast.BitAnd, ast.BitOr, ast.BitXor}
)
# One of these is enough to make something huge, or (% on text) to format it: replaced wherever it stands.
ALWAYS_CHECKED = frozenset({ast.Mult, ast.Pow, ast.LShift, ast.Mod})
COMPARISONS = frozenset({ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn})
