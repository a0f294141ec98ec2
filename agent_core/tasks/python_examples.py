"""What one line says of a function: an assertion, a `>>>` of a docstring, or a bare call, as a call and its answer."""

import ast
import builtins
import doctest
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent_core.tasks.python_literals import NotUsable, folded
from agent_core.tasks.python_scope import FunctionDef, Scope, called

_APPROX = frozenset({"isclose", "approx"})
_ASSERT_EQUAL = frozenset({"assertEqual", "assertEquals", "assertListEqual", "assertIs", "assertAlmostEqual"})
_ASSERT_VALUE = {"assertTrue": True, "assertFalse": False, "assertIsNone": None}


@dataclass
class Example:
    """One call: its inputs, where it stands, and its answer where the file gives one."""

    function: str
    inputs: list
    line: int = 0
    expected: object = None
    answered: bool = True


class ExampleReader:
    """Reads lines of one file. `loose` says whether one of them compared numbers that need only be close."""

    def __init__(self, functions: Mapping[str, FunctionDef]):
        """functions: those that the file defines."""
        self._functions = functions
        self.scope = Scope()  # what names stand for at the line that is read
        self.loose = False

    def assertion(self, test: ast.expr) -> Iterator[Example]:
        """`f(x) == y`, either way round, and what people write instead of it."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            for part in test.values:
                yield from self.assertion(part)
        elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yield self._example(test.operand, expected=False)
        elif isinstance(test, ast.Compare) and len(test.ops) == 1:
            yield self._comparison(test.left, test.ops[0], test.comparators[0])
        elif isinstance(test, ast.Call) and called(test) in _APPROX and len(test.args) >= 2:
            self.loose = True
            yield self._equal(test.args[0], test.args[1])
        else:
            yield self._example(test, expected=True)

    def _comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Example:
        if isinstance(operator, ast.Eq | ast.Is):
            return self._equal(left, right)
        if isinstance(operator, ast.Lt | ast.LtE) and isinstance(left, ast.Call) and called(left) == "abs":
            inside = left.args[0] if left.args else None
            if isinstance(inside, ast.BinOp) and isinstance(inside.op, ast.Sub):  # abs(f(x) - y) < 1e-6
                self.loose = True
                return self._equal(inside.left, inside.right)
        raise NotUsable("only `==` says what the answer is")

    def _equal(self, left: ast.expr, right: ast.expr) -> Example:
        if isinstance(right, ast.Call) and called(right) == "approx" and right.args:
            self.loose, right = True, right.args[0]
        call, answer = (left, right) if self._is_call(left) else (right, left)
        methods = (isinstance(side, ast.Call) and isinstance(side.func, ast.Attribute) for side in (left, right))
        if not self._is_call(call) and any(methods):
            raise NotUsable("a method is called: a task is a function of its own")
        return self._example(call, self._value(answer))

    def _is_call(self, node: ast.expr) -> bool:
        call, _ = self._call(node)
        return isinstance(call, ast.Call) and isinstance(call.func, ast.Name)

    def _call(self, node: ast.expr) -> tuple[ast.expr, Scope]:
        """The call that a name stands for, and what names stood for then; or else the expression itself."""
        if isinstance(node, ast.Name) and node.id in self.scope.results:
            return self.scope.results[node.id]
        return node, self.scope

    def bare_call(self, node: ast.expr) -> Iterator[Example]:
        """`f(x)` or `print(f(x))`: an input that only a reference can answer. Or one of unittest's assertions."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            name = node.func.attr
            if name in _ASSERT_EQUAL and len(node.args) > 1:
                self.loose = self.loose or name == "assertAlmostEqual"
                yield self._equal(node.args[0], node.args[1])
            elif name in _ASSERT_VALUE:
                yield self._example(node.args[0], _ASSERT_VALUE[name])
        if isinstance(node, ast.Call) and called(node) == "print" and len(node.args) == 1:
            node = node.args[0]
        if self._is_call(node) and called(self._call(node)[0]) in self._functions:
            example = self._example(node, None)
            example.answered = False
            yield example

    def session(self, example: doctest.Example) -> Iterator[Example]:
        """One `>>>` of a docstring, and what it shows below."""
        try:
            node = ast.parse(example.source.strip(), mode="eval").body
        except SyntaxError:
            return  # a statement: it sets something up
        if example.exc_msg is not None:
            raise NotUsable("an exception is no answer")
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and example.want.strip() == "True":
            yield self._comparison(node.left, node.ops[0], node.comparators[0])
        elif self._is_call(node):
            try:
                answer = ast.parse(example.want.strip() or "None", mode="eval").body
            except SyntaxError:
                raise NotUsable(f"{example.want.strip()[:40]!r} is no plain value") from None
            yield self._example(node, self._value(answer))

    def _example(self, node: ast.expr, expected: object) -> Example:
        call, scope = self._call(node)
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            raise NotUsable("it does not compare one call with its answer")
        name = call.func.id
        if hasattr(builtins, name) and name not in self._functions:
            raise NotUsable(f"it looks at what {name} makes of the answer, not at the answer")
        inputs = [folded(argument, scope.values) for argument in call.args]
        if call.keywords:
            inputs += self._by_keyword(name, call, len(inputs), scope)
        return Example(name, inputs, expected=expected)

    def _by_keyword(self, name: str, call: ast.Call, placed: int, scope: Scope) -> list:
        definition = self._functions.get(name)
        if definition is None:
            raise NotUsable("keyword arguments need a `def` that says their order")
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        parameters = [*definition.args.posonlyargs, *definition.args.args]
        wanted = [argument.arg for argument in parameters[placed : placed + len(given)]]
        if set(wanted) != set(given):
            raise NotUsable(f"its keyword arguments are not {', '.join(wanted)}")
        return [folded(given[argument], scope.values) for argument in wanted]

    def _value(self, node: ast.expr) -> object:
        return folded(node, self.scope.values)
