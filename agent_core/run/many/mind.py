"""The mind that many tasks begin from, and that takes in what is tried on each of them."""

from collections.abc import Mapping
from typing import Any

from agent_core.play.mind.start import TaskStart
from agent_core.play.player import Player
from agent_core.play.relabel import TaskLessons
from agent_core.play.saved import state_of
from agent_core.play.summary import summary_of
from agent_core.run.parts import Parts
from agent_core.settings.config import Config


class Mind:
    """One for all tasks of a run."""

    def __init__(self, player: Player, also: Mapping[str, Any]):
        """player: who holds it; also: what a saved mind holds besides."""
        self._player, self._also = player, dict(also)

    def visit(self, config: Config, parts: Parts) -> tuple[TaskStart, TaskLessons]:
        """What a visit takes of it, as it is now, and what it gives back."""
        start = TaskStart(self._player.learner.state(), config, parts.tokenizer, parts.device)
        lessons = TaskLessons(self._player, parts.task, self._also)
        start.follow(lessons.learner, lessons.to_recall)
        return start, lessons

    @property
    def known(self) -> int:
        """Behaviours that it knows."""
        return len(self._player.repertoire)

    def abilities(self) -> dict[str, Any]:
        """What it can do, for people."""
        return summary_of(self._player)

    def state(self) -> dict[str, Any]:
        """As it is saved."""
        return state_of(self._player) | self._also
