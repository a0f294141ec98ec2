"""What one line says of a function: an assertion, a `>>>` of a docstring, or a bare call, as a call and its answer."""

import ast
import builtins
import doctest
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agent_core.tasks.python_literals import NotUsable, folded
from agent_core.tasks.python_scope import FunctionDef, Scope, called
from agent_core.tasks.values import CLOSE, is_number

_ASSERT_EQUAL = frozenset({"assertEqual", "assertEquals", "assertListEqual", "assertIs", "assertAlmostEqual"})
_MOST_APART = 0.1  # of their size: as far from right as any answers may be
_MOST_PLACES = 300  # of a decimal fraction, either way, that a float can hold
_ASSERT_VALUE = {"assertTrue": True, "assertFalse": False, "assertIsNone": None}


class Apart(NamedTuple):
    """How far from right an answer may be, by whichever of the two allows more."""

    absolute: float = 0.0
    relative: float = 0.0  # of the right answer


_RELATIVE, _ABSOLUTE = ("rel_tol", "rtol", "rel"), ("abs_tol", "atol", "abs", "delta")
# Of those that compare numbers, what they allow where nothing is said.
_ALLOWED = {"isclose": Apart(relative=1e-9), "approx": Apart(relative=1e-6), "assertAlmostEqual": Apart(0.5e-7)}


@dataclass
class Example:
    """One call: its inputs, where it stands, and its answer where the file gives one."""

    function: str
    inputs: list
    line: int = 0
    expected: object = None
    answered: bool = True


class ExampleReader:
    """Reads lines of one file. `tolerance` says how far apart numbers may be where one of the lines asks for numbers
    that are close and no more: the most that any of them allows, as `same` takes it. `tuples` says whether some answers
    may be meant as tuples, which count as lists."""

    def __init__(self, functions: Mapping[str, FunctionDef]):
        """functions: those that the file defines."""
        self._functions = functions
        self.scope = Scope()  # what names stand for at the line that is read
        self.tolerance = CLOSE
        self.tuples = False

    def assertion(self, test: ast.expr) -> Iterator[Example]:
        """`f(x) == y`, either way round, and what people write instead of it."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            for part in test.values:
                yield from self.assertion(part)
        elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yield self._example(test.operand, expected=False)
        elif isinstance(test, ast.Compare) and len(test.ops) == 1:
            yield self._comparison(test.left, test.ops[0], test.comparators[0])
        elif isinstance(test, ast.Call) and called(test) in ("isclose", "approx") and len(test.args) >= 2:
            yield self._near(test.args[0], test.args[1], self._apart(test))
        else:
            yield self._example(test, expected=True)

    def _comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Example:
        if isinstance(operator, ast.Eq | ast.Is):
            return self._equal(left, right)
        if isinstance(operator, ast.Lt | ast.LtE) and isinstance(left, ast.Call) and called(left) == "abs":
            inside = left.args[0] if left.args else None
            if isinstance(inside, ast.BinOp) and isinstance(inside.op, ast.Sub):  # abs(f(x) - y) < 1e-6
                return self._near(inside.left, inside.right, Apart(absolute=self._number(right)))
        raise NotUsable("only `==` says what the answer is")

    def _equal(self, left: ast.expr, right: ast.expr) -> Example:
        for side, other in ((left, right), (right, left)):
            if isinstance(side, ast.Call) and called(side) == "approx" and side.args:
                return self._near(other, side.args[0], self._apart(side))
            if isinstance(side, ast.Call) and self._rounds(side):
                return self._near(side.args[0], other, self._rounded(side.args[1:]))
        call, answer = (left, right) if self._is_call(left) else (right, left)
        methods = (isinstance(side, ast.Call) and isinstance(side.func, ast.Attribute) for side in (left, right))
        if not self._is_call(call) and any(methods):
            raise NotUsable("a method is called: a task is a function of its own")
        return self._example(call, self._value(answer))

    def _near(self, left: ast.expr, number: ast.expr, apart: Apart) -> Example:
        """A call and a number that its answer need only be close to. All lines of the file are given the same."""
        example = self._equal(left, number)
        right = example.expected
        size = abs(float(right)) if isinstance(right, int | float) and is_number(right) else 1.0
        allowed = max(apart.absolute, apart.relative * size) / max(size, 1.0)
        if not allowed <= _MOST_APART:
            raise NotUsable(f"an answer that is {allowed:.0%} off would do for it")
        self.tolerance = max(self.tolerance, allowed)
        return example

    def _apart(self, call: ast.Call) -> Apart:
        """What a call that compares numbers says of how far apart they may be."""
        places = [keyword.value for keyword in call.keywords if keyword.arg == "places"]
        if called(call) == "assertAlmostEqual" and (places := places or call.args[2:3]):
            return self._rounded(places)
        said = [keyword for keyword in call.keywords if keyword.arg in (*_ABSOLUTE, *_RELATIVE)]
        if not said:
            return _ALLOWED[called(call)]
        given = {keyword.arg: self._number(keyword.value) for keyword in said}
        absolute, relative = (max(given.get(name, 0.0) for name in names) for names in (_ABSOLUTE, _RELATIVE))
        return Apart(absolute, relative)

    def _rounds(self, call: ast.Call) -> bool:
        """Whether it is Python's `round` of a call."""
        own = "round" in self._functions
        return called(call) == "round" and not own and bool(call.args) and self._is_call(call.args[0])

    def _rounded(self, places: Sequence[ast.expr]) -> Apart:
        """What rounding to so many places allows; to whole numbers where none is said."""
        count = self._number(places[0]) if places else 0.0
        if abs(count) > _MOST_PLACES:
            raise NotUsable("nothing can be rounded to so many places")
        return Apart(0.5 * 10**-count)

    def _number(self, node: ast.expr) -> float:
        value = folded(node, self.scope.values)
        if not isinstance(value, int | float) or not is_number(value):
            raise NotUsable("it does not say by a number how close the answer must be")
        return float(value)

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
                if name == "assertAlmostEqual":
                    yield self._near(node.args[0], node.args[1], self._apart(node))
                else:
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
        # A name may stand for one.
        self.tuples |= any(isinstance(part, ast.Tuple | ast.Name) for part in ast.walk(node))
        return folded(node, self.scope.values)
