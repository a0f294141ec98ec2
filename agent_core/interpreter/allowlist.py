"""The static check: a program is run only if every node, name and argument of its syntax tree is on a list.

An allowlist, not a list of bad words: what it has not heard of is refused. In particular there is no import, no
class, no exception handling, no lambda, no generator, and no attribute but the method calls in `METHODS`, which the
rewriting (instrument.py) turns into plain function calls, so that no compiled program contains an attribute.

The walk goes level by level without recursion, so that deep trees cost a verdict and not the C stack. It runs inside
the jail: even parsing hostile text is done there.
"""

from __future__ import annotations

import _ast as ast  # the classes and nothing else: what `import ast` brings along would make every fork dearer

from agent_core.interpreter.wire_format import is_writable

MAX_SOURCE = 8_192  # characters; the longest program the shipped grammar writes in 256 tokens has about 6,000
MAX_DEPTH = 320  # levels of the tree; 250 times `not` is a legal program of 256 tokens, and compiles safely

BUILTINS = frozenset(
    {"print", "range", "len", "sum", "max", "min", "abs", "sorted", "str", "int", "float", "bool", "list", "tuple"}
    | {"enumerate", "zip", "reversed", "any", "all", "round"}
)
METHODS = frozenset(
    {"append", "extend", "insert", "pop", "remove", "reverse", "index", "count"}
    | {"upper", "lower", "strip", "split", "join", "startswith", "endswith", "find"}
)
KEYWORDS = frozenset({"sep", "end", "reverse"})
SELF_REFERENCE = 1_000  # assigning to an item can make a list contain itself, which is as large as anything
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
    ast.List: ((), ("elts",)),
    ast.Tuple: ((), ("elts",)),
    ast.BoolOp: ((), ("values",)),
    ast.UnaryOp: (("operand",), ()),
    ast.BinOp: (("left", "right"), ()),
    ast.Compare: (("left",), ("comparators",)),
    ast.IfExp: (("test", "body", "orelse"), ()),
    ast.ListComp: (("elt",), ("generators",)),
    ast.comprehension: (("target", "iter"), ("ifs",)),
    ast.Call: ((), ("args", "keywords")),  # its function: see _call
    ast.keyword: (("value",), ()),
    ast.Subscript: (("value",), ()),  # its index: see _subscript
}
OPERATORS = frozenset(
    {ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.LShift, ast.RShift}
    | {ast.BitAnd, ast.BitOr, ast.BitXor}
)
# One of these is enough to make something huge, or (% on text) to format it: replaced wherever it stands.
ALWAYS_CHECKED = frozenset({ast.Mult, ast.Pow, ast.LShift, ast.Mod})
COMPARISONS = frozenset({ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn})


class Refused(Exception):
    """The program is not run; the text says why."""


class Checked:
    """A tree that passed, every node of it in a list, and what the rewriting has to know."""

    __slots__ = ("calls_back", "growing", "loaded", "loops", "nodes", "rewrite", "stored", "tree")

    def __init__(self, tree: ast.Module):
        self.tree = tree
        self.nodes: list[ast.AST] = []
        self.loops = False  # a while, a for or a comprehension
        self.calls_back = False  # a call of something that may be a function of the program
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
    nodes, level, depth = checked.nodes, [tree], 0
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
    unknown = checked.loaded - checked.stored - BUILTINS
    if unknown:
        raise Refused(f"NameError: name '{min(unknown)}' is not defined")
    if not checked.calls_back and not checked.stored.isdisjoint(BUILTINS):
        checked.calls_back = True  # a built-in's name may now stand for a function of the program
    return checked


def _name_ok(name: str) -> bool:
    return name[0] != "_" or name == "_"


def _name(node, checked, below):
    name = node.id
    if name[0] == "_" and name != "_":
        raise Refused(f"the name {name} is not allowed")
    if type(node.ctx) is ast.Store:
        checked.stored.add(name)
    else:
        checked.loaded.add(name)


def _constant(node, checked, below):
    value = node.value
    if type(value) not in CONSTANTS:
        raise Refused(f"a literal of type {type(value).__name__} is not allowed")
    if type(value) is str and not is_writable(value):
        raise Refused("half of a surrogate pair in a text is not allowed")


def _function(node, checked, below):
    arguments = node.args
    if node.decorator_list or node.returns or getattr(node, "type_params", None):
        raise Refused("decorators and annotations are not allowed")
    if arguments.posonlyargs or arguments.vararg or arguments.kwonlyargs or arguments.kwarg:
        raise Refused("only plain parameters are allowed")
    if any(type(default) is not ast.Constant for default in arguments.defaults):
        raise Refused("only a literal can be the default of a parameter")
    below += arguments.defaults
    for name in (node.name, *(argument.arg for argument in arguments.args)):
        if not _name_ok(name):
            raise Refused(f"the name {name} is not allowed")
        checked.stored.add(name)
    if any(argument.annotation for argument in arguments.args):
        raise Refused("decorators and annotations are not allowed")


def _call(node, checked, below):
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


def _keyword(node, checked, below):
    if node.arg not in KEYWORDS:
        raise Refused(f"the keyword argument {node.arg} is not allowed")


def _subscript(node, checked, below):
    index = node.slice
    if type(index) is ast.Slice:
        if type(node.ctx) is not ast.Load:
            raise Refused("assigning to a slice is not allowed")
        below += [part for part in (index.lower, index.upper, index.step) if part is not None]
    else:
        below.append(index)
    if type(node.ctx) is not ast.Load:
        checked.growing += SELF_REFERENCE


def _operator(node, checked, below):
    kind = type(node.op)
    if kind not in OPERATORS:
        raise Refused(f"the operator {kind.__name__} is not allowed")
    if kind is ast.Add:
        checked.growing += 1
    if kind in ALWAYS_CHECKED or type(node) is ast.AugAssign:
        checked.rewrite = True


def _comparison(node, checked, below):
    for operator, right in zip(node.ops, node.comparators, strict=True):
        kind = type(operator)
        if kind in COMPARISONS:
            checked.rewrite |= kind is ast.In or kind is ast.NotIn
            continue
        # Identity is reproducible only against the three values that exist once.
        single = isinstance(right, ast.Constant) and type(right.value) in (bool, type(None))
        if not single or (kind is not ast.Is and kind is not ast.IsNot):
            raise Refused(f"the comparison {kind.__name__} is not allowed")


def _display(node, checked, below):
    checked.growing += 1


def _loop(node, checked, below):
    checked.loops = True
    if getattr(node, "is_async", 0):
        raise Refused("async is not allowed")


RULES = {
    ast.Name: _name,
    ast.Constant: _constant,
    ast.FunctionDef: _function,
    ast.Call: _call,
    ast.keyword: _keyword,
    ast.Subscript: _subscript,
    ast.BinOp: _operator,
    ast.AugAssign: _operator,
    ast.Compare: _comparison,
    ast.List: _display,
    ast.Tuple: _display,
    ast.While: _loop,
    ast.For: _loop,
    ast.comprehension: _loop,
}
