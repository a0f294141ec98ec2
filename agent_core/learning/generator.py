"""`CodeGenerator`: proposes programs and learns from what they earned. The thin face of sampler.py and learner.py."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from agent_core.distributed.ranks import Ranks
from agent_core.grammar.legal_tokens import LegalTokens, Prompt
from agent_core.learning.language import Language, TokenIds
from agent_core.learning.learner import Learner, Rescored
from agent_core.learning.operators.parents import KnownPrograms, ParentCache
from agent_core.learning.program_prior import ProgramPrior
from agent_core.learning.randomness import Randomness
from agent_core.learning.replay import prior_of, replay
from agent_core.learning.rollout import OnEnded, Rollouts
from agent_core.learning.sampler import Sampler
from agent_core.learning.value_types import Rules
from agent_core.learning.vocabulary_change import (
    carry_optimizer,
    carry_policy,
    check_architecture,
    check_context,
    match_tokens,
)
from agent_core.model import CodePolicy
from agent_core.settings.config import Config, ModelConfig
from tokenizer import Tokenizer

Elites = Sequence[TokenIds] | KnownPrograms  # rows alone have the generator's own prompt, and no context


@dataclass(frozen=True)
class Beginning:
    """What a policy begins with."""

    context_dim: int = 0  # numbers of the context that each program may be given, C; 0: programs depend on nothing
    sizes: ModelConfig | None = None  # None: those of the settings
    initial: Callable[[CodePolicy], None] | None = None  # gives it its first weights; None: they are random
    learning_rate: float | None = None  # None: that of the settings


class CodeGenerator:
    """Samples programs from an LSTM policy and improves it by REINFORCE with Adam.

    Where there are several ranks, each writes and learns from its share of a batch; what calls on the others is called
    by all. A batch's prompts, context, rewards and groups are always those of the whole batch, on every rank.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        legal_tokens: LegalTokens,
        prompt: Prompt,
        config: Config,
        ranks: Ranks | None = None,
        beginning: Callable[[], Beginning] = Beginning,
        types: Rules | None = None,
    ):
        """prompt: where programs begin that are asked for without one of their own. beginning: says what the policy
        begins with, now and after every `reset`. types: what is known of arguments and answers.

        Weights and sampling both follow from the config's seed. Every tensor lives on the device of the legal tokens.
        """
        self.device = legal_tokens.device
        self._tokenizer, self._prompt, self._config, self._begin = tokenizer, prompt, config, beginning
        self._ranks = ranks or Ranks()
        limits, learning = config.generator, config.learning
        # Without the grammar nothing says what is of a class, or of a type.
        plain = replace(learning, class_balance=0.0, grammar_weights=False, type_weight=0.0, name_weight=0.0)
        own = learning if limits.legal_tokens_only else plain
        prior = ProgramPrior(legal_tokens, tokenizer.tokens, own, types)
        self._language = Language(tokenizer, legal_tokens, limits.max_length, limits.legal_tokens_only, prior)
        self._parents = ParentCache(self._language, prompt)
        self.randomness = Randomness(config.run.seed, self.device, self._ranks)
        self._sampler = Sampler(self._language, learning, self._parents, self.randomness)
        self.reset()

    def reset(self) -> None:
        """A fresh policy and optimizer: weights drawn from the generator's own randomness, or given by the beginning.

        What the policy likes at first is near the prior.
        """
        beginning = self._beginning = self._begin()
        seed = int(torch.randint(2**31, (1,), generator=self.randomness.tokens, device=self.device).item())
        sizes = self._sizes_of(beginning)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            policy = CodePolicy(
                len(self._tokenizer),
                sizes.embedding_dim,
                sizes.hidden_dim,
                sizes.num_layers,
                beginning.context_dim,
            ).to(self.device)
        if self._language.prior.is_even:
            with torch.no_grad():
                policy.head.bias.add_(self._language.prior.even.log())
        if beginning.initial is not None:
            beginning.initial(policy)
        self._ranks.spread(policy.parameters())
        self._learner = Learner(policy, self._language, self._parents, self._config, self._ranks)
        self._set_learning_rate()

    def _set_learning_rate(self) -> None:
        own = self._beginning.learning_rate
        for group in self.optimizer.param_groups:
            group["lr"] = self._config.optimizer.learning_rate if own is None else own

    def _sizes_of(self, beginning: Beginning) -> ModelConfig:
        return beginning.sizes or self._config.model

    @property
    def policy(self) -> CodePolicy:
        return self._learner.policy

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        return self._learner.optimizer

    @torch.no_grad()
    def generate(
        self,
        batch_size: int,
        elites: Elites = (),
        on_ended: OnEnded | None = None,
        context: Tensor | None = None,
        prompts: Sequence[Prompt] | None = None,
    ) -> Rollouts:
        """Writes this rank's share of `batch_size` programs, token by token, until <EOS> or the limit.

        elites: known programs that operators start from. on_ended: is given programs of the batch that have ended
        while others are still being written; not the last ones. context: (batch_size, C) what each program depends on;
        None: no program has a context. prompts: (batch_size,) where each begins; None: all of them as the generator
        was made for.
        """
        share = self._ranks.share(batch_size)
        count = share.stop - share.start
        own = [self._prompt] * count if prompts is None else prompts[share]
        reader = self.policy.reader(count, None if context is None else context[share])
        return self._sampler.sample(reader, own, share, _known(elites), on_ended)

    def rescore(self, programs: Rollouts, elites: Elites = (), context: Tensor | None = None) -> Rescored:
        """This rank's programs, and its share of the elites, again with gradient: the forward pass of `learn`.

        context: (B, C) as `generate` was given it, but with gradient where one is wanted.
        """
        return self._learner.rescore(programs, _known(elites), context)

    def learn(
        self,
        rewards: Tensor,
        programs: Rollouts,
        elites: Elites = (),
        rescored: Rescored | None = None,
        groups: Tensor | None = None,
        context: Tensor | None = None,
    ) -> dict[str, float]:
        """One step of REINFORCE with Adam. rewards: (B,). Returns the figures of the step for the log.

        programs: this rank's share of the batch that the rewards are of. groups: (B,) bool or integers; each program is
        compared with those of its own group; None: with a parent or without. rescored: what `rescore` made of these
        programs and elites, if it has run already; else `context` is what it needs. What each rank computes are its
        share's terms of the means over batch and elites, which are then added up.
        loss = policy gradient - entropy_weight * entropy + imitation_weight * imitation of the elites.
        A loss or gradient that is not finite changes nothing and is counted in the figure `skipped`.
        """
        known = _known(elites)
        if rescored is None:
            rescored = self._learner.rescore(programs, known, context)
        return self._learner.learn(rewards, programs, known, rescored, groups)

    def accepts(self, rows: Sequence[TokenIds], prompts: Sequence[Prompt] | None = None) -> list[bool]:
        """Which of these programs could be written under the grammar and the limit of now."""
        return self._language.accepts(rows, [self._prompt] * len(rows) if prompts is None else prompts)

    def prior_bits(self, row: TokenIds) -> float:
        """How many bits a legal program takes before anything is learned."""
        return -prior_of(replay([row], [self._prompt], self._language)).item() / math.log(2)

    def run_state(self) -> dict[str, Any]:
        """The randomness, and what the saved weights fit: all that must survive besides the two `state_dict`s."""
        return self.randomness.state() | {
            "tokens": self._tokenizer.tokens,
            "model": asdict(self._sizes_of(self._beginning)),
            "context_dim": self._beginning.context_dim,
        }

    def load(
        self,
        model_state: dict[str, Tensor] | None,
        optimizer_state: dict[str, Any],
        run_state: dict[str, Any],
        same_run: bool,
    ) -> list[str]:
        """Takes back what was saved; tokens are matched by text. Returns what there is to say about it.

        model_state: None for the randomness alone; same_run: whether that goes on, too. Raises UserError where the
        network has another shape.
        """
        if model_state is None:
            return self.randomness.load(run_state)
        wanted = self._begin()
        check_architecture(run_state["model"], self._sizes_of(wanted))
        check_context(run_state.get("context_dim", 0), wanted.context_dim)
        if (wanted.context_dim, wanted.sizes) != (self._beginning.context_dim, self._beginning.sizes):
            self.reset()  # what was saved is of another kind than what was made first
        notes: list[str] = []
        if run_state["tokens"] != self._tokenizer.tokens:
            ids = match_tokens(run_state["tokens"], self._tokenizer.tokens)
            fresh = self.policy.state_dict()
            names = [name for name, _ in self.policy.named_parameters()]
            model_state = carry_policy(model_state, fresh, ids)
            optimizer_state = carry_optimizer(optimizer_state, names, fresh, ids)
            notes.append(
                f"the vocabulary changed: {len(ids)} tokens keep what was learned, "
                f"{len(self._tokenizer) - len(ids)} are new, {len(run_state['tokens']) - len(ids)} are gone"
            )
        self.policy.load_state_dict(model_state)
        self.optimizer.load_state_dict(optimizer_state)
        self._set_learning_rate()
        return [*notes, *self.randomness.load(run_state)] if same_run else notes


def _known(elites: Elites) -> KnownPrograms:
    return elites if isinstance(elites, KnownPrograms) else KnownPrograms(elites)
