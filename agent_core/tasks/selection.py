"""Which tasks the settings name: built-in ones, files, folders, rungs of the ladder, or all of the ladder."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent_core.tasks.task import RUNGS, Task, builtin_tasks, load_task
from utils import UserError

PLAY = "play"  # no task: the agent asks itself
LADDER = "ladder"  # all built-in tasks
_SUFFIXES = (".json", ".py")


def are_several(value: str) -> bool:
    """Whether a value of `run.task` stands for several tasks, be it for one at the moment."""
    names = _names(value)
    return len(names) > 1 or names[0] == LADDER or names[0] in RUNGS or _is_folder(names[0])


def load_tasks(value: str, tokens: Sequence[str], vocabulary_file: str | Path = "the vocabulary") -> list[Task]:
    """All tasks that a value of `run.task` names, in its order; those of the ladder rung by rung.

    tokens, vocabulary_file: as `load_task` has them. Raises UserError with a line for each task that is missing,
    named twice, or cannot be read.
    """
    found: dict[str, Task] = {}
    named_by: dict[str, str] = {}
    problems: list[str] = []
    for name in _names(value):
        try:
            for task in _tasks_of(name, tokens, vocabulary_file, problems):
                if task.name in found:
                    problems.append(
                        f'task "{task.name}" is there twice: by {named_by[task.name]} and by {name}; name it once in '
                        "run.task, or give one of two files another name"
                    )
                found.setdefault(task.name, task)
                named_by.setdefault(task.name, name)
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(problems))
    return list(found.values())


def _names(value: str) -> list[str]:
    return [value] if os.path.isfile(value) else [name.strip() for name in value.split(",")]


def _is_folder(name: str) -> bool:
    return name not in builtin_tasks() and os.path.isdir(name)


def _tasks_of(name: str, tokens: Sequence[str], vocabulary_file: str | Path, problems: list[str]) -> Iterator[Task]:
    """The tasks behind one name. Those that cannot be read are added to the problems."""
    if name == PLAY:
        raise UserError("play has no task, so it cannot be one of several; set run.task = play alone")
    if not name:
        raise UserError("run.task has a comma with no task before or behind it; take it away")
    if name == LADDER or name in RUNGS:
        built_in = [load_task(task, tokens, vocabulary_file) for task in builtin_tasks()]
        yield from (task for rung in RUNGS if name in (LADDER, rung) for task in built_in if task.rung == rung)
        return
    for place in _files_in(Path(name)) if _is_folder(name) else [name]:
        try:
            yield load_task(place, tokens, vocabulary_file)
        except UserError as error:
            problems.append(str(error))


def _files_in(folder: Path) -> Sequence[Path]:
    """The task files of a folder. Raises UserError where there are none."""
    files = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES and path.name[0] not in "._")
    if not files:
        raise UserError(
            f"{folder} has no task files; put some there (.json, or .py with asserts), or name another folder"
        )
    return files
