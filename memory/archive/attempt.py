"""What is known of one program that was tried, and of a batch of them."""

import sys
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple, Protocol

TokenIds = tuple[int, ...]  # a program: its token ids up to <EOS>


Niche = tuple[int, ...]  # its recursion; then for each case whether it is solved
GROWING = 8  # in a program's recursion the worth of each seventh of the way that its calls keep pace with something
_NICHES: dict[Niche, Niche] = {}


class Scored(Protocol):
    """What this room needs to know of a score."""

    reward: float
    solved: bool
    status: str
    behaviour: int
    solved_cases: tuple[bool, ...]
    recursion: int  # different numbers of calls of itself that it takes, 2 to 7, and a multiple of GROWING; 0 for one
    version: int


class Evaluation(NamedTuple):
    """A remembered score. `version` is the number of counterexamples that it was made under."""

    reward: float
    solved: bool
    status: str
    behaviour: int
    niche: Niche
    version: int

    @classmethod
    def of(cls, score: Scored) -> "Evaluation":
        # Few niches and statuses, many programs: equal ones share an object.
        niche = (score.recursion, *score.solved_cases)
        niche = _NICHES.setdefault(niche, niche)
        return cls(score.reward, score.solved, sys.intern(score.status), score.behaviour, niche, score.version)


@dataclass(frozen=True)
class ScoredBatch:
    """What is known of the programs of a batch, a column each, in the order in which they count as tried."""

    programs: Sequence[Hashable]  # what tells them apart
    lengths: Sequence[int]
    rewards: Sequence[float]
    solved: Sequence[bool]
    statuses: Sequence[str]
    behaviours: Sequence[int]
    promising: Sequence[tuple[int, TokenIds, Evaluation]]  # place in the batch; those that may be elites or the best

    @classmethod
    def of(cls, rows: Sequence[TokenIds], attempts: Sequence[Evaluation]) -> "ScoredBatch":
        rewards, solved, statuses, behaviours, _, _ = zip(*attempts, strict=True) if attempts else [()] * 6
        return cls(
            rows,
            list(map(len, rows)),
            rewards,
            solved,
            statuses,
            behaviours,
            list(zip(count(), rows, attempts, strict=False)),
        )


@dataclass(frozen=True)
class Best:
    """The best program so far and when it was found."""

    row: TokenIds
    reward: float
    solved: bool
    attempts: int
