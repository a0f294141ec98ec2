"""How a function that calls itself goes about it: how often it does, in step with what, and whether its answers hang
on it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from agent_core.interpreter.wire_format import TOO_DEEP
from agent_core.sandbox.results import CaseResult, RunResult
from agent_core.scoring.similarity import Direction
from agent_core.tasks.values import as_text

_MANY = 7  # different numbers of calls, more are not told apart: on ten inputs halving shows some five, counting ten
_SEVENTHS = 7
OUTERMOST = "outermost_call"
STAND_INS = (10_007, "")  # for what a call gives: one that is true, one that is not, and both unlike any right answer


class SelfCalls(NamedTuple):
    """How a function's calls of itself go with what it is asked.

    Counting down to 0, `factorial` takes n calls for n: ten numbers on its ten cases, which rise with the answers as
    closely as can be: SelfCalls(7, 7). `var_a and func_a(0)` takes 0 or 1, in step with little: SelfCalls(2, 3).
    """

    closeness: int  # sevenths of the way that the numbers of calls go up and down with one of the references, 0 to 7
    numbers: int  # how many different numbers of calls there are, 2 to 7; 0 where all cases take as many


NO_SELF_CALLS = SelfCalls(0, 0)


def self_calls(answers: Sequence[CaseResult], references: Sequence[Direction]) -> SelfCalls:
    """How often a function calls itself on its cases, and in step with what.

    references: the right answers, and the values of each parameter. Calls without end are one more number.
    """
    calls: list[float | None] = [answer.calls if answer.status == "finished" else None for answer in answers]
    numbers = len(set(calls) - {None}) + any(answer.message == TOO_DEEP for answer in answers)
    if numbers < 2:
        return NO_SELF_CALLS
    closeness = max(0.0, *(reference.aligned(calls, by_rank=True) for reference in references))
    return SelfCalls(math.ceil(_SEVENTHS * closeness), min(numbers, _MANY))


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
