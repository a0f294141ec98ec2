"""What ranks tell one another of a batch, so that all count the same, have the same elites and decide the same.

One message a step: what each rank's programs are and what they earned, in arrays whose size all know beforehand. Every
rank then takes note of the whole batch, in the order of ranks; what a program is needs only be looked at where it may
become an elite. A counterexample that one rank has found makes the scores of that round void: all adopt it and score
again, until nobody finds another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, NamedTuple

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

# What a message begins with: new counterexamples, new programs, and how the jail of this rank fares.
_HEAD = numpy.dtype(
    [("counterexamples", "i8"), ("new", "i8"), ("reruns", "i8"), ("wait", "f8"), ("confirmed", "f8", 2)]
)


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


class _Message(NamedTuple):
    """What one rank tells the others. It ends with places that are empty where the rank has one program less."""

    head: numpy.ndarray  # (1,) of _HEAD
    programs: numpy.ndarray  # what the rank has written and what it earned
    scores: numpy.ndarray  # of programs that all ranks have, and this one has scored

    def to_bytes(self) -> bytes:
        return b"".join(array.tobytes() for array in self)

    def like_this(self, data: bytes) -> "_Message":
        """A message of another rank, whose arrays have the sizes of these."""
        arrays, offset = [], 0
        for array in self:
            arrays.append(numpy.frombuffer(data, array.dtype, len(array), offset))
            offset += array.nbytes
        return _Message(*arrays)


class BatchExchange:
    """Makes one batch of the shares of all ranks, and keeps their memories and scorers alike.

    `reruns` are the programs that the jails have run a second time, `wait_seconds` what a rank has waited for its own,
    on average.
    """

    def __init__(self, ranks: Ranks, memory: TaskMemory, scorer: Scorer, max_length: int, vocabulary: int):
        """max_length: of a program; vocabulary: how many tokens there are."""
        self._ranks, self._memory, self._scorer, self._max_length = ranks, memory, scorer, max_length
        self._token_type = numpy.dtype("u2" if vocabulary <= 1 << 16 else "i4")
        self.reruns, self.wait_seconds = 0, 0.0

    def gather(self, own: Share, shared: Sequence[TokenIds], version: int, rescored: bool = False) -> Batch | None:
        """The whole batch; None where counterexamples are new since `version`, so that all must be scored again.

        own: this rank's programs, all remembered. shared: more programs, the same on all ranks, of which each has
        scored its part; all remember them afterwards. rescored: the elites of now are out of date.
        """
        executor = self._scorer.executor
        if self._ranks.count == 1:
            self.reruns, self.wait_seconds = executor.reruns, executor.wait_seconds
            unchanged = self._scorer.version == version
            return Batch(self._memory.batch(own.rows), own.mutated, own.new) if unchanged else None
        state, mine = self._scorer.state(), shared[self._ranks.share(len(shared))]
        found = state["counterexamples"][version:]
        message = self._message(own, len(shared), version)
        message.head[0] = (len(found), own.new, executor.reruns, executor.wait_seconds, state["confirmed"])
        if not found:  # else the scores are void
            self._write_programs(message.programs[: len(own.rows)], own, rescored)
            _write_scores(message.scores[: len(mine)], self._memory.evaluations(mine))
        messages = list(map(message.like_this, self._ranks.exchange(message.to_bytes())))
        heads = numpy.concatenate([one.head for one in messages])
        self.reruns, self.wait_seconds = int(heads["reruns"].sum()), float(heads["wait"].mean())
        if heads["counterexamples"].any():
            self._memory.drop([*own.rows, *mine])
            self._adopt(state["counterexamples"][:version], found)
            return None
        reward, minus_tokens = max(heads["confirmed"].tolist())
        if [reward, minus_tokens] != state["confirmed"]:
            self._scorer.load_state(state | {"confirmed": [reward, int(minus_tokens)]})
        scores = self._joined([one.scores for one in messages], len(shared))
        self._memory.receive(shared, list(_evaluations(scores, version)))
        programs = self._joined([one.programs for one in messages], own.total)
        return self._batch(programs, int(heads["new"].sum()), version)

    def _message(self, own: Share, shared: int, version: int) -> _Message:
        """An empty one, with as many places as the rank with the most programs needs.

        shared: how many programs there are that all ranks have; version: that the scores are made under.
        """
        niche = 2 + self._scorer.judge.parts(version)  # bytes: closeness, calls, then a flag each
        score = [("reward", "f8"), ("behaviour", "i8"), ("status", "u1"), ("solved", "?"), ("niche", f"V{niche}")]
        program = [
            ("digest", "i8"),
            ("length", "i4"),
            ("mutated", "?"),
            ("promising", "?"),
            ("ids", self._token_type, self._max_length),
        ]
        most_own, most_shared = (-(-total // self._ranks.count) for total in (own.total, shared))
        return _Message(
            numpy.zeros(1, _HEAD),
            numpy.zeros(most_own, numpy.dtype([*score, *program])),
            numpy.zeros(most_shared, numpy.dtype(score)),
        )

    def _write_programs(self, part: numpy.ndarray, own: Share, rescored: bool) -> None:
        rows, evaluations = own.rows, self._memory.evaluations(own.rows)
        _write_scores(part, evaluations)
        part["digest"] = list(map(hash, rows))
        part["length"] = lengths = numpy.fromiter(map(len, rows), "i4", len(rows))
        part["mutated"] = own.mutated.cpu()
        part["promising"] = True if rescored else list(map(self._memory.archive.accepts, rows, evaluations))
        ids = numpy.zeros((len(rows), self._max_length), self._token_type)
        ids[numpy.arange(self._max_length) < lengths[:, None]] = list(chain.from_iterable(rows))
        part["ids"] = ids

    def _joined(self, parts: Sequence[numpy.ndarray], total: int) -> numpy.ndarray:
        """The arrays of all ranks one after the other, without the places that are empty."""
        return numpy.concatenate([part[:size] for part, size in zip(parts, self._ranks.sizes(total), strict=True)])

    def _batch(self, programs: numpy.ndarray, new: int, version: int) -> Batch:
        """The batch of these programs, whose promising ones are remembered from now on."""
        places = programs["promising"].nonzero()[0]
        promising = programs[places]
        lengths = promising["length"].tolist()
        rows = [tuple(ids[:length]) for ids, length in zip(promising["ids"].tolist(), lengths, strict=True)]
        evaluations = list(_evaluations(promising, version))
        self._memory.receive(rows, evaluations)
        scored = ScoredBatch(
            programs=programs["digest"].tolist(),
            lengths=programs["length"].tolist(),
            rewards=programs["reward"].tolist(),
            solved=programs["solved"].tolist(),
            statuses=[STATUSES[status] for status in programs["status"].tolist()],
            behaviours=programs["behaviour"].tolist(),
            promising=list(zip(places.tolist(), rows, evaluations, strict=True)),
        )
        return Batch(scored, torch.from_numpy(programs["mutated"]), new)

    def _adopt(self, before: list[Any], found: list[Any]) -> None:
        """Adds the counterexamples that all ranks have found to those of before, each once."""
        merged = {
            as_text(arguments): [arguments, expected]
            for arguments, expected in chain.from_iterable(self._ranks.gather(found))
        }
        self._scorer.load_state({"counterexamples": before + list(merged.values()), "confirmed": list(UNRANKED)})


def _write_scores(part: numpy.ndarray, evaluations: Sequence[Evaluation]) -> None:
    part["reward"] = [evaluation.reward for evaluation in evaluations]
    part["behaviour"] = [evaluation.behaviour for evaluation in evaluations]
    part["status"] = [STATUSES.index(evaluation.status) for evaluation in evaluations]
    part["solved"] = [evaluation.solved for evaluation in evaluations]
    niches = (evaluation.niche for evaluation in evaluations)
    flags = b"".join(bytes((niche.closeness, niche.calls, *niche.solved)) for niche in niches)
    part["niche"] = numpy.frombuffer(flags, part["niche"].dtype)


def _evaluations(scores: numpy.ndarray, version: int) -> Iterator[Evaluation]:
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
