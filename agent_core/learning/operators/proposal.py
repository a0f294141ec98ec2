"""The form of an operator: a function from a `Request` to a plan of the programs that it proposes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from agent_core.learning.operators.parents import Parent
from agent_core.learning.plan import RolloutPlan
from agent_core.settings.config import LearningConfig
from tokenizer import Tokenizer


@dataclass(frozen=True)
class Request:
    """What an operator is asked for."""

    parents: Sequence[Parent]  # at least one; programs that may be started from
    count: int  # programs wanted, at least one
    learning: LearningConfig  # the operator's own settings are among these
    random: torch.Generator  # on the CPU, where every operator draws, whatever the device is
    tokenizer: Tokenizer


@dataclass(frozen=True)
class Operator:
    """One way to propose programs from programs that are known."""

    name: str
    share: Callable[[LearningConfig], float]  # of a batch that it proposes, 0 to 1
    propose: Callable[[Request], RolloutPlan]  # `count` rows on the CPU, none of them fresh
