"""What the rank that leads writes of a run of many tasks: states, tables, and a folder for each task."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent_core.run.many.schedule import Standing, total
from agent_core.run.many.show import write_tables
from agent_core.run.many.state import KEY, Current, ManyState
from agent_core.run.recorder import PatientStore
from memory.history.many_folder import ABILITIES
from memory.history.run_log import folder_name, write_json
from memory.state.checkpoint import Checkpoint, CheckpointStore
from utils import DiskFull


class NullFiles:
    """Writes nothing: a rank that does not lead has this one."""

    def save(
        self,
        state: ManyState,
        current: Current | None,
        mind: Mapping | None,
        must: bool = True,
        sync: Callable[[], None] = lambda: None,
    ) -> None:
        """Makes the next generation. current: the visit that is under way; sync: waits for its rows first; must:
        whether to fail where that cannot be, for lack of space, or to go on without it."""

    def write_tables(self, state: ManyState, standings: Mapping[str, Standing]) -> None:
        """Writes where the tasks stand, and what each visit came to."""

    def write_abilities(self, values: Mapping[str, Any]) -> None:
        """Writes what the mind can do."""

    def folder_of(self, task: str) -> Path | None:
        """Where a task's curves and programs go; None for nowhere."""
        return None


class RunFiles(NullFiles):
    """Writes the states, the tables and a folder for each task."""

    def __init__(self, store: PatientStore, saved: Checkpoint | None, folder: Path, tasks: Sequence[str]):
        """saved: what was there, of which all that is not of this run stays as it is; tasks: their names."""
        self._store, self._folder, self._names = store, folder, _folder_names(tasks)
        self._policy: Mapping[str, Any] = saved.model_state if saved else {}
        self._optimizer: Mapping[str, Any] = saved.optimizer_state if saved else {}
        self._run_state: Mapping[str, Any] = saved.run_state if saved else {"agent": None}

    def save(
        self,
        state: ManyState,
        current: Current | None,
        mind: Mapping | None,
        must: bool = True,
        sync: Callable[[], None] = lambda: None,
    ) -> None:
        plain = replace(state, folder=str(self._folder), current=current).plain()

        def write(store: CheckpointStore) -> None:
            sync()  # a run that is killed resumes with all rows
            store.save(self._policy, self._optimizer, {**self._run_state, KEY: plain}, mind)

        self._store.save(write, total(state.standings) + (current.tried if current else 0), must)

    def write_tables(self, state: ManyState, standings: Mapping[str, Standing]) -> None:
        with contextlib.suppress(DiskFull):  # they are written again, and whoever saves says it
            write_tables(self._folder, standings, state.visits)

    def write_abilities(self, values: Mapping[str, Any]) -> None:
        with contextlib.suppress(DiskFull):
            write_json(self._folder / ABILITIES, values)

    def folder_of(self, task: str) -> Path | None:
        return self._folder / self._names[task]


def _folder_names(tasks: Sequence[str]) -> dict[str, str]:
    """The name of each task's folder. Of tasks whose names are alike as folders, the later ones get a number, and none
    gets the folder of another, nor one that differs by capitals alone: some file systems do not tell these apart."""
    names: dict[str, str] = {}
    plain = {folder_name(task).casefold() for task in tasks}
    taken: set[str] = set()
    for task in tasks:
        name = own = folder_name(task)
        number = 1
        while name.casefold() in taken or (number > 1 and name.casefold() in plain):
            number += 1
            name = f"{own}-{number}"
        taken.add(name.casefold())
        names[task] = name
    return names
