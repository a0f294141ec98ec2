"""How programs are run so that they can be judged: on which cases, in which order, and what of it counts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent_core.interpreter.wire_format import STATUSES
from agent_core.sandbox.executor import BatchRun, CaseResult, Executor, RunResult
from agent_core.scoring.judges import Judge
from agent_core.scoring.self_calls import OUTERMOST, STAND_INS, counted, recurses, without_calls
from agent_core.tasks.task import FUNCTION, Case
from agent_core.tasks.values import as_lists, is_small

_BURDEN = CaseResult("crashed", message="the answer is too deep or too large")


@dataclass(frozen=True)
class Programs:
    """Programs to be scored together, a column each."""

    modules: Sequence[str]
    token_counts: Sequence[int]  # for `max_tokens`, and the shorter of equals is the better one
    function: str = FUNCTION  # the name that the modules define


class CaseRunner:
    """Runs programs on the cases of a judge. An answer that would be a burden to look at counts as a crash."""

    def __init__(self, executor: Executor):
        self.executor = executor

    def start(self, judge: Judge) -> BatchRun:
        """A run on the paid cases that programs can be added to while others are still being written."""
        return self.executor.start(judge.call(judge.paid, FUNCTION))

    def first(self, judge: Judge, programs: Programs, run: BatchRun | None) -> list[RunResult]:
        """The programs on the paid cases. A function's calls of itself count only if its answers hang on them.

        run: what `start` gave, to which the first of the programs have been added; None where none is under way.
        """
        modules, function = programs.modules, programs.function
        if run is None:
            results = self.run(judge, modules, judge.paid, function)
        else:
            results = _seen(run.finish(modules[len(run.sources) :]), judge)
        recursive = [i for i, result in enumerate(results) if recurses(result)]
        if not recursive:
            return results
        parameters = len(judge.paid[0].arguments)
        without = [other for i in recursive for other in without_calls(modules[i], function, parameters)]
        others = iter(self.run(judge, without, judge.paid, OUTERMOST))
        for i in recursive:
            results[i] = counted(results[i], [next(others) for _ in STAND_INS])
        return results

    def again(
        self, judge: Judge, modules: Sequence[str], checks: Sequence[Case], function: str, alone: bool = False
    ) -> list[RunResult]:
        """The modules on the paid cases in reverse and then on the checks; the answers come in their usual order.

        alone: each in a process of its own. The status is that of the paid cases, whatever the checks did.
        """
        results = self.run(judge, modules, [*reversed(judge.paid), *checks], function, alone)
        return [_in_usual_order(result, len(judge.paid)) if result.cases else result for result in results]

    def run(
        self, judge: Judge, modules: Sequence[str], cases: Sequence[Case], function: str, alone: bool = False
    ) -> list[RunResult]:
        """What the modules did on these cases."""
        return _seen(self.executor.run(modules, judge.call(cases, function), alone=alone), judge)


def _in_usual_order(result: RunResult, paid: int) -> RunResult:
    cases = (*reversed(result.cases[:paid]), *result.cases[paid:])
    status = max((case.status for case in cases[:paid]), key=STATUSES.index)
    return replace(result, status=status, cases=cases)


def _seen(results: Sequence[RunResult], judge: Judge) -> list[RunResult]:
    """The results as the judge is to see them."""
    small = [
        result if all(is_small(case.value) for case in result.cases) else _without_burdens(result) for result in results
    ]
    if judge.task.sequences == "exact":
        return small
    return [replace(result, cases=tuple(listed(result.cases))) for result in small]


def listed(answers: Sequence[CaseResult]) -> list[CaseResult]:
    """The answers with lists for tuples, as far as they are no burden to look at."""
    return [replace(each, value=as_lists(each.value)) if is_small(each.value) else each for each in answers]


def _without_burdens(result: RunResult) -> RunResult:
    return replace(result, cases=tuple(case if is_small(case.value) else _BURDEN for case in result.cases))
