"""Many tasks in one run: what is printed and left behind, and that it goes on exactly wherever it was stopped."""

import csv
import json
import os
import shutil
import signal
import time

import pytest
from torch import distributed as dist

from agent_core.run import session
from agent_core.run.many.files import RunFiles
from agent_core.run.session import Stop
from memory.history import run_log
from runner import main
from tests.test_ranks import Started, run_main

SETTINGS = {
    "generator.batch_size": "32",
    "generator.max_length": "12",
    "model.hidden_dim": "16",
    "executor.workers": "1",
    "learning.elites": "8",
    "learning.restart_after": "150",
    "mind.hidden_dim": "16",
    "mind.encoder_dim": "16",
    "mind.context_dim": "8",
    "mind.batch_size": "16",
    "play.signatures": "3",
    "play.batch_size": "32",
    "run.threads": "1",
    "run.save_every": "100",
    "run.visit_attempts": "64",
    "run.polish_attempts": "64",
    "run.show_every": "0",
}
TASKS = "same,double,next"
MACHINE = ("_seconds", "_per_second", "_reruns", "new_programs")  # a program may be run again in another visit


@pytest.fixture(scope="module")
def home_of(tmp_path_factory):
    """Makes a folder with a config and three small tasks, of which the first is solved by chance in a few batches."""

    def make(name):
        home = tmp_path_factory.mktemp(name)
        (home / "config.ini").write_text("")
        answers = {"same": lambda x: x, "double": lambda x: x * 2, "next": lambda x: x * x + 3}
        for task, answer in answers.items():
            cases = [{"inputs": [i], "expected": answer(i)} for i in range(-2, 7)]
            criteria = {"function_name": task, "parameters": ["var_a"], "test_cases": cases}
            text = json.dumps({"name": task, "description": task, "success_criteria": criteria})
            (home / f"{task}.json").write_text(text)
        return home

    return make


def arguments(home, *more, tasks=TASKS, attempts=1_200, **settings):
    names = ",".join(name if name == "play" else f"{home}/{name}.json" for name in tasks.split(","))
    chosen = SETTINGS | {"run.task": names, "run.max_attempts": str(attempts)}
    chosen |= {key.replace("__", "."): value for key, value in settings.items()}
    return [f"--config={home}/config.ini", *(f"--set={key}={value}" for key, value in chosen.items()), *more]


def run(home, *more, **settings):
    return main(arguments(home, *more, **settings))


def folder_of(home, prefix="tasks"):
    (folder,) = (home / "memory" / "runs").glob(f"{prefix}-*")
    return folder


def rows(folder):
    """metrics.csv without what depends on the machine."""
    with open(folder / "metrics.csv", newline="") as file:
        return [{k: v for k, v in row.items() if not k.endswith(MACHINE)} for row in csv.DictReader(file)]


def left_by(home):
    """All that a run leaves and that follows from the seed."""
    folder = folder_of(home)
    tables = {path.name: path.read_text() for path in folder.glob("*.csv")}
    bests = {path.parent.name: path.read_text() for path in folder.glob("*/best.py")}
    return tables, bests, {path.parent.name: rows(path.parent) for path in folder.glob("*/metrics.csv")}


def table(home, name="tasks.csv"):
    with open(folder_of(home) / name, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def cold(home_of):
    home = home_of("cold")
    assert run(home) == 0
    return home


@pytest.fixture(scope="module")
def played(home_of):
    """A home with a mind that has played a little."""
    home = home_of("warm")
    assert run(home, tasks="play", attempts=400, play__learn_every="64") == 0
    return home


@pytest.fixture
def another(played, tmp_path):
    """A copy of it, to be used up."""
    home = tmp_path / "home"
    shutil.copytree(played, home)
    return home


@pytest.fixture
def stopping(monkeypatch):
    """Has a run be sent SIGTERM when it looks for a signal for the n-th time."""

    def after(looks):
        class StopAfter(Stop):
            left = looks

            def __getattribute__(self, name):
                if name == "signal":
                    StopAfter.left -= 1
                    return signal.SIGTERM if StopAfter.left < 0 else 0
                return super().__getattribute__(name)

        monkeypatch.setattr(session, "Stop", StopAfter)

    yield after
    monkeypatch.undo()


def test_a_table_a_row_a_task_and_a_result_each(cold):
    tasks = {row["task"]: row for row in table(cold)}
    assert list(tasks) == ["same", "double", "next"]
    assert tasks["same"]["solved_in"]
    assert tasks["same"]["program"] == "def same(var_a):\n    return var_a"
    assert sum(int(row["attempts"]) for row in tasks.values()) <= 1_200
    for name, row in tasks.items():
        folder = folder_of(cold) / name
        result = json.loads((folder / "result.json").read_text())
        assert (result["task"], result["solved"]) == (name, bool(row["solved_in"]))
        assert int(rows(folder)[-1]["attempts"]) == int(row["attempts"])
        assert (folder / "best.py").exists()
        assert json.loads((folder / "config.json").read_text())[0]["config"]["run"]["max_attempts"] == 1_200


def test_rounds_grow_and_leave_out_what_is_solved(cold):
    visits = table(cold, "visits.csv")
    assert [row["task"] for row in visits[:3]] == ["same", "double", "next"]
    limits = [int(row["limit"]) for row in visits if row["task"] == "next"]
    assert limits == [64 << place for place in range(len(limits))]
    assert len(limits) > 2
    assert [row["task"] for row in visits].count("same") < len(limits)
    assert int(visits[-1]["total"]) == 1_200


def test_what_is_used_up_is_said_and_more_attempts_go_on(home_of, capsys):
    home = home_of("more")
    assert run(home, attempts=300) == 0
    capsys.readouterr()
    assert run(home, attempts=300) == 0
    assert "set run.max_attempts higher, or name more tasks, to go on" in capsys.readouterr().out
    assert run(home, attempts=400) == 0
    said = capsys.readouterr().out
    assert "resumed: " in said
    assert "in 400 attempts" in said
    assert len(list((home / "memory" / "runs").iterdir())) == 1


@pytest.mark.parametrize("looks", [1, 9, 23])
def test_stopped_anywhere_it_goes_on_as_if_it_had_not_been(cold, home_of, stopping, looks, capsys):
    home = home_of("stopped")
    stopping(looks)
    assert run(home) == 128 + signal.SIGTERM
    assert "stopped; the same command goes on from here" in capsys.readouterr().out
    stopping(10_000)
    assert run(home) == 0
    assert left_by(home) == left_by(cold)


def test_a_visit_stopped_in_its_middle_is_said_and_a_solution_is_kept_where_polishing_is_over_now(
    home_of, stopping, capsys
):
    home, settings = home_of("polished"), {"tasks": "same,double", "attempts": 4_000, "run__visit_attempts": "2000"}
    stopping(30)
    assert run(home, run__polish_attempts="1500", **settings) == 128 + signal.SIGTERM
    stopping(10_000)
    capsys.readouterr()
    assert run(home, run__polish_attempts="10", **settings) == 0
    said = capsys.readouterr().out
    assert "resumed: 0 of 2 tasks solved in 0 attempts; in the middle of a visit of same, " in said
    tried = int(said.split("in the middle of a visit of same, ")[1].split(" ")[0])
    assert "counted anew" not in said
    (row,) = (row for row in table(home) if row["task"] == "same")
    assert int(row["solved_in"]) < int(row["attempts"]) == tried


@pytest.mark.parametrize("kept", [11, 30])
def test_killed_anywhere_it_makes_what_was_lost_again(cold, home_of, monkeypatch, kept):
    class Killed(BaseException):
        pass

    home, left, row = home_of("killed"), [kept], run_log.RunLog.row

    def dying(self, values):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        row(self, values)

    monkeypatch.setattr(run_log.RunLog, "row", dying)
    with pytest.raises(Killed):
        run(home)
    monkeypatch.undo()
    assert run(home) == 0
    assert left_by(home) == left_by(cold)


def test_cold_a_task_goes_as_it_would_alone(cold, home_of):
    """A visit that ends is no break: the policy goes on where it was."""
    home = home_of("alone")
    last = {row["task"]: int(row["attempts"]) for row in table(cold)}
    for task in ("next", "double"):
        assert run(home, "--fresh", tasks=task, attempts=last[task]) == 0
        among, alone = rows(folder_of(cold) / task), rows(folder_of(home, task))
        assert among == alone


def test_from_the_mind_what_was_solved_is_solved_again_within_its_share(another):
    assert run(another, attempts=2_000, run__again_share="0.3") == 0
    visits = table(another, "visits.csv")
    again = [row for row in visits if row["again"] == "True"]
    assert again
    assert sum(int(row["attempts"]) for row in again) <= 0.3 * 2_000
    tasks = {row["task"]: row for row in table(another)}
    assert int(tasks["same"]["times_again"]) > 0
    assert tasks["same"]["again_in"] or tasks["same"]["not_again_in"]
    assert max(int(row["attempts"]) for row in rows(folder_of(another) / "same")) == int(tasks["same"]["attempts"])


def test_from_the_mind_too_it_goes_on_exactly_and_the_mind_takes_in_what_was_tried(played, tmp_path, stopping, capsys):
    homes = [tmp_path / name for name in ("straight", "stopped")]
    for home in homes:
        shutil.copytree(played, home)
    assert run(homes[0]) == 0
    for looks in (3, 12):
        stopping(looks)
        assert run(homes[1]) == 128 + signal.SIGTERM
    stopping(10_000)
    assert run(homes[1]) == 0
    assert left_by(homes[0]) == left_by(homes[1])
    capsys.readouterr()
    minds = []
    for home in homes:
        assert run(home, tasks="play", attempts=400) == 0
        minds.append(capsys.readouterr().out.partition("mind: ")[2].splitlines()[0])
    assert minds[0] == minds[1]
    assert "400 programs behind it" in minds[0]
    assert " 0 tasks solved" not in minds[0]


def test_cold_the_mind_stays_as_it_is(another, capsys):
    assert run(another, attempts=300, mind__start_tasks="no") == 0
    assert "no mind: tasks begin cold" in capsys.readouterr().out
    assert run(another, tasks="play", attempts=400) == 0
    assert "400 programs behind it" in capsys.readouterr().out


def test_a_single_task_and_many_leave_each_other_alone(home_of, capsys):
    home = home_of("both")
    assert run(home, tasks="double", attempts=96) == 0
    assert run(home, attempts=200) == 0
    capsys.readouterr()
    assert run(home, tasks="double", attempts=128) == 0
    assert "resumed at 96 attempts" in capsys.readouterr().out
    assert run(home, attempts=264) == 0
    assert "tasks solved in 200 attempts" in capsys.readouterr().out


def test_tasks_may_join_and_leave_and_change(home_of, capsys):
    home = home_of("list")
    assert run(home, tasks="double,next", attempts=256) == 0
    assert run(home, tasks="next,same", attempts=400) == 0
    assert [row["task"] for row in table(home)] == ["next", "same"]
    edited = json.loads((home / "next.json").read_text())
    edited["success_criteria"]["test_cases"].pop()
    (home / "next.json").write_text(json.dumps(edited))
    capsys.readouterr()
    assert run(home, attempts=700) == 0
    assert "note: next asks for something else now: it begins anew" in capsys.readouterr().out
    assert {row["task"] for row in table(home)} == {"same", "double", "next"}


def test_every_task_has_a_folder_of_its_own(tmp_path):
    names = ["sort", "sort_", "sort-2", "Sort", "_sort.", "other"]
    files = RunFiles(None, None, tmp_path, names)
    folders = [files.folder_of(name).relative_to(tmp_path).as_posix() for name in names]
    assert folders == ["sort", "sort-3", "sort-2", "Sort-4", "sort-5", "other"]


def test_words_of_all_tasks_are_tokens_for_all(home_of, capsys):
    home = home_of("words")
    cases = [{"inputs": [i], "expected": "big" if i > 3 else "small"} for i in range(8)]
    criteria = {"function_name": "size", "parameters": ["var_a"], "test_cases": cases}
    text = json.dumps({"name": "size", "description": "", "words": ["big", "small"], "success_criteria": criteria})
    (home / "size.json").write_text(text)
    assert run(home, tasks="same,size", attempts=200) == 0
    assert 'words of these tasks, beyond the vocabulary: "big", "small"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tasks", "more", "lines"),
    [
        ("gone,same,lost,same", (), 3),
        ("same,play", (), 1),
        ("same,double", ("--sample", "3"), 1),
        ("same,double", ("--score", "x.py"), 1),
    ],
)
def test_a_mistake_is_a_line_for_each_task_and_exit_code_2(home_of, capsys, tasks, more, lines):
    home = home_of("mistakes")
    assert run(home, *more, tasks=tasks) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert len(said.err.splitlines()) == lines
    assert not (home / "memory").exists()


@pytest.mark.skipif(not (dist.is_available() and dist.is_gloo_available()), reason="this PyTorch has no gloo")
def test_two_ranks_visit_together_and_go_on_exactly(played, tmp_path):
    homes = [tmp_path / name for name in ("straight", "stopped")]
    for home in homes:
        shutil.copytree(played, home)
    straight = Started(run_main, arguments(homes[0], attempts=600)).results()
    assert [code for code, _, _ in straight] == [0, 0], straight
    stopped = Started(run_main, arguments(homes[1], attempts=600))
    deadline = time.monotonic() + 60
    while not list(homes[1].glob("memory/runs/tasks-*/visits.csv")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(stopped.processes[1].pid, signal.SIGTERM)
    assert [code for code, _, _ in stopped.results()] == [128 + signal.SIGTERM] * 2
    assert [code for code, _, _ in Started(run_main, arguments(homes[1], attempts=600)).results()] == [0, 0]
    assert left_by(homes[0]) == left_by(homes[1])
