"""What `run.task` may name: one task, several, files, folders, rungs, the ladder; and each mistake in a line."""

import json

import pytest

from agent_core.settings.config import load_config
from agent_core.tasks.selection import are_several, load_tasks
from agent_core.tasks.task import RUNGS, builtin_tasks, load_task
from utils import UserError


@pytest.fixture
def names_of(tokenizer):
    return lambda value: [task.name for task in load_tasks(value, tokenizer.tokens)]


@pytest.fixture
def problems_of(names_of):
    def problems(value):
        with pytest.raises(UserError) as raised:
            names_of(value)
        return str(raised.value).splitlines()

    return problems


@pytest.fixture
def folder(tmp_path):
    """A folder with two tasks, and what is none."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("twice", "thrice"):
        cases = [{"inputs": [i], "expected": i * 3} for i in range(4)]
        criteria = {"function_name": name, "parameters": ["var_a"], "test_cases": cases}
        (folder / f"{name}.json").write_text(
            json.dumps({"name": name, "description": "", "success_criteria": criteria})
        )
    (folder / "half.py").write_text("assert half(4) == 2\nassert half(10) == 5\nassert half(6) == 3\n")
    for other in ("notes.txt", "_helper.py", ".hidden.json"):
        (folder / other).write_text("no task")
    return folder


def test_names_files_folders_and_rungs(names_of, folder):
    assert names_of(f"add, {folder}/twice.json") == ["add", "twice"]
    assert names_of(f"{folder},maximum") == ["half", "thrice", "twice", "maximum"]
    assert names_of("say it")[0] == "add_two_numbers"
    assert set(names_of("ladder")) == set(builtin_tasks())


def test_the_ladder_goes_rung_by_rung(names_of, tokenizer):
    rungs = [load_task(name, tokenizer.tokens).rung for name in names_of("ladder")]
    assert rungs == sorted(rungs, key=RUNGS.index)


@pytest.mark.parametrize(
    ("value", "several"), [("add", False), ("play", False), ("add,double", True), ("ladder", True), ("say it", True)]
)
def test_what_stands_for_several(value, several):
    assert are_several(value) is several


def test_a_folder_stands_for_several_and_a_file_with_a_comma_for_one(folder):
    (folder / "a,b.json").write_text("{}")
    assert are_several(str(folder))
    assert not are_several(str(folder / "a,b.json"))


def test_every_mistake_is_named_in_a_line_of_its_own(problems_of, folder):
    (folder / "broken.json").write_text("{")
    empty = folder / "empty"
    empty.mkdir()
    found = problems_of(f"add,nothing,{folder},add,compute it,play,,{empty},{folder}/gone.json")
    assert len(found) == 8
    for said in (
        'task "nothing": there is no built-in task of that name',
        f"task {folder}/broken.json",
        'task "add" is there twice: by add and by add',
        'task "add" is there twice: by add and by compute it',
        "play has no task, so it cannot be one of several",
        "run.task has a comma with no task before or behind it",
        f"{empty} has no task files",
        f"task {folder}/gone.json",
    ):
        assert sum(line.startswith(said) for line in found) == 1, said


def test_paths_in_a_list_are_relative_to_the_settings(tmp_path):
    (tmp_path / "config.ini").write_text("[run]\ntask = add, own/x.json, compute it\n")
    assert load_config(tmp_path / "config.ini").run.task == f"add,{tmp_path}/own/x.json,compute it"
