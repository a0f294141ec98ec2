"""What is believed only when it happens twice.

Would-be solutions are run again with their cases in another order, and on the check cases: the first check that one
fails is a counterexample, which is paid for from then on (counterexample-guided, as in CEGIS: Solar-Lezama 2008).
Whatever would be the best so far, by reward and then by length, is run alone, too. Answers that differ when a program
is run again were not the program's own, and count as none.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from agent_core.sandbox.executor import CaseResult, RunResult
from agent_core.scoring.case_runner import CaseRunner, Programs
from agent_core.scoring.judges import Judge
from agent_core.scoring.score import Score
from agent_core.tasks.task import Case
from agent_core.tasks.values import as_text

Rank = tuple[float, int]  # reward, and minus the tokens: the greater the better
UNRANKED: Rank = (0.0, -(1 << 60))  # below every program
_DIFFERS = "another answer when it was run again"


class Checked(NamedTuple):
    """What became of would-be solutions that were run again, each by its index among the programs."""

    passed: set[int]  # hold on the check cases, too
    differing: dict[int, RunResult]  # answered the paid cases otherwise this time
    counterexamples: list[Case]  # a check that one of the others fails; no two for the same reason


class Verifier:
    """Runs programs again before they are believed. `confirmed` is the best rank that a run alone has borne out."""

    def __init__(self, runner: CaseRunner):
        self._runner = runner
        self.confirmed = UNRANKED

    def check(self, judge: Judge, programs: Programs, suspects: Sequence[int]) -> Checked:
        """Runs would-be solutions again, on the check cases too. suspects: their indexes among the programs.

        A program that fails a check which has just become a counterexample adds none of its own.
        """
        found = Checked(set(), {}, [])
        if not suspects or not judge.reruns_solutions:
            return found
        checks = judge.unpaid_checks()
        runs = self._runner.again(judge, [programs.modules[i] for i in suspects], checks, programs.function)
        for i, run in zip(suspects, runs, strict=True):
            if not all(judge.judge(run).exact):
                found.differing[i] = run
                continue
            answers = run.cases[len(judge.paid) :]
            failed = [case for case, answer in zip(checks, answers, strict=False) if not judge.is_right(case, answer)]
            if not failed:
                found.passed.add(i)
            elif not any(case in found.counterexamples for case in failed):
                found.counterexamples.append(failed[0])
        return found

    def confirm(self, judge: Judge, programs: Programs, runs: Sequence[RunResult], scores: list[Score]) -> None:
        """Runs alone what would be the best so far, until one is; those that are not get the score they deserve.

        runs: what the scores were made of. Changes `scores` and `confirmed`.
        """
        modules, token_counts, function = programs.modules, programs.token_counts, programs.function

        def rank(i: int) -> Rank:
            return scores[i].reward, -token_counts[i]

        for i in sorted(range(len(scores)), key=rank, reverse=True):
            if scores[i].reward == 0 or rank(i) <= self.confirmed:
                break
            checks = judge.unpaid_checks() if scores[i].solved else []
            (again,) = self._runner.again(judge, [modules[i]], checks, function, alone=True)
            agreed = agreement(runs[i], again)
            if not all(map(judge.is_right, checks, again.cases[len(judge.paid) :])):
                agreed = replace(agreed, status="crashed", cases=(), message=_DIFFERS)
            scores[i] = judge.score(agreed, modules[i], token_counts[i], function)
            self.confirmed = max(self.confirmed, rank(i))


def agreement(run: RunResult, again: RunResult) -> RunResult:
    """What two runs of one program agree on; a case that they answer differently has crashed."""
    if not run.cases and (run.status, run.stdout) != (again.status, again.stdout):
        return replace(run, status="crashed", message=_DIFFERS)
    if len(again.cases) < len(run.cases):
        return replace(run, status="crashed", cases=(), message=_DIFFERS)
    cases = tuple(
        case if case.status == other.status and as_text(case.value) == as_text(other.value)
        else CaseResult("crashed", message=_DIFFERS)
        for case, other in zip(run.cases, again.cases, strict=False)
    )  # fmt: skip
    return replace(run, cases=cases)
