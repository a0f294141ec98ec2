"""What programs are drawn from before anything is learned: the grammar's weights, how names are told apart, and types
where they are known.

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
from agent_core.learning.objectives import policy_probs
from agent_core.learning.type_tables import TypeState, ValueTypes, value_types
from agent_core.learning.value_types import Rules
from agent_core.settings.config import LearningConfig


class ProgramPrior:
    """Log-weights of the next tokens. Ask before the stacks take the token, and tell it every token."""

    def __init__(
        self, legal_tokens: LegalTokens, tokens: Sequence[str], learning: LearningConfig, types: Rules | None = None
    ):
        """types: what a task's cases show; without them types are left out."""
        self.even = legal_tokens.class_sizes**-learning.class_balance  # (V,) what chance draws in proportion to
        self._weighted = learning.grammar_weights
        # Where it is even, nothing is added to the logits: the policy's own bias begins at `even`, and what is left to
        # chance is drawn from that. It follows from the settings alone, so that one policy can write programs of
        # several types.
        self.is_even = not (learning.grammar_weights or learning.type_weight or learning.name_weight)
        even = self.even.log().unsqueeze(0)
        self._log_weights = legal_tokens.log_weights if self._weighted else even  # (states, V) or (1, V)
        self._types: ValueTypes | None = None
        self._type_weight, self._name_weight = learning.type_weight, learning.name_weight
        if learning.type_weight and types is not None:
            self._types = value_types(types, tuple(tokens), legal_tokens.device)

    def probs(self, logits: Tensor, legal: Tensor, epsilon: Tensor, log_prior: Tensor | None) -> Tensor:
        """(R, V) the policy's probabilities. log_prior: (R, V) what is added to the logits; None where `is_even`."""
        if log_prior is None:
            return policy_probs(logits, legal, epsilon, self.even)
        return policy_probs(logits + log_prior, legal, epsilon, log_prior.exp())

    def begin(self, batch_size: int, max_length: int) -> PriorState:
        """A batch of empty programs."""
        return PriorState(self._types.begin(batch_size, max_length) if self._types else None)

    def log_weights(self, state: PriorState, stacks: StackState) -> Tensor:
        """(B, V): of the tokens that may come next; those of other tokens mean nothing."""
        state_of_grammar = stacks.top if self._weighted else torch.zeros_like(stacks.top)
        weights = self._log_weights.index_select(0, state_of_grammar)
        if self._name_weight:
            scopes = stacks.scopes
            weights = weights.index_add(1, scopes.columns, scopes.preferences(self._name_weight))
        if self._types is None or state.types is None:
            return weights
        misfits = self._types.misfits.index_select(0, state.types.row)  # in halves
        return torch.add(weights, misfits, alpha=-self._type_weight / 2)

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
