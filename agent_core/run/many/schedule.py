"""Which task is visited next, and for how long.

It follows from where the tasks stand, so that a run that was stopped, or whose list of tasks has changed, goes on by
the same rule.

Tasks are visited in rounds: of those that are not solved, the least visited one is next, and each visit of a task may
take twice as many attempts as its last. So what is easy is solved early, and most attempts go into what is hard (as
the restarts of Luby, Sinclair and Zuckerman 1993, without knowing what is hard).

What was solved is solved again, from the mind alone: whenever as many attempts have been made since it was solved as
before, and at the end. This measures what has been forgotten, and takes a bounded share of the attempts.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from agent_core.progress import Progress
from agent_core.settings.config import RunConfig

_LEAST = 1 / 3  # of the attempts that a task took first: fewer are not tried, even at the end


class Again(NamedTuple):
    """A task that was solved before, tried again by a policy that knows it only from the mind."""

    attempts: int
    solved_at: int | None  # None where it was not solved again


@dataclass
class Standing:
    """Where a task stands between two visits."""

    digest: str  # of what the task asks
    visits: int = 0
    attempts: int = 0  # without those of solving it again
    solved_at: int | None = None
    done: bool = False  # no more visits: it is solved, and shorter solutions were sought
    best_reward: float = 0.0
    tokens: int = 0
    program: str = ""
    seconds: float = 0.0
    again: list[Again] = field(default_factory=list)
    looked_at: int = 0  # attempts on all tasks, `again` not counted, as the visit began that solved it last

    def polished(self, run: RunConfig) -> bool:
        """Whether it is solved, and a shorter solution was sought for as long as it should be."""
        return Progress(attempts=self.attempts, solved_at=self.solved_at).polished(run)

    def plain(self) -> dict[str, Any]:
        """The fields by name, as plain values."""
        return asdict(self) | {"again": [tuple(each) for each in self.again]}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> "Standing":
        return cls(**plain | {"again": [Again(*each) for each in plain["again"]]})


@dataclass(frozen=True)
class Plan:
    """What the settings say. again_share: 0 where there is no mind, and so nothing to be forgotten."""

    max_attempts: int
    first_visit: int
    again_share: float


class Visit(NamedTuple):
    """A visit of one task."""

    task: str
    again: bool  # whether it was solved before, and only the mind is to be tried
    limit: int  # attempts after which the visit ends if the task is not solved


def learned(standings: Mapping[str, Standing]) -> int:
    """Attempts on all tasks, without those of solving again."""
    return sum(standing.attempts for standing in standings.values())


def repeated(standings: Mapping[str, Standing]) -> int:
    """Attempts of solving again."""
    return sum(again.attempts for standing in standings.values() for again in standing.again)


def total(standings: Mapping[str, Standing]) -> int:
    """Attempts in all."""
    return learned(standings) + repeated(standings)


def left_to_learn(standings: Mapping[str, Standing], plan: Plan) -> int:
    """Attempts that are left for what is not solved: what solving again at the end may take is kept back."""
    for_learning = plan.max_attempts - int(plan.max_attempts * plan.again_share)
    return min(for_learning - learned(standings), plan.max_attempts - total(standings))


def next_visit(standings: Mapping[str, Standing], plan: Plan) -> Visit | None:
    """The next one; None where the run is finished."""
    if left_to_learn(standings, plan) > 0:
        share = plan.again_share / 2  # the other half is for the end
        due = [name for name, each in standings.items() if each.done and 2 * each.looked_at <= learned(standings)]
        if visit := _again(due, standings, plan, int(share * learned(standings)), least=1.0):
            return visit
        waiting = [name for name, each in standings.items() if not each.done]
        if waiting:
            name = min(waiting, key=lambda name: standings[name].visits)
            return Visit(name, again=False, limit=plan.first_visit << standings[name].visits)
    solved = [name for name, each in standings.items() if each.solved_at and each.looked_at < learned(standings)]
    return _again(solved, standings, plan, int(plan.max_attempts * plan.again_share), least=_LEAST)


def _again(names: list[str], standings: Mapping[str, Standing], plan: Plan, most: int, least: float) -> Visit | None:
    """The task that took the fewest attempts, if as many may be made once more, or at least this share of them.

    most: attempts that solving again may take in all.
    """
    if not names:
        return None
    name = min(names, key=lambda name: standings[name].solved_at or 0)
    limit = max(plan.first_visit, standings[name].solved_at or 0)
    left = min(most, plan.max_attempts - learned(standings)) - repeated(standings)
    return Visit(name, again=True, limit=min(limit, left)) if least * limit <= left else None
