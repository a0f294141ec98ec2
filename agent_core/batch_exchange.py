"""The records of a batch from all ranks: after each step all count the same, have the same elites and decide the same.

One exchange a step: what each rank's programs are and what they earned, in arrays whose size all know beforehand. Every
rank then takes note of the whole batch, in the order of ranks; what a program is needs only be looked at where it may
become an elite. A counterexample that one rank has found makes the scores of that round void: all take it over and
score again, until nobody finds another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

import numpy
import torch
from torch import Tensor

from agent_core.distributed.ranks import Ranks
from agent_core.interpreter.wire_format import STATUSES
from agent_core.scoring.scorer import Scorer
from agent_core.scoring.verifier import UNRANKED
from agent_core.tasks.values import as_text
from memory.archive.evaluation import Evaluation, Niche, ScoredBatch, TokenIds
from memory.archive.task_memory import TaskMemory

_HEAD = numpy.dtype([("joined", "i8"), ("new", "i8"), ("reruns", "i8"), ("wait", "f8"), ("confirmed", "f8", 2)])


@dataclass(frozen=True)
class Share:
    """One rank's programs of a batch."""

    rows: list[TokenIds]
    mutated: Tensor  # (B,) bool, of these
    total: int  # programs in the whole batch
    new: int  # of these, had no score before


@dataclass(frozen=True)
class Batch:
    """The programs of all ranks, in the order of ranks."""

    scored: ScoredBatch
    mutated: Tensor  # (B,) bool
    new: int


class Pool:
    """Makes one batch of the shares of all ranks, and keeps their memories and scorers alike.

    `reruns` are the programs that the jails have run a second time, `wait_seconds` what a rank has waited for its own,
    on average.
    """

    def __init__(self, ranks: Ranks, memory: TaskMemory, scorer: Scorer, max_length: int, vocabulary: int):
        """max_length: of a program; vocabulary: how many tokens there are."""
        self._ranks, self._memory, self._scorer, self._max_length = ranks, memory, scorer, max_length
        self._id = numpy.dtype("u2" if vocabulary <= 1 << 16 else "i4")
        self.reruns, self.wait_seconds = 0, 0.0

    def gather(self, own: Share, everyones: Sequence[TokenIds], version: int, renew: bool = False) -> Batch | None:
        """The whole batch; None where counterexamples are new since `version`.

        own: this rank's programs, all remembered. everyones: more programs, the same on all ranks, of which each has
        scored its share; all remember them afterwards. renew: the elites of now are out of date.
        """
        executor = self._scorer.executor
        if self._ranks.count == 1:
            self.reruns, self.wait_seconds = executor.reruns, executor.wait_seconds
            unchanged = self._scorer.version == version
            return Batch(self._memory.batch(own.rows), own.mutated, own.new) if unchanged else None
        state, mine = self._scorer.state(), everyones[self._ranks.share(len(everyones))]
        joined = state["counterexamples"][version:]
        head = numpy.array([(len(joined), own.new, executor.reruns, executor.wait_seconds, state["confirmed"])], _HEAD)
        score, program = self._records(version)
        most = [-(-total // self._ranks.count) for total in (own.total, len(everyones))]
        programs, scores = numpy.zeros(most[0], program), numpy.zeros(most[1], score)
        if not joined:  # else void
            self._fill(programs, own.rows, renew)
            programs["mutated"][: len(own.rows)] = own.mutated.cpu()
            self._fill_scores(scores, self._memory.evaluations(mine))
        told = self._ranks.exchange(b"".join(array.tobytes() for array in (head, programs, scores)))
        heads = numpy.concatenate([numpy.frombuffer(data, _HEAD, 1) for data in told])
        self.reruns, self.wait_seconds = int(heads["reruns"].sum()), float(heads["wait"].mean())
        if heads["joined"].any():
            self._memory.drop([*own.rows, *mine])
            self._take_over(state["counterexamples"][:version], joined)
            return None
        reward, length = max(heads["confirmed"].tolist())
        if [reward, length] != state["confirmed"]:
            self._scorer.load_state(state | {"confirmed": [reward, int(length)]})
        after = _HEAD.itemsize + programs.nbytes
        scores = self._together([numpy.frombuffer(data, score, offset=after) for data in told], len(everyones))
        self._memory.receive(everyones, list(_attempts(scores, version)))
        programs = [numpy.frombuffer(data, program, most[0], _HEAD.itemsize) for data in told]
        return self._batch(self._together(programs, own.total), int(heads["new"].sum()), version)

    def _records(self, version: int) -> tuple[numpy.dtype, numpy.dtype]:
        """What is told of a program that all have, and of one that one rank has written."""
        flags = 2 + self._scorer.judge.parts(version)
        score = [("reward", "f8"), ("behaviour", "i8"), ("status", "u1"), ("solved", "?"), ("niche", f"V{flags}")]
        program = [
            ("digest", "i8"),
            ("length", "i4"),
            ("mutated", "?"),
            ("promising", "?"),
            ("ids", self._id, self._max_length),
        ]
        return numpy.dtype(score), numpy.dtype(score + program)

    def _fill(self, part: numpy.ndarray, rows: Sequence[TokenIds], renew: bool) -> None:
        """Writes the programs into the first places."""
        part, attempts = part[: len(rows)], self._memory.evaluations(rows)
        self._fill_scores(part, attempts)
        part["digest"] = list(map(hash, rows))
        part["length"] = lengths = numpy.fromiter(map(len, rows), "i4", len(rows))
        part["promising"] = True if renew else list(map(self._memory.archive.accepts, rows, attempts))
        ids = numpy.zeros((len(rows), self._max_length), self._id)
        ids[numpy.arange(self._max_length) < lengths[:, None]] = list(chain.from_iterable(rows))
        part["ids"] = ids

    def _fill_scores(self, part: numpy.ndarray, attempts: Sequence[Evaluation]) -> None:
        part = part[: len(attempts)]
        part["reward"] = [attempt.reward for attempt in attempts]
        part["behaviour"] = [attempt.behaviour for attempt in attempts]
        part["status"] = [STATUSES.index(attempt.status) for attempt in attempts]
        part["solved"] = [attempt.solved for attempt in attempts]
        flags = part["niche"].dtype
        niches = b"".join(bytes((a.niche.closeness, a.niche.calls, *a.niche.solved)) for a in attempts)
        part["niche"] = numpy.frombuffer(niches, flags)

    def _together(self, parts: Sequence[numpy.ndarray], total: int) -> numpy.ndarray:
        """What all ranks have told, without what fills the places of those that had one less to tell."""
        return numpy.concatenate([part[:size] for part, size in zip(parts, self._ranks.sizes(total), strict=True)])

    def _batch(self, programs: numpy.ndarray, new: int, version: int) -> Batch:
        places = programs["promising"].nonzero()[0]
        promising = programs[places]
        lengths = promising["length"].tolist()
        rows = [tuple(ids[:length]) for ids, length in zip(promising["ids"].tolist(), lengths, strict=True)]
        attempts = list(_attempts(promising, version))
        self._memory.receive(rows, attempts)
        statuses = [STATUSES[status] for status in programs["status"].tolist()]
        scored = ScoredBatch(
            *(programs[name].tolist() for name in ("digest", "length", "reward", "solved")),
            statuses,
            programs["behaviour"].tolist(),
            list(zip(places.tolist(), rows, attempts, strict=True)),
        )
        return Batch(scored, torch.from_numpy(programs["mutated"]), new)

    def _take_over(self, before: list, joined: list) -> None:
        """Adds the counterexamples of all ranks to those of before, each once."""
        merged = {
            as_text(arguments): [arguments, expected]
            for arguments, expected in chain.from_iterable(self._ranks.gather(joined))
        }
        self._scorer.load_state({"counterexamples": before + list(merged.values()), "confirmed": list(UNRANKED)})


def _attempts(scores: numpy.ndarray, version: int) -> Iterator[Evaluation]:
    niches = (Niche(flags[0], flags[1], tuple(map(bool, flags[2:]))) for flags in scores["niche"].tolist())
    statuses = [STATUSES[status] for status in scores["status"].tolist()]
    return map(
        Evaluation,
        scores["reward"].tolist(),
        scores["solved"].tolist(),
        statuses,
        scores["behaviour"].tolist(),
        niches,
        repeat(version),
    )
