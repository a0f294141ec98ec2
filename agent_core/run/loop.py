"""One run: the loop that learns, and what is written and shown on the way, by the rank that leads."""

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from agent_core.agent import Agent
from agent_core.play.relabel import TaskLessons
from agent_core.progress import FIGURES
from agent_core.run.console import Bar, say
from agent_core.sandbox.executor import JailError
from agent_core.settings.config import Config
from memory.history.run_log import BestRecord, RunLog
from memory.state.checkpoint import CheckpointStore
from utils import DiskFull, UserError

COLUMNS = (*FIGURES, "jail_reruns", "jail_wait_seconds", "elapsed_seconds", "attempts_per_second")
MAX_SKIPPED = 3  # steps in a row whose loss or gradient is not finite


class NullRecorder:
    """What a rank keeps of a run that does not lead: nothing."""

    def __enter__(self) -> "NullRecorder":
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def step(self, row: Mapping[str, float], improved: bool) -> None:
        """Takes note of a step. improved: whether it brought a new best program."""

    def save(
        self, model_state: Mapping, optimizer_state: Mapping, run_state: Mapping, mind: Mapping | None, must: bool
    ) -> None:
        """Makes the next generation of the states. mind: None for the one that is saved, if any. must: whether to fail
        where that cannot be, for lack of space, or to go on without it."""

    def result(self, values: Mapping[str, Any]) -> None:
        """Takes note of how the run ended."""


class RunRecorder(NullRecorder):
    """States, curves, best program and result in their files, and what is to be seen on the screen."""

    def __init__(self, agent: Agent, store: CheckpointStore, folder: Path, settings: Config):
        """settings: as the run goes on with them, which are noted in its folder."""
        self._agent, self._store, self._folder, self._settings = agent, store, folder, settings
        self._saved_at = agent.progress.attempts
        self._disputes = len(agent.solutions.disputes)  # that were shown
        self._put_off = False  # the last save, since the disk is full
        self._began = False
        self._open = contextlib.ExitStack()
        self._log: RunLog
        self._bar: Bar

    def __enter__(self) -> "RunRecorder":
        with self._open:  # closes the one if the other fails
            self._log = self._open.enter_context(RunLog(self._folder, COLUMNS, self._agent.progress.attempts))
            self._log.settings(self._settings.plain())
            self._bar = self._open.enter_context(Bar(self._agent))
            self._open = self._open.pop_all()
        self._began = True
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def step(self, row: Mapping[str, float], improved: bool) -> None:
        agent, show_every = self._agent, self._agent.config.run.show_every
        self._log.row(row)
        if note := self._log.take_note():
            say(f"note: {note}")
        self._bar.update(row)
        if improved:
            self._log.best([BestRecord(i.attempts, i.reward, i.program) for i in agent.history])
            self._bar.show_best(agent.history[-1], agent.departure())
        for dispute in agent.solutions.disputes[self._disputes :]:
            self._bar.show_dispute(dispute, agent.task)
        self._disputes = len(agent.solutions.disputes)
        if show_every and agent.progress.steps % show_every == 0:
            self._bar.show_samples(agent)

    def save(
        self, model_state: Mapping, optimizer_state: Mapping, run_state: Mapping, mind: Mapping | None, must: bool
    ) -> None:
        try:
            if self._began:
                self._log.sync()  # first the rows: a run that is killed resumes with all of them
            self._store.save(model_state, optimizer_state, {**run_state, "folder": str(self._folder)}, mind)
        except DiskFull as error:
            if must:
                raise
            if not self._put_off:
                say(
                    f"note: {error.problem}; learning goes on, and saving is tried again every "
                    f"{self._agent.config.run.save_every:,} attempts; saved so far: {self._saved_at:,} attempts"
                )
            self._put_off = True
            return
        self._saved_at = self._agent.progress.attempts
        if self._put_off:
            say(f"note: there is space again; saved at {self._saved_at:,} attempts")
        self._put_off = False

    def result(self, values: Mapping[str, Any]) -> None:
        self._log.result(values)


class _Moment:
    """What a step draws and finds before its programs have run: a step that cannot be finished must leave none of it,
    or the run that goes on from there would be another one."""

    def __init__(self, agent: Agent):
        self._agent, self._restarts = agent, agent.progress.restarts
        self._scorer = agent.scorer.state()
        self._random = [generator.get_state() for generator in self._generators()]

    def come_back(self) -> None:
        """Makes it that moment again. After a restart, which is a whole thing of its own, chance has moved on."""
        self._agent.scorer.load_state(self._scorer)
        if self._agent.progress.restarts == self._restarts:
            for generator, state in zip(self._generators(), self._random, strict=True):
                generator.set_state(state)

    def _generators(self) -> tuple[torch.Generator, torch.Generator]:
        randomness = self._agent.generator.randomness
        return randomness.tokens, randomness.plans


class TrainingRun:
    """The clock of a run, and its loop. All ranks go through it in step."""

    def __init__(
        self,
        agent: Agent,
        books: NullRecorder,
        seconds: float,
        seed: int | None,
        lessons: TaskLessons | None = None,
    ):
        """seconds: what the run took before it was stopped; seed: that it began with, None where that is not known;
        lessons: the mind that takes in what is tried, if the task began from one."""
        self._lessons = lessons
        if lessons is not None:
            agent.task_run.on_scores = lessons.note
        self._agent, self._books, self._seed = agent, books, seed
        self._before, self._began = seconds, time.monotonic()
        self._saved_at = agent.progress.attempts  # or tried to

    @property
    def seconds(self) -> float:
        """Seconds that the run has taken, stops not counted."""
        return self._before + time.monotonic() - self._began

    def learn(self, signalled: Callable[[], int]) -> int:
        """Goes on until the run is finished or one of the ranks has been sent a signal; returns that, or 0.

        signalled: the signal that this process has been sent, or 0.
        """
        agent, ranks, config = self._agent, self._agent.ranks, self._agent.config
        self._save()
        ranks.watch()
        with self._books as books:
            while not agent.finished and not ranks.stopping(signalled()):
                self._step(books)
                if agent.progress.skipped and agent.progress.skipped % MAX_SKIPPED == 0:
                    self._save()
                    raise UserError(
                        f"loss or gradient was not finite in {MAX_SKIPPED} steps in a row; what was "
                        "learned before is saved; lower optimizer.learning_rate and run again"
                    )
                if agent.progress.attempts - self._saved_at >= config.run.save_every and not agent.finished:
                    self._save(must=False)
            books.result(self.result())  # first: a run that counts as finished has its result
            self._save()
        return ranks.stopping(signalled())

    def _step(self, books: NullRecorder) -> None:
        """One step, noted. Where no jail can be had for it any more, what was learned before it is saved."""
        agent = self._agent
        improvements, attempts, before = len(agent.history), agent.progress.attempts, _Moment(agent)
        try:
            figures = agent.step()
        except JailError as error:
            before.come_back()
            raise self._with_all_saved(error) from None
        if self._lessons is not None:
            self._lessons.keep(agent.progress.attempts - attempts)
            if agent.solved:
                self._lessons.solved()
        try:
            books.step(figures | self._speed(), improved=len(agent.history) > improvements)
        except JailError as error:  # to show a new best program, it is run once more
            raise self._with_all_saved(error) from None

    def _with_all_saved(self, error: JailError) -> JailError:
        """Saves, if this rank can do so alone. Returns the error with what became of that."""
        saved = "what was saved last is whole"
        if self._agent.ranks.count == 1:
            with contextlib.suppress(UserError):  # the first error says more
                self._save()
                saved = "all that was learned is saved"
        return JailError(f"{error}; {saved}")

    def result(self) -> dict[str, Any]:
        """What result.json holds."""
        agent, best = self._agent, self._agent.memory.best
        attempts = agent.progress.solved_at or agent.progress.attempts
        return {
            "task": agent.task.name,
            "seed": self._seed,
            "ranks": agent.ranks.count,
            "solved": agent.solved,
            "attempts": attempts,
            "seconds": round(self.seconds, 3),
            "attempts_per_second": round(agent.progress.attempts / self.seconds, 1),
            "best_reward": best.reward if best else 0.0,
            "tokens": len(best.row) if best else 0,
            "program": agent.best_program if best else "",
            "test_cases": len(agent.task.test_cases),
            "check_cases": len(agent.task.check_cases),
            "first_solution": first._asdict() if (first := agent.solutions.first) and agent.solved else None,
            "disputes": [dispute.as_json() for dispute in agent.solutions.disputes],
            "device": str(agent.generator.device),
            "torch_version": torch.__version__,
        }

    def _speed(self) -> dict[str, float]:
        exchange = self._agent.task_run.exchange
        return {
            "jail_reruns": exchange.reruns,
            "jail_wait_seconds": round(exchange.wait_seconds, 3),
            "elapsed_seconds": round(self.seconds, 3),
            "attempts_per_second": round(self._agent.progress.attempts / self.seconds, 1),
        }

    def _save(self, must: bool = True) -> None:
        generator = self._agent.generator
        self._books.save(
            generator.policy.state_dict(),
            generator.optimizer.state_dict(),
            {"agent": self._agent.state(), "seconds": self.seconds, "seed": self._seed},
            self._lessons.state() if self._lessons else None,
            must,
        )
        self._saved_at = self._agent.progress.attempts
