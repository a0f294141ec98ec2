"""Rewards from what programs did. The expected answers stay here: only inputs go to the executor.

A function's test cases are paid for. A program that has them all right must have the check cases right too before it
counts as solved; the first check that it fails joins the paid cases (counterexample-guided, as in CEGIS: Solar-Lezama
2008), so a memorised formula stops paying. What a program is paid is a function of the program, the task and the
counterexamples found so far, whose number is the `version` that each score carries.

Whatever would be rewarded more than anything before is run again, alone and with its cases in another order; answers
that differ then were not the program's own and count as none.
"""

from collections.abc import Sequence
from dataclasses import replace

from agent_core import constraints, reward
from agent_core.config import ScorerConfig
from agent_core.executor import Call, CaseResult, Executor, RunResult
from agent_core.score import Score, fingerprint
from agent_core.task import FUNCTION, Case, Task
from agent_core.values import as_text, is_tame, same

_WORST = ("finished", "crashed", "endless", "refused")


class Scorer:
    """Scores programs of one task. What it learns while doing so, `state()`, belongs to the run."""

    def __init__(self, task: Task, executor: Executor, config: ScorerConfig):
        self.task = task
        self.executor = executor
        self.config = config
        self.counterexamples: list[Case] = []  # in the order in which they joined the paid cases
        self._confirmed = 0.0  # the best reward that a second run alone has confirmed under these paid cases
        self._aim()

    @property
    def version(self) -> int:
        return len(self.counterexamples)

    def state(self) -> dict:
        """Plain values that `load_state` takes back."""
        found = [[list(case.arguments), case.expected] for case in self.counterexamples]
        return {"counterexamples": found, "confirmed": self._confirmed}

    def load_state(self, state: dict) -> None:
        self.counterexamples = [Case(tuple(arguments), expected) for arguments, expected in state["counterexamples"]]
        self._confirmed = state["confirmed"]
        self._aim()

    def score(self, modules: Sequence[str], token_counts: Sequence[int], function: str = FUNCTION) -> list[Score]:
        """Scores of the modules, in their order, all under the paid cases known when this returns.

        token_counts: length of each program, for `max_tokens`; function: the name that the modules define.
        """
        if not modules:
            return []
        passed: set[int] = set()  # solutions that held on the check cases, alone
        doubted: dict[int, RunResult] = {}  # would-be solutions that answered otherwise when run alone
        known = -1
        while known != self.version:
            known = self.version
            doubted.clear()
            runs = self._run(modules, self._paid, function)
            scores = [self._judge(*program, function) for program in zip(runs, modules, token_counts, strict=True)]
            suspects = [i for i, score in enumerate(scores) if score.solved and i not in passed]
            self._check(suspects, modules, function, passed, doubted)
        for i, again in doubted.items():
            scores[i] = self._judge(_agreed(runs[i], again), modules[i], token_counts[i], function)
        if passed:
            self._confirmed = 1.0
        for i in sorted(range(len(scores)), key=lambda i: -scores[i].reward):
            if scores[i].reward <= self._confirmed:
                break
            again = self._alone([modules[i]], (), function)[0]
            scores[i] = self._judge(_agreed(runs[i], again), modules[i], token_counts[i], function)
            self._confirmed = max(self._confirmed, scores[i].reward)
        return scores

    def look(self, module: str, token_count: int) -> Score:
        """The score of one module as its cases are now, without believing or learning anything: only to be shown."""
        return self._judge(self._run([module], self._paid, FUNCTION, alone=True)[0], module, token_count, FUNCTION)

    def _aim(self) -> None:
        """Sets what is paid for: the test cases and the counterexamples."""
        if self.task.kind == "output":
            self._paid = (Case((), self.task.expected_output),)
            return
        self._paid = (*self.task.test_cases, *self.counterexamples)
        self._target = reward.function_target(
            [case.expected for case in self._paid],
            self.task.numeric == "loose",
            self.config.constants_pay,
            [1] * len(self.task.test_cases) + [reward.COUNTEREXAMPLE] * self.version,
        )

    def _run(
        self, modules: Sequence[str], cases: Sequence[Case], function: str, alone: bool = False
    ) -> list[RunResult]:
        """What the modules did; answers that would be a burden to look at count as crashes."""
        if self.task.kind == "output":
            return self.executor.run(modules, None, alone=alone)
        runs = self.executor.run(modules, Call(function, tuple(case.arguments for case in cases)), alone=alone)
        return [run if all(is_tame(case.value) for case in run.cases) else _tamed(run) for run in runs]

    def _judge(self, run: RunResult, module: str, token_count: int, function: str) -> Score:
        if self.task.kind == "output":
            earned, flags, exact, answers = self._judge_output(run)
        else:
            earned, flags, exact, answers = self._judge_function(run)
        held: tuple[float, ...] = ()
        if self.task.required_tokens or self.task.max_tokens is not None:
            name = function if self.task.kind == "function" else None
            held = constraints.held(module, token_count, self.task.required_tokens, self.task.max_tokens, name)
        solved = earned == 1.0 and all(share == 1.0 for share in held)
        return Score(
            reward=1.0 if solved else min(reward.constrained(earned, held), 0.999),
            solved=solved,
            status=run.status,
            message=run.message or next((answer.message for answer in answers if answer.message), ""),
            stdout=run.stdout,
            behaviour=fingerprint(run.status, run.stdout, answers),
            solved_cases=flags + tuple(share == 1.0 for share in held),
            version=self.version,
            paid=self._paid,
            answers=answers,
            exact=exact,
        )

    def _judge_output(self, run: RunResult) -> tuple:
        """Reward before constraints, a flag for each word in its place, whether it is exact, and what came."""
        wanted, output = self.task.expected_output, run.stdout.removesuffix("\n")
        if not self.task.case_sensitive:
            wanted, output = wanted.lower(), output.lower()
        finished = run.status == "finished"
        words, right = output[: len(wanted) + 100].split(), wanted.split()
        flags = tuple(finished and i < len(words) and words[i] == word for i, word in enumerate(right))
        earned = reward.output_reward(wanted, output, self.config) if finished else 0.0
        return earned, flags, (earned == 1.0,), (CaseResult(run.status, run.stdout, run.message),)

    def _judge_function(self, run: RunResult) -> tuple:
        """The same of a function, a flag for each paid case; an endless case or none that finished earns nothing."""
        answers = run.cases[: len(self._paid)]
        if run.status in ("refused", "endless") or len(answers) < len(self._paid):
            nothing = (False,) * len(self._paid)
            return 0.0, nothing, nothing, answers
        values = [answer.value if answer.status == "finished" else reward.NO_ANSWER for answer in answers]
        earned, exact = reward.function_reward(self._target, values, self.config)
        return earned, exact, exact, answers

    def _check(
        self,
        suspects: Sequence[int],
        modules: Sequence[str],
        function: str,
        passed: set[int],
        doubted: dict[int, RunResult],
    ) -> None:
        """Runs would-be solutions alone, on the check cases too. The first check that one fails is paid for from now
        on, unless it fails one that has just joined; those that hold everywhere are added to `passed`, those whose
        answers to the paid cases were others this time to `doubted`."""
        if not suspects:
            return
        known = {as_text(case.arguments) for case in self._paid}
        checks = [case for case in self.task.check_cases if as_text(case.arguments) not in known]
        paid, joined = self._paid, []
        runs = self._alone([modules[i] for i in suspects], checks, function)
        for i, run in zip(suspects, runs, strict=True):
            if not all(self._judge(run, modules[i], 0, function).exact):
                doubted[i] = run
                continue
            answers = run.cases[len(paid) :]
            failed = [case for case, answer in zip(checks, answers, strict=False) if not self._right(case, answer)]
            if not failed:
                passed.add(i)
            elif not any(case in joined for case in failed):
                joined.append(failed[0])
        if joined:
            self.counterexamples += joined
            self._confirmed = 0.0
            self._aim()

    def _right(self, case: Case, answer: CaseResult) -> bool:
        return answer.status == "finished" and same(answer.value, case.expected, self.task.numeric == "loose")

    def _alone(self, modules: Sequence[str], checks: Sequence[Case], function: str) -> list[RunResult]:
        """Each module run by itself, the paid cases in reverse and then the checks; the answers in their usual order.

        The status is that of the paid cases, whatever the checks did.
        """
        paid = len(self._paid)
        runs = self._run(modules, [*reversed(self._paid), *checks], function, alone=True)
        if self.task.kind == "output":
            return runs
        turned = []
        for run in runs:
            cases = (*reversed(run.cases[:paid]), *run.cases[paid:])
            statuses = [case.status for case in cases[:paid]] or [run.status]
            turned.append(replace(run, status=max(statuses, key=_WORST.index), cases=cases))
        return turned


def _tamed(run: RunResult) -> RunResult:
    burden = CaseResult("crashed", message="the answer is too deep or too large")
    return replace(run, cases=tuple(case if is_tame(case.value) else burden for case in run.cases))


def _agreed(run: RunResult, again: RunResult) -> RunResult:
    """What two runs of one program agree on; a case that they answer differently has crashed."""
    differs = "another answer when it was run again"
    if run.stdout != again.stdout and not run.cases:
        return replace(run, status="crashed", message=differs)
    if len(again.cases) < len(run.cases):
        return replace(run, status="crashed", cases=(), message=differs)
    cases = tuple(
        case if case.status == other.status and as_text(case.value) == as_text(other.value)
        else CaseResult("crashed", message=differs)
        for case, other in zip(run.cases, again.cases, strict=False)
    )  # fmt: skip
    return replace(run, cases=cases)
