"""`CodeGenerator`: writes programs by sampling the policy and learns from what they earned; owns model and Adam."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from agent_core.distributed.ranks import Ranks
from agent_core.grammar.legal_tokens import LegalTokens, Prompt
from agent_core.learning.language import Language
from agent_core.learning.length_budget import draw_length_budget
from agent_core.learning.objectives import (
    choices,
    draw,
    group_advantages,
    imitation_loss,
    mean_entropy,
    policy_gradient_loss,
    policy_probs,
)
from agent_core.learning.operators.parents import Parent, examine
from agent_core.learning.operators.table import counts_of, plan_batch
from agent_core.learning.plan import RolloutPlan
from agent_core.learning.rollout import OnEnded, OpenRollouts, Rollouts, TokenIds
from agent_core.learning.vocabulary_change import (
    carry_optimizer,
    carry_policy,
    check_architecture,
    check_context,
    match_tokens,
)
from agent_core.model import CodePolicy
from agent_core.settings.config import GeneratorConfig, LearningConfig, ModelConfig, OptimizerConfig
from tokenizer import Tokenizer

_PARENTS = 1_000  # replayed programs that are kept at hand


class Rescored(NamedTuple):
    """Programs, and elites below them, as the policy sees them now: (B + E, T) each."""

    log_probs: Tensor  # with gradient; 0 where a token does not count
    entropies: Tensor  # with gradient; 0 where a token does not count
    counts: Tensor  # bool


@dataclass(frozen=True)
class KnownPrograms:
    """Programs that were tried before: operators start from them, and the policy imitates them."""

    rows: Sequence[TokenIds]  # E of them, as `Rollouts.rows` gives them
    context: Tensor | None = None  # (E, C) what each depends on; None where no program has a context


class CodeGenerator:
    """Samples programs from an LSTM policy and improves it by REINFORCE with Adam."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        legal_tokens: LegalTokens,
        start: str,
        defined: Sequence[str],
        model: ModelConfig,
        generator: GeneratorConfig,
        optimizer: OptimizerConfig,
        learning: LearningConfig,
        seed: int,
        ranks: Ranks | None = None,
        context_dim: int = 0,
    ):
        """start, defined: the grammar's start symbol and the names that exist before the first token. context_dim:
        numbers of the context that each program may be given, C; 0 where programs depend on nothing.

        Weights and sampling both follow from `seed`. Every tensor lives on the device of the legal tokens. Where there
        are several ranks, each writes and learns from its share of a batch; what calls on the others is called by all.
        """
        self.device = legal_tokens.device
        self._tokenizer = tokenizer
        self._legal_tokens = legal_tokens
        self._prompt = Prompt(start, tuple(defined))
        self._language = Language(tokenizer, legal_tokens, generator.max_length, generator.legal_tokens_only)
        self._model_config = model
        self._config = generator
        self._optimizer_config = optimizer
        self._learning = learning
        self._ranks = ranks or Ranks()
        self._context_dim = context_dim
        seed = self._ranks.seed(seed)
        self.random = torch.Generator(self.device).manual_seed(seed)  # weights and tokens
        self.plan_random = torch.Generator().manual_seed(seed)  # what operators draw: on the CPU on every device
        # (V,) what chance alone draws tokens in proportion to; without the grammar nothing says what is of a kind.
        self._prior = legal_tokens.class_sizes ** -(learning.class_balance if generator.legal_tokens_only else 0.0)
        self._parents: dict[TokenIds, Parent] = {}
        self.reset()

    def reset(self) -> None:
        """Fresh random weights and a fresh optimizer; the weights are drawn from the generator's own randomness.

        What the policy likes at first is near what chance would draw.
        """
        seed = torch.randint(2**31, (1,), generator=self.random, device=self.device).item()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.policy = CodePolicy(
                len(self._tokenizer),
                self._model_config.embedding_dim,
                self._model_config.hidden_dim,
                self._model_config.num_layers,
                self._context_dim,
            ).to(self.device)
        with torch.no_grad():
            self.policy.head.bias += self._prior.log()
        self._ranks.spread(self.policy.parameters())
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=self._optimizer_config.learning_rate)

    @torch.no_grad()
    def generate(
        self,
        batch_size: int,
        elites: Sequence[TokenIds] | KnownPrograms = (),
        on_ended: OnEnded | None = None,
        context: Tensor | None = None,
    ) -> Rollouts:
        """Writes this rank's share of `batch_size` programs, token by token, until <EOS> or the limit.

        elites: known programs that operators start from. on_ended: is given programs of the batch that have ended
        while others are still being written; not the last ones. context: (batch_size, C) what each program of the
        whole batch depends on; None: no program has a context.
        """
        share = self._ranks.share(batch_size)
        batch_size = share.stop - share.start
        writing = OpenRollouts(
            self._language,
            self._prompt,
            self._epsilons(batch_size),
            draw_length_budget(batch_size, self._learning.fresh_length_budget, self.random, self.device),
            self._plan(share, _known(elites).rows),
            on_ended,
        )
        reader = self.policy.reader(batch_size, None if context is None else context[share])
        while not writing.ended:
            legal = writing.legal()  # (R, V), R programs being under way
            probs = policy_probs(reader.read(writing.token), legal, writing.epsilon, self._prior)  # (R, V)
            token = draw(probs, torch.rand(len(probs), generator=self.random, device=self.device))  # (R,)
            left = writing.take(token, legal, probs.gather(1, token.unsqueeze(1)).squeeze(1))
            if left is not None:
                reader.select(left)
        return writing.programs()

    def rescore(
        self,
        programs: Rollouts,
        elites: Sequence[TokenIds] | KnownPrograms = (),
        context: Tensor | None = None,
    ) -> Rescored:
        """This rank's programs, and its share of the elites, again with gradient: the forward pass of `learn`.

        context: (B, C) that of the whole batch, as `generate` was given it, but with gradient where one is wanted.
        """
        known = _known(elites)
        share = self._ranks.share(len(known.rows)) if self._learning.imitation_weight else slice(0)
        parents = self._examine(known.rows[share])
        ids, counts, legal, epsilon = _with_parents(programs, parents, self._tokenizer.pad)
        contexts = None
        if context is not None or known.context is not None:
            own = None if context is None else context[self._ranks.share(len(context))]
            others = None if known.context is None else known.context[share]
            both = self.policy.contexts(own, len(programs.ids)), self.policy.contexts(others, len(parents))
            contexts = torch.cat([part for part in both if part is not None])
        return Rescored(*self._rescore(ids, counts, legal, epsilon, contexts), counts)

    def learn(
        self,
        rewards: Tensor,
        programs: Rollouts,
        elites: Sequence[TokenIds] | KnownPrograms = (),
        rescored: Rescored | None = None,
        mutated: Tensor | None = None,
        context: Tensor | None = None,
    ) -> dict[str, float]:
        """One step of REINFORCE with Adam. rewards: (B,). Returns the figures of the step for the log.

        programs: this rank's share of the batch that the rewards are of; mutated: (B,) bool, of all of it. What each
        rank computes are its share's terms of the means over batch and elites, which are then added up. rescored: what
        `rescore` made of these programs and elites, if it has run already; else `context` is what it needs.
        loss = policy gradient - entropy_weight * entropy + imitation_weight * imitation of the elites.
        A loss or gradient that is not finite changes nothing and is counted in the figure `skipped`.
        """
        rewards = rewards.to(self.device, torch.float32)
        batch, share, count = len(rewards), self._ranks.share(len(rewards)), len(programs.ids)
        log_probs, entropies, counts = self.rescore(programs, elites, context) if rescored is None else rescored
        own = slice(count), slice(programs.ids.shape[1])

        mutated = programs.mutated if mutated is None else mutated.to(self.device)
        advantages = group_advantages(rewards, mutated, self._learning.advantage_floor)[share]
        policy_loss = total_entropy = imitation = torch.zeros((), device=self.device)
        if count:  # there may be fewer programs than ranks
            policy_loss = policy_gradient_loss(log_probs[own], advantages, programs.chosen) * (count / batch)
            total_entropy = mean_entropy(entropies[own], programs.chosen) * (count / batch)
        loss = policy_loss - self._learning.entropy_weight * total_entropy
        if imitated := len(counts) - count:
            imitation = imitation_loss(log_probs[count:], counts[count:]) * (imitated / len(_known(elites).rows))
            loss = loss + self._learning.imitation_weight * imitation

        self.optimizer.zero_grad(set_to_none=True)
        if loss.requires_grad:
            loss.backward()
        loss, policy_loss, imitation, total_entropy, choices_made = self._ranks.add_up(
            self.policy.parameters(), loss, policy_loss, imitation, total_entropy, programs.chosen.sum()
        )
        norm = nn.utils.clip_grad_norm_(self.policy.parameters(), self._optimizer_config.gradient_clip)
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

    def run_state(self) -> dict:
        """The randomness, and what the saved weights fit: all that must survive besides the two `state_dict`s.

        The randomness of all ranks, the first one's apart: it goes on whatever the number of ranks is then.
        """
        own = {"random": self.random.get_state(), "plan_random": self.plan_random.get_state()}
        first, *others = self._ranks.gather(own)
        return {
            **first,
            "others": others,
            "device": self.device.type,
            "tokens": self._tokenizer.tokens,
            "model": asdict(self._model_config),
            "context_dim": self._context_dim,
        }

    def load(self, model_state: dict, optimizer_state: dict, run_state: dict, same_run: bool) -> list[str]:
        """Takes back what was saved; tokens are matched by text. Returns what there is to say about it.

        same_run: whether the randomness goes on, too. Raises UserError where the network has another shape.
        """
        check_architecture(run_state["model"], self._model_config)
        check_context(run_state.get("context_dim", 0), self._context_dim)
        notes = []
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
        for group in self.optimizer.param_groups:
            group["lr"] = self._optimizer_config.learning_rate
        return notes + self._go_on_drawing(run_state) if same_run else notes

    def _go_on_drawing(self, run_state: dict) -> list[str]:
        """Takes back this rank's randomness. A rank that was not there draws what nobody has drawn before."""
        rank, count, notes = self._ranks.rank, self._ranks.count, []
        saved = [run_state, *run_state.get("others", [])]
        if len(saved) != count:
            notes.append(
                f"saved by {len(saved)} ranks, going on with {count}: from here on the run is "
                "another one than it would have been there"
            )
        if rank >= len(saved):
            seed = self._ranks.seed(run_state["random"].tolist())
            self.plan_random.manual_seed(seed)
            self.random.manual_seed(seed)
            return notes
        self.plan_random.set_state(saved[rank]["plan_random"])
        if run_state["device"] == self.device.type:
            self.random.set_state(saved[rank]["random"])
        else:
            notes.append(
                f"saved on {run_state['device']}, going on on {self.device.type}: from here on the run "
                "is another one than it would have been there"
            )
        return notes

    def accepts(self, rows: Sequence[TokenIds]) -> list[bool]:
        """Which of these programs could be written under the grammar and the limit of now."""
        if not self._config.legal_tokens_only:
            return [len(row) <= self._config.max_length for row in rows]
        return self._legal_tokens.accepts(rows, self._prompt.start, self._config.max_length, self._prompt.defined)

    def _rescore(
        self, ids: Tensor, counts: Tensor, legal: Tensor, epsilon: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Known programs again, with gradient: log-probabilities of their tokens and entropies of the choices.

        ids, counts: (B, T), the latter bool. legal: (B, T, V). epsilon: (B,). context: (B, C). Returns (B, T) twice,
        0 where a token does not count: those are the most, and the head is spared them.
        """
        if not ids.numel():
            return (epsilon.new_zeros(ids.shape),) * 2
        inputs = torch.cat([torch.full_like(ids[:, :1], self._tokenizer.sos), ids[:, :-1]], dim=1)
        places = torch.arange(1, ids.shape[1] + 1, device=self.device)
        lengths, order = (counts * places).amax(dim=1).sort(descending=True, stable=True)  # up to the last that counts
        reached = lengths >= places.unsqueeze(1)  # (T, B) in that order: packed
        sizes = reached.sum(dim=1).tolist()
        context = self.policy.contexts(context, len(ids))
        first = None if context is None else context[order[: sizes[0]]]
        hidden = self.policy.hidden(inputs[order].t()[reached], sizes, first)  # (N, H)
        chosen = counts[order].t()
        place, program = chosen.nonzero().unbind(1)
        program = order[program]
        log_probs, entropies = choices(
            self.policy.logits(hidden[chosen[reached]], program, context),
            legal[program, place],
            epsilon[program],
            ids[program, place],
            self._prior,
        )
        nothing = torch.zeros(ids.shape, dtype=log_probs.dtype, device=self.device)
        return (nothing.index_put((program, place), log_probs), nothing.index_put((program, place), entropies))

    def _epsilons(self, batch_size: int) -> Tensor:
        """(B,) evenly from none to `epsilon`: some programs stay close to the policy, some wander off."""
        return torch.rand(batch_size, generator=self.random, device=self.device) * self._learning.epsilon

    def _plan(self, share: slice, elites: Sequence[TokenIds]) -> RolloutPlan | None:
        """What the operators propose for this rank's share of a batch; None where all of it is fresh."""
        counts = counts_of(self._learning, share)
        if not (any(counts) and elites and self._config.legal_tokens_only):
            return None
        parents, batch_size = self._examine(elites), share.stop - share.start
        return plan_batch(parents, batch_size, counts, self._language, self._learning, self.plan_random)

    def _examine(self, elites: Sequence[TokenIds]) -> list[Parent]:
        """Known programs as tensors; each is replayed once, and forgotten when too many have been."""
        if new := [elite for elite in elites if elite not in self._parents]:
            found = examine(new, self._language, *self._prompt)
            if len(self._parents) > _PARENTS:
                self._parents = {elite: self._parents[elite] for elite in elites if elite in self._parents}
            self._parents |= zip(new, found, strict=True)
        return [self._parents[elite] for elite in elites]


def _known(elites: Sequence[TokenIds] | KnownPrograms) -> KnownPrograms:
    return elites if isinstance(elites, KnownPrograms) else KnownPrograms(elites)


def _with_parents(programs: Rollouts, parents: Sequence[Parent], pad: int) -> tuple[Tensor, ...]:
    """Programs and elites below one another: ids, which of them count (B + E, T), what was legal (B + E, T, V), and the
    epsilon (B + E,), which elites do without: it is the policy itself that should like them.
    """
    if not parents:
        return programs.ids, programs.chosen, programs.legal, programs.epsilon
    batch, length = programs.ids.shape
    longest = max(length, *(len(parent.ids) for parent in parents))
    shape = (batch + len(parents), longest)
    ids = programs.ids.new_full(shape, pad)
    counts = programs.chosen.new_zeros(shape)
    legal = programs.legal.new_ones((*shape, programs.legal.shape[-1]))
    ids[:batch, :length], counts[:batch, :length] = programs.ids, programs.chosen
    legal[:batch, :length] = programs.legal
    for row, parent in enumerate(parents, start=batch):
        own = len(parent.ids)
        ids[row, :own], counts[row, :own], legal[row, :own] = parent.ids, True, parent.legal
    return ids, counts, legal, torch.cat([programs.epsilon, programs.epsilon.new_zeros(len(parents))])
