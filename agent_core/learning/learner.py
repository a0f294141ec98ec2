"""Learns from programs and what they earned: REINFORCE with Adam, and imitation of the best (see objectives.py)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from agent_core.distributed.ranks import Ranks
from agent_core.learning.language import Language
from agent_core.learning.objectives import (
    choices,
    group_advantages,
    imitation_loss,
    mean_entropy,
    policy_gradient_loss,
)
from agent_core.learning.operators.parents import KnownPrograms, Parent, ParentCache
from agent_core.learning.rollout import Rollouts
from agent_core.model import CodePolicy
from agent_core.settings.config import Config


class Rescored(NamedTuple):
    """Programs, and elites below them, as the policy sees them now: (B + E, T) each."""

    log_probs: Tensor  # with gradient; 0 where a token does not count
    entropies: Tensor  # with gradient; 0 where a token does not count
    counts: Tensor  # bool


class Batch(NamedTuple):
    """Programs to be scored again, one below the other: N of them, of up to T tokens."""

    ids: Tensor  # (N, T) int64
    counts: Tensor  # (N, T) bool: the tokens that are learned from
    legal: Tensor  # (N, T, V) bool: what could have been written
    epsilon: Tensor  # (N,) the share of its choices that is left to chance
    log_prior: Tensor | None  # (N, T, V) what is added to the logits; None where the prior is even


class Learner:
    """One policy and its optimizer. Where there are several ranks, each learns from its share, and all do alike."""

    def __init__(
        self,
        policy: CodePolicy,
        language: Language,
        parents: ParentCache,
        config: Config,
        ranks: Ranks,
    ):
        self.policy, self._language, self._parents, self._ranks = policy, language, parents, ranks
        self._learning, self._gradient_clip = config.learning, config.optimizer.gradient_clip
        self.optimizer = torch.optim.Adam(policy.parameters(), lr=config.optimizer.learning_rate)

    def rescore(self, programs: Rollouts, known: KnownPrograms, context: Tensor | None) -> Rescored:
        """See `CodeGenerator.rescore`."""
        imitated = self._ranks.share(len(known.rows)) if self._learning.imitation_weight else slice(0)
        parents = self._parents.examine(known, imitated)
        batch = with_parents(programs, parents, self._language.tokenizer.pad)
        contexts = None
        if context is not None or known.context is not None:
            own = None if context is None else context[self._ranks.share(len(context))]
            others = None if known.context is None else known.context[imitated]
            both = self.policy.contexts(own, len(programs.ids)), self.policy.contexts(others, len(parents))
            contexts = torch.cat([part for part in both if part is not None])
        return Rescored(*self.score(batch, contexts), batch.counts)

    def learn(
        self,
        rewards: Tensor,
        programs: Rollouts,
        known: KnownPrograms,
        rescored: Rescored,
        groups: Tensor | None,
    ) -> dict[str, float]:
        """See `CodeGenerator.learn`."""
        rewards = rewards.to(self._language.device, torch.float32)
        batch, share, count = len(rewards), self._ranks.share(len(rewards)), len(programs.ids)
        log_probs, entropies, counts = rescored
        own = slice(count), slice(programs.ids.shape[1])

        groups = programs.mutated if groups is None else groups.to(self._language.device)
        advantages = group_advantages(rewards, groups, self._learning.advantage_floor)[share]
        policy_loss = total_entropy = imitation = torch.zeros((), device=self._language.device)
        if count:  # there may be fewer programs than ranks
            policy_loss = policy_gradient_loss(log_probs[own], advantages, programs.chosen) * (count / batch)
            total_entropy = mean_entropy(entropies[own], programs.chosen) * (count / batch)
        loss = policy_loss - self._learning.entropy_weight * total_entropy
        if imitated := len(counts) - count:
            imitation = imitation_loss(log_probs[count:], counts[count:]) * (imitated / len(known.rows))
            loss = loss + self._learning.imitation_weight * imitation

        self.optimizer.zero_grad(set_to_none=True)
        if loss.requires_grad:
            loss.backward()
            for unused in (p for p in self.policy.parameters() if p.grad is None):  # `no_context`, if all have one
                unused.grad = torch.zeros_like(unused)  # as `add_up` has it, so that Adam does the same on one rank
        loss, policy_loss, imitation, total_entropy, choices_made = self._ranks.add_up(
            self.policy.parameters(), loss, policy_loss, imitation, total_entropy, programs.chosen.sum()
        )
        norm = nn.utils.clip_grad_norm_(self.policy.parameters(), self._gradient_clip)
        sound = bool(torch.isfinite(loss) & torch.isfinite(norm))
        if sound:
            self.optimizer.step()
        mean_choice = total_entropy * batch / choices_made.clamp(min=1)
        return {
            "loss": loss.item(),
            "policy_loss": policy_loss.item(),
            "imitation_loss": imitation.item(),
            "entropy": mean_choice.item(),
            "gradient_norm": norm.item(),
            "skipped": float(not sound),
        }

    def score(self, batch: Batch, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Known programs again, with gradient: log-probabilities of their tokens and entropies of the choices.

        context: (N, C). Returns (N, T) twice, 0 where a token does not count: those are the most.
        """
        ids, counts, legal, epsilon, log_prior = batch
        if not ids.numel():
            return (epsilon.new_zeros(ids.shape),) * 2
        logits, place, program = self.policy.logits_at(ids, counts, self._language.tokenizer.sos, context)
        prior = self._language.prior.even
        if log_prior is not None:
            added = log_prior[program, place]  # (choices, V)
            logits, prior = logits + added, added.exp()
        log_probs, entropies = choices(logits, legal[program, place], epsilon[program], ids[program, place], prior)
        nothing = torch.zeros(ids.shape, dtype=log_probs.dtype, device=ids.device)
        return (nothing.index_put((program, place), log_probs), nothing.index_put((program, place), entropies))


def with_parents(programs: Rollouts, parents: Sequence[Parent], pad: int) -> Batch:
    """Programs and, below them, elites, B + E in all. Elites count to their last token, and have an epsilon of 0: it is
    the policy itself that should like them."""
    if not parents:
        return Batch(programs.ids, programs.chosen, programs.legal, programs.epsilon, programs.log_prior)
    batch, length = programs.ids.shape
    longest = max(length, *(len(parent.ids) for parent in parents))
    shape = (batch + len(parents), longest)
    ids = programs.ids.new_full(shape, pad)
    counts = programs.chosen.new_zeros(shape)
    legal = programs.legal.new_ones((*shape, programs.legal.shape[-1]))
    ids[:batch, :length], counts[:batch, :length] = programs.ids, programs.chosen
    legal[:batch, :length] = programs.legal
    own_prior, log_prior = programs.log_prior, None
    if own_prior is not None:
        log_prior = own_prior.new_zeros(legal.shape)
        log_prior[:batch, :length] = own_prior
    for row, parent in enumerate(parents, start=batch):
        own, added = len(parent.ids), parent.log_prior
        ids[row, :own], counts[row, :own], legal[row, :own] = parent.ids, True, parent.legal
        if log_prior is not None and added is not None:
            log_prior[row, :own] = added
    epsilon = torch.cat([programs.epsilon, programs.epsilon.new_zeros(len(parents))])
    return Batch(ids, counts, legal, epsilon, log_prior)
