"""Play: one agent without a task. It asks itself, answers, and learns what its answers would have been right for.

`step` is the whole method: draw a signature, write programs for it, run them, keep what is new, learn p(program |
examples) from what is kept. Hindsight relabelling (Andrychowicz et al. 2017) and the fantasies of a recognition model
(Ellis et al. 2021): a program that fails at every task is the right answer to the question that its behaviour asks.
"""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import torch
from torch import Tensor, nn

from agent_core.distributed.ranks import Ranks
from agent_core.grammar.legal_tokens import LegalTokens, Prompt
from agent_core.learning.language import Language
from agent_core.mind.encoder import Bags, spread
from agent_core.mind.network import MindNetwork, log_likelihood
from agent_core.mind.replay import replay
from agent_core.play.lessons import Lessons, is_held_back
from agent_core.play.proposer import Proposer, Sources
from agent_core.play.signatures import SETS, Signature, draw_signatures
from agent_core.play.trial import Trial
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import Config
from agent_core.tasks.task import FUNCTION, Task
from memory.repertoire.places import Places
from memory.repertoire.repertoire import Repertoire, TokenIds
from tokenizer import Tokenizer, token_class

SOURCES = ("chance", "policy", "mutation")
_MUTATED = 24  # different parents in a batch
_BUILTINS = ("range", "len", "sum", "max", "min", "abs", "sorted", "str", "int")


@dataclass
class PlayProgress:
    """What play counts."""

    programs: int = 0
    steps: int = 0
    lessons: int = 0  # steps of learning
    untaught: int = 0  # programs written since the last lesson
    tried: Counter = field(default_factory=Counter)  # by source
    new: Counter = field(default_factory=Counter)  # behaviours, by source


class Player:
    """Network, repertoire and proposer of play."""

    def __init__(
        self,
        config: Config,
        tokenizer: Tokenizer,
        legal_tokens: LegalTokens,
        executor: Executor,
        ranks: Ranks | None = None,
    ):
        self.config, self.tokenizer, self._legal_tokens = config, tokenizer, legal_tokens
        self.ranks = ranks or Ranks()
        self.device = legal_tokens.device
        seed = config.run.seed
        self._names = [token for token in tokenizer.tokens if token_class(token) == "VARIABLE"][:5]
        self.signatures = [
            *draw_signatures(config.play.signatures, seed, len(self._names)),
            Signature((), seed),
        ]
        places = Places(tokenizer.tokens, _BUILTINS)
        self.repertoire = Repertoire(config.mind.behaviours, places.place_of, config.mind.length_weight)
        self.lessons = Lessons(self.signatures, self.repertoire)
        self.trial = Trial(executor, self.repertoire)
        prior = legal_tokens.class_sizes**-config.learning.class_balance
        own = self.ranks.seed(seed)
        self.random = torch.Generator(self.device).manual_seed(own)
        self.plan_random = torch.Generator().manual_seed(own)
        self.draws = Random(seed)  # what all ranks draw alike
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = MindNetwork(len(tokenizer), config.mind).to(self.device)
        with torch.no_grad():
            self.network.policy.head.bias += prior.log()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.mind.learning_rate)
        language = Language(tokenizer, legal_tokens, config.generator.max_length, True)
        self.proposer = Proposer(
            language, config.learning, prior, self.random, self.plan_random, config.play.temperature
        )
        self.progress = PlayProgress()

    def step(self) -> dict[str, float]:
        """Asks, writes, runs, keeps, and learns when it is time to. Returns figures for the log."""
        number = self._draw_signature()
        signature = self.signatures[number]
        found, sources = self._try(number, signature, self.config.generator.batch_size)
        progress, bounds = self.progress, (sources.chance, sources.chance + sources.policy, sources.total)
        counts = dict(zip(SOURCES, (sources.chance, sources.policy, sources.mutation), strict=True))
        progress.tried.update(counts)
        new = 0
        for each in found:
            before = each.key in self.repertoire
            if self.repertoire.add(each.key, each.behaviour) and not before:
                new += 1
                source = SOURCES[next(i for i, bound in enumerate(bounds) if each.place < bound)]
                progress.new[source] += 1
        self.lessons.forget(self.repertoire.dropped)
        self.repertoire.dropped.clear()
        progress.steps += 1
        progress.programs += sources.total
        progress.untaught += sources.total
        figures = {"new": new}
        while progress.untaught >= self.config.play.learn_every:
            progress.untaught -= self.config.play.learn_every
            figures |= self.learn()
        return figures

    def learn(self) -> dict[str, float]:
        """One step of maximum likelihood on behaviours of the repertoire, with cases drawn anew."""
        mind = self.config.mind
        keys = self.lessons.draw(mind.batch_size, self.draws)
        if len(keys) < 2:
            return {}
        cases = [self.lessons.cases(key, self.draws) for key in keys]
        hidden = torch.tensor([self.draws.random() < mind.hidden_share for _ in keys], device=self.device)
        contexts = self.network.contexts(Bags.of(cases, self.device), hidden)
        programs = self._replay(keys)
        scores = log_likelihood(self.network.policy, programs, contexts, self.tokenizer.sos)
        loss = -scores.mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.optimizer.gradient_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = mind.learning_rate / (1 + self.progress.lessons / 10_000) ** 0.5
        if torch.isfinite(loss) and torch.isfinite(norm):
            self.optimizer.step()
        self.progress.lessons += 1
        return {"loss": loss.item(), "gradient_norm": norm.item(), "spread": spread(contexts.detach()[~hidden])}

    @torch.no_grad()
    def losses(self, count: int = 256, shortest: int = 12) -> tuple[float, float]:
        """Log-loss, in nats a program, of short programs with their own examples and with another's."""
        random = Random(self.progress.programs)
        keys = [key for key in self.lessons.draw(4 * count, random) if self._length(key) <= shortest][:count]
        if len(keys) < 2:
            return 0.0, 0.0
        contexts = self.network.contexts(Bags.of([self.lessons.cases(key, random) for key in keys], self.device))
        programs = self._replay(keys)
        sos, policy = self.tokenizer.sos, self.network.policy
        return tuple(
            -log_likelihood(policy, programs, each, sos).mean().item() for each in (contexts, contexts.roll(1, 0))
        )

    def prompt_of(self, signature: Signature) -> Prompt:
        if not signature.kinds:
            return Prompt("program", ())
        return Prompt("function_body", (*self._names[: signature.arity], FUNCTION))

    def task_of(self, signature: Signature) -> Task:
        """Stands for a task of the signature where programs are made modules of."""
        if not signature.kinds:
            return Task("play", "", expected_output="")
        return Task("play", "", function_name=FUNCTION, parameters=tuple(self._names[: signature.arity]))

    def _draw_signature(self) -> int:
        if self.draws.random() < self.config.play.print_share:
            return len(self.signatures) - 1
        return self.draws.randrange(len(self.signatures) - 1)

    def _try(self, number: int, signature: Signature, count: int) -> tuple[list, Sources]:
        """Writes a batch for the signature and runs what of it may be new."""
        play = self.config.play
        conditions = self.lessons.draw(2 * count, self.draws, number)
        parents = self._parents(number, signature)
        mutated = int(count * play.mutation_share) if parents else 0
        chance = int(count * play.chance_share) if len(conditions) >= 2 else count - mutated
        sources = Sources(chance, count - mutated - chance, mutated)
        contexts = self._contexts(conditions, sources)
        rows = self.proposer.write(self.network.policy, self.prompt_of(signature), sources, contexts, parents)
        places = self._worth_running(number, signature, rows)
        task = self.task_of(signature)
        programs = [rows[i] for i in places]
        modules = [task.module(self.tokenizer.decode(row)) for row in programs]
        shown = self.draws.randint(1, SETS)
        found = self.trial.run(signature, number, programs, modules, shown)
        return [type(each)(each.key, each.behaviour, places[each.place]) for each in found], sources

    def _parents(self, number: int, signature: Signature) -> list[TokenIds]:
        """Programs to mutate: of this signature, and of others with as many arguments."""
        alike = [i for i, other in enumerate(self.signatures) if other.arity == signature.arity]
        keys = self.lessons.draw(_MUTATED // 2, self.draws, number)
        keys += self.lessons.draw(_MUTATED // 2, self.draws, self.draws.choice(alike))
        return [self.repertoire.behaviours[key].program for key in keys]

    @torch.no_grad()
    def _contexts(self, conditions: list[int], sources: Sources) -> Tensor | None:
        """(B, C): mixed cases of two behaviours for the policy's programs, nothing for the others."""
        nothing = self.network.policy.no_context.expand(sources.total, -1)
        if not sources.policy or len(conditions) < 2:
            return nothing
        draws = self.draws
        bags = [
            self.lessons.mixed(draws.choice(conditions), draws.choice(conditions), draws) for _ in range(sources.policy)
        ]
        contexts = nothing.clone()
        contexts[sources.chance : sources.chance + sources.policy] = self.network.contexts(Bags.of(bags, self.device))
        return contexts

    def _worth_running(self, number: int, signature: Signature, rows: list[TokenIds]) -> list[int]:
        """The programs, each once, that could do something: a function that returns what came of its arguments, or a
        program that prints."""
        texts = self.tokenizer.tokens
        needed = {"return"} if signature.kinds else {"print"}
        names = set(self._names[: signature.arity])
        first = {row: i for i, row in reversed(list(enumerate(rows)))}
        worth = []
        for row, i in first.items():
            words = {texts[token] for token in row}
            if needed <= words and (not names or names & words):
                worth.append(i)
        return sorted(worth)

    def _replay(self, keys: list[int]):
        behaviours = [self.repertoire.behaviours[key] for key in keys]
        prompts = [self.prompt_of(self.signatures[each.question]) for each in behaviours]
        programs = [each.program for each in behaviours]
        return replay(programs, prompts, self._legal_tokens, self.config.generator.max_length)

    def _length(self, key: int) -> int:
        return len(self.repertoire.behaviours[key].program)
