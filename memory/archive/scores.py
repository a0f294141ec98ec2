"""The score of each program that was tried, so that none is run twice."""

import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy
import torch

from memory.archive.evaluation import Evaluation, Niche, Scored, TokenIds

_SPARE_NICHES = 1_000


class ScoreCache:
    """Scores by program. Beyond the limit the oldest go first; a score that is made anew counts as young again."""

    def __init__(self, limit: int):
        self._limit = limit
        self._scores: dict[TokenIds, Evaluation] = {}
        # Few niches, many programs: equal ones share an object. Found by what a score says of them.
        self._niches: dict[tuple[tuple[int, int], tuple[bool, ...]], Niche] = {}

    def __getitem__(self, row: TokenIds) -> Evaluation:
        return self._scores[row]

    def evaluations(self, rows: Iterable[TokenIds]) -> list[Evaluation]:
        """What is remembered of programs; raises KeyError for one that is not."""
        return [self._scores[row] for row in rows]

    def unknown(self, rows: Iterable[TokenIds], version: int) -> list[TokenIds]:
        """The distinct programs that have no score under `version`, in order of first appearance."""
        return [row for row in dict.fromkeys(rows) if (e := self._scores.get(row)) is None or e.version != version]

    def add(self, rows: Sequence[TokenIds], scores: Sequence[Scored]) -> None:
        """Remembers what programs were scored with."""
        for row, score in zip(rows, scores, strict=True):
            self._scores.pop(row, None)
            kind = score.self_calls, score.solved_cases
            if (niche := self._niches.get(kind)) is None:
                niche = self._niches[kind] = Niche(*score.self_calls, score.solved_cases)
            self._scores[row] = Evaluation(
                score.reward,
                score.solved,
                sys.intern(score.status),
                score.behaviour,
                niche,
                score.version,
            )
        if len(self._niches) > 2 * len(self._scores) + _SPARE_NICHES:  # most are of programs that are forgotten
            self._share_niches()

    def add_evaluations(self, rows: Sequence[TokenIds], evaluations: Sequence[Evaluation]) -> None:
        """Remembers what others have found."""
        for row, evaluation in zip(rows, evaluations, strict=True):
            self._scores.pop(row, None)
            self._scores[row] = evaluation

    def drop(self, rows: Iterable[TokenIds]) -> None:
        """Forgets scores that are void."""
        for row in rows:
            self._scores.pop(row, None)

    @property
    def excess(self) -> int:
        """How many scores there are beyond the limit."""
        return max(0, len(self._scores) - self._limit)

    def trim(self, kept: set[TokenIds]) -> None:
        """Forgets the oldest scores beyond the limit, but not those of the programs to be kept."""
        for row in list(islice(self._scores, self.excess)):
            if row not in kept:
                del self._scores[row]

    def keep_only(self, kept: set[TokenIds]) -> None:
        """Forgets the scores of all other programs."""
        self._scores = {row: evaluation for row, evaluation in self._scores.items() if row in kept}
        self._share_niches()

    def clear(self) -> None:
        self._scores.clear()
        self._niches.clear()

    def state(self) -> dict[str, Any]:
        """A few tensors, in the order of the scores; what many share is numbered. A save should not double what the
        scores take."""
        found = self._scores.values()
        statuses = {status: i for i, status in enumerate(dict.fromkeys(e.status for e in found))}
        niches = {niche: i for i, niche in enumerate(dict.fromkeys(e.niche for e in found))}
        return {
            "ids": _column((i for row in self._scores for i in row), numpy.int32),
            "lengths": _column((len(row) for row in self._scores), numpy.int32),
            "reward": _column((e.reward for e in found), numpy.float64),
            "solved": _column((e.solved for e in found), numpy.bool_),
            "status": _column((statuses[e.status] for e in found), numpy.int32),
            "behaviour": _column((e.behaviour for e in found), numpy.int64),
            "niche": _column((niches[e.niche] for e in found), numpy.int32),
            "version": _column((e.version for e in found), numpy.int32),
            "statuses": list(statuses),
            "niches": [tuple(niche) for niche in niches],
        }

    def load_states(self, states: Iterable[dict[str, Any]]) -> None:
        """Takes back what was saved, of several ranks where there were some: the last of them are the youngest."""
        self.clear()
        for state in states:
            self._scores |= _unpacked(state)
        self._share_niches()

    def _share_niches(self) -> None:
        niches = {evaluation.niche for evaluation in self._scores.values()}
        self._niches = {((niche.closeness, niche.calls), niche.solved): niche for niche in niches}


def _column(values: Iterable, kind: type) -> torch.Tensor:
    """Straight from the values: a list of them all would take more than what is saved."""
    return torch.from_numpy(numpy.fromiter(values, kind))


def _unpacked(state: dict[str, Any]) -> dict[TokenIds, Evaluation]:
    ids = iter(state["ids"].tolist())
    rows = [tuple(islice(ids, length)) for length in state["lengths"].tolist()]
    known = [Niche(*niche) for niche in state["niches"]]
    statuses = [state["statuses"][i] for i in state["status"].tolist()]
    niches = [known[i] for i in state["niche"].tolist()]
    columns = state["reward"].tolist(), state["solved"].tolist(), statuses, state["behaviour"].tolist(), niches
    return {row: Evaluation(*values) for row, *values in zip(rows, *columns, state["version"].tolist(), strict=True)}
