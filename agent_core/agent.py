"""One agent on one task: writes a batch, has it scored, remembers it, learns from it. `step` is the whole method."""

from collections.abc import Sequence
from dataclasses import asdict, astuple, replace

import torch

from agent_core.agent_state import SCORES, AgentState
from agent_core.batch_exchange import Batch, Pool, Share
from agent_core.distributed.ranks import Ranks
from agent_core.grammar.legal_tokens import LegalTokens, Prompt
from agent_core.learning.generator import CodeGenerator
from agent_core.learning.vocabulary_change import carry_program, match_tokens
from agent_core.progress import Improvement, Progress, step_figures
from agent_core.sandbox.executor import BatchRun, Executor
from agent_core.scoring.mismatch import departure
from agent_core.scoring.scorer import Scorer
from agent_core.settings.config import Config
from agent_core.settings.fields import show
from agent_core.tasks.task import Task
from memory.archive.archive import Contents
from memory.archive.evaluation import TokenIds
from memory.archive.task_memory import TaskMemory
from tokenizer import Tokenizer


class Agent:
    """Generator, scorer and memory of a run. Everything that must survive a step is in `state()`.

    Where there are several ranks, each has an agent: their shares of a batch differ, and all else is the same. What
    is called on one is called on all.
    """

    def __init__(
        self,
        config: Config,
        task: Task,
        tokenizer: Tokenizer,
        legal_tokens: LegalTokens,
        executor: Executor,
        ranks: Ranks | None = None,
    ):
        self.config = config
        self.task = task
        self.tokenizer = tokenizer
        self._legal_tokens = legal_tokens
        self.generator = CodeGenerator(tokenizer, legal_tokens, Prompt(*task.start), config, ranks)
        self.scorer = Scorer(task, executor, config.scorer)
        self.ranks = ranks or Ranks()
        remember = -(-config.scorer.memory_limit // self.ranks.count)  # each rank remembers its own programs
        learning = config.learning
        self.memory = TaskMemory(remember, learning.elites, learning.elites_per_niche, learning.recursive_elites)
        self.pool = Pool(self.ranks, self.memory, self.scorer, config.generator.max_length, len(tokenizer))
        self.progress = Progress()
        self.history: list[Improvement] = []
        self._latest: list[TokenIds] = []

    @property
    def solved(self) -> bool:
        return self.memory.best is not None and self.memory.best.solved

    @property
    def finished(self) -> bool:
        """Whether the attempts are used up, or the task is solved and the solution polished."""
        run, progress = self.config.run, self.progress
        if self.solved and run.stop_on_success and progress.attempts >= progress.solved_at + run.polish_attempts:
            return True
        return progress.attempts >= run.max_attempts

    def step(self) -> dict[str, float]:
        """Sample, run, score, remember, learn. Returns the figures of the step for the log.

        From the scores on, all is of the whole batch, whichever rank wrote it.
        """
        self._restart_when_due()
        learning, progress = self.config.learning, self.progress
        count = min(self.config.generator.batch_size, self.config.run.max_attempts - progress.attempts)
        elites, run, modules = self.memory.elites, self.scorer.start(), {}
        programs = self.generator.generate(
            count, elites, on_ended=lambda rows: run.add(self._new_modules(rows, modules))
        )
        self._latest = rows = programs.rows()
        run.add(self._new_modules(rows, modules), last=True)
        rescored = self.generator.rescore(programs, elites)  # needs no rewards: meanwhile the jail gets on
        batch = self._score(Share(rows, programs.mutated, count, len(modules)), modules, run)
        before, scored = progress.attempts, batch.scored
        self.memory.record(scored, before)
        shares = self.memory.novelty(scored, learning.novelty)
        price = learning.length_price if progress.solved_at is not None else 0.0
        paid = torch.tensor(
            [
                reward * share - price * length
                for reward, share, length in zip(scored.rewards, shares, scored.lengths, strict=True)
            ]
        )
        figures = self.generator.learn(paid, programs, elites, rescored, batch.mutated)

        progress.steps += 1
        progress.attempts += count
        progress.skipped = progress.skipped + 1 if figures["skipped"] else 0
        if progress.solved_at is None:
            progress.solved_at = next((before + i for i, solved in enumerate(scored.solved, start=1) if solved), None)
        self._note_best()
        return step_figures(progress, self.memory.archive, self.scorer.version, batch) | figures

    def latest(self, count: int) -> list[str]:
        """Some of the programs of the last step that the policy wrote by itself, as people are shown them."""
        return [self.task.present(self.tokenizer.decode(row)) for row in self._latest[:count]]

    def sample(self, count: int) -> list[tuple[float, str]]:
        """Programs of the policy as it is, each with its reward. Nothing is learned or remembered from them."""
        rows = self.generator.generate(count).rows()
        texts = [self.tokenizer.decode(row) for row in rows]
        scores = self.scorer.score([self.task.module(text) for text in texts], [len(row) for row in rows])
        return [(score.reward, self.task.present(text)) for score, text in zip(scores, texts, strict=True)]

    def state(self) -> dict:
        """Plain values: all that must survive a step, besides the policy's and the optimizer's `state_dict`s.

        Where there are several ranks, that of the first is for all of them.
        """
        memory = self.memory.state()
        memory["others"] = self.ranks.gather(memory["scores"])[1:]
        return AgentState(
            rules=self.rules,
            settings=self._settings,
            generator=self.generator.run_state(),
            task=self.task.name,
            digest=self.task.digest,
            progress=asdict(self.progress),
            history=[astuple(improvement) for improvement in self.history],
            memory=memory,
            scorer=self.scorer.state(),
        ).plain()

    def load(self, model_state: dict, optimizer_state: dict, state: dict) -> list[str]:
        """Goes on from what was saved, in this task or another. Returns what there is to say about it.

        Another task, or one solved before, is a new run that starts with the weights that are there. Raises UserError.
        """
        saved = AgentState.of(state)
        same_task = saved.digest == self.task.digest
        progress, run = Progress(**saved.progress), self.config.run
        again = (
            same_task
            and progress.solved_at is not None
            and run.stop_on_success
            and progress.attempts >= progress.solved_at + run.polish_attempts
        )
        same_run = same_task and not again
        notes = self.generator.load(model_state, optimizer_state, saved.generator, same_run)
        before = saved.settings
        notes += [
            f"{name} is {show(now)} now, it was {show(before[name])} when this was saved"
            for name, now in self._settings.items()
            if now != before.get(name, now)
        ]
        if not same_task:
            notes.insert(0, f"carrying over what it learned on {saved.task}; attempts are counted anew")
        elif again:
            notes.insert(
                0,
                f"solved before, in {progress.solved_at:,} attempts; going on from what it has learned, "
                "attempts are counted anew",
            )
        if not same_run:
            return notes
        self.progress = progress
        self.history = [Improvement(*improvement) for improvement in saved.history]
        self.scorer.load_state(saved.scorer)
        scores = [saved.memory["scores"], *saved.memory.get("others", [])]
        if len(scores) == self.ranks.count:
            self.memory.load_state(saved.memory | {"scores": scores[self.ranks.rank]})
        else:
            self.memory.load_state(saved.memory, scores[1:])
        if saved.rules != self.rules:
            notes.append("what is legal or what is paid has changed: the best programs are scored anew")
            self._reassess(match_tokens(saved.rules["tokens"], self.tokenizer.tokens))
            if not self.solved:
                progress.solved_at = None
            elif progress.solved_at is None:
                progress.solved_at = self.memory.best.attempts
        return notes

    @property
    def _settings(self) -> dict[str, float]:
        """How it learns: what may change from one start to the next, and is said then."""
        plain = self.config.plain()
        return {
            f"{section}.{key}": value
            for section in ("generator", "optimizer", "learning")
            for key, value in plain[section].items()
            if key != "max_length"
        }

    @property
    def rules(self) -> dict:
        """What decides which programs exist, what they earn and what is known of them; where it changes, remembered
        scores are void.
        """
        config, generator = self.config.plain(), self.config.generator
        scorer = {key: value for key, value in config["scorer"].items() if key != "memory_limit"}
        executor = {key: config["executor"][key] for key in ("max_steps", "memory_mb", "max_output")}
        return {
            "tokens": self.tokenizer.tokens,
            "grammar": self._legal_tokens.grammar.digest,
            "scorer": scorer,
            "executor": executor,
            "scores": SCORES,
            "max_length": generator.max_length,
            "legal_tokens_only": generator.legal_tokens_only,
        }

    def _reassess(self, ids: dict[int, int]) -> None:
        """Scores elites and best anew, as far as they are still programs. ids: old token id -> new."""
        memory = self.memory
        before = memory.archive.contents()
        now = {row: carry_program(row, ids) for row in before.all_rows}
        candidates = [row for row in now.values() if row is not None]
        legal = dict(zip(candidates, self.generator.accepts(candidates), strict=True))
        memory.clear()
        self.scorer.doubt()
        usable = [row for row in candidates if legal[row]]
        modules: dict[TokenIds, str] = {}
        self._new_modules(usable[self.ranks.share(len(usable))], modules)
        self._score(Share([], torch.zeros(0, dtype=torch.bool), 0, 0), modules, everyones=usable)
        waiting, best = {now[row] for row in before.waiting}, None
        if before.best and (row := now[before.best.row]) and legal[row]:
            best = replace(before.best, row=row)
        after = Contents([row for row in usable if row not in waiting], [row for row in usable if row in waiting], best)
        memory.rebuild(after, self.progress.attempts)

    def _note_best(self) -> None:
        """Adds the best program to the history, if it is another than the last one there."""
        best = self.memory.best
        if best and not (self.history and self.history[-1].program == self.best_program):
            self.history.append(Improvement(best.attempts, best.reward, self.best_program))

    @property
    def best_program(self) -> str:
        """The best program so far as people are shown it."""
        return self.task.present(self.tokenizer.decode(self.memory.best.row))

    def departure(self) -> str:
        """Where the best program departs from the task. It is run once more for that: only its reward is kept."""
        row = self.memory.best.row
        score = self.scorer.look(self.task.module(self.tokenizer.decode(row)), len(row))
        return departure(self.task, score)

    def _new_modules(self, rows: Sequence[TokenIds], modules: dict[TokenIds, str]) -> list[str]:
        """The modules of those that have no score under the paid cases of now, added to `modules` where they lack."""
        new = [row for row in self.memory.unknown(rows, self.scorer.version) if row not in modules]
        modules |= {row: self.task.module(self.tokenizer.decode(row)) for row in new}
        return [modules[row] for row in new]

    def _score(
        self, own: Share, modules: dict[TokenIds, str], run: BatchRun | None = None, everyones: Sequence[TokenIds] = ()
    ) -> Batch:
        """Has every program scored that is not remembered, and everything anew that a counterexample puts in doubt.

        own: this rank's share of a batch; everyones: programs that all ranks have, of which each scores its share;
        modules: of those that have no score; run: one that has the first of them under way. Returns the whole batch.
        """
        shared, renew = everyones, False
        while True:
            version = self.scorer.version
            scores = self.scorer.score(list(modules.values()), [len(row) for row in modules], run=run)
            self.memory.remember(list(modules), scores)
            if batch := self.pool.gather(own, shared, version, renew):
                break
            modules, run, renew = {}, None, True
            shared = [*everyones, *self.memory.archive.contents().all_rows]
            self._new_modules([*own.rows, *shared[self.ranks.share(len(shared))]], modules)
        if renew:
            self.memory.rebuild(self.memory.archive.contents(), self.progress.attempts)
        return batch

    def _restart_when_due(self) -> None:
        """Fresh weights, elites and counts after a while without a solution; scores, best and counterexamples stay.

        What separates the runs that succeed is mostly luck early on, so many short lives beat one long one; but some
        tasks take long. The lives' lengths follow Luby, Sinclair and Zuckerman 1993, which is within a logarithm of the
        best that could be done knowing how long a life takes to succeed. Recursions, which take long, have places among
        the elites in all but the shortest lives.
        """
        unit, progress = self.config.learning.restart_after, self.progress
        if unit and not self.solved and progress.attempts - progress.restarted_at >= unit * luby(progress.restarts + 1):
            progress.restarts += 1
            self.generator.reset()
            self.memory.restart(reserve=luby(progress.restarts + 1) > 1)
            progress.restarted_at = progress.attempts


def luby(i: int) -> int:
    """The i-th of 1, 1, 2, 1, 1, 2, 4, 1, 1, 2, 1, 1, 2, 4, 8, ..., i from 1."""
    block = i.bit_length()
    return 1 << (block - 1) if i == (1 << block) - 1 else luby(i - (1 << (block - 1)) + 1)
