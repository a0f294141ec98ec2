"""A task begins from the mind: a copy of its policy to train by reinforcement, and the examples as its condition.

The mind itself is left as it is: it learns by likelihood alone. The encoder is not trained on a task, so all programs
of a batch that see the examples have one and the same context, and it is computed once for each set of paid cases.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy
import torch
from torch import Tensor

from agent_core.learning.vocabulary_change import carry_policy, match_tokens
from agent_core.model import CodePolicy
from agent_core.play.mind.encoder import Bags
from agent_core.play.mind.features import features_of
from agent_core.play.mind.network import MindNetwork
from agent_core.settings.config import Config
from tokenizer import Tokenizer


class TaskStart:
    """What a task takes of a saved mind."""

    def __init__(self, state: dict[str, Any], config: Config, tokenizer: Tokenizer, device: torch.device):
        """state: of a `MindLearner`. tokenizer: of the task, which may have words of its own."""
        sizes = replace(config.mind, **state["sizes"])
        self._tokens, self._tokenizer = state["tokens"], tokenizer
        network = MindNetwork(len(self._tokens), sizes)
        network.load_state_dict(state["network"])
        self._encoder, self._weights = network.encoder.to(device), network.policy.state_dict()
        self._share, self._device = sizes.blind_share, device
        self.context_dim = sizes.context_dim
        model = replace(
            config.model,
            embedding_dim=sizes.embedding_dim,
            hidden_dim=sizes.hidden_dim,
            num_layers=sizes.num_layers,
        )
        optimizer = replace(config.optimizer, learning_rate=sizes.task_learning_rate)
        self.config = replace(config, model=model, optimizer=optimizer)  # as the task's generator is to be made

    def begin(self, policy: CodePolicy) -> None:
        """Gives a fresh policy the mind's weights. Tokens that the mind does not know keep those that they have."""
        ids = match_tokens(self._tokens, self._tokenizer.tokens)
        policy.load_state_dict(carry_policy(self._weights, policy.state_dict(), ids))

    @torch.no_grad()
    def context(self, cases: Sequence[tuple[Sequence[Any], Any]]) -> Tensor:
        """(C,) of the arguments and answers of paid cases; of a text, no arguments and the text."""
        features = [numpy.array(features_of(arguments, answer), numpy.int16) for arguments, answer in cases]
        return self._encoder(Bags.of([features], self._device))[0]

    def contexts(self, policy: CodePolicy, context: Tensor, count: int) -> Tensor:
        """(count, C) of a batch, with gradients to what stands for no context: evenly spread over it, a share of the
        programs goes without, so that a misleading context costs at most a constant."""
        return policy.hide(context.expand(count, -1), self.blind(count))

    def blind(self, count: int) -> Tensor:
        """(count,) bool: the programs of a batch that go without the context."""
        places = torch.arange(count + 1, device=self._device) * self._share
        return places.floor().diff() > 0
