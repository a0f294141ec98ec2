"""A problem as people write it in Python: asserts, examples in a docstring, a reference function beside a few calls.

Everything is read from the syntax tree; nothing of the file is executed here. What is understood:

    assert f(1, 2) == 3        also `3 == f(1, 2)`, `f(x) is None`, `assert f(x)`, `assert not f(x)`, isclose, approx,
                               round, and unittest's `self.assertEqual(f(1, 2), 3)`
    >>> f(1, 2)                in any docstring, with the answer in the line below
    f(1, 2)                    alone or printed: an input without an answer, for a reference function to answer
    for a, b in [(1, 2)]:      and pytest's parametrize: what is inside counts once for each round
    def f(a, b): ...           the reference, if it has a body; a stub gives the signature only

Tuples count as lists, as they do in task files. A function named `candidate` in a test harness is the one it tests.
"""

import ast
import doctest
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from agent_core.tasks.python_examples import Example, ExampleReader
from agent_core.tasks.python_literals import NotUsable
from agent_core.tasks.python_scope import HARNESS, FunctionDef, calls, is_test, lines_of, scope_after
from agent_core.tasks.task_file import TaskError, did_you_mean
from agent_core.tasks.values import CLOSE, as_text, same

_MOST_EXAMPLES = 1_000  # of one file: loops can make many
_MOST_LINES = 100_000  # that are looked at, each as often as it would run


@dataclass
class Problem:
    """What a Python file asks for."""

    function: str
    description: str
    examples: list[Example]
    reference: str | None  # source of the reference and of all that it may need; None where there is none
    tuples: bool = False  # whether some answers may be meant as tuples
    tolerance: float = CLOSE  # of answers, as `same` takes it
    notes: list[str] = field(default_factory=list)


def read_problem(path: Path) -> Problem:
    """What the file asks for. Raises TaskError with one line that says what is wrong and where."""
    try:
        source = path.read_text(encoding="utf-8-sig")
        tree = ast.parse(source)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise TaskError(f"problem {path}: cannot be read ({reason})") from error
    except SyntaxError as error:
        where = f", line {error.lineno}" if error.lineno else ""  # Python names none where a byte is 0
        raise TaskError(f"problem {path}{where}: not Python ({error.msg})") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise TaskError(f"problem {path}: not Python ({error})") from error
    try:
        return _Reader(path, tree).problem()
    except RecursionError as error:
        raise TaskError(f"problem {path}: nested too deeply") from error


class _Reader:
    """Collects the examples of one file."""

    def __init__(self, path: Path, tree: ast.Module):
        self._path, self._tree = path, tree
        self._functions = {node.name: node for node in tree.body if isinstance(node, FunctionDef)}
        self._lines = ExampleReader(self._functions)
        self._found: list[Example] = []
        self._unusable: dict[int, str] = {}  # by line, why

    def problem(self) -> Problem:
        module = scope_after(self._tree)
        for node, scope in islice(lines_of(self._tree, module), _MOST_LINES):
            self._lines.scope = scope
            if isinstance(node, ast.Assert):
                self._try(node.lineno, self._lines.assertion, node.test)
            elif isinstance(node, ast.Expr):
                self._try(node.lineno, self._lines.bare_call, node.value)
        for text, line in _docstrings(self._tree):
            self._lines.scope = module.copy()
            for session in self._sessions(text, line):
                self._try(line + session.lineno, self._lines.session, session)
                self._lines.scope.note_all(session.source)
        name = self._tested()
        examples = [example for example in self._found if example.function in (name, HARNESS)]
        definition = self._functions.get(name)
        reference = self._reference(definition) if definition else None
        if definition:
            _check_arity(self._path, definition, examples)
        self._check_examples(name, examples, reference)
        notes = [f"line {line} is left out: {why}" for line, why in self._unusable.items()]
        usable = examples if reference else [example for example in examples if example.answered]
        tuples = self._lines.tuples or reference is not None
        return Problem(name, self._description(definition), usable, reference, tuples, self._lines.tolerance, notes)

    def _sessions(self, text: str, line: int) -> list[doctest.Example]:
        """The `>>>` of a docstring that begins in this line. Raises TaskError."""
        try:
            return doctest.DocTestParser().get_examples(text)
        except ValueError as error:
            where = f"problem {self._path}, in the docstring from line {line} on"
            raise TaskError(f"{where}: {str(error).replace(' for <string>', '')}") from error

    def _try(self, line: int, read: Callable[[Any], Iterator[Example]], node: object) -> None:
        try:
            for example in read(node):
                if len(self._found) == _MOST_EXAMPLES:
                    raise NotUsable(f"there are {_MOST_EXAMPLES:,} examples before it")
                example.line = line
                self._found.append(example)
        except NotUsable as reason:
            self._unusable.setdefault(line, str(reason))

    def _tested(self) -> str:
        """The one function that the examples call. Raises TaskError where there is none, or more than one."""
        lines: dict[str, int] = {}
        for example in self._found:
            lines.setdefault(example.function, example.line)
        answered = {example.function for example in self._found if example.answered}
        names = [name for name in lines if name in answered] or list(lines)
        others = [name for name in names if name != HARNESS]
        if not others and HARNESS in names:
            defined = [name for name, node in self._functions.items() if not calls(node, HARNESS)]
            others = defined[:1] if len(defined) == 1 else [HARNESS]
        if len(others) == 1:
            return others[0]
        if others:
            first, second = others[:2]
            raise TaskError(
                f"problem {self._path}: line {lines[first]} asks for {first}, line {lines[second]} for {second}"
                f"{did_you_mean(second, [first])}; keep the examples of one function"
            )
        if self._unusable:
            line, why = next(iter(self._unusable.items()))
            raise TaskError(f"problem {self._path}, line {line}: {why}; no example is left")
        raise TaskError(f"problem {self._path}: has no example; write lines such as `assert f(1, 2) == 3`")

    def _check_examples(self, name: str, examples: list[Example], reference: str | None) -> None:
        first = examples[0]
        for example in examples:
            if len(example.inputs) != len(first.inputs):
                raise TaskError(
                    f"problem {self._path}, line {example.line}: {name} takes {len(example.inputs)} arguments here and "
                    f"{len(first.inputs)} in line {first.line}"
                )
        answered = [example for example in examples if example.answered]
        if not (answered or reference):
            raise TaskError(
                f"problem {self._path}, line {first.line}: no line says what {name} is to give, and there is no "
                f"reference; write lines such as `assert {name}(...) == ...`"
            )
        for place, example in enumerate(answered):
            for other in answered[:place]:
                if not same(example.inputs, other.inputs):
                    continue
                if not same(example.expected, other.expected, self._lines.tolerance):
                    raise TaskError(
                        f"problem {self._path}: line {other.line} says {as_text(other.expected)} and line "
                        f"{example.line} says {as_text(example.expected)} for the same arguments; keep the right one"
                    )

    def _reference(self, definition: FunctionDef) -> str | None:
        """The file without its examples, if the function has a body of its own."""
        if isinstance(definition, ast.AsyncFunctionDef) or all(map(_says_nothing, definition.body)):
            return None
        kept = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
        body: list[ast.stmt] = [
            node
            for node in self._tree.body
            if isinstance(node, kept) and not (isinstance(node, ast.FunctionDef) and is_test(node))
        ]
        return ast.unparse(ast.Module(body, []))

    def _description(self, definition: FunctionDef | None) -> str:
        text = (definition and ast.get_docstring(definition)) or ast.get_docstring(self._tree) or ""
        first = next((line.strip() for line in text.split("\n") if line.strip()), "")
        return "" if first.startswith(">>>") else first


def _check_arity(path: Path, definition: FunctionDef, examples: list[Example]) -> None:
    """Raises TaskError where a call does not fit the signature."""
    arguments = definition.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
        raise TaskError(f"problem {path}, line {definition.lineno}: only plain parameters can be a task's")
    most = len(arguments.posonlyargs) + len(arguments.args)
    least = most - len(arguments.defaults)
    for example in examples:
        if not least <= len(example.inputs) <= most:
            raise TaskError(
                f"problem {path}, line {example.line}: {definition.name} has {most} parameters, and this call gives "
                f"{len(example.inputs)}"
            )


def _says_nothing(node: ast.stmt) -> bool:
    """Whether a statement is what stubs are made of."""
    if isinstance(node, ast.Raise):
        return True
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _docstrings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every docstring with the line in which it begins."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node, False)):
            yield text, node.body[0].lineno
