"""Play: one agent without a task. It asks itself, answers, and learns what its answers would have been right for.

`step` is the whole method: draw a signature, write programs for it, run them, keep what is new, learn p(program |
examples) from what is kept. Hindsight relabelling (Andrychowicz et al. 2017) and the fantasies of a recognition model
(Ellis et al. 2021): a program that fails at every task is the right answer to the question that its behaviour asks.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from torch import Tensor

from agent_core.distributed.ranks import Ranks
from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.learning.language import TokenIds
from agent_core.learning.randomness import Randomness
from agent_core.play.brackets import plainly_written
from agent_core.play.languages import Languages
from agent_core.play.lessons import Lessons, is_held_back
from agent_core.play.mind.learner import MindLearner
from agent_core.play.progress import PlayProgress
from agent_core.play.proposer import Asked, Proposer, Sources
from agent_core.play.questions import Questions
from agent_core.play.signatures import SETS
from agent_core.play.trial import Found, Trial, Tried
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import Config
from memory.repertoire.places import Places
from memory.repertoire.repertoire import Behaviour, Repertoire
from tokenizer import Tokenizer

_MUTANTS = 8  # of each parent in a batch, about
_LOOK = 256  # behaviours that a look compares losses of
_HELD_BACK = 32  # held back behaviours that a look tries to write
_TRIES = 100  # programs written for each of them
_SHORT = 12  # tokens of the programs whose losses are compared


class _Batch(NamedTuple):
    """What was written for a question, and is being run."""

    tried: Tried
    shown: int  # the set of inputs that a new behaviour is shown on
    sources: Sources
    worth: list[int]  # the place among all that were written, of each that is run


class Player:
    """Everything that must survive a step is in what `agent_core/play/saved.py` packs."""

    def __init__(
        self,
        config: Config,
        tokenizer: Tokenizer,
        legal_tokens: LegalTokens,
        executor: Executor,
        ranks: Ranks | None = None,
        seed: int | None = None,
        leave_out: Callable[[int, Sequence[TokenIds]], Sequence[bool]] | None = None,
    ):
        """seed: that the mind began with; None for that of the settings. leave_out: says of programs for a question
        which are not to be kept; None: all are."""
        self.config, self.tokenizer, self.legal_tokens = config, tokenizer, legal_tokens
        self.ranks = ranks or Ranks()
        self.device, self.seed = legal_tokens.device, config.run.seed if seed is None else seed
        self.questions = Questions(config.play.signatures, self.seed, tokenizer)
        self.places = Places(tokenizer.tokens)
        limit, places = config.mind.behaviours, self.places
        self.repertoire = Repertoire(limit, places.place_of, config.mind.length_weight, places.shortest_of)
        self.lessons = Lessons(self.questions, self.repertoire)
        self.trial = Trial(executor, self.repertoire)
        longest = config.generator.max_length
        self.languages = Languages(self.questions, tokenizer, legal_tokens, config.learning, longest)
        self.language = self.languages.plain
        self.learner = MindLearner(config.mind, self.language, self.seed, self.ranks)
        self.randomness = Randomness(self.seed, self.device, self.ranks)
        self.own_draws = Random(self.ranks.seed(self.seed))
        self.draws = Random(self.seed)  # what all ranks draw alike
        temperature = config.play.temperature
        self.proposer = Proposer(self.language, config.learning, self.randomness, temperature)
        self._leave_out = leave_out
        self.progress = PlayProgress()
        self._latest: list[str] = []

    @property
    def finished(self) -> bool:
        return self.progress.programs >= self.config.run.max_attempts

    def step(self) -> dict[str, float]:
        """Asks, writes, runs, keeps, and learns when it is time to. Returns the figures of the step for the log."""
        progress, config = self.progress, self.config
        number = self._draw_question()
        count = min(config.play.batch_size, config.run.max_attempts - progress.programs)
        batch = self._begin(number, count)
        figures: dict[str, float] = {}
        while progress.untaught >= config.play.learn_every:  # while the programs are run
            progress.untaught -= config.play.learn_every
            figures = self.learn() or figures
        found, tried = self._end(batch)
        new: Counter[str] = Counter()
        for each, source in found:
            known = each.key in self.repertoire
            if self.repertoire.add(each.key, each.behaviour) and not known:
                new[source] += 1
        self.lessons.forget(self.repertoire.dropped)
        self.repertoire.dropped.clear()
        self._latest = [self.present(each.behaviour) for each, _ in found[-3:]]
        progress.note(count, tried, new)
        progress.figures |= figures
        if config.play.look_every and progress.programs // config.play.look_every > progress.looks:
            progress.looks = progress.programs // config.play.look_every
            progress.figures |= self.look()
        return progress.row(len(self.repertoire))

    def learn(self, question: int | None = None) -> dict[str, float]:
        """One step of maximum likelihood on behaviours of the repertoire, with cases drawn anew.

        question: that half of the behaviours are drawn from, if it has any; the others are drawn from all there are.
        """
        count, even = self.config.mind.batch_size, self.config.mind.places_share
        keys = [] if question is None else self.lessons.draw(count // 2, self.draws, question, even)
        keys += self.lessons.draw(count - len(keys), self.draws, None, even)
        if len(keys) < 2:
            return {}
        lessons = [self.lessons.lesson(key, self.draws) for key in keys]
        return self.learner.learn(lessons, [self.draws.random() < self.config.mind.hidden_share for _ in keys])

    def look(self) -> dict[str, float]:
        """What has been learned: log-losses of short programs with their own examples and with another's, and the share
        of behaviours that were held back of which the policy writes a program within a hundred. It draws from a stream
        of its own, but for the programs that it writes."""
        random = Random(self.progress.programs)
        drawn = self.lessons.draw(4 * _LOOK, random)
        short = [key for key in drawn if len(self.repertoire.behaviours[key].program) <= _SHORT][:_LOOK]
        figures: dict[str, float] = {}
        if len(short) > 1:
            lessons = [self.lessons.lesson(key, random) for key in short]
            figures["loss_own_examples"], figures["loss_other_examples"] = self.learner.losses(lessons)
        held = sorted(key for key in self.repertoire.keys if is_held_back(key) and key not in self.repertoire.kept)
        if held:
            chosen = random.sample(held, min(_HELD_BACK, len(held)))
            own = chosen[self.ranks.share(len(chosen))]
            hits = self.ranks.gather([self._writes(key) for key in own])
            figures["held_back_written"] = sum(map(sum, hits)) / len(chosen)
        return figures

    def latest(self) -> list[str]:
        """Some of what the last step kept, as people are shown it."""
        return self._latest

    def present(self, behaviour: Behaviour) -> str:
        """The program of a behaviour as people are shown it."""
        return self.questions.task_of(behaviour.question).present(self.tokenizer.decode(behaviour.program))

    def _asked(self, number: int) -> Asked:
        return Asked(self.languages.of(number), self.questions.prompt_of(number))

    def _draw_question(self) -> int:
        if self.draws.random() < self.config.play.print_share:
            return self.questions.printing
        return self.draws.choice(self.questions.functions)

    def _begin(self, number: int, count: int) -> _Batch:
        """Writes a batch for the question, and has the workers begin with it. Each rank does so with its share."""
        parents = self._parents(number, 2 + int(count * self.config.play.mutation_share) // _MUTANTS)
        conditions, shown = self.lessons.draw(2 * count, self.draws, number), self.draws.randint(1, SETS)
        own = self.ranks.sizes(count)[self.ranks.rank]
        transferred = self._transferred(number, int(own * self.config.play.transfer_share))
        sources = self._sources(own, conditions, parents, len(transferred))
        contexts, policy = self._contexts(conditions, sources), self.learner.network.policy
        rows = self.proposer.write(policy, self._asked(number), sources, contexts, parents, transferred)
        worth = self._worth_running(number, rows)
        task, programs = self.questions.task_of(number), [rows[i] for i in worth]
        modules = [task.module(self.tokenizer.decode(row)) for row in programs]
        tried = self.trial.start(self.questions.signature(number), number, programs, modules)
        return _Batch(tried, shown, sources, worth)

    def _end(self, batch: _Batch) -> tuple[list[tuple[Found, str]], dict[str, int]]:
        """What of a batch is worth keeping, each with its source, and how many came from each, from all ranks."""
        sources, number, found = batch.sources, batch.tried.number, self.trial.finish(batch.tried, batch.shown)
        found = plainly_written(found, self.language, self.questions.prompt_of(number))
        if self._leave_out is not None:
            without = self._leave_out(number, [each.behaviour.program for each in found])
            found = [each for each, out in zip(found, without, strict=True) if not out]
        told = [(each.key, tuple(each.behaviour), sources.source_of(batch.worth[each.place])) for each in found]
        shares = self.ranks.gather([told, sources.counts()])
        tried: Counter[str] = Counter()
        for _, counts in shares:
            tried.update(counts)
        return [(Found(key, Behaviour(*fields)), source) for told, _ in shares for key, fields, source in told], tried

    def _sources(self, count: int, conditions: list[int], parents: list[TokenIds], transferred: int) -> Sources:
        """How many of so many programs come from where. Chance writes where nothing is known for the question."""
        play = self.config.play
        mutated = min(int(count * play.mutation_share), count - transferred) if parents else 0
        rest = count - transferred - mutated
        chance = min(int(count * play.chance_share), rest) if conditions else rest
        return Sources(chance, rest - chance, mutated, transferred)

    def _parents(self, number: int, count: int) -> list[TokenIds]:
        """Programs to mutate: of this question, and of another with as many arguments."""
        keys = self.lessons.draw(count // 2, self.draws, number)
        keys += self.lessons.draw(count // 2, self.draws, self.draws.choice(self.questions.alike(number)))
        return [self.repertoire.behaviours[key].program for key in keys]

    def _transferred(self, number: int, count: int) -> list[TokenIds]:
        """Programs of another question with as many arguments, to see what they do here."""
        others = [other for other in self.questions.alike(number) if other != number]
        if not (others and count):
            return []
        keys = self.lessons.draw(2 * count, self.own_draws, self.own_draws.choice(others))
        known = self.repertoire.programs(number)
        rows = dict.fromkeys(self.repertoire.behaviours[key].program for key in keys)
        return [row for row in rows if row not in known][:count]

    def _contexts(self, conditions: list[int], sources: Sources) -> Tensor:
        """(B, C): mixed cases of two behaviours for the policy's programs, nothing for the others."""
        contexts = self.learner.network.policy.no_context.detach().repeat(sources.total, 1)
        if sources.policy:
            draws = self.own_draws
            pairs = [(draws.choice(conditions), draws.choice(conditions)) for _ in range(sources.policy)]
            mixed = self.learner.contexts([self.lessons.mixed(*pair, draws) for pair in pairs])
            contexts[sources.chance : sources.chance + sources.policy] = mixed
        return contexts

    def _worth_running(self, number: int, rows: list[TokenIds]) -> list[int]:
        """The programs, each once, that could do something: a function that returns what came of its arguments, or a
        program that prints."""
        signature, texts = self.questions[number], self.tokenizer.tokens
        needed, names = ("return" if signature.kinds else "print"), set(self.questions.parameters_of(number))
        worth: dict[TokenIds, int] = {}
        for i, row in enumerate(rows):
            words = {texts[token] for token in row}
            if needed in words and (not names or names & words):
                worth.setdefault(row, i)
        return list(worth.values())

    def _writes(self, key: int) -> int:
        """1 if the policy, shown a behaviour's examples, writes a program of it within a hundred."""
        behaviour = self.repertoire.behaviours[key]
        number, random = behaviour.question, Random(key)
        context = self.learner.contexts([self.lessons.cases(key, random, 8)]).expand(_TRIES, -1)
        policy, asked = self.learner.network.policy, self._asked(number)
        rows = self.proposer.write(policy, asked, Sources(0, _TRIES, 0), context, epsilon=0.1)
        task = self.questions.task_of(number)
        modules = [task.module(self.tokenizer.decode(row)) for row in dict.fromkeys(rows)]
        return int(key in self.trial.keys(self.questions[number], modules))
