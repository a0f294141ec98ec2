"""The mind's network: an encoder that reads examples, and a policy that writes programs for them."""

import torch
from torch import Tensor, nn

from agent_core.learning.replay import Replayed
from agent_core.model import CodePolicy
from agent_core.play.mind.encoder import Bags, ExampleEncoder
from agent_core.settings.config import MindConfig


class MindNetwork(nn.Module):
    """Both are learned together, by what programs did: log p(program | examples)."""

    def __init__(self, vocabulary_size: int, sizes: MindConfig):
        super().__init__()
        self.encoder = ExampleEncoder(sizes.feature_dim, sizes.encoder_dim, sizes.context_dim)
        self.policy = CodePolicy(
            vocabulary_size, sizes.embedding_dim, sizes.hidden_dim, sizes.num_layers, sizes.context_dim
        )

    def contexts(self, bags: Bags, hidden: Tensor | None = None) -> Tensor:
        """(B, C) of B questions. hidden: (B,) bool, those that are kept from the policy."""
        contexts = self.encoder(bags)
        return contexts if hidden is None else self.policy.hide(contexts, hidden)


def log_likelihood(policy: CodePolicy, programs: Replayed, contexts: Tensor | None, sos: int) -> Tensor:
    """(B,) log-probability, in nats, of each whole program under the policy masked to legal tokens, with gradients.

    contexts: (B, C), or None for programs without one.
    """
    ids = programs.ids
    logits, place, program = policy.logits_at(ids, programs.mask, sos, contexts)
    if programs.log_prior is not None:
        logits = logits + programs.log_prior
    own = torch.log_softmax(logits.masked_fill(~programs.legal, -torch.inf), dim=1)
    chosen = own.gather(1, ids[program, place].unsqueeze(1)).squeeze(1)
    return chosen.new_zeros(len(ids)).index_add(0, program, chosen)
