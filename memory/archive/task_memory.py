"""What one task's run remembers of what it tried: the scores, how often each behaviour was seen, and the archive."""

from collections.abc import Iterable, Sequence
from typing import Any

from memory.archive.archive import Archive, Contents
from memory.archive.evaluation import Best, Evaluation, Scored, ScoredBatch, TokenIds
from memory.archive.novelty import BehaviourCounts
from memory.archive.scores import ScoreCache


class TaskMemory:
    """The memory of one task. `state()` is all of it, as plain values.

    A step asks which of its programs are `unknown`, has those scored and `remember`s them, makes a `batch` of all, and
    `record`s it: behaviours are counted, and the archive takes what is good enough.
    """

    def __init__(self, limit: int, elites: int, per_niche: int, recursive: int = 0):
        """limit: scores kept; the others as `Archive` has them."""
        self._scores = ScoreCache(limit)
        self._behaviours = BehaviourCounts()
        self.archive = Archive(elites, per_niche, recursive)

    def unknown(self, rows: Iterable[TokenIds], version: int) -> list[TokenIds]:
        """The distinct programs that have no score under `version`, in order of first appearance."""
        return self._scores.unknown(rows, version)

    def remember(self, rows: Sequence[TokenIds], scores: Sequence[Scored]) -> None:
        """Keeps what this rank's programs were scored with."""
        self._scores.add(rows, scores)

    def receive(self, rows: Sequence[TokenIds], evaluations: Sequence[Evaluation]) -> None:
        """Keeps what other ranks know of programs."""
        self._scores.add_evaluations(rows, evaluations)

    def drop(self, rows: Iterable[TokenIds]) -> None:
        """Forgets scores that are void."""
        self._scores.drop(rows)

    def evaluations(self, rows: Iterable[TokenIds]) -> list[Evaluation]:
        """What is remembered of programs."""
        return self._scores.evaluations(rows)

    def batch(self, rows: Sequence[TokenIds]) -> ScoredBatch:
        """A batch of programs that are all remembered."""
        return ScoredBatch.of(rows, self.evaluations(rows))

    def record(self, batch: ScoredBatch, attempts_before: int) -> None:
        """Takes note of a batch whose promising programs are all remembered.

        attempts_before: programs tried before this batch.
        """
        self._behaviours.add(batch.behaviours)
        for place, row, evaluation in batch.promising:
            self.archive.add(row, evaluation, attempts_before + place + 1)
        if self._scores.excess:
            self._scores.trim(set(self.archive.contents().all_rows))

    def novelty(self, batch: ScoredBatch, power: float) -> list[float]:
        """The share of its reward that each program is paid: less, the more often its behaviour was seen."""
        return self._behaviours.shares(batch.behaviours, batch.solved, power)

    @property
    def best(self) -> Best | None:
        return self.archive.best

    @property
    def elites(self) -> list[TokenIds]:
        """The programs to learn from again, best first."""
        return self.archive.elites

    def rebuild(self, contents: Contents, attempts: int) -> None:
        """Makes the archive hold these programs, all remembered, by their scores of now: after counterexamples or other
        rules changed what programs are worth, or which there are.

        attempts: programs tried so far; another program may be the best from then on.
        """
        self.archive.rebuild(contents, self._scores.__getitem__, attempts)

    def restart(self, reserve: bool, kind: int = 0) -> None:
        """The policy begins a new period. Scores and the best program stay; `Archive.restart` says what else does."""
        self.archive.restart(reserve, kind)
        self._behaviours.clear()

    def rest(self, anew: bool) -> None:
        """Makes it small while other tasks have their turn: only programs in the archive keep their scores, and the
        others are run again when they come up again. anew: whether the policy begins a new period afterwards."""
        self._scores.keep_only(set(self.archive.contents().all_rows))
        if anew:
            self._behaviours.clear()

    def clear(self) -> None:
        """Forgets all programs."""
        self.archive.clear()
        self._behaviours.clear()
        self._scores.clear()

    def state(self) -> dict[str, Any]:
        return {
            "scores": self._scores.state(),
            "archive": self.archive.state(),
            "behaviours": self._behaviours.state(),
        }

    def load_state(self, state: dict[str, Any], more_scores: Sequence[dict[str, Any]] = ()) -> None:
        """more_scores: of other ranks' memories, as their states have them."""
        self._scores.load_states([*more_scores, state["scores"]])
        self._behaviours.load_state(state["behaviours"])
        self.archive.load_state(state["archive"], self._scores.__getitem__)
