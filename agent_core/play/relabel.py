"""What a task's programs did, relabelled: each is the right answer to the question that its own behaviour asks.

The question is the inputs of the task's test cases, or what was printed. The expected answers play no part in it: the
repertoire holds what programs did, never what was wanted. Only the programs that solved a task are kept as such.
"""

from collections.abc import Sequence
from typing import Any

from agent_core.learning.language import TokenIds
from agent_core.play.answers import answers_of, is_dull, key_of, pack
from agent_core.play.mind.learner import MindLearner
from agent_core.play.player import Player
from agent_core.play.recall import in_order_of_the_mind, programs_to_recall
from agent_core.play.saved import state_of
from agent_core.play.trial import printed
from agent_core.scoring.score import Score
from agent_core.tasks.task import Task
from memory.repertoire.repertoire import Behaviour

_CONSIDERED = 20_000  # programs that the mind puts in order, some 10,000 a second, of which a task tries the first


class TaskLessons:
    """The mind while a task is learned: its repertoire takes in what the task's programs do, its network learns of
    them, half of each lesson being replay of all that is known, and it is saved along.

    Where there are several ranks, what is called on one is called on all, except `note`.
    """

    def __init__(self, player: Player, task: Task, also: dict[str, Any]):
        """player: who holds the mind. also: what a saved mind holds besides."""
        self._player, self._task, self._also = player, task, also
        self._known = len(player.tokenizer)  # tokens; words of the task come behind them, unknown to the mind
        self.question = player.questions.printing
        if task.kind == "function":
            calls = [case.arguments for case in task.test_cases]
            self.question = player.questions.give(task.parameters, calls)
        self._noted: list[tuple[int, tuple, bool]] = []  # key, the fields of the behaviour, whether as a solution

    def note(self, rows: Sequence[TokenIds], scores: Sequence[Score]) -> None:
        """What this rank's programs did, each with its score."""
        for row, score in zip(rows, scores, strict=True):
            if max(row) < self._known and (found := self._behaviour(row, score)):
                key, fields = found
                self._noted.append((key, fields, False))
                if score.solved:  # once more: other programs may do the same and not have what the task demands
                    self._noted.append((key_of(self._task.digest, [key]), fields, True))

    @property
    def known(self) -> int:
        """Behaviours that the mind knows."""
        return len(self._player.repertoire)

    @property
    def learner(self) -> MindLearner:
        return self._player.learner

    def to_recall(self, cases: Sequence[tuple[Sequence[Any], Any]]) -> list[TokenIds]:
        """Known programs that the task may try as they are, the first to be tried first: those that have solved a task,
        this one or another, come before all others. cases: the paid ones."""
        player, task = self._player, self._task
        solutions = {player.repertoire.behaviours[key].program for key in player.repertoire.kept}
        rows = programs_to_recall(task, player.questions, player.repertoire, _CONSIDERED, solutions)
        ordered = in_order_of_the_mind(rows, player.learner, task, cases)
        ordered.sort(key=lambda row: row not in solutions)
        return player.ranks.broadcast(ordered[: player.config.mind.recall])

    def keep(self, attempts: int) -> None:
        """Takes into the repertoire what all ranks have noted, and has the mind learn when it is time to.

        attempts: programs that were tried meanwhile, by all ranks.
        """
        player = self._player
        for noted in player.ranks.gather(self._noted):
            for key, fields, solution in noted:
                take = player.repertoire.keep if solution else player.repertoire.add
                take(key, Behaviour(*fields))
        player.lessons.forget(player.repertoire.dropped)
        player.repertoire.dropped.clear()
        self._noted = []
        every, progress = player.config.mind.task_learn_every, player.progress
        progress.untaught_on_tasks += attempts
        while every and progress.untaught_on_tasks >= every:
            progress.untaught_on_tasks -= every
            player.learn(self.question)

    def solved(self) -> None:
        """Counts the task among those that the mind has behind it."""
        done = self._player.progress.solved
        if self._task.name not in done:
            done.append(self._task.name)

    def state(self) -> dict[str, Any]:
        """The mind, as it is saved."""
        return state_of(self._player) | self._also

    def _behaviour(self, row: TokenIds, score: Score) -> tuple[int, tuple] | None:
        question = self._player.questions[self.question]
        if self._task.kind == "output":
            text = printed(score.status, score.stdout)
            return text and (key_of(question.name, [text]), (self.question, row, 0, pack([text]), True)) or None
        calls = question.inputs(0)
        answers = answers_of(score.answers[: len(calls)])
        if answers is None or len(answers) < len(calls) or is_dull(calls, answers, len(calls) // 2):
            return None
        words = {self._player.tokenizer.tokens[token] for token in row}
        whole = words.issuperset(self._task.parameters)
        return key_of(question.name, answers), (self.question, row, 0, pack(answers), whole)
