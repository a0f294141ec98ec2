"""A task begins from the mind: a copy of its policy to train by reinforcement, and the examples as its condition.

The mind itself learns by likelihood alone (see relabel.py), and what reinforcement makes of the copy does not come back
to it. The encoder is not trained by the task, so all programs of a batch that see the examples have one and the same
context, and it is computed once for each set of paid cases.

A mind may mislead: what it likes best is tried first, over and over. So every second period of the policy may be a cold
one, which is as if there were no mind: it has the sizes of a cold start's network and random weights, sees no examples
and recalls nothing. What the mind hides then takes about twice the attempts of a cold start.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy
import torch
from torch import Tensor

from agent_core.learning.generator import Beginning
from agent_core.learning.language import TokenIds
from agent_core.learning.vocabulary_change import carry_policy, match_tokens
from agent_core.model import CodePolicy
from agent_core.play.mind.encoder import Bags
from agent_core.play.mind.features import features_of
from agent_core.play.mind.learner import MindLearner
from agent_core.play.mind.network import MindNetwork
from agent_core.settings.config import Config, ModelConfig
from agent_core.tasks.task import Case
from tokenizer import Tokenizer

Cases = Sequence[tuple[Sequence[Any], Any]]  # arguments and answer of each; of a text, no arguments and the text


class TaskStart:
    """What a task takes of a saved mind."""

    def __init__(self, state: dict[str, Any], config: Config, tokenizer: Tokenizer, device: torch.device):
        """state: of a `MindLearner`. tokenizer: of the task, which may have words of its own."""
        sizes = replace(config.mind, **state["sizes"])
        self._tokens, self._tokenizer = state["tokens"], tokenizer
        network = MindNetwork(len(self._tokens), sizes)
        network.load_state_dict(state["network"])
        self._encoder, self._weights = network.encoder.to(device), network.policy.state_dict()
        self._mind: MindLearner | None = None
        self._to_recall: Callable[[Cases], list[TokenIds]] = lambda cases: []
        self._recalls: list[TokenIds] | None = None
        self._cases: Cases = ()
        self._seen: Tensor | None = None  # (C,) the context of these cases
        self._version = -1  # of the cases that are seen
        self._share, self._device = sizes.blind_share, device
        self.cold = False  # whether this period of the policy does without the mind
        self.kinds = 1 + sizes.cold_restarts  # of periods
        model = ModelConfig(sizes.embedding_dim, sizes.hidden_dim, sizes.num_layers)
        self._warm = Beginning(sizes.context_dim, model, self._give_weights, sizes.task_learning_rate)

    def follow(self, mind: MindLearner, to_recall: Callable[[Cases], list[TokenIds]]) -> None:
        """The mind learns meanwhile: from now on, each period of the policy begins from it as it is then.

        to_recall: of a task's paid cases, the programs that a period is to try as they are, in this order.
        """
        self._mind, self._to_recall = mind, to_recall

    def look_at(self, paid: Sequence[Case], version: int) -> None:
        """Sees a task's paid cases from now on. version: a new number where they have changed."""
        if version != self._version:
            self._cases = [(case.arguments, case.expected) for case in paid]
            self._seen, self._version = self.context(self._cases), version

    def recall(self, count: int) -> list[TokenIds]:
        """The next programs to try as they are; fewer where there are no more of them."""
        if self._recalls is None and count:
            self._recalls = self._to_recall(self._cases)
        return (self._recalls or [])[:count]

    def forget(self, count: int) -> None:
        """That many of them have been tried."""
        del (self._recalls or [])[:count]

    def restart(self, kind: int) -> None:
        """The next policy is for a period of this kind: 0, from the mind, or 1, cold."""
        self.cold = kind == 1
        self._recalls, self._version = None, -1

    def beginning(self) -> Beginning:
        """What the policy of this period begins with."""
        return Beginning() if self.cold else self._warm

    def _give_weights(self, policy: CodePolicy) -> None:
        """Gives a fresh policy the mind's weights. Tokens that the mind does not know keep those that they have."""
        if self._mind is not None:
            network, self._tokens = self._mind.network, self._mind.tokens
            self._weights = network.policy.state_dict()
            self._encoder.load_state_dict(network.encoder.state_dict())
        ids = match_tokens(self._tokens, self._tokenizer.tokens)
        policy.load_state_dict(carry_policy(self._weights, policy.state_dict(), ids))

    @torch.no_grad()
    def context(self, cases: Cases) -> Tensor:
        """(C,) of the paid cases."""
        features = [numpy.array(features_of(arguments, answer), numpy.int16) for arguments, answer in cases]
        return self._encoder(Bags.of([features], self._device))[0]

    def seeing(self, count: int) -> Tensor:
        """(count, C) the context of so many programs that see the cases."""
        assert self._seen is not None, "nothing to see: `look_at` comes first"
        return self._seen.expand(count, -1)

    def contexts(self, policy: CodePolicy, count: int) -> Tensor:
        """(count, C) of a batch, with gradients to what stands for no context: evenly spread over it, a share of the
        programs goes without, so that a misleading context costs at most a constant."""
        return policy.hide(self.seeing(count), self.blind(count))

    def groups(self, mutated: Tensor, sizes: Sequence[int], recalled: Sequence[int]) -> Tensor:
        """(B,) which programs of a batch are compared with one another: those with a parent and those without, each
        with examples or without; and those that were recalled, whose given tokens carry no gradient.

        mutated: (B,) bool, those with a parent. sizes: programs of each rank. recalled: of these, as many
        were recalled, the first ones.
        """
        groups = mutated + 2 * self.blind(len(mutated)).to(mutated.device)
        for end, size, first in zip(accumulate(sizes), sizes, recalled, strict=True):
            groups[end - size : end - size + first] = 4
        return groups

    def state(self) -> dict[str, Any]:
        """What the policy's period goes on with, while the mind may learn: the encoder that it began with, and the
        programs that are still to be recalled; None where nobody has asked for any. And whether it is a cold period."""
        return {"encoder": self._encoder.state_dict(), "recalls": self._recalls, "cold": self.cold}

    def load(self, state: dict[str, Any]) -> None:
        """Takes back what was saved; nothing where an older version saved nothing."""
        if state:
            self._encoder.load_state_dict(state["encoder"])
            self._recalls, self._version = state["recalls"], -1
            self.cold = state["cold"]

    def blind(self, count: int) -> Tensor:
        """(count,) bool: the programs of a batch that go without the context."""
        places = torch.arange(count + 1, device=self._device) * self._share
        return places.floor().diff() > 0
