"""Writes the programs of play: by chance, by the policy that was shown examples, by mutation of what is known, and by
taking over what is known from other questions."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate

import torch
from torch import Tensor

from agent_core.grammar.legal_tokens import Prompt
from agent_core.learning.language import Language, TokenIds
from agent_core.learning.length_budget import draw_length_budget
from agent_core.learning.operators import mutation, recall
from agent_core.learning.operators.parents import KnownPrograms, ParentCache
from agent_core.learning.operators.proposal import Request
from agent_core.learning.plan import RolloutPlan, join
from agent_core.learning.randomness import Randomness
from agent_core.learning.rollout import OpenRollouts
from agent_core.learning.sampler import write_all
from agent_core.model import CodePolicy
from agent_core.settings.config import LearningConfig


@dataclass(frozen=True)
class Sources:
    """How many programs of a batch come from where, in the order in which they stand in it."""

    chance: int
    policy: int
    mutation: int
    transfer: int = 0

    @property
    def total(self) -> int:
        return sum(self.counts().values())

    def counts(self) -> dict[str, int]:
        return asdict(self)

    def source_of(self, place: int) -> str:
        """Where the program at a place of the batch comes from."""
        ends = zip(accumulate(self.counts().values()), self.counts(), strict=True)
        return next(source for end, source in ends if place < end)


@dataclass(frozen=True)
class Asked:
    """What programs are written for."""

    language: Language  # whose prior knows the types of the arguments, if any are known
    prompt: Prompt  # where they begin


class Proposer:
    """Samples programs without gradients. What it remembers is only what it could compute again."""

    def __init__(self, language: Language, learning: LearningConfig, randomness: Randomness, temperature: float):
        """language: that parents are examined in. temperature: the policy's scores are divided by it."""
        self._learning, self._randomness, self._temperature = learning, randomness, temperature
        self._parents = ParentCache(language, Prompt("program"))

    @torch.no_grad()
    def write(
        self,
        policy: CodePolicy,
        asked: Asked,
        sources: Sources,
        contexts: Tensor | None,
        parents: Sequence[TokenIds] = (),
        transferred: Sequence[TokenIds] = (),
        epsilon: float | None = None,
    ) -> list[TokenIds]:
        """A batch of programs. contexts: (B, C), in the order of the sources; parents: what mutation starts from;
        transferred: what is taken over as it is.

        epsilon: the most that a program's choices are left to chance; None: as in the settings of learning. Those of
        chance are left to it entirely.
        """
        language, count, random = asked.language, sources.total, self._randomness.tokens
        device = language.device
        most = self._learning.epsilon if epsilon is None else epsilon
        epsilons = torch.rand(count, generator=random, device=device) * most
        epsilons[: sources.chance] = 1.0
        plan = self._plan(asked, sources, parents, transferred)
        budgets = draw_length_budget(count, self._learning.fresh_length_budget, random, device)
        # What the policy writes has learned how long programs are: only chance needs to be told.
        budgets[sources.chance :] = language.max_length
        rollouts = OpenRollouts(language, [asked.prompt] * count, epsilons, budgets, plan, None)
        reader = policy.reader(count, contexts)
        return write_all(rollouts, reader, language, random, self._temperature).rows()

    def _plan(
        self, asked: Asked, sources: Sources, parents: Sequence[TokenIds], transferred: Sequence[TokenIds]
    ) -> RolloutPlan | None:
        language, plans = asked.language, []
        if sources.mutation:
            known = self._parents.examine(KnownPrograms(parents, prompts=[asked.prompt] * len(parents)))
            request = Request(known, sources.mutation, self._learning, self._randomness.plans, language)
            plans.append(mutation.propose(request))
        if transferred:
            plans.append(recall.propose(transferred, language))
        return join(plans, sources.total, language.tokenizer.pad).to(language.device) if plans else None
