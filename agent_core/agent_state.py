"""What is saved of an agent: plain values with a version, and how states of older versions become one of today's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agent_core.settings.config import RENAMED, Config
from agent_core.settings.fields import show
from agent_core.tasks.task import Task
from utils import UserError

Plain = dict[str, Any]

_OF_A_TASK_FROM_THE_MIND = (
    "blind_share",
    "cold_restarts",
    "task_learning_rate",
    "task_learn_every",
    "recall",
    "recall_share",
)
_ADDED_TO_THE_PRIOR = {
    "learning.grammar_weights": "weights of the grammar",
    "learning.type_weight": "types",
    "learning.name_weight": "weights of names",
}

VERSION = 5  # of the layout: a change of it comes with an entry in `_UPGRADES`

# What scores were made of when there was no number for it.
_NICHES_OF_VERSION_1 = "pace, calls that matter, cases"
# The digest of a grammar took its comments in. Of the grammars that came with the project, and of the same rules now:
_GRAMMARS_OF_VERSION_1 = dict.fromkeys(
    (
        "5b103c9a9233faf3f26f6635e10383ea801a8e1c99a353b2612fa02b71f1f13a",
        "3a03588f0b7e8f952ae1cd3aed6766d07cc549bdf3e63e0489c7dafe3a1b48eb",
    ),
    "e44656d4c3a222bf46ad921baf04c02c5ca509f19a5566e2ca59ba4ba181a430",
)
_CALLS_OF_VERSION_1 = 8  # in the first number of a niche: closeness times this, plus different numbers of calls


def scores_of(task: Task) -> int:
    """What scores and niches are made of: raised where a program gets another one under the same settings. With 2 came
    slopes and niches for answers that are lists and texts; of other tasks nothing changed."""
    return 2 if any(type(case.expected) in (list, str) for case in task.test_cases) else 1


def rules_of(config: Config, task: Task, tokens: Sequence[str], grammar: str) -> Plain:
    """What decides which programs exist, what they earn and what is known of them. grammar: its digest."""
    plain, generator = config.plain(), config.generator
    return {
        "tokens": list(tokens),
        "grammar": grammar,
        "scorer": {key: value for key, value in plain["scorer"].items() if key != "memory_limit"},
        "executor": {key: plain["executor"][key] for key in ("max_steps", "memory_mb", "max_output")},
        "scores": scores_of(task),
        "max_length": generator.max_length,
        "legal_tokens_only": generator.legal_tokens_only,
    }


def began_from_mind(saved: Plain) -> bool:
    """Whether the run of a saved state began from a mind: in a cold period, when its policy has no context, too."""
    return bool(saved.get("start")) or saved["generator"].get("context_dim", 0) > 0


def settings_of(config: Config, from_mind: bool) -> Plain:
    """How it learns, "section.key" -> value: what may change from one start to the next, and is said then."""
    plain = config.plain()
    settings = {
        f"{section}.{key}": value
        for section in ("generator", "optimizer", "learning")
        for key, value in plain[section].items()
        if key != "max_length"
    }
    return settings | ({f"mind.{key}": plain["mind"][key] for key in _OF_A_TASK_FROM_THE_MIND} if from_mind else {})


def what_changed(before: Plain, now: Plain) -> list[str]:
    """What there is to say of settings that are not what they were; those that an older version had not are new."""
    notes = [
        f"{name} is {show(value)} now, it was {show(before[name])} when this was saved"
        for name, value in now.items()
        if value != before.get(name, value)
    ]
    added = [what for name, what in _ADDED_TO_THE_PRIOR.items() if name not in before and now[name]]
    if added:
        notes.append(
            f"saved by a version without {' and without '.join(added)}: they are added to what it has learned, "
            "so it writes other programs now than it did then"
        )
    return notes


@dataclass(frozen=True)
class AgentState:
    """All that must survive a step, besides the `state_dict`s of policy and optimizer."""

    rules: Plain  # what decides which programs exist and what they earn
    settings: Plain  # how it learns, "section.key" -> value
    generator: Plain  # randomness, and what the saved weights fit
    task: str  # its name; from here on, all is of one task
    digest: str  # of what the task asks
    progress: Plain
    history: list[tuple]
    memory: Plain
    scorer: Plain
    solutions: Plain  # the first one, and what is disputed; empty where an older version compared nothing
    start: Plain  # what the task took of the mind; empty where it began cold, or an older version saved it
    version: int = VERSION

    def plain(self) -> Plain:
        """The fields by name, as a checkpoint holds them."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def of(cls, saved: Plain) -> "AgentState":
        """The state that was saved, by this version or an older one. Raises UserError for one of a newer version."""
        version = saved.get("version", 1)
        if version > VERSION:
            raise UserError(
                f"what was learned was saved by a newer AltLAS (states of version {version}, this one knows them up to "
                f"{VERSION}): use that one, or start anew with --fresh"
            )
        for upgrade in _UPGRADES[version - 1 :]:
            saved = upgrade(saved)
        return cls(**saved)


def _from_version_1(saved: Plain) -> Plain:
    """Niches were one number and flags; the archive lay spread out in the memory; some settings had other names."""
    rules = dict(saved["rules"])
    rules["scores"] = 1 if rules.pop("niches", "") == _NICHES_OF_VERSION_1 else 0
    rules["grammar"] = _GRAMMARS_OF_VERSION_1.get(rules["grammar"], rules["grammar"])
    names = {f"{section}.{old}": f"{section}.{new}" for (section, old), new in RENAMED.items()}
    memory = saved["memory"]
    return saved | {
        "version": 2,
        "rules": rules,
        "settings": {names.get(name, name): value for name, value in saved["settings"].items()},
        "memory": {
            "scores": _scores_from_version_1(memory["scores"]),
            "others": list(map(_scores_from_version_1, memory.get("others", []))),
            "behaviours": memory["seen"],
            "archive": {
                "rows": [row for entries in memory["niches"].values() for _, _, row in entries],
                "waiting": memory.get("set_aside", []),
                "reserving": memory.get("places", False),
                "best": memory["best"],
            },
        },
    }


def _scores_from_version_1(scores: Plain) -> Plain:
    def niche(flat: Sequence[int]) -> tuple[int, int, tuple[bool, ...]]:
        closeness, calls = divmod(int(flat[0]) if flat else 0, _CALLS_OF_VERSION_1)
        return closeness, calls, tuple(map(bool, flat[1:]))

    return scores | {"niches": list(map(niche, scores["niches"]))}


def _from_version_2(saved: Plain) -> Plain:
    """Shorter solutions were believed as they came."""
    return saved | {"version": 3, "solutions": {}}


def _from_version_3(saved: Plain) -> Plain:
    """The mind did not learn while a task was learned, so that what the task took of it was still there."""
    return saved | {"version": 4, "start": {}}


def _from_version_4(saved: Plain) -> Plain:
    """What waited in the archive waited for no kind of period. A cold period had the sizes and the context of one that
    begins from the mind, and goes on as one."""
    start, memory = saved["start"], saved["memory"]
    waiting = memory["archive"]["waiting"]
    archive = memory["archive"] | {"waiting": {0: waiting} if waiting else {}, "kind": 0}
    return saved | {
        "version": 5,
        "memory": memory | {"archive": archive},
        "start": start and start | {"cold": False},
    }


# From version 1 on, each to the next.
_UPGRADES: tuple[Callable[[Plain], Plain], ...] = (_from_version_1, _from_version_2, _from_version_3, _from_version_4)
