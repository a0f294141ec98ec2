"""What a task is: a text to print, or a function whose signature is given and whose body the policy writes.

The function that is being written is called `func_a` in the policy's language, so that recursion is one token; people
are shown the task's own name for it. How task files are read and refused is in task_file.py.
"""

import ast
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from agent_core.tasks import task_file
from agent_core.tasks.feasibility import Vocabulary
from agent_core.tasks.fields import did_you_mean
from agent_core.tasks.make_task import make_task
from agent_core.tasks.task_file import TaskError
from agent_core.tasks.values import as_text, tolerance_of

__all__ = ["BUILTIN", "FUNCTION", "Case", "Task", "TaskError", "builtin_tasks", "load_task"]

FUNCTION = "func_a"  # the policy's name for the function that a task asks for
BUILTIN = Path(__file__).parent
RUNGS = task_file.RUNGS


@dataclass(frozen=True)
class Case:
    """One call of the function and its right answer."""

    arguments: tuple
    expected: object


@dataclass(frozen=True)
class Task:
    """What is asked. A function task has a `function_name`; the others have an `expected_output`."""

    name: str
    description: str
    rung: str = ""  # of the ladder: say it, compute it, handle it, repeat it, put it together; "" for a user's own
    expected_output: str | None = None  # without the trailing newline, which does not count
    case_sensitive: bool = True
    function_name: str | None = None
    parameters: tuple[str, ...] = ()
    test_cases: tuple[Case, ...] = ()  # paid for
    check_cases: tuple[Case, ...] = ()  # must hold too, paid for only once a would-be solution failed them
    numeric: str | float = "exact"  # or "loose": 1 and 1.0 are the same answer; or how far apart they may be
    sequences: str = "exact"  # or "loose": in answers tuples count as lists
    required_tokens: tuple[str, ...] = ()  # a token named twice must occur twice
    max_tokens: int | None = None
    shortest_known_tokens: int | None = field(default=None, compare=False)
    words: tuple[str, ...] = ()  # tokens that the task needs beyond the vocabulary
    notes: tuple[str, ...] = field(default=(), compare=False)  # what is no mistake in its file and yet to be said

    @property
    def kind(self) -> str:
        return "output" if self.function_name is None else "function"

    @property
    def tolerance(self) -> float | None:
        """Of answers, as `same` takes it."""
        return tolerance_of(self.numeric)

    @property
    def start(self) -> tuple[str, tuple[str, ...]]:
        """The grammar's start symbol, and the names that exist before the first token."""
        if self.kind == "output":
            return "program", ()
        return "function_body", (*self.parameters, FUNCTION)

    @cached_property
    def digest(self) -> str:
        """Tells tasks apart by what they ask, so that a task edited under its old name is not taken for the old one."""
        asked = [self.expected_output, self.case_sensitive, self.function_name, self.parameters, self.numeric]
        if self.sequences != "exact":
            asked.append(self.sequences)  # not for others: digests of saved runs stay what they were
        cases = [(case.arguments, case.expected) for case in (*self.test_cases, *self.check_cases)]
        text = as_text([tuple(asked), cases, len(self.test_cases), self.required_tokens, self.max_tokens])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def module(self, text: str) -> str:
        """The Python module that is run for a program's text."""
        if self.kind == "output":
            return text
        body = "".join(f"    {line}\n" if line.strip() else "\n" for line in text.split("\n"))
        return f"def {FUNCTION}({', '.join(self.parameters)}):\n{body.rstrip()}\n"

    def present(self, text: str) -> str:
        """The program as it is shown and saved: formatted, with the function under the task's own name."""
        try:
            tree = ast.parse(self.module(text))
            if self.function_name is not None:
                _rename(tree, FUNCTION, self.function_name)
            return ast.unparse(tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # written without the rules: shown as it is
            return self.module(text).rstrip("\n")


def builtin_tasks() -> list[str]:
    """Names of the tasks that come with the project, in alphabetical order."""
    return sorted(path.stem for path in BUILTIN.glob("*.json"))


def load_task(name_or_path: str | Path, tokens: Sequence[str], vocabulary_file: str | Path = "the vocabulary") -> Task:
    """The built-in task of that name, or the one in that file.

    tokens: the vocabulary, in which the task must be possible; vocabulary_file: where users add to it. Raises TaskError
    with the field, the reason and the way out.
    """
    path, known = Path(name_or_path), builtin_tasks()
    if str(name_or_path) in known:
        path = BUILTIN / f"{name_or_path}.json"
    elif path.suffix not in (".json", ".py") and not os.path.isfile(path):  # False for a name that is too long, too
        raise TaskError(
            f'task "{name_or_path}": there is no built-in task of that name{did_you_mean(path.name, known)}, '
            f"and no such file; built in are {', '.join(known)}"
        )
    vocabulary = Vocabulary(tokens, str(vocabulary_file))
    notes: list[str] = []
    if path.suffix == ".py":
        data, notes = make_task(path, tokens)
        fields = task_file.check(data, path, vocabulary, FUNCTION)
    else:
        fields = task_file.read(path, vocabulary, FUNCTION)
    fields["notes"] = (*notes, *fields.get("notes", ()))
    for cases in ("test_cases", "check_cases"):
        fields[cases] = tuple(Case(tuple(arguments), expected) for arguments, expected in fields.get(cases, ()))
    return Task(**fields)


def _rename(tree: ast.Module, old: str, new: str) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == old:
            node.id = new
        elif isinstance(node, ast.FunctionDef) and node.name == old:
            node.name = new
