"""The form of an operator: a function from a `Request` to a plan of the programs that it proposes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from agent_core.learning.language import Language
from agent_core.learning.operators.parents import Parent
from agent_core.learning.plan import RolloutPlan
from agent_core.settings.config import LearningConfig


@dataclass(frozen=True)
class Request:
    """What an operator is asked for."""

    parents: Sequence[Parent]  # at least one; programs that may be started from, all of one prompt
    count: int  # programs wanted, at least one
    learning: LearningConfig  # the operator's own settings are among these
    random: torch.Generator  # on the CPU, where every operator draws, whatever the device is
    language: Language

    def accepts(self, rows: Sequence[Sequence[int]]) -> list[bool]:
        """Which of these are whole legal programs that could stand where the parents stand."""
        return self.language.accepts(rows, [self.parents[0].prompt] * len(rows))


@dataclass(frozen=True)
class Operator:
    """One way to propose programs from programs that are known."""

    name: str
    share: Callable[[LearningConfig], float]  # of a batch that it proposes, 0 to 1
    # On the CPU, none of them fresh. Where they are fewer than `count`, the policy writes the others from nothing.
    propose: Callable[[Request], RolloutPlan]
