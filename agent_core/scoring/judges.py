"""What a run of a program is worth: one judge for each kind of task, chosen once, by `judge_of`.

Judges are pure: they run nothing, remember nothing and never change. A counterexample that joins the paid cases makes
another judge. For the task `double` (paid cases double(0) = 0, double(1) = 2, ...):

    judge.judge(run of `return var_a`)      -> reward 0.29, solved (True, False, ...): only double(0) is right
    judge.judge(run of `return var_a * 2`)  -> reward 1.0, solved all True
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from agent_core.sandbox.results import Call, CaseResult, RunResult
from agent_core.scoring import reward
from agent_core.scoring.nearness import partly_right
from agent_core.scoring.score import Score, fingerprint
from agent_core.scoring.self_calls import NO_SELF_CALLS, SelfCalls, self_calls
from agent_core.settings.config import ScorerConfig
from agent_core.tasks import constraints
from agent_core.tasks.task import Case, Task
from agent_core.tasks.values import as_text, same

_JUST_BELOW_SOLVED = 0.999  # the most that a program is paid which is not a solution
_WAYS = 3  # for all answers to be partly right, which `partly_right` tells apart


class Judgement(NamedTuple):
    """What one run is worth, constraints left aside."""

    reward: float  # in [0, 1]; 1.0 only where all is right
    # What niches go by: the paid cases, and of lists and texts what all answers are partly right in; of a text to print
    # its words, each in its place.
    solved: tuple[bool, ...]
    exact: tuple[bool, ...]  # (C,) the paid cases; of a text the one case that it is
    answers: tuple[CaseResult, ...]  # (C,), or fewer where the program ended before
    self_calls: SelfCalls = NO_SELF_CALLS


class Judge(ABC):
    """Knows the task, what is paid for, and nothing of any other program."""

    reruns_solutions: bool  # whether would-be solutions are run again, with their cases in another order
    paid: tuple[Case, ...]

    def __init__(self, task: Task, config: ScorerConfig, counterexamples: Sequence[Case]):
        self.task, self.config, self.version = task, config, len(counterexamples)
        self._constraints = len(task.required_tokens) + (task.max_tokens is not None)

    def score(self, run: RunResult, module: str, token_count: int, function: str) -> Score:
        """The whole score of a program that has run on the paid cases: what `judge` says, and the constraints.

        token_count: of the program, for `max_tokens`; function: the name that the module defines.
        """
        earned, solved, exact, answers, calls = self.judge(run)
        held: tuple[float, ...] = ()
        if self._constraints:
            task = self.task
            held = constraints.held(module, token_count, task.required_tokens, task.max_tokens, self._given(function))
        all_right = earned == 1.0 and all(share == 1.0 for share in held)
        return Score(
            reward=1.0 if all_right else min(reward.constrained(earned, held), _JUST_BELOW_SOLVED),
            solved=all_right,
            status=run.status,
            message=run.message or next((answer.message for answer in answers if answer.message), ""),
            stdout=run.stdout,
            behaviour=fingerprint(run.status, run.stdout, answers),
            solved_cases=solved + tuple(share == 1.0 for share in held),
            version=self.version,
            self_calls=calls,
            paid=self.paid,
            answers=answers,
            exact=exact,
        )

    def parts(self, version: int) -> int:
        """How many entries `solved_cases` of a score has that was made under so many counterexamples."""
        return self._asked(version) + self._constraints

    @abstractmethod
    def _asked(self, version: int) -> int:
        """The same without the constraints."""

    @abstractmethod
    def judge(self, run: RunResult) -> Judgement:
        """What a run on the paid cases is worth."""

    @abstractmethod
    def call(self, cases: Sequence[Case], function: str) -> Call | None:
        """What the executor is to call; None where running the module is all."""

    @abstractmethod
    def unpaid_checks(self) -> list[Case]:
        """The check cases that have not joined the paid ones."""

    @abstractmethod
    def is_right(self, case: Case, answer: CaseResult) -> bool:
        """Whether one check case holds."""

    @abstractmethod
    def _given(self, function: str) -> str | None:
        """The function whose `def` the task gives, so that it is not the program's own; None where there is none."""


class OutputJudge(Judge):
    """Of a text to print: compared line by line. The text counts as one case without arguments."""

    reruns_solutions = False

    def __init__(self, task: Task, config: ScorerConfig, counterexamples: Sequence[Case] = ()):
        super().__init__(task, config, counterexamples)
        expected = task.expected_output or ""
        self.paid = (Case((), expected),)
        self._wanted = expected if task.case_sensitive else expected.lower()
        self._words = self._wanted.split()

    def _asked(self, version: int) -> int:
        return len(self._words)

    def judge(self, run: RunResult) -> Judgement:
        wanted, output = self._wanted, run.stdout.removesuffix("\n")
        if not self.task.case_sensitive:
            output = output.lower()
        finished = run.status == "finished"
        words = output[: len(wanted) + 100].split()
        solved = tuple(finished and i < len(words) and words[i] == word for i, word in enumerate(self._words))
        earned = reward.output_reward(wanted, output, self.config) if finished else 0.0
        return Judgement(earned, solved, (earned == 1.0,), (CaseResult(run.status, run.stdout, run.message),))

    def call(self, cases: Sequence[Case], function: str) -> Call | None:
        return None

    def unpaid_checks(self) -> list[Case]:
        return []

    def is_right(self, case: Case, answer: CaseResult) -> bool:
        raise ValueError("a text to print has no check cases")

    def _given(self, function: str) -> str | None:
        return None


class FunctionJudge(Judge):
    """Of a function: its answers to the test cases and to the counterexamples, compared case by case."""

    reruns_solutions = True

    def __init__(self, task: Task, config: ScorerConfig, counterexamples: Sequence[Case] = ()):
        super().__init__(task, config, counterexamples)
        self.paid = (*task.test_cases, *counterexamples)
        self._tolerance = task.tolerance
        answers = [case.expected for case in self.paid]
        counts = [1] * len(task.test_cases) + [reward.COUNTEREXAMPLE] * self.version
        self._target = reward.function_target(answers, self._tolerance, config.constants_pay, counts)
        arguments = zip(*(case.arguments for case in self.paid), strict=True)
        self._references = [self._target.direction, *map(reward.direction_of, arguments)]
        # By the test cases alone, so that this does not hang on what a counterexample is.
        self._sequences = all(type(case.expected) in (list, str) for case in task.test_cases)

    def _asked(self, version: int) -> int:
        return len(self.task.test_cases) + version + _WAYS * self._sequences

    def judge(self, run: RunResult) -> Judgement:
        """An endless case earns nothing, and neither does a module that ended before all cases were called."""
        answers = run.cases[: len(self.paid)]
        if run.status in ("refused", "endless") or len(answers) < len(self.paid):
            nothing = (False,) * len(self.paid)
            return Judgement(0.0, (False,) * self._asked(self.version), nothing, answers)
        values = [answer.value if answer.status == "finished" else reward.NO_ANSWER for answer in answers]
        earned, exact = reward.function_reward(self._target, values, self.config)
        calls = self_calls(answers, self._references) if earned else NO_SELF_CALLS
        solved = exact
        if self._sequences:
            pairs = zip(values, self.paid, strict=True)
            ways = [partly_right(got, case.expected, self._tolerance) for got, case in pairs]
            solved += tuple(map(all, zip(*ways, strict=True)))
        return Judgement(earned, solved, exact, answers, calls)

    def call(self, cases: Sequence[Case], function: str) -> Call | None:
        return Call(function, tuple(case.arguments for case in cases))

    def unpaid_checks(self) -> list[Case]:
        known = {as_text(case.arguments) for case in self.paid}
        return [case for case in self.task.check_cases if as_text(case.arguments) not in known]

    def is_right(self, case: Case, answer: CaseResult) -> bool:
        return answer.status == "finished" and same(answer.value, case.expected, self._tolerance)

    def _given(self, function: str) -> str | None:
        return function


_JUDGES: dict[str, type[OutputJudge] | type[FunctionJudge]] = {"output": OutputJudge, "function": FunctionJudge}


def judge_of(task: Task, config: ScorerConfig, counterexamples: Sequence[Case] = ()) -> Judge:
    """The judge of the task's kind. counterexamples: check cases that are paid for, in the order of joining."""
    return _JUDGES[task.kind](task, config, counterexamples)
