"""Before a shorter program replaces a solution, the two are run on inputs made from the task's own.

Both pass all cases, so nothing that is known says which is right. Where they differ, the earlier one stays, and the
input on which they do is shown: somebody who knows the answer can add it to the task's cases. Nothing else hangs on the
made inputs: no reward, no counterexample and no draw of the run.

Where the solution has no answer to a made input (it crashes or does not end), there is nothing to keep: the input may
lie outside of what the task presupposes. Where only the other program has none, they differ.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from agent_core.sandbox.executor import Call, CaseResult, Executor
from agent_core.scoring.case_runner import listed
from agent_core.scoring.mismatch import call, outcome
from agent_core.tasks.made_inputs import made_inputs
from agent_core.tasks.task import FUNCTION, Task
from agent_core.tasks.values import as_json, as_text, is_small, same

INPUTS = 200  # made of a task's cases
WHICH = "which is right? add it to the task's cases"
_ENDLESS = 20  # made inputs on which a program may fail to end before it is asked no more
_NO_ANSWER = CaseResult("endless")

TokenIds = tuple[int, ...]


class Difference(NamedTuple):
    """An input on which two programs differ."""

    arguments: tuple
    solution: CaseResult  # of the earlier program
    other: CaseResult


class Dispute(NamedTuple):
    """A shorter program that passes every case and yet differs from the solution."""

    attempts: int
    tokens: int
    program: str  # as people are shown it
    arguments: list
    solution: tuple[str, Any, str]  # what the solution came to: status, value and message
    other: tuple[str, Any, str]

    def line(self, task: Task) -> str:
        """The difference in one line, safe to show."""
        return (
            f"{call(task, self.arguments)}: the solution {outcome(*self.solution)}, "
            f"the shorter program {outcome(*self.other)}; {WHICH}"
        )

    def as_json(self) -> dict[str, Any]:
        """What result.json holds of it."""
        return {
            "attempts": self.attempts,
            "tokens": self.tokens,
            "program": self.program,
            "inputs": as_json(self.arguments),
            "solution": _answer_as_json(self.solution),
            "other": _answer_as_json(self.other),
        }


def first_difference(
    inputs: Sequence[tuple], solution: Sequence[CaseResult], other: Sequence[CaseResult], tolerance: float | None
) -> Difference | None:
    """The first of the inputs on which a solution's answer is not the other program's."""
    for arguments, right, got in zip(inputs, solution, other, strict=True):
        if right.status == "finished" and not _agree(right, got, tolerance):
            return Difference(arguments, right, got)
    return None


class Comparison:
    """Runs programs on the inputs made from one task's cases, and tells where two of them differ."""

    def __init__(self, task: Task, executor: Executor, seed: int, text: Callable[[TokenIds], str]):
        """seed: the made inputs follow from it. text: of a program, as the policy writes it."""
        self.seed = seed
        self._task, self._executor, self._text = task, executor, text
        self._inputs: list[tuple] | None = None
        self._asked: tuple[TokenIds, list[CaseResult]] | None = None  # the last solution, and what it answered

    def begin(self, seed: int) -> None:
        """Takes another seed from now on, or forgets what programs answered, since token ids mean something else."""
        self.seed, self._inputs, self._asked = seed, None, None

    def dispute(self, row: TokenIds, solution: TokenIds, attempts: int) -> Dispute | None:
        """Where the program differs from the solution; None where it does not, on any made input.

        attempts: at which the program was tried. Raises JailError where no program can be run now.
        """
        if self._inputs is None:
            cases = [*self._task.test_cases, *self._task.check_cases]
            self._inputs = made_inputs([case.arguments for case in cases], self.seed, INPUTS)
        if not self._inputs:
            return None
        if self._asked is None or self._asked[0] != solution:
            self._asked = solution, self._answers(solution, self._inputs)
        tolerance = self._task.tolerance
        found = first_difference(self._inputs, self._asked[1], self._answers(row, self._inputs), tolerance)
        if found is None:
            return None
        program = self._task.present(self._text(row))
        return Dispute(attempts, len(row), program, list(found.arguments), _plain(found.solution), _plain(found.other))

    def _answers(self, row: TokenIds, inputs: Sequence[tuple]) -> list[CaseResult]:
        """What the program answers, alone in the jail, to each input. After one that does not end the jail asks no
        more, so the rest are asked in another run."""
        module, answers = self._task.module(self._text(row)), list[CaseResult]()
        for _ in range(_ENDLESS):
            rest = tuple(inputs[len(answers) :])
            (run,) = self._executor.run([module], Call(FUNCTION, rest), alone=True)
            statuses = [case.status for case in run.cases]
            ended = statuses.index("endless") + 1 if "endless" in statuses else len(statuses)
            answers += run.cases[:ended]
            if ended == len(rest) or not ended:
                break
        answers += [_NO_ANSWER] * (len(inputs) - len(answers))
        return answers if self._task.sequences == "exact" else listed(answers)


def _agree(right: CaseResult, got: CaseResult, tolerance: float | None) -> bool:
    """Whether both are the same answer. One that is a burden to look at is none, as it is to the scorer."""
    if not is_small(right.value):
        return True
    if got.status != "finished" or not is_small(got.value):
        return False
    return same(got.value, right.value, tolerance) or as_text(got.value) == as_text(right.value)  # nan is not itself


def _plain(result: CaseResult) -> tuple[str, Any, str]:
    return result.status, result.value if is_small(result.value) else None, result.message


def _answer_as_json(answer: tuple[str, Any, str]) -> dict[str, Any]:
    status, value, message = answer
    return {"status": status, "answer": as_json(value), **({"message": message} if message else {})}
