"""One agent: writes a batch, has it scored, remembers it, learns from it. `step` is the whole method."""

from typing import Any

from torch import Tensor

from agent_core.agent_state import AgentState, began_from_mind, rules_of, settings_of, what_changed
from agent_core.batch_exchange import Share
from agent_core.distributed.ranks import Ranks
from agent_core.grammar.legal_tokens import LegalTokens, Prompt
from agent_core.learning.generator import Beginning, CodeGenerator
from agent_core.learning.operators.parents import KnownPrograms
from agent_core.learning.vocabulary_change import carry_program, match_tokens
from agent_core.play.mind.start import TaskStart
from agent_core.progress import Improvement, Progress, step_figures
from agent_core.sandbox.executor import Executor
from agent_core.scoring.evidence import Evidence, evidence
from agent_core.scoring.scorer import Scorer
from agent_core.settings.config import Config
from agent_core.solutions import Solutions
from agent_core.task_run import TaskRun, types_shown_by
from agent_core.tasks.task import Task
from memory.archive.evaluation import TokenIds
from memory.archive.task_memory import TaskMemory
from tokenizer import Tokenizer


class Agent:
    """A policy, in the generator, and what belongs to its task. All that must survive a step is in `state()`.

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
        start: TaskStart | None = None,
    ):
        """start: what the task takes of the mind; None for one that begins with random weights and sees no examples."""
        self.config = config
        self.tokenizer = tokenizer
        self._legal_tokens = legal_tokens
        self._start = start
        prompt, types = Prompt(*task.start), types_shown_by(task)
        beginning = start.beginning if start else Beginning
        self.generator = CodeGenerator(tokenizer, legal_tokens, prompt, config, ranks, beginning, types)
        self.ranks = ranks or Ranks()
        self.task_run = TaskRun(task, tokenizer, executor, config, self.ranks, start.kinds if start else 1)
        self._latest: list[TokenIds] = []

    def step(self) -> dict[str, float]:
        """Sample, run, score, remember, learn. Returns the figures of the step for the log.

        From the scores on, all is of the whole batch, whichever rank wrote it.
        """
        task_run, generator = self.task_run, self.generator
        if task_run.restart_due:
            task_run.restart()
            if self._start is not None:
                self._start.restart(task_run.period_kind)
            generator.reset()
        count = min(self.config.generator.batch_size, self.config.run.max_attempts - task_run.progress.attempts)
        elites, run = task_run.memory.elites, task_run.scorer.start()
        context, recalled = self._contexts(count), self._recalled(count)
        own = recalled[self.ranks.share(len(recalled))]
        known = KnownPrograms(elites, self._contexts(len(elites)), recalled=own)
        modules: dict[TokenIds, str] = {}
        programs = generator.generate(count, known, lambda rows: run.add(task_run.new_modules(rows, modules)), context)
        self._latest = (rows := programs.rows())[len(own) :]
        run.add(task_run.new_modules(rows, modules), last=True)
        rescored = generator.rescore(programs, known, context)  # needs no rewards: meanwhile the jail gets on
        batch = task_run.score(Share(rows, programs.mutated, count, len(modules)), modules, run)
        rewards = task_run.record(batch)
        groups = batch.mutated
        if start := self._looking():
            groups = start.groups(groups, *map(self.ranks.sizes, (count, len(recalled))))
            start.forget(len(recalled))
        figures = generator.learn(rewards, programs, known, rescored, groups)
        task_run.count(batch, skipped=bool(figures["skipped"]))
        return step_figures(task_run.progress, task_run.memory.archive, task_run.scorer.version, batch) | figures

    def _contexts(self, count: int) -> Tensor | None:
        """(count, C) what so many programs see of the paid cases; None in a period that did not begin from the mind."""
        start = self._looking()
        return start.contexts(self.generator.policy, count) if start else None

    def _seeing(self, count: int) -> Tensor | None:
        """(count, C) the same where none of them goes without."""
        start = self._looking()
        return start.seeing(count) if start else None

    def _recalled(self, count: int) -> list[TokenIds]:
        """The programs among so many that are known and tried as they are; none in a period that began cold."""
        start = self._looking()
        return start.recall(int(count * self.config.mind.recall_share)) if start else []

    def _looking(self) -> TaskStart | None:
        """What this period takes of the mind, seeing the paid cases of now; None if it began cold."""
        start = self._start
        if start is None or start.cold:
            return None
        start.look_at(self.scorer.judge.paid, self.scorer.version)
        return start

    @property
    def task(self) -> Task:
        return self.task_run.task

    @property
    def scorer(self) -> Scorer:
        return self.task_run.scorer

    @property
    def memory(self) -> TaskMemory:
        return self.task_run.memory

    @property
    def solutions(self) -> Solutions:
        return self.task_run.solutions

    @property
    def progress(self) -> Progress:
        return self.task_run.progress

    @property
    def history(self) -> list[Improvement]:
        return self.task_run.history

    @property
    def solved(self) -> bool:
        return self.task_run.solved

    @property
    def finished(self) -> bool:
        return self.task_run.finished

    @property
    def evidence(self) -> Evidence | None:
        """What the cases say for the solution; None where there is none, or nothing to be said."""
        best = self.memory.best
        if not (best and self.solved and self.config.generator.legal_tokens_only):
            return None
        return evidence(self.task, self.generator.prior_bits(best.row))

    @property
    def best_program(self) -> str:
        return self.task_run.best_program

    def departure(self) -> str:
        return self.task_run.departure()

    def latest(self, count: int) -> list[str]:
        """Some of the programs of the last step that the policy wrote by itself, as people are shown them."""
        return list(map(self.task_run.present, self._latest[:count]))

    def sample(self, count: int) -> list[tuple[float, str]]:
        """Programs of the policy as it is, each with its reward. Nothing is learned or remembered from them."""
        rows = self.samples(count)
        scores = self.scorer.score(list(map(self.task_run.module_of, rows)), [len(row) for row in rows])
        return [(score.reward, self.task_run.present(row)) for score, row in zip(scores, rows, strict=True)]

    def samples(self, count: int, blind: bool = False) -> list[TokenIds]:
        """Programs of the policy as it is. blind: without the examples, even where the task began from the mind."""
        return self.generator.generate(count, context=None if blind else self._seeing(count)).rows()

    def state(self) -> dict[str, Any]:
        """Plain values: all that must survive a step, besides the policy's and the optimizer's `state_dict`s.

        Where there are several ranks, that of the first is for all of them.
        """
        task_state = self.task_run.state()
        generator = self.generator.run_state()
        start = self._start.state() if self._start else {}
        return AgentState(self.rules, self._settings, generator, start=start, **task_state).plain()

    def begin_anew(self) -> None:
        """A new period of the policy, from the mind if there is one, which may have grown. What is known of the task
        stays, elites among it."""
        self.task_run.begin_anew()
        if self._start is not None:
            self._start.restart(self.task_run.period_kind)
        self.generator.reset()

    def load(
        self, model_state: dict | None, optimizer_state: dict, state: dict[str, Any], done_is_new: bool = True
    ) -> list[str]:
        """Goes on from what was saved, in this task or another. Returns what there is to say about it.

        model_state: None where the caller has the weights `begin_anew` after this. Another task is a new run that
        starts with the weights that are there; done_is_new: so is one that was solved and polished before. Raises
        UserError.
        """
        saved = AgentState.of(state)
        progress = Progress(**saved.progress)
        same_task = saved.digest == self.task.digest
        solved_before = done_is_new and same_task and progress.polished(self.config.run)
        same_run = same_task and not solved_before
        notes = []
        if not same_run and (self._start is not None or began_from_mind(state)):
            return ["beginning from the mind" if self._start else "beginning from random weights"]
        if not same_task:
            notes.append(f"carrying over what it learned on {saved.task}; attempts are counted anew")
        elif solved_before:
            notes.append(
                f"solved before, in {progress.solved_at:,} attempts; going on from what it has learned, "
                "attempts are counted anew"
            )
        if same_run and self._start is not None:
            self._start.load(saved.start)
        notes += self.generator.load(model_state, optimizer_state, saved.generator, same_run)
        notes += what_changed(saved.settings, self._settings)
        if same_run:
            self.task_run.load(saved)
            if saved.rules != self.rules:
                notes.append("what is legal or what is paid has changed: the best programs are scored anew")
                ids = match_tokens(saved.rules["tokens"], self.tokenizer.tokens)
                self.task_run.reassess(lambda row: carry_program(row, ids), self.generator.accepts)
        return notes

    @property
    def _settings(self) -> dict[str, Any]:
        return settings_of(self.config, self._start is not None)

    @property
    def rules(self) -> dict:
        """See `rules_of`; where they change, remembered scores are void."""
        return rules_of(self.config, self.task, self.tokenizer.tokens, self._legal_tokens.grammar.digest)
