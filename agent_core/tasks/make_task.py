"""The task that a Python file amounts to, as the content of a task file.

The examples of the file become test cases, which are paid for. With a reference function, more test cases and all check
cases come from inputs made like the given ones, which the reference answers; without one, only the given cases count,
and a part of them is kept as checks where there are enough.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from agent_core.tasks.made_inputs import made_inputs
from agent_core.tasks.python_file import Problem, read_problem
from agent_core.tasks.reference import answers_of
from agent_core.tasks.task_file import TaskError
from agent_core.tasks.values import CLOSE, as_text, same
from agent_core.tasks.words import missing_words, parameter_names

TEST_CASES, CHECK_CASES = 12, 24  # of a task whose reference can answer as many as are wanted
FEWEST_TESTS = 6  # given cases that stay paid for before any is kept as a check
_SEED = 0  # of the made inputs: the same file is always the same task

Case = tuple[list, object]  # inputs and the right answer


def make_task(path: Path, tokens: Sequence[str]) -> tuple[dict, list[str]]:
    """What a task file for this Python file holds, and what there is to say about it. Raises TaskError.

    tokens: the vocabulary, beyond which the task may bring words of its own.
    """
    problem = read_problem(path)
    notes = list(problem.notes)
    if problem.reference is None:
        tests, checks = _split([(example.inputs, example.expected) for example in problem.examples])
        kept = f"{len(checks)} of them are kept as checks" if checks else "too few to keep any as checks"
        notes.append(f"no reference function: {len(tests) + len(checks)} cases are given, {kept}")
    else:
        tests, checks = _answered(path, problem, notes)
        notes.append(f"{len(tests)} test cases and {len(checks)} check cases, answered by {problem.function}")
    parameters = parameter_names(len(tests[0][0]))
    criteria = {
        "function_name": problem.function,
        "parameters": parameters,
        "test_cases": [{"inputs": inputs, "expected": answer} for inputs, answer in tests],
        "check_cases": [{"inputs": inputs, "expected": answer} for inputs, answer in checks],
    }
    task: dict[str, Any] = {
        "name": re.sub(r"[^\w.-]", "_", path.stem)[:64].lstrip(".-") or "problem",
        "description": problem.description or f"{problem.function}, as {path.name} has it.",
        "success_criteria": criteria,
    }
    # As Python's `==` has it: what the file says of a right program must hold here, too.
    answers = [answer for _, answer in (*tests, *checks)]
    if _holds(answers, (int, float)):
        task["numeric"] = "loose" if problem.tolerance == CLOSE else problem.tolerance
    if problem.tolerance > CLOSE:
        notes.append(f"answers that miss by at most {problem.tolerance:.1g} of their size count as right")
    if problem.tuples and _holds(answers, (list,)):
        task["sequences"] = "loose"
    if words := missing_words([*tests, *checks], tokens):
        task["words"] = words
    return task, notes


def _answered(path: Path, problem: Problem, notes: list[str]) -> tuple[list[Case], list[Case]]:
    """Test and check cases of a problem with a reference, which must agree with the answers that the file gives."""
    given = [example.inputs for example in problem.examples]
    assert problem.reference is not None
    answers = answers_of(problem.reference, problem.function, given)
    cases: list[Case] = []
    for example, answer in zip(problem.examples, answers, strict=True):
        where = f"problem {path}, line {example.line}"
        if answer.problem:
            raise TaskError(f"{where}: {problem.function} gives no answer: {answer.problem}")
        if example.answered and not same(answer.value, example.expected, problem.tolerance):
            raise TaskError(
                f"{where}: says {as_text(example.expected)}, but {problem.function} gives {as_text(answer.value)}"
            )
        _add(cases, example.inputs, answer.value)
    made = [list(inputs) for inputs in made_inputs([tuple(inputs) for inputs in given], _SEED, 3 * CHECK_CASES)]
    made = [inputs for inputs in made if not any(same(inputs, other) for other, _ in cases)]
    more: list[Case] = []
    for inputs, answer in zip(made, answers_of(problem.reference, problem.function, made), strict=True):
        if not answer.problem:
            _add(more, inputs, answer.value)
    tests, rest = _varied([*cases, *more], _two_thirds(len(cases) + len(more)), first=len(cases))
    if not more:
        notes.append(f"{problem.function} answers no made input, so nothing is checked beyond the given cases")
    return tests, rest[:CHECK_CASES]


def _holds(values: Iterable[object], kinds: Sequence[type]) -> bool:
    """Whether one of the values, or of what they hold, is of one of these very types."""
    for value in values:
        inside = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
        if type(value) in kinds or _holds(inside, kinds):
            return True
    return False


def _add(cases: list[Case], inputs: list, answer: object) -> None:
    if not any(same(inputs, other) for other, _ in cases):
        cases.append((inputs, answer))


def _split(cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """Given cases into tests and checks: a third are checks, as far as FEWEST_TESTS tests are left."""
    distinct: list[Case] = []
    for inputs, answer in cases:
        _add(distinct, inputs, answer)
    tests = max(FEWEST_TESTS, _two_thirds(len(distinct)))
    return _varied(distinct, tests, first=min(3, len(distinct)))


def _two_thirds(count: int) -> int:
    """As many of so many cases are paid for, and the others are checks."""
    return min(TEST_CASES, -(-2 * count // 3))


def _varied(cases: list[Case], count: int, first: int) -> tuple[list[Case], list[Case]]:
    """`count` of the cases, the first ones among them, then such as have answers that did not come up; and the rest."""
    chosen = list(range(min(first, len(cases))))
    seen = {as_text(cases[place][1]) for place in chosen}
    for fresh in (True, False):
        for place, (_, answer) in enumerate(cases):
            if len(chosen) < count and place not in chosen and (not fresh or as_text(answer) not in seen):
                chosen.append(place)
                seen.add(as_text(answer))
    return [cases[place] for place in sorted(chosen)], [case for i, case in enumerate(cases) if i not in chosen]
