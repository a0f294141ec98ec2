"""What has been tried: scores by program, elites, the best program so far, and how often each behaviour was seen."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, islice

import numpy
import torch

from memory.archive.attempt import Best, Evaluation, Scored, ScoredBatch, TokenIds
from memory.archive.elites import Elites

__all__ = ["Evaluation", "Attempts", "Best", "ScoredBatch", "TokenIds", "Scored"]

_BEHAVIOURS = 100_000  # whose counts are kept


class Attempts:
    """The memory of one task. `state()` is all of it, as plain values."""

    def __init__(self, remember: int, elites: int, per_niche: int, recursive: int = 0):
        """remember: scores kept, the oldest go first; the others as `Elites` has them."""
        self._remember = remember
        self._elites = Elites(elites, per_niche, recursive)
        self._scores: dict[TokenIds, Evaluation] = {}
        self._seen: dict[int, int] = {}  # behaviour -> programs that showed it since the last restart
        self._places = False  # among the elites, for programs that call themselves
        self.set_aside: list[TokenIds] = []  # of those, while there are no places for them
        self.best: Best | None = None

    def unknown(self, rows: Iterable[TokenIds], version: int) -> list[TokenIds]:
        """The distinct programs that have no score under `version`, in order of first appearance."""
        return [row for row in dict.fromkeys(rows) if (a := self._scores.get(row)) is None or a.version != version]

    def remember(self, rows: Sequence[TokenIds], scores: Sequence[Scored]) -> None:
        for row, score in zip(rows, scores, strict=True):
            self._scores.pop(row, None)  # a renewed score counts as young again
            self._scores[row] = Evaluation.of(score)

    def known(self, rows: Iterable[TokenIds]) -> list[Evaluation]:
        """What is remembered of programs."""
        return [self._scores[row] for row in rows]

    def found(self, rows: Sequence[TokenIds]) -> ScoredBatch:
        """What is remembered of a batch's programs, for `record`."""
        return ScoredBatch.of(rows, self.known(rows))

    def take(self, rows: Sequence[TokenIds], attempts: Sequence[Evaluation]) -> None:
        """Remembers what others have found. It counts as young."""
        for row, attempt in zip(rows, attempts, strict=True):
            self._scores.pop(row, None)
            self._scores[row] = attempt

    def drop(self, rows: Iterable[TokenIds]) -> None:
        """Forgets scores that are void."""
        for row in rows:
            self._scores.pop(row, None)

    def promising(self, row: TokenIds, attempt: Evaluation) -> bool:
        """Whether the program would be an elite or the best as things stand. What would not be will not be later in
        the same batch either, since others only raise the bar."""
        return self._is_best(row, attempt) or self._elites.rises(row, attempt)

    def record(self, found: ScoredBatch, attempts_before: int) -> None:
        """Takes note of a batch whose promising programs are all remembered. The best is the one with the most reward,
        among equals with the fewest tokens.

        attempts_before: programs tried before this batch.
        """
        for behaviour, times in Counter(found.behaviours).items():
            self._seen[behaviour] = self._seen.pop(behaviour, 0) + times  # the last seen are the last to be forgotten
        for place, row, attempt in found.promising:
            self._elites.take(row, attempt)
            if self._is_best(row, attempt):
                self.best = Best(row, attempt.reward, attempt.solved, attempts_before + place + 1)
        self._forget()

    def novelty(self, found: ScoredBatch, power: float) -> list[float]:
        """The share of its reward that each program is paid: a behaviour seen n times so far pays n ** -power."""
        return [
            1.0 if solved else self._seen.get(behaviour, 1) ** -power
            for solved, behaviour in zip(found.solved, found.behaviours, strict=True)
        ]

    @property
    def elites(self) -> list[TokenIds]:
        """The programs to learn from again, best first. Places are kept for what pays late where `restart` said so, and
        only until there is a solution: many a task needs none of it."""
        return self._elites.rows(places=self._places and not (self.best and self.best.solved))

    @property
    def elite_rewards(self) -> list[float]:
        return [self._scores[row].reward for row in self.elites]

    def renew(self, attempts: int) -> None:
        """Sorts elites and best by their scores of now, after counterexamples changed what they are worth.

        attempts: programs tried so far, from when on another may be the best.
        """
        rows = self._elites.all_rows()
        self._elites.clear()
        self.readmit(rows, self.set_aside, self.best, attempts)

    def clear(self) -> None:
        """Forgets all programs, but not whether there are places for those that call themselves."""
        self._elites.clear()
        self._seen.clear()
        self._scores.clear()
        self.set_aside = []
        self.best = None

    def readmit(
        self, rows: Sequence[TokenIds], set_aside: Sequence[TokenIds], best: Best | None, attempts: int
    ) -> None:
        """Takes programs, all remembered, as elites again, as set aside, and one as the best until now, whatever each
        was worth before.

        attempts: programs tried so far, from when on another may be the best.
        """
        self.set_aside = list(set_aside)
        if best:
            now = self._scores[best.row]
            self.best = replace(best, reward=now.reward, solved=now.solved)
        for row in [*rows, *set_aside]:
            attempt = self._scores[row]
            if self._is_best(row, attempt):
                self.best = Best(row, attempt.reward, attempt.solved, attempts)
        for row in rows:
            self._elites.take(row, self._scores[row])

    def restart(self, places: bool) -> None:
        """Forgets elites and behaviours. Scores and the best program stay, and those that call themselves: places says
        whether they are among the elites from now on, or are set aside until the next restart."""
        for row in self.set_aside:
            self._elites.take(row, self._scores[row])
        self._elites.restart()
        self._places, self.set_aside = places, []
        if not places:
            self.set_aside = self._elites.all_rows()
            self._elites.clear()
        self._seen.clear()

    def kept(self) -> list[TokenIds]:
        """The programs whose scores must not be forgotten."""
        return [*self._elites.all_rows(), *self.set_aside, *([self.best.row] if self.best else [])]

    def _is_best(self, row: TokenIds, attempt: Evaluation) -> bool:
        return self.best is None or (attempt.reward, -len(row)) > (self.best.reward, -len(self.best.row))

    def _forget(self) -> None:
        """Drops the oldest scores and behaviours beyond the limits; elites and best keep their scores."""
        for behaviour in list(islice(self._seen, max(0, len(self._seen) - _BEHAVIOURS))):
            del self._seen[behaviour]
        excess = len(self._scores) - max(self._remember, 0)
        if excess <= 0:
            return
        kept = set(self.kept())
        for row in [row for _, row in zip(range(excess), self._scores, strict=False)]:
            if row not in kept:
                del self._scores[row]

    def state(self) -> dict:
        """All of it, packed: the scores are many, and a save should not double what they take."""
        best = self.best and (self.best.row, self.best.reward, self.best.solved, self.best.attempts)
        return {
            "scores": _packed(self._scores),
            "niches": self._elites.niches,
            "best": best,
            "places": self._places,
            "set_aside": self.set_aside,
            "seen": (torch.tensor(list(self._seen), dtype=torch.long), torch.tensor(list(self._seen.values()))),
        }

    def load_state(self, state: dict, more_scores: Sequence[dict] = ()) -> None:
        """more_scores: of other memories, as their states have them."""
        self._scores = {}
        for packed in (*more_scores, state["scores"]):
            self._scores |= _unpacked(packed)
        self._seen = dict(zip(*(part.tolist() for part in state["seen"]), strict=True))
        self.best = state["best"] and Best(*state["best"])
        self._places, self.set_aside = state.get("places", False), state.get("set_aside", [])  # not in older states
        self._elites.clear()
        for _, _, row in chain.from_iterable(state["niches"].values()):
            self._elites.take(row, self._scores[row])  # sorted in anew: a niche may hold another number now


def _packed(scores: dict[TokenIds, Evaluation]) -> dict:
    """Scores as a few tensors, in their order; what many share is numbered."""
    found = scores.values()
    statuses, niches = (
        {value: i for i, value in enumerate(dict.fromkeys(values))}
        for values in ((a.status for a in found), (a.niche for a in found))
    )

    def column(values: Iterable, kind: type) -> torch.Tensor:
        """Straight from the values: a list of them all would take more than what is saved."""
        return torch.from_numpy(numpy.fromiter(values, kind))

    return {
        "ids": column((i for row in scores for i in row), numpy.int32),
        "lengths": column((len(row) for row in scores), numpy.int32),
        "reward": column((a.reward for a in found), numpy.float64),
        "solved": column((a.solved for a in found), numpy.bool_),
        "status": column((statuses[a.status] for a in found), numpy.int32),
        "behaviour": column((a.behaviour for a in found), numpy.int64),
        "niche": column((niches[a.niche] for a in found), numpy.int32),
        "version": column((a.version for a in found), numpy.int32),
        "statuses": list(statuses),
        "niches": list(niches),
    }


def _unpacked(packed: dict) -> dict[TokenIds, Evaluation]:
    ids = iter(packed["ids"].tolist())
    rows = [tuple(islice(ids, length)) for length in packed["lengths"].tolist()]
    statuses = [packed["statuses"][i] for i in packed["status"].tolist()]
    niches = [packed["niches"][i] for i in packed["niche"].tolist()]
    columns = packed["reward"].tolist(), packed["solved"].tolist(), statuses, packed["behaviour"].tolist(), niches
    return {row: Evaluation(*values) for row, *values in zip(rows, *columns, packed["version"].tolist(), strict=True)}
