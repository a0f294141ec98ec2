"""Writes programs: samples the policy token by token, from what operators propose and from nothing. It is
called without gradients."""

from collections.abc import Sequence

import torch
from torch import Tensor

from agent_core.grammar.legal_tokens import Prompt
from agent_core.learning.language import Language
from agent_core.learning.length_budget import draw_length_budget
from agent_core.learning.objectives import draw
from agent_core.learning.operators.parents import KnownPrograms, ParentCache
from agent_core.learning.operators.table import OPERATORS, plan_batch
from agent_core.learning.plan import RolloutPlan
from agent_core.learning.randomness import Randomness
from agent_core.learning.rollout import OnEnded, OpenRollouts, Rollouts
from agent_core.model import Reader
from agent_core.settings.config import LearningConfig


def write_all(
    rollouts: OpenRollouts, reader: Reader, language: Language, random: torch.Generator, temperature: float = 1.0
) -> Rollouts:
    """Draws tokens until all programs have ended. reader: the policy, at the first token of each program. temperature:
    its logits are divided by it."""
    while not rollouts.ended:
        legal = rollouts.legal()  # (R, V), R programs being under way
        log_prior = rollouts.log_prior()  # (R, V)
        logits = reader.read(rollouts.token)  # (R, V)
        if temperature != 1.0:
            logits = logits / temperature
        probs = language.prior.probs(logits, legal, rollouts.epsilon, log_prior)  # (R, V)
        token = draw(probs, torch.rand(len(probs), generator=random, device=language.device))  # (R,)
        left = rollouts.take(token, legal, probs.gather(1, token.unsqueeze(1)).squeeze(1))
        if left is not None:
            reader.select(left)
    return rollouts.programs()


class Sampler:
    """Draws programs in one language. What survives a call is its randomness, and parents that have been examined."""

    def __init__(self, language: Language, learning: LearningConfig, parents: ParentCache, randomness: Randomness):
        self._language, self._learning = language, learning
        self._parents, self._randomness = parents, randomness

    def sample(
        self,
        reader: Reader,
        prompts: Sequence[Prompt],
        share: slice,
        known: KnownPrograms,
        on_ended: OnEnded | None = None,
    ) -> Rollouts:
        """One rank's programs of a batch, each until its <EOS> or the limit.

        reader: the policy, at the first token of each program. prompts: where each begins. share: which of the whole
        batch they are. known: what operators may start from.
        """
        count, random, device = len(prompts), self._randomness.tokens, self._language.device
        rollouts = OpenRollouts(
            self._language,
            prompts,
            self._epsilons(count),
            draw_length_budget(count, self._learning.fresh_length_budget, random, device),
            self._plan(prompts, share, known),
            on_ended,
        )
        return write_all(rollouts, reader, self._language, random)

    def _epsilons(self, count: int) -> Tensor:
        """(count,) evenly from none to `epsilon`: some programs stay close to the policy, some wander off."""
        random, device = self._randomness.tokens, self._language.device
        return torch.rand(count, generator=random, device=device) * self._learning.epsilon

    def _plan(self, prompts: Sequence[Prompt], share: slice, known: KnownPrograms) -> RolloutPlan | None:
        """What the operators propose; None where all programs are fresh."""
        wanted = any(operator.share(self._learning) for operator in OPERATORS)
        if not self._language.legal_tokens_only:
            return None
        parents = self._parents.examine(known) if wanted and known.rows else []
        if not (parents or known.recalled):
            return None
        random = self._randomness.plans
        return plan_batch(parents, prompts, share, self._language, self._learning, random, known.recalled)
