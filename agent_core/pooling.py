"""The records of a batch from all ranks: after each step all remember the same, count the same and decide the same.

One exchange a step: what each rank's programs are and what they earned, in arrays whose size all know beforehand. Every
rank then takes note of the whole batch, in the order of ranks. A counterexample that one of them has found makes the
scores of that round void: all take it over and score again, until nobody finds another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat

import numpy
import torch
from torch import Tensor

from agent_core.ranks import Ranks
from agent_core.scorer import NOTHING, Scorer
from agent_core.values import as_text
from memory.attempts import Attempt, Attempts, Row

STATUSES = ("finished", "crashed", "endless", "refused")
_HEAD = numpy.dtype([("joined", "i8"), ("new", "i8"), ("reruns", "i8"), ("wait", "f8"), ("confirmed", "f8", 2)])


@dataclass(frozen=True)
class Batch:
    """Programs that have scores: one rank's share of a batch, or all of it."""

    rows: list[Row]
    regrown: Tensor  # (B,) bool
    total: int  # programs in the whole batch
    new: int  # of these here, had no score before


class Pool:
    """Makes of the shares of all ranks one batch, and keeps their memories and scorers alike.

    `reruns` are the programs that the jails have run a second time, `wait_seconds` what a rank has waited for its own,
    on average.
    """

    def __init__(self, ranks: Ranks, memory: Attempts, scorer: Scorer, max_length: int, vocabulary: int):
        """max_length: of a program; vocabulary: how many tokens there are."""
        self._ranks, self._memory, self._scorer, self._max_length = ranks, memory, scorer, max_length
        self._id = numpy.dtype("u2" if vocabulary <= 1 << 16 else "i4")
        self._niches: dict[bytes, tuple[bool, ...]] = {}
        self.reruns, self.wait_seconds = 0, 0.0

    def gather(self, own: Batch, everyones: Sequence[Row], version: int) -> Batch | None:
        """The whole batch, its programs in the order of ranks; None where counterexamples are new since `version`.

        own: this rank's share. everyones: more programs, the same on all ranks; each has scored its share of them. All
        ranks remember all of these afterwards.
        """
        scorer, ranks, executor = self._scorer, self._ranks, self._scorer.executor
        if ranks.count == 1:
            self.reruns, self.wait_seconds = executor.reruns, executor.wait_seconds
            return own if scorer.version == version else None
        state, mine = scorer.state(), everyones[ranks.share(len(everyones))]
        joined = state["counterexamples"][version:]
        head = numpy.array([(len(joined), own.new, executor.reruns, executor.wait_seconds, state["confirmed"])], _HEAD)
        record = self._record(version)
        parts = [numpy.zeros(-(-count // ranks.count), record) for count in (own.total, len(everyones))]
        if not joined:  # else void
            self._fill(parts[0], own.rows)
            parts[0]["regrown"][:len(own.rows)] = own.regrown.cpu()
            self._fill(parts[1], mine)
        told = ranks.exchange(b"".join(array.tobytes() for array in (head, *parts)))
        heads = numpy.concatenate([numpy.frombuffer(data, _HEAD, 1) for data in told])
        self.reruns, self.wait_seconds = int(heads["reruns"].sum()), float(heads["wait"].mean())
        if heads["joined"].any():
            self._memory.drop([*own.rows, *mine])
            self._take_over(state["counterexamples"][:version], joined)
            return None
        reward, length = max(heads["confirmed"].tolist())
        if [reward, length] != state["confirmed"]:
            scorer.load_state(state | {"confirmed": [reward, int(length)]})
        everything = [numpy.frombuffer(data, record, offset=_HEAD.itemsize) for data in told]
        self._take([found[len(parts[0]):] for found in everything], len(everyones), version)
        rows, regrown = self._take(everything, own.total, version)
        return Batch(rows, regrown, own.total, int(heads["new"].sum()))

    def _record(self, version: int) -> numpy.dtype:
        task = self._scorer.task
        asked = len(task.expected_output.split()) if task.kind == "output" else len(task.test_cases) + version
        flags = asked + len(task.required_tokens) + (task.max_tokens is not None)
        return numpy.dtype([("reward", "f8"), ("behaviour", "i8"), ("length", "i4"), ("status", "u1"), ("solved", "?"),
                            ("regrown", "?"), ("niche", f"V{flags}"), ("ids", self._id, self._max_length)])

    def _fill(self, part: numpy.ndarray, rows: Sequence[Row]) -> None:
        """Writes the records of the programs into the first places."""
        if not rows:
            return
        part, attempts = part[:len(rows)], self._memory.known(rows)
        part["length"] = lengths = numpy.fromiter(map(len, rows), "i4", len(rows))
        ids = numpy.zeros((len(rows), self._max_length), self._id)
        ids[numpy.arange(self._max_length) < lengths[:, None]] = list(chain.from_iterable(rows))
        part["ids"] = ids
        part["reward"] = [attempt.reward for attempt in attempts]
        part["behaviour"] = [attempt.behaviour for attempt in attempts]
        part["status"] = [STATUSES.index(attempt.status) for attempt in attempts]
        part["solved"] = [attempt.solved for attempt in attempts]
        part["niche"] = numpy.frombuffer(b"".join(bytes(attempt.niche) for attempt in attempts), part["niche"].dtype)

    def _take(self, parts: Sequence[numpy.ndarray], total: int, version: int) -> tuple[list[Row], Tensor]:
        """Remembers what all ranks have found. parts: the records of each rank, those of its share of `total` first.
        Returns the programs and which are regrown."""
        sizes = self._ranks.sizes(total)
        found = numpy.concatenate([part[:size] for part, size in zip(parts, sizes, strict=True)])
        lengths = found["length"].tolist()
        rows = [tuple(ids[:length]) for ids, length in zip(found["ids"].tolist(), lengths, strict=True)]
        statuses = [STATUSES[status] for status in found["status"].tolist()]
        niches = found["niche"].tolist()
        for niche in set(niches) - set(self._niches):
            self._niches[niche] = tuple(map(bool, niche))
        columns = found["reward"].tolist(), found["solved"].tolist(), statuses, found["behaviour"].tolist()
        attempts = map(Attempt, *columns, map(self._niches.get, niches), repeat(version))
        self._memory.take(rows, list(attempts))
        return rows, torch.from_numpy(found["regrown"])

    def _take_over(self, before: list, joined: list) -> None:
        """Adds the counterexamples of all ranks to those of before, each once."""
        merged = {as_text(arguments): [arguments, expected]
                  for arguments, expected in chain.from_iterable(self._ranks.gather(joined))}
        self._scorer.load_state({"counterexamples": before + list(merged.values()), "confirmed": list(NOTHING)})
