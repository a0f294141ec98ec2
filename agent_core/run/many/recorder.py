"""What a visit leaves in the folder of its task, and the bar over all visits."""

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from agent_core.agent import Agent
from agent_core.run.console import QUIET_SECONDS, say
from agent_core.run.many.schedule import Visit
from agent_core.run.many.state import Current
from agent_core.run.recorder import COLUMNS, NullRecorder
from agent_core.settings.config import Config
from memory.history.run_log import BestRecord, RunLog

Save = Callable[[Current, Mapping | None, bool, Callable[[], None]], None]  # visit, mind, whether it must, rows first


class TotalBar:
    """Progress at a glance: one bar on a terminal, a plain line now and then elsewhere."""

    def __init__(self, most: int, attempts: int, shown: bool):
        self._shown, self._spoken = shown, time.monotonic()
        self._bar = tqdm(
            total=most,
            initial=attempts,
            unit=" attempts",
            disable=not (shown and sys.stderr.isatty()),
            dynamic_ncols=True,
        )

    def __enter__(self) -> "TotalBar":
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def update(self, attempts: int, line: str) -> None:
        """attempts: of all tasks; line: how it goes with the one that is visited."""
        self._bar.set_postfix_str(line, refresh=False)
        self._bar.update(attempts - self._bar.n)
        if self._shown and self._bar.disable and time.monotonic() - self._spoken >= QUIET_SECONDS:
            say(f"{attempts:,} attempts: {line}")
            self.spoke()

    def spoke(self) -> None:
        """Something else was said: the next line may wait."""
        self._spoken = time.monotonic()


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
