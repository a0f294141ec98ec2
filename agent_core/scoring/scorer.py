"""Rewards from what programs did. The expected answers stay here: only inputs go to the executor.

A function's test cases are paid for. A program that has them all right must have the check cases right too before it
counts as solved; the first check that it fails joins the paid cases (counterexample-guided, as in CEGIS: Solar-Lezama
2008), so a memorised formula stops paying. What a program is paid is a function of the program, the task and the
counterexamples found so far, whose number is the `version` that each score carries.

Would-be solutions are run again with their cases in another order, and whatever would be the best so far, by reward and
then by length, alone, too; answers that differ then were not the program's own and count as none.
"""

from collections.abc import Sequence
from dataclasses import replace

from agent_core.interpreter.wire_format import STATUSES
from agent_core.sandbox.executor import BatchRun, Call, CaseResult, Executor, RunResult
from agent_core.scoring import reward
from agent_core.scoring.score import Score, fingerprint
from agent_core.scoring.self_calls import OUTERMOST, STAND_INS, counted, recurses, recursion, without_calls
from agent_core.settings.config import ScorerConfig
from agent_core.tasks import constraints
from agent_core.tasks.task import FUNCTION, Case, Task
from agent_core.tasks.values import as_text, is_small, same

NOTHING = (0.0, -(1 << 60))  # the rank of no program at all: reward, and minus the tokens
_DIFFERS = "another answer when it was run again"


class Scorer:
    """Scores programs of one task. What it learns while doing so, `state()`, belongs to the run."""

    def __init__(self, task: Task, executor: Executor, config: ScorerConfig):
        self.task = task
        self.executor = executor
        self.config = config
        self.counterexamples: list[Case] = []  # in the order in which they joined the paid cases
        self._confirmed = NOTHING  # the best rank that a second run alone has confirmed under these paid cases
        self._aim()

    @property
    def version(self) -> int:
        return len(self.counterexamples)

    def state(self) -> dict:
        """Plain values that `load_state` takes back."""
        found = [[list(case.arguments), case.expected] for case in self.counterexamples]
        return {"counterexamples": found, "confirmed": list(self._confirmed)}

    def load_state(self, state: dict) -> None:
        self.counterexamples = [Case(tuple(arguments), expected) for arguments, expected in state["counterexamples"]]
        self._confirmed = tuple(state["confirmed"])
        self._aim()

    def doubt(self) -> None:
        """What was confirmed so far counts no more, since what is paid or legal has changed."""
        self._confirmed = NOTHING

    def start(self) -> BatchRun:
        """A run on the paid cases that programs can be added to while others are still being written."""
        return self.executor.start(self._call(self._paid, FUNCTION))

    def score(
        self,
        modules: Sequence[str],
        token_counts: Sequence[int],
        function: str = FUNCTION,
        run: BatchRun | None = None,
    ) -> list[Score]:
        """Scores of the modules, in their order, all under the paid cases known when this returns.

        token_counts: length of each program, for `max_tokens`; function: the name that the modules define; run: what
        `start` gave, to which the first of the modules have been added.
        """
        if not modules:
            return []
        passed: set[int] = set()  # solutions that held on the check cases
        doubted: dict[int, RunResult] = {}  # would-be solutions that answered otherwise when run again
        known = -1
        while known != self.version:
            known = self.version
            doubted.clear()
            if run is not None:
                runs, run = self._small_only(run.finish(modules[len(run.sources) :])), None
            else:
                runs = self._run(modules, self._paid, function)
            runs = self._counted(runs, modules, function)
            scores = [self._judge(*program, function) for program in zip(runs, modules, token_counts, strict=True)]
            suspects = [i for i, score in enumerate(scores) if score.solved and i not in passed]
            self._check(suspects, modules, function, passed, doubted)
        for i, again in doubted.items():
            scores[i] = self._judge(_agreed(runs[i], again), modules[i], token_counts[i], function)
        self._confirm(scores, runs, modules, token_counts, function)
        return scores

    def look(self, module: str, token_count: int) -> Score:
        """The score of one module as its cases are now, without believing or learning anything: only to be shown."""
        return self._judge(self._run([module], self._paid, FUNCTION, alone=True)[0], module, token_count, FUNCTION)

    def _counted(self, runs: list[RunResult], modules: Sequence[str], function: str) -> list[RunResult]:
        """The same, where a function's calls of itself count only if its answers hang on them."""
        found = [i for i, run in enumerate(runs) if recurses(run)]
        if not found:
            return runs
        parameters = len(self._paid[0].arguments)
        without = [other for i in found for other in without_calls(modules[i], function, parameters)]
        others = iter(self._run(without, self._paid, OUTERMOST))
        for i in found:
            runs[i] = counted(runs[i], [next(others) for _ in STAND_INS])
        return runs

    def _confirm(
        self,
        scores: list[Score],
        runs: Sequence[RunResult],
        modules: Sequence[str],
        token_counts: Sequence[int],
        function: str,
    ) -> None:
        """Runs alone what would be the best so far, until one is; those that are not get the score they deserve."""

        def rank(i: int) -> tuple[float, int]:
            return scores[i].reward, -token_counts[i]

        for i in sorted(range(len(scores)), key=rank, reverse=True):
            if scores[i].reward == 0 or rank(i) <= self._confirmed:
                break
            checks = self._checks() if scores[i].solved else []
            again = self._again([modules[i]], checks, function, alone=True)[0]
            agreed = _agreed(runs[i], again)
            if not all(map(self._right, checks, again.cases[len(self._paid) :])):
                agreed = replace(agreed, status="crashed", cases=(), message=_DIFFERS)
            scores[i] = self._judge(agreed, modules[i], token_counts[i], function)
            self._confirmed = max(self._confirmed, rank(i))

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
        arguments = zip(*(case.arguments for case in self._paid), strict=True)
        self._reference_series = (self._target, *map(reward.function_target, arguments))

    def _run(
        self, modules: Sequence[str], cases: Sequence[Case], function: str, alone: bool = False
    ) -> list[RunResult]:
        """What the modules did on these cases."""
        return self._small_only(self.executor.run(modules, self._call(cases, function), alone=alone))

    def _call(self, cases: Sequence[Case], function: str) -> Call | None:
        if self.task.kind == "output":
            return None
        return Call(function, tuple(case.arguments for case in cases))

    def _small_only(self, runs: Sequence[RunResult]) -> list[RunResult]:
        """The same, where answers that would be a burden to look at count as crashes."""
        return [run if all(is_small(case.value) for case in run.cases) else _small_only(run) for run in runs]

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
            recursion=recursion(answers, self._reference_series) if earned and self.task.kind == "function" else 0,
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
        """Runs would-be solutions again, on the check cases too. The first check that one fails is paid for from now
        on, unless it fails one that has just joined; those that hold everywhere are added to `passed`, those whose
        answers to the paid cases were others this time to `doubted`."""
        if not suspects or self.task.kind == "output":
            return
        checks, paid, joined = self._checks(), self._paid, []
        runs = self._again([modules[i] for i in suspects], checks, function)
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
            self.doubt()
            self._aim()

    def _checks(self) -> list[Case]:
        """The check cases that are not paid for."""
        known = {as_text(case.arguments) for case in self._paid}
        return [case for case in self.task.check_cases if as_text(case.arguments) not in known]

    def _right(self, case: Case, answer: CaseResult) -> bool:
        return answer.status == "finished" and same(answer.value, case.expected, self.task.numeric == "loose")

    def _again(
        self, modules: Sequence[str], checks: Sequence[Case], function: str, alone: bool = False
    ) -> list[RunResult]:
        """The modules run on the paid cases in reverse and then the checks; the answers in their usual order.

        The status is that of the paid cases, whatever the checks did.
        """
        paid = len(self._paid)
        runs = self._run(modules, [*reversed(self._paid), *checks], function, alone)
        if self.task.kind == "output":
            return runs
        turned = []
        for run in runs:
            cases = (*reversed(run.cases[:paid]), *run.cases[paid:])
            statuses = [case.status for case in cases[:paid]] or [run.status]
            turned.append(replace(run, status=max(statuses, key=STATUSES.index), cases=cases))
        return turned


def _small_only(run: RunResult) -> RunResult:
    burden = CaseResult("crashed", message="the answer is too deep or too large")
    return replace(run, cases=tuple(case if is_small(case.value) else burden for case in run.cases))


def _agreed(run: RunResult, again: RunResult) -> RunResult:
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
