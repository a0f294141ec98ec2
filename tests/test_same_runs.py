"""The script that compares the runs of two checkouts finds what differs, and nothing else."""

import json

import pytest

from tests import same_runs
from tests.conftest import ROOT

ROWS = ["step,attempts,loss,elapsed_seconds,jail_reruns", "1,32,0.5,1.2,0", "2,64,0.25,2.5,0"]
RESULT = dict.fromkeys(same_runs.OUTCOME, 1) | {"seconds": 3.2}


@pytest.fixture
def folder_of(tmp_path):
    """Makes a run's folder as a run leaves it."""

    def make(name, rows=ROWS, program="print(1)\n", **result):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "metrics.csv").write_text("\n".join(rows) + "\n")
        (folder / "best.py").write_text(program)
        (folder / "result.json").write_text(json.dumps(RESULT | result))
        return folder

    return make


def test_what_the_machine_decides_may_differ(folder_of):
    other = [ROWS[0], "1,32,0.5,9.9,0", "2,64,0.25,12.5,3"]
    assert same_runs.differences(folder_of("a"), folder_of("b", other, seconds=12.5)) == []


def test_a_column_may_be_added_and_none_may_go(folder_of):
    more = [ROWS[0] + ",entropy", ROWS[1] + ",3", ROWS[2] + ",2"]
    first, second = folder_of("a"), folder_of("b", more)
    assert same_runs.differences(first, second) == []
    assert same_runs.differences(second, first) == ["metrics.csv has no column entropy any more"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"rows": [*ROWS[:2], "2,64,0.26,2.5,0"]}, "loss from step 2 on: 0.25 and 0.26"),
        ({"rows": ROWS[:2]}, "steps: 2 and 1"),
        ({"rows": ROWS[:1]}, "metrics.csv has no rows"),
        ({"program": "print(2)\n"}, "best.py"),
        ({"attempts": 64}, "result.json, attempts: 1 and 64"),
        ({"solved": True, "program": "print(2)\n"}, "best.py"),
    ],
)
def test_what_differs_is_named(folder_of, change, found):
    assert found in same_runs.differences(folder_of("a"), folder_of("b", **change))


def test_the_ten_runs_are_what_the_rule_asks_for():
    assert len(same_runs.RUNS) == 10
    assert len({run.task for run in same_runs.RUNS}) == 5
    assert all({run.seed for run in same_runs.RUNS if run.task == task.task} == {0, 1} for task in same_runs.RUNS)
    assert sum(run.saved_at > 0 for run in same_runs.RUNS) == 1
    assert sum(run.ranks == 2 for run in same_runs.RUNS) == 1


def test_a_folder_that_is_no_checkout_is_a_mistake_of_the_user(tmp_path, capsys):
    assert same_runs.main([str(ROOT), str(tmp_path)]) == 2
    assert "it has no runner.py" in capsys.readouterr().err
