"""What programs are drawn from before anything is learned: the grammar's weights, and types where they are known.

The policy's logits are added to these log-weights, so an untrained policy is near the prior, and learning moves away
from it. A probabilistic grammar keeps first programs short (every optional part is mostly left out); the types of the
task's arguments and answers keep them from crashing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from agent_core.grammar.legal_tokens import LegalTokens, StackState
from agent_core.learning.type_tables import TypeState, ValueTypes
from agent_core.learning.value_types import Rules
from agent_core.settings.config import LearningConfig


class ProgramPrior:
    """Log-weights of the next tokens. Ask before the stacks take the token, and tell it every token."""

    def __init__(
        self, legal_tokens: LegalTokens, tokens: Sequence[str], learning: LearningConfig, types: Rules | None = None
    ):
        """types: what a task's cases show; without them types are left out."""
        even = -learning.class_balance * legal_tokens.class_sizes.log()
        self._weighted = learning.grammar_weights
        self._log_weights = legal_tokens.log_weights if self._weighted else even.unsqueeze(0)  # (states, V) or (1, V)
        self._types: ValueTypes | None = None
        if learning.type_weight and types is not None:
            self._types = ValueTypes(types, tokens, legal_tokens.device)
            self._penalties = -learning.type_weight * self._types.misfit  # (rows, V)

    def begin(self, batch_size: int, max_length: int) -> PriorState:
        """A batch of empty programs."""
        return PriorState(self._types.begin(batch_size, max_length) if self._types else None)

    def log_weights(self, state: PriorState, stacks: StackState) -> Tensor:
        """(B, V): of the tokens that may come next; those of other tokens mean nothing."""
        state_of_grammar = stacks.top if self._weighted else torch.zeros_like(stacks.top)
        weights = self._log_weights.index_select(0, state_of_grammar)
        return weights if state.types is None else weights + self._penalties.index_select(0, state.types.row)

    def advance(self, state: PriorState, token: Tensor) -> None:
        """Takes one token a program, (B,) ids."""
        if self._types is not None and state.types is not None:
            self._types.advance(state.types, token)


@dataclass
class PriorState:
    """Where each program of a batch stands."""

    types: TypeState | None

    def select(self, rows: Tensor) -> None:
        """Goes on with some of the programs only, by index."""
        if self.types is not None:
            self.types.select(rows)
