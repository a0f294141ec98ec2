"""Scores of programs of one task: runs them, has them judged, has would-be solutions verified.

A function's test cases are paid for. A program that has them all right must have the check cases right too before it
counts as solved; the first check that it fails joins the paid cases, so a memorised formula stops paying. What a
program is paid is a function of the program, the task and the counterexamples found so far, whose number is the
`version` that each score carries. The expected answers stay here: only inputs go to the executor.
"""

from collections.abc import Sequence

from agent_core.sandbox.executor import BatchRun, Executor, RunResult
from agent_core.scoring.case_runner import CaseRunner, Programs
from agent_core.scoring.judges import Judge, judge_of
from agent_core.scoring.score import Score
from agent_core.scoring.verifier import UNRANKED, Verifier, agreement
from agent_core.settings.config import ScorerConfig
from agent_core.tasks.task import FUNCTION, Case, Task


class Scorer:
    """Scores programs of one task. What it learns while doing so, `state()`, belongs to the run."""

    def __init__(self, task: Task, executor: Executor, config: ScorerConfig):
        self.task = task
        self.executor = executor
        self.config = config
        self._runner = CaseRunner(executor)
        self._verifier = Verifier(self._runner)
        self.counterexamples: list[Case] = []  # in the order in which they joined the paid cases
        self.judge: Judge = judge_of(task, config)

    @property
    def version(self) -> int:
        return len(self.counterexamples)

    def state(self) -> dict:
        """Plain values that `load_state` takes back."""
        found = [[list(case.arguments), case.expected] for case in self.counterexamples]
        return {"counterexamples": found, "confirmed": list(self._verifier.confirmed)}

    def load_state(self, state: dict) -> None:
        counterexamples = [Case(tuple(arguments), expected) for arguments, expected in state["counterexamples"]]
        self._pay_for(counterexamples)
        reward, minus_tokens = state["confirmed"]
        self._verifier.confirmed = reward, minus_tokens

    def doubt(self) -> None:
        """What was confirmed so far counts no more, since what is paid or legal has changed."""
        self._verifier.confirmed = UNRANKED

    def start(self) -> BatchRun:
        """A run on the paid cases that programs can be added to while others are still being written."""
        return self._runner.start(self.judge)

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
        programs, passed = Programs(modules, token_counts, function), set[int]()
        while True:
            runs = self._runner.first(self.judge, programs, run)
            scores = self._scores(runs, programs)
            suspects = [i for i, score in enumerate(scores) if score.solved and i not in passed]
            checked = self._verifier.check(self.judge, programs, suspects)
            if not checked.counterexamples:
                break
            passed |= checked.passed
            run = None  # all programs again, under the cases that are paid for now
            self._pay_for([*self.counterexamples, *checked.counterexamples])
            self.doubt()
        for i, again in checked.differing.items():
            scores[i] = self.judge.score(agreement(runs[i], again), modules[i], token_counts[i], function)
        self._verifier.confirm(self.judge, programs, runs, scores)
        return scores

    def look(self, module: str, token_count: int) -> Score:
        """The score of one module as its cases are now, without believing or learning anything: only to be shown."""
        (run,) = self._runner.run(self.judge, [module], self.judge.paid, FUNCTION, alone=True)
        return self.judge.score(run, module, token_count, FUNCTION)

    def _scores(self, runs: Sequence[RunResult], programs: Programs) -> list[Score]:
        judge, function = self.judge, programs.function
        return [
            judge.score(run, module, token_count, function)
            for run, module, token_count in zip(runs, programs.modules, programs.token_counts, strict=True)
        ]

    def _pay_for(self, counterexamples: list[Case]) -> None:
        """Sets what is paid for: the test cases and these."""
        self.counterexamples = counterexamples
        self.judge = judge_of(self.task, self.config, counterexamples)
