"""What belongs to one task of an agent: its scores and counterexamples, its archive, what it counts, what it found.

Policy, optimizer and randomness belong to the agent, whatever task they serve. A run of many tasks makes an agent for
each visit.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, replace
from typing import Any

import torch
from torch import Tensor

from agent_core.agent_state import AgentState
from agent_core.batch_exchange import Batch, BatchExchange, Share
from agent_core.distributed.ranks import Ranks
from agent_core.learning.shown_types import rules_shown_by
from agent_core.learning.value_types import Rules
from agent_core.progress import Improvement, Progress, luby
from agent_core.sandbox.executor import BatchRun, Executor
from agent_core.scoring.mismatch import departure
from agent_core.scoring.score import Score
from agent_core.scoring.scorer import Scorer
from agent_core.settings.config import Config
from agent_core.solutions import Solutions
from agent_core.tasks.task import FUNCTION, Task
from memory.archive.archive import Contents
from memory.archive.evaluation import TokenIds
from memory.archive.task_memory import TaskMemory
from tokenizer import Tokenizer


class TaskRun:
    """The run of one task. What must survive a step is in `state()`. Where there are several ranks, what is called on
    one is called on all."""

    def __init__(
        self, task: Task, tokenizer: Tokenizer, executor: Executor, config: Config, ranks: Ranks, kinds: int = 1
    ):
        """kinds: of periods of the policy, which take turns."""
        self.task, self._kinds = task, kinds
        self._tokenizer, self._config, self._ranks = tokenizer, config, ranks
        self.scorer = Scorer(task, executor, config.scorer)
        remember = -(-config.scorer.memory_limit // ranks.count)  # each rank remembers its own programs
        learning = config.learning
        self.memory = TaskMemory(remember, learning.elites, learning.elites_per_niche, learning.recursive_elites)
        self.solutions = Solutions(task, executor, ranks, config.run.seed, tokenizer.decode)
        self.memory.archive.believes = self.solutions.believes
        self.exchange = BatchExchange(ranks, self.memory, self.scorer, config.generator.max_length, len(tokenizer))
        self.progress = Progress()
        self.on_scores: Callable[[Sequence[TokenIds], Sequence[Score]], None] = lambda rows, scores: None
        self.history: list[Improvement] = []

    @property
    def solved(self) -> bool:
        return self.memory.best is not None and self.memory.best.solved

    @property
    def finished(self) -> bool:
        """Whether the attempts are used up, or the task is solved and the solution polished."""
        run, progress = self._config.run, self.progress
        return (self.solved and progress.polished(run)) or progress.attempts >= run.max_attempts

    @property
    def restart_due(self) -> bool:
        """Whether the policy has had its time without a solution.

        What separates the runs that succeed is mostly luck early on, so many short periods beat one long one; but some
        tasks take long. The lengths of the periods follow Luby, Sinclair and Zuckerman 1993, which is within a
        logarithm of the best that could be done knowing how long a period takes to succeed. Each kind of period has
        that sequence.
        """
        unit, progress = self._config.learning.restart_after, self.progress
        time = progress.attempts - progress.restarted_at
        return unit > 0 and not self.solved and time >= unit * self._length

    def restart(self) -> None:
        """A new period of the policy: elites and counts of behaviours go; scores, best and counterexamples stay.

        Recursions, which take long, have places among the elites in all but the shortest periods.
        """
        self.progress.restarts += 1
        self.progress.restarted_at = self.progress.attempts
        self.memory.restart(self._length > 1, self.period_kind)

    def begin_anew(self) -> None:
        """A new period of the first kind, with all that is known."""
        self.progress.restarts += -self.progress.restarts % self._kinds
        self.progress.restarted_at = self.progress.attempts
        self.memory.archive.begin_anew(self._length > 1)

    @property
    def period_kind(self) -> int:
        """Of this period: 0 for the first kind."""
        return self.progress.restarts % self._kinds

    @property
    def _length(self) -> int:
        """Of this period, in units of the shortest."""
        return luby(self.progress.restarts // self._kinds + 1)

    def module_of(self, row: TokenIds) -> str:
        return self.task.module(self._tokenizer.decode(row))

    def present(self, row: TokenIds) -> str:
        """The program as people are shown it."""
        return self.task.present(self._tokenizer.decode(row))

    def new_modules(self, rows: Sequence[TokenIds], modules: dict[TokenIds, str]) -> list[str]:
        """The modules of those that have no score under the paid cases of now, added to `modules` where they lack."""
        new = [row for row in self.memory.unknown(rows, self.scorer.version) if row not in modules]
        modules |= {row: self.module_of(row) for row in new}
        return [modules[row] for row in new]

    def score(
        self, own: Share, modules: dict[TokenIds, str], run: BatchRun | None = None, everyones: Sequence[TokenIds] = ()
    ) -> Batch:
        """Has every program scored that is not remembered, and everything anew that a counterexample puts in doubt.

        own: this rank's share of a batch; everyones: programs that all ranks have, of which each scores its share;
        modules: of those that have no score; run: one that has the first of them under way. Returns the whole batch.
        """
        shared, rescored = everyones, False
        while True:
            version = self.scorer.version
            scores = self.scorer.score(list(modules.values()), [len(row) for row in modules], run=run)
            self.memory.remember(list(modules), scores)
            self.on_scores(list(modules), scores)
            if batch := self.exchange.gather(own, shared, version, rescored):
                break
            modules, run, rescored = {}, None, True
            shared = [*everyones, *self.memory.archive.contents().all_rows]
            self.new_modules([*own.rows, *shared[self._ranks.share(len(shared))]], modules)
        if rescored:
            self.memory.rebuild(self.memory.archive.contents(), self.progress.attempts)
        return batch

    def record(self, batch: Batch) -> Tensor:
        """Remembers what was tried. Returns what each program is paid, (B,): its reward, less where its behaviour is
        known, and less for its length once there is a solution."""
        learning, progress, scored = self._config.learning, self.progress, batch.scored
        self.memory.record(scored, progress.attempts)
        novelty = self.memory.novelty(scored, learning.novelty)
        price = learning.length_price if progress.solved_at is not None else 0.0
        columns = zip(scored.rewards, novelty, scored.lengths, strict=True)
        return torch.tensor([reward * share - price * length for reward, share, length in columns])

    def count(self, batch: Batch, skipped: bool) -> None:
        """Counts a step that was recorded, and adds the best program to the history where it is another than before.

        skipped: whether nothing could be learned from it.
        """
        self.progress.count(batch.scored.solved, skipped)
        best = self.memory.best
        if best and not (self.history and self.history[-1].program == self.best_program):
            self.history.append(Improvement(best.attempts, best.reward, self.best_program))

    @property
    def best_program(self) -> str:
        """The best program so far as people are shown it; empty where there is none."""
        return self.present(self.memory.best.row) if self.memory.best else ""

    def departure(self) -> str:
        """Where the best program departs from the task. It is run once more for that: only its reward is kept."""
        if not self.memory.best:
            return ""
        row = self.memory.best.row
        return departure(self.task, self.scorer.look(self.module_of(row), len(row)))

    def state(self) -> dict[str, Any]:
        """Plain values, as `AgentState` has them. Where there are several ranks, the first one's is for all of them."""
        memory = self.memory.state()
        memory["others"] = self._ranks.gather(memory["scores"])[1:]
        return {
            "task": self.task.name,
            "digest": self.task.digest,
            "progress": asdict(self.progress),
            "history": [astuple(improvement) for improvement in self.history],
            "memory": memory,
            "scorer": self.scorer.state(),
            "solutions": self.solutions.state(),
        }

    def load(self, state: AgentState) -> None:
        """Goes on from the state of a run of this task, by as many ranks or by others."""
        self.progress = Progress(**state.progress)
        self.history = [Improvement(*improvement) for improvement in state.history]
        self.scorer.load_state(state.scorer)
        self.solutions.load_state(state.solutions)
        scores = [state.memory["scores"], *state.memory["others"]]
        if len(scores) == self._ranks.count:
            self.memory.load_state(state.memory | {"scores": scores[self._ranks.rank]})
        else:
            self.memory.load_state(state.memory, scores[1:])
        self.memory.archive.limit_kinds(self._kinds)

    def reassess(
        self,
        carry: Callable[[TokenIds], TokenIds | None],
        accepts: Callable[[Sequence[TokenIds]], Sequence[bool]],
    ) -> None:
        """Scores elites and best anew after what is legal or paid has changed, as far as they are still programs.

        carry: a program in the token ids of now, None where it has none; accepts: which of them are legal now.
        """
        memory, before = self.memory, self.memory.archive.contents()
        now = {row: carry(row) for row in before.all_rows}
        candidates = [row for row in now.values() if row is not None]
        usable = [row for row, legal in zip(candidates, accepts(candidates), strict=True) if legal]
        memory.clear()
        self.scorer.doubt()
        self.solutions.forget_programs()
        modules: dict[TokenIds, str] = {}
        self.new_modules(usable[self._ranks.share(len(usable))], modules)
        self.score(Share([], torch.zeros(0, dtype=torch.bool), 0, 0), modules, everyones=usable)
        still_legal = set(usable)

        def carried(rows: Sequence[TokenIds]) -> list[TokenIds]:
            return [row for row in map(now.get, rows) if row in still_legal]

        best = None
        if before.best and (rows := carried([before.best.row])):
            best = replace(before.best, row=rows[0])
        waiting = {kind: carried(rows) for kind, rows in before.waiting.items()}
        memory.rebuild(Contents(carried(before.rows), waiting, best), self.progress.attempts)
        if not self.solved:
            self.progress.solved_at = self.solutions.first = None
        elif self.progress.solved_at is None and memory.best:
            self.progress.solved_at = memory.best.attempts


def types_shown_by(task: Task) -> Rules | None:
    """What the test cases of a function show of types; `func_a` gives what the function answers."""
    if task.kind == "output":
        return None
    calls, answers = zip(*((case.arguments, case.expected) for case in task.test_cases), strict=True)
    return rules_shown_by(FUNCTION, task.parameters, calls, answers)
