"""How a function that calls itself goes about it: how often it does, in step with what, and whether its answers hang
on it."""

import math
from collections.abc import Sequence
from dataclasses import replace

from agent_core.interpreter.wire_format import TOO_DEEP
from agent_core.sandbox.results import CaseResult, RunResult
from agent_core.scoring.reward import Target, aligned
from agent_core.tasks.values import as_text
from memory.archive.attempt import GROWING

_DEEP = 7  # different numbers of calls are many: on ten inputs halving shows some five, counting down ten
OUTERMOST = "outermost_call"
STAND_INS = (10_007, "")  # for what a call gives: one that is true, one that is not, and both unlike any right answer


def recursion(answers: Sequence[CaseResult], references: Sequence[Target]) -> int:
    """How many different numbers of calls of itself a function takes on its cases, 2 to 7, and GROWING more for each
    seventh of the way that they go up and down with one of the references; 0 where all take as many.

    references: the right answers, and the values of each parameter. Calls without end are one more number.
    """
    calls = [answer.calls if answer.status == "finished" else None for answer in answers]
    numbers = len(set(calls) - {None}) + any(answer.message == TOO_DEEP for answer in answers)
    if numbers < 2:
        return 0
    closeness = max(0.0, *(aligned(reference, calls, by_rank=True) for reference in references))
    return min(numbers, _DEEP) + GROWING * math.ceil(_DEEP * closeness)


def recurses(run: RunResult) -> bool:
    """Whether some cases took other numbers of calls than others."""
    return len({(case.calls, case.message == TOO_DEEP) for case in run.cases}) > 1


def without_calls(module: str, function: str, parameters: int) -> list[str]:
    """Modules like this one in which the function is named OUTERMOST, and what it calls gives a stand-in at once."""
    names = ", ".join(f"argument_{i}" for i in range(parameters))
    return [f"{module}\n{OUTERMOST} = {function}\ndef {function}({names}): return {value!r}\n" for value in STAND_INS]


def counted(run: RunResult, without: Sequence[RunResult]) -> RunResult:
    """The same, where only those calls count that an answer hangs on: none in a case that one of the runs without
    calls answers alike. What they gave there was thrown away, or was only asked whether it is true."""
    cases = list(run.cases)
    for other in without:
        for i, (case, answer) in enumerate(zip(run.cases, other.cases, strict=False)):
            if case.status == answer.status == "finished" and as_text(case.value) == as_text(answer.value):
                cases[i] = replace(case, calls=0)
    return replace(run, cases=tuple(cases))
