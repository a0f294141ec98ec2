"""What is saved of a run of many tasks: a part of the run state, which leaves that of a single task alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agent_core.distributed.plain_values import packed, unpacked
from agent_core.run.many.schedule import Standing, Visit
from agent_core.run.parts import Parts
from utils import UserError

KEY = "many"  # of this part in the run state
VERSION = 1


class VisitRow(NamedTuple):
    """What a visit came to: a row of visits.csv."""

    task: str
    again: bool
    limit: int
    attempts: int  # in this visit
    solved_at: int | None  # attempts on the task, in all its visits; of solving again, in this one
    best_reward: float
    total: int  # attempts of the run, afterwards


@dataclass
class Current:
    """A visit that has begun."""

    visit: Visit
    began: int  # attempts on the task before
    agent: dict[str, Any]
    policy: Mapping[str, Any]
    optimizer: Mapping[str, Any]

    @property
    def tried(self) -> int:
        """Attempts of this visit."""
        return self.agent["progress"]["attempts"] - self.began

    def plain(self) -> dict[str, Any]:
        """The fields by name, as plain values."""
        return vars(self) | {"visit": tuple(self.visit)}


@dataclass
class ManyState:
    """All of it. Tasks that were visited and are not in the list any more keep what they have."""

    seed: int  # that the run began with
    folder: str = ""
    seconds: float = 0.0
    standings: dict[str, Standing] = field(default_factory=dict)
    kept: dict[str, bytes] = field(default_factory=dict)  # the agent of each task after its last visit
    visits: list[VisitRow] = field(default_factory=list)
    current: Current | None = None

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "ManyState":
        """What `plain` made. Raises UserError for what a newer version saved."""
        if plain["version"] > VERSION:
            raise UserError(
                "the run of many tasks was saved by a newer AltLAS: use that one, or start anew with --fresh"
            )
        current = plain["current"]
        return cls(
            plain["seed"],
            plain["folder"],
            plain["seconds"],
            {name: Standing.of(standing) for name, standing in plain["standings"].items()},
            dict(plain["kept"]),
            [VisitRow(*row) for row in plain["visits"]],
            current and Current(**current | {"visit": Visit(*current["visit"])}),
        )

    def plain(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "seed": self.seed,
            "folder": self.folder,
            "seconds": self.seconds,
            "standings": {name: standing.plain() for name, standing in self.standings.items()},
            "kept": self.kept,
            "visits": [tuple(row) for row in self.visits],
            "current": self.current and self.current.plain(),
        }

    def keep(self, task: str, agent: dict[str, Any], weights: Mapping[str, Any]) -> None:
        """weights: `policy` and `optimizer`, or neither where the next visit begins from the mind."""
        self.kept[task] = packed({"agent": agent, **weights})

    def kept_of(self, task: str) -> dict[str, Any] | None:
        """What was kept of a task; None where it was not visited."""
        return unpacked(self.kept[task]) if task in self.kept else None

    def fit(self, parts: Sequence[Parts]) -> list[str]:
        """Makes room for the tasks of now. Returns what there is to say: a task that has changed begins anew."""
        notes = []
        digests = {each.task.name: each.task.digest for each in parts}
        for name, digest in digests.items():
            known = self.standings.get(name)
            if known is not None and known.digest != digest:
                notes.append(f"{name} asks for something else now: it begins anew")
                self.kept.pop(name, None)
                if self.current and self.current.visit.task == name:
                    self.current = None
            if known is None or known.digest != digest:
                self.standings[name] = Standing(digest)
        if self.current and self.current.visit.task not in digests:
            notes.append(f"a visit of {self.current.visit.task} was under way, which run.task does not name now")
            self.current = None
        return notes
