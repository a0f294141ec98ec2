"""What is known of one program that was tried, and of a batch of them."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple, Protocol

TokenIds = tuple[int, ...]  # a program: its token ids up to <EOS>


class Niche(NamedTuple):
    """The kind of a program. Programs of one niche compete with one another only.

    Of three cases, `return 1` solves the second: Niche(0, 0, (False, True, False)). A recursion that solves the same
    case and takes 4 different numbers of calls of itself, which rise with the answers, half of the way:
    Niche(4, 4, (False, True, False)).
    """

    closeness: int  # sevenths of the way that the numbers of calls go with the answers or with an argument, 0 to 7
    calls: int  # how many different numbers of calls of itself it takes, 2 to 7; 0 where all cases take as many
    solved: tuple[bool, ...]  # of each case, of what all answers share, and of each constraint, whether it is right

    @property
    def recursive(self) -> bool:
        """Whether its programs call themselves more often for some inputs than for others."""
        return self.calls > 0


class Scored(Protocol):
    """What this room needs to know of a score."""

    @property
    def reward(self) -> float: ...

    @property
    def solved(self) -> bool: ...

    @property
    def status(self) -> str: ...

    @property
    def behaviour(self) -> int: ...

    @property
    def solved_cases(self) -> tuple[bool, ...]: ...

    @property
    def self_calls(self) -> tuple[int, int]:
        """`closeness` and `calls` of a niche."""

    @property
    def version(self) -> int: ...


class Evaluation(NamedTuple):
    """A remembered score."""

    reward: float
    solved: bool
    status: str  # finished | crashed | endless | refused
    behaviour: int  # the same for programs that did the same
    niche: Niche
    version: int  # how many counterexamples the score was made under


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
    def of(cls, rows: Sequence[TokenIds], evaluations: Sequence[Evaluation]) -> "ScoredBatch":
        """A batch whose programs are all promising, as long as nobody has looked."""
        rewards, solved, statuses, behaviours, _, _ = zip(*evaluations, strict=True) if evaluations else [()] * 6
        return cls(
            rows,
            list(map(len, rows)),
            rewards,
            solved,
            statuses,
            behaviours,
            list(zip(count(), rows, evaluations, strict=False)),
        )


@dataclass(frozen=True)
class Best:
    """The best program so far and when it was found."""

    row: TokenIds
    reward: float
    solved: bool
    attempts: int
