"""The lines of a Python file in the order in which they would run, and what names stand for at each of them.

Nothing is executed. Names are followed as far as they stand for plain values or for the result of a call:

    cases = [(1, 2), (3, 6)]
    for number, wanted in cases:            once for each case
        result = double(number)
        assert result == wanted             double(1) == 2, then double(3) == 6

The same goes for test functions with pytest's `parametrize`. A name that is changed in any other way stands for
nothing.
"""

import ast
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from agent_core.tasks.python_literals import NotUsable, elements, folded

HARNESS = "candidate"  # what a test harness calls the function that it is given
FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef
_BLOCKS = ast.If | ast.With | ast.Try | ast.ClassDef | ast.For | ast.While  # `if __name__ == "__main__":` and such


@dataclass
class Scope:
    """What names stand for."""

    values: dict[str, object] = field(default_factory=dict)  # plain values
    results: dict[str, tuple[ast.Call, "Scope"]] = field(default_factory=dict)  # calls, and the names as they were then

    def copy(self) -> "Scope":
        return Scope(dict(self.values), dict(self.results))

    def note_all(self, source: str) -> None:
        """Follows what some lines of Python do to names."""
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            for node in ast.parse(source).body:
                self.note(node)

    def note(self, node: ast.AST) -> None:
        """Follows what a statement does to names."""
        self.forget([node.name] if isinstance(node, FunctionDef) else _changed(node))
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            self._assign(node.targets[0], node.value)
        elif isinstance(node, ast.AnnAssign) and node.value:
            self._assign(node.target, node.value)

    def forget(self, names: Iterable[str]) -> None:
        """The names stand for something that is not known."""
        for name in names:
            self.values.pop(name, None)
            self.results.pop(name, None)

    def bind(self, target: ast.expr, value: object) -> None:
        """Gives names to a plain value, or to its parts. Raises NotUsable."""
        if isinstance(target, ast.Name):
            self.values[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List) and isinstance(value, list) and len(value) == len(target.elts):
            for part, item in zip(target.elts, value, strict=True):
                self.bind(part, item)
        else:
            raise NotUsable(f"{ast.unparse(target)[:40]} cannot be followed")

    def _assign(self, target: ast.expr, node: ast.expr) -> None:
        try:
            self.bind(target, folded(node, self.values))
        except NotUsable:
            if isinstance(target, ast.Name) and isinstance(node, ast.Call):
                self.results[target.id] = node, self.copy()


def lines_of(tree: ast.Module, module: Scope) -> Iterator[tuple[ast.stmt, Scope]]:
    """The statements of a module and of its test functions. A scope is right until the next one is asked for.

    module: as `scope_after` gives it, for the functions.
    """
    return _lines(tree.body, Scope(), module)


def scope_after(tree: ast.Module) -> Scope:
    """What names stand for after the statements of a module."""
    scope = Scope()
    for node in tree.body:
        scope.note(node)
    return scope


def is_test(node: FunctionDef) -> bool:
    """Whether a function holds examples, by its name or by what it calls."""
    return node.name.startswith("test") or node.name in ("check", "main") or calls(node, HARNESS)


def calls(node: ast.AST, name: str) -> bool:
    return any(isinstance(part, ast.Call) and called(part) == name for part in ast.walk(node))


def called(call: ast.expr) -> str:
    """The last name of what is called, `isclose` of `math.isclose(...)`; "" where nothing is."""
    function = call.func if isinstance(call, ast.Call) else None
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )


def _lines(body: Iterable[ast.stmt], scope: Scope, module: Scope) -> Iterator[tuple[ast.stmt, Scope]]:
    """module: what the module's names stand for in the end, which functions see."""
    for node in body:
        if isinstance(node, FunctionDef):
            if is_test(node):
                own = module.copy()
                own.forget(argument.arg for argument in node.args.args)
                for inner in _parametrized(node.decorator_list, own):
                    yield from _lines(node.body, inner, module)
        elif isinstance(node, _BLOCKS):
            for inner in _rounds(node, scope):
                yield from _lines(node.body, inner, module)
            scope.note(node)  # whether and how often it ran is not known afterwards
        else:
            yield node, scope
            scope.note(node)


def _rounds(node: ast.stmt, scope: Scope) -> Iterator[Scope]:
    """The names in each round of a block; in one round where it is no loop, or nobody knows what it runs through."""
    inner = scope.copy()
    if isinstance(node, ast.For | ast.While):
        inner.note(node)  # what the loop changes is not known in it
    if isinstance(node, ast.For):
        with contextlib.suppress(NotUsable):
            for item in elements(node.iter, scope.values):
                yield from _bound(node.target, item, inner)
            return
    yield inner


def _parametrized(decorators: list[ast.expr], scope: Scope) -> Iterator[Scope]:
    """The names in each run of a test function."""
    if not decorators:
        yield scope.copy()
        return
    first, *others = decorators
    for inner in _runs(first, scope):
        yield from _parametrized(others, inner)


def _runs(decorator: ast.expr, scope: Scope) -> Iterator[Scope]:
    """The names in each run for which one decorator asks."""
    rows: list[object] = []
    if isinstance(decorator, ast.Call) and called(decorator) == "parametrize" and len(decorator.args) > 1:
        names, given = decorator.args[:2]
        with contextlib.suppress(NotUsable):
            written = folded(names, scope.values)
            target = _target(written.split(",") if isinstance(written, str) else written)
            if isinstance(given, ast.List | ast.Tuple):
                rows = [_row(row, target, scope) for row in given.elts]
            else:
                rows = elements(given, scope.values)
    if not rows:
        yield scope
    for row in rows:
        yield from _bound(target, row, scope)


def _target(names: object) -> ast.expr:
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise NotUsable("parametrize gives no names")
    parts: list[ast.expr] = [ast.Name(name.strip()) for name in names if name.strip()]
    return parts[0] if len(parts) == 1 else ast.Tuple(parts)


def _row(node: ast.expr, target: ast.expr, scope: Scope) -> object:
    """One row of parametrize; `pytest.param(1, 2, id="x")` is one, too."""
    if isinstance(node, ast.Call) and called(node) == "param":
        values = [folded(argument, scope.values) for argument in node.args]
        return values[0] if isinstance(target, ast.Name) and values else values
    return folded(node, scope.values)


def _bound(target: ast.expr, value: object, scope: Scope) -> Iterator[Scope]:
    inner = scope.copy()
    try:
        inner.bind(target, value)
    except NotUsable:  # as if nothing was known
        inner = scope.copy()
    yield inner


def _changed(node: ast.AST) -> Iterator[str]:
    """The names that a statement gives to something, or whose value it may change by a method or in place."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
            yield part.id
        elif isinstance(part, ast.Subscript) and not isinstance(part.ctx, ast.Load):
            yield from _names_in(part.value)
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            yield from _names_in(part.func.value)


def _names_in(node: ast.AST) -> Iterator[str]:
    return (part.id for part in ast.walk(node) if isinstance(part, ast.Name))
