"""What the rank that leads writes and shows of a run: states, curves, best program and result."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent_core.agent import Agent
from agent_core.progress import FIGURES
from agent_core.run.console import Bar, say
from agent_core.settings.config import Config
from memory.history.run_log import BestRecord, RunLog
from memory.state.checkpoint import CheckpointStore
from utils import DiskFull

COLUMNS = (*FIGURES, "jail_reruns", "jail_wait_seconds", "elapsed_seconds", "attempts_per_second")


class NullRecorder:
    """Writes nothing: a rank that does not lead has this one."""

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


class PatientStore:
    """Saves where it can; while the disk is full, the run goes on, and says so once."""

    def __init__(self, store: CheckpointStore, save_every: int, attempts: int):
        """attempts: at which what is there was saved."""
        self._store, self._save_every, self._saved_at = store, save_every, attempts
        self._put_off = False  # the last save, since the disk is full

    def save(self, write: Callable[[CheckpointStore], None], attempts: int, must: bool) -> None:
        """write: makes the next generation; attempts: at which; must: whether to fail for lack of space."""
        try:
            write(self._store)
        except DiskFull as error:
            if must:
                raise
            if not self._put_off:
                say(
                    f"note: {error.problem}; learning goes on, and saving is tried again every "
                    f"{self._save_every:,} attempts; saved so far: {self._saved_at:,} attempts"
                )
            self._put_off = True
            return
        self._saved_at = attempts
        if self._put_off:
            say(f"note: there is space again; saved at {self._saved_at:,} attempts")
        self._put_off = False


class RunRecorder(NullRecorder):
    """States, curves, best program and result in their files, and what is to be seen on the screen."""

    def __init__(
        self,
        agent: Agent,
        store: CheckpointStore,
        folder: Path,
        settings: Config,
        also: Mapping[str, Any] | None = None,
    ):
        """settings: as the run goes on with them, which are noted in its folder; also: what the saved state of the run
        holds besides, and keeps."""
        self._agent, self._folder, self._settings = agent, folder, settings
        self._store = PatientStore(store, agent.config.run.save_every, agent.progress.attempts)
        self._also = {"folder": str(folder), **(also or {})}
        self._disputes = len(agent.solutions.disputes)  # that were shown
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
        def write(store: CheckpointStore) -> None:
            if self._began:
                self._log.sync()  # first the rows: a run that is killed resumes with all of them
            store.save(model_state, optimizer_state, {**run_state, **self._also}, mind)

        self._store.save(write, self._agent.progress.attempts, must)

    def result(self, values: Mapping[str, Any]) -> None:
        self._log.result(values)
