"""Learns p(program | examples): the network, its optimizer, and one step of maximum likelihood.

Two networks of the same form: Adam trains one, and the mean of its latest weights is the other, which writes, sees and
begins tasks. The mean is without the noise of single steps (Polyak and Juditsky 1992).
"""

import copy
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from agent_core.distributed.ranks import Ranks
from agent_core.grammar.legal_tokens import Prompt
from agent_core.learning.language import Language
from agent_core.learning.replay import Replayed, prior_of, replay
from agent_core.learning.vocabulary_change import carry_optimizer, carry_policy, match_tokens
from agent_core.play.mind.encoder import Bags, spread
from agent_core.play.mind.network import MindNetwork, log_likelihood
from agent_core.settings.config import MindConfig
from utils import UserError

_SIZES = ("embedding_dim", "hidden_dim", "num_layers", "feature_dim", "encoder_dim", "context_dim")
_AVERAGED = 0.998  # what the mean keeps of itself at each step, after the first few thousand; less before
_SLOWER_AFTER = 10_000  # steps: the learning rate falls with the square root of 1 + steps / this
_GRADIENT_CLIP = 1.0
_CORRECTION, _MOST_CORRECTED = 0.5, 2.0  # power of the ratio by which a lesson counts; at most so much, in nats

Lesson = tuple[Sequence[int], Prompt, Sequence[numpy.ndarray]]  # a program, where it begins, cases of its question


class MindLearner:
    """The mind's network, and Adam. What is called on one rank is called on all, with the same lessons."""

    def __init__(self, sizes: MindConfig, language: Language, seed: int, ranks: Ranks):
        self._sizes, self._language, self._ranks = sizes, language, ranks
        self._tokenizer, self.device = language.tokenizer, language.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = MindNetwork(len(language.tokenizer), sizes).to(self.device)
        if language.prior.is_even:
            with torch.no_grad():
                self.network.policy.head.bias.add_(language.prior.even.log())
        ranks.spread(self.network.parameters())
        self._trained = copy.deepcopy(self.network)
        self.network.requires_grad_(False)
        self.optimizer = torch.optim.Adam(self._trained.parameters(), lr=sizes.learning_rate)
        self.steps = 0

    @property
    def tokens(self) -> list[str]:
        """The vocabulary of the network, by id."""
        return self._tokenizer.tokens

    def learn(self, lessons: Sequence[Lesson], hidden: Sequence[bool]) -> dict[str, float]:
        """One step on the lessons, of which each rank does its share. hidden: of each whether the policy is to do
        without its examples. A loss or gradient that is not finite changes nothing."""
        share = self._ranks.share(len(lessons))
        own, without = lessons[share], torch.tensor(hidden[share], dtype=torch.bool, device=self.device)
        replayed = self._replay(own) if own else None
        weights = self.weights(replayed)
        loss, varied = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        if replayed is not None:
            contexts = self._trained.contexts(self._bags(own), without)
            varied = torch.tensor(spread(contexts.detach()[~without]), device=self.device)
            log_probs = log_likelihood(self._trained.policy, replayed, contexts, self._tokenizer.sos)
            loss = -(weights * log_probs).sum() / len(lessons)
            loss.backward()
        loss, varied = self._ranks.add_up(self._trained.parameters(), loss, varied)
        norm = nn.utils.clip_grad_norm_(self._trained.parameters(), _GRADIENT_CLIP)
        for group in self.optimizer.param_groups:
            group["lr"] = self._sizes.learning_rate / (1 + self.steps / _SLOWER_AFTER) ** 0.5
        if torch.isfinite(loss) and torch.isfinite(norm):
            self.optimizer.step()
            self._average()
        self.steps += 1
        return {"loss": loss.item(), "gradient_norm": norm.item(), "spread": varied.item() / self._ranks.count}

    @torch.no_grad()
    def losses(self, lessons: Sequence[Lesson]) -> tuple[float, float]:
        """Log-loss, in nats a program, with their own examples and with another's: what the examples are worth."""
        contexts = self.network.contexts(self._bags(lessons))
        own, other = (-self.score(lessons, each).mean().item() for each in (contexts, contexts.roll(1, 0)))
        return own, other

    def score(self, lessons: Sequence[Lesson], contexts: Tensor | None) -> Tensor:
        """(B,) log-probabilities of the programs."""
        return log_likelihood(self.network.policy, self._replay(lessons), contexts, self._tokenizer.sos)

    def _replay(self, lessons: Sequence[Lesson]) -> Replayed:
        programs, prompts = [program for program, _, _ in lessons], [prompt for _, prompt, _ in lessons]
        return replay(programs, prompts, self._language)

    @torch.no_grad()
    def weights(self, own: Replayed | None) -> Tensor:
        """(B,) what each of this rank's programs counts, 1 on average over all ranks.

        What play finds most easily fills the repertoire, and what is learned from that is what play writes next: left
        alone, this drifts away from the grammar's weights, and much that they hold likely becomes unlikely. So a
        program counts by the ratio of two probabilities: that by the prior, and that by the mind without examples.
        """
        ratios = torch.zeros(0, device=self.device)
        if own is not None:
            blank = self.network.policy.no_context.expand(len(own.ids), -1)
            ratios = prior_of(own) - log_likelihood(self.network.policy, own, blank, self._tokenizer.sos)
        everyones = torch.tensor([ratio for each in self._ranks.gather(ratios.tolist()) for ratio in each])
        middle = everyones.mean().item()

        def counting(ratios: Tensor) -> Tensor:
            return (_CORRECTION * (ratios - middle)).clamp(-_MOST_CORRECTED, _MOST_CORRECTED).exp()

        return counting(ratios) / counting(everyones).mean().item()

    @torch.no_grad()
    def _average(self) -> None:
        kept = min(_AVERAGED, (1 + self.steps) / (10 + self.steps))
        for mean, latest in zip(self.network.parameters(), self._trained.parameters(), strict=True):
            mean.lerp_(latest, 1 - kept)

    @torch.no_grad()
    def contexts(self, questions: Sequence[Sequence[numpy.ndarray]]) -> Tensor:
        """(B, C), without gradients."""
        return self.network.contexts(Bags.of(questions, self.device))

    def state(self) -> dict[str, Any]:
        return {
            "sizes": {name: value for name, value in asdict(self._sizes).items() if name in _SIZES},
            "tokens": self._tokenizer.tokens,
            "network": self.network.state_dict(),
            "trained": self._trained.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "steps": self.steps,
        }

    def load(self, state: dict[str, Any]) -> list[str]:
        """Takes back what was saved. Returns what there is to say. Raises UserError where sizes differ."""
        for name, value in state["sizes"].items():
            if getattr(self._sizes, name) != value:
                raise UserError(
                    f"mind.{name} is {getattr(self._sizes, name)}, but the saved mind was made with {value}: "
                    f"set mind.{name} = {value} to go on with it, or start anew with --fresh"
                )
        weights, optimizer, notes = state["network"], state["optimizer"], []
        trained = state.get("trained", weights)  # an older version had no mean
        if state["tokens"] != self._tokenizer.tokens:
            ids, fresh = match_tokens(state["tokens"], self._tokenizer.tokens), self.network.state_dict()
            weights, trained = (carry_policy(each, fresh, ids, "policy.") for each in (weights, trained))
            names = [name for name, _ in self.network.named_parameters()]
            optimizer = carry_optimizer(optimizer, names, fresh, ids, "policy.")
            notes.append(f"the vocabulary changed: {len(ids)} tokens keep what the mind has learned of them")
        self.network.load_state_dict(weights)
        self._trained.load_state_dict(trained)
        self.optimizer.load_state_dict(optimizer)
        self.steps = state["steps"]
        return notes

    def _bags(self, lessons: Sequence[Lesson]) -> Bags:
        return Bags.of([cases for _, _, cases in lessons], self.device)
