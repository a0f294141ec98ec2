"""What a visit leaves in the folder of its task."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent_core.agent import Agent
from agent_core.run.console import say
from agent_core.run.many.schedule import Visit
from agent_core.run.many.state import Current
from agent_core.run.recorder import COLUMNS, NullRecorder
from agent_core.settings.config import Config
from memory.history.run_log import BestRecord, RunLog

Save = Callable[[Current, Mapping | None, bool, Callable[[], None]], None]  # visit, mind, whether it must, rows first


class VisitRecorder(NullRecorder):
    """Curves, best program and result of one task, as a run of this task alone would leave them."""

    def __init__(self, agent: Agent, visit: Visit, began: int, save: Save, shown: Callable[[Mapping], None]):
        """began: attempts on the task before. save: makes the next generation. shown: is given each row."""
        self._agent, self._visit, self._began, self._save, self._shown = agent, visit, began, save, shown
        self._log: RunLog | None = None

    def write_to(self, folder: Path, settings: Config) -> None:
        """Without this, nothing is written of the visit. settings: as the run goes on with them."""
        self._log = RunLog(folder, COLUMNS, self._agent.progress.attempts)
        self._log.settings(settings.plain())

    def __exit__(self, *exception: object) -> None:
        if self._log is not None:
            with contextlib.closing(self._log):
                if exception == (None, None, None):
                    self._log.sync()

    def step(self, row: Mapping[str, float], improved: bool) -> None:
        self._shown(row)
        if self._log is None:
            return
        self._log.row(row)
        if note := self._log.take_note():
            say(f"note: {note}")
        if improved:
            self._log.best([BestRecord(i.attempts, i.reward, i.program) for i in self._agent.history])

    def save(
        self, model_state: Mapping, optimizer_state: Mapping, run_state: Mapping, mind: Mapping | None, must: bool
    ) -> None:
        sync = self._log.sync if self._log is not None else lambda: None
        self._save(
            Current(self._visit, self._began, run_state["agent"], model_state, optimizer_state), mind, must, sync
        )

    def result(self, values: Mapping[str, Any]) -> None:
        if self._log is not None:
            self._log.result(values)
