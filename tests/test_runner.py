"""The command line as a user meets it: what is printed, what is left behind, how it ends."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from agent_core.run.recorder import COLUMNS
from runner import main
from tests.conftest import ROOT
from tokenizer import read_vocabulary

SMALL = {
    "generator.batch_size": "32",
    "model.hidden_dim": "16",
    "executor.workers": "1",
    "learning.elites": "8",
    "generator.max_length": "12",
}
MACHINE_COLUMNS = ("_seconds", "_per_second", "_reruns")


@pytest.fixture
def home(tmp_path):
    """A folder with a config of its own, which then keeps its memory there, too."""
    (tmp_path / "config.ini").write_text("[run]\ntask = hello_world\nmax_attempts = 200\n")
    return tmp_path


def arguments(home, *more, **settings):
    chosen = SMALL | {key.replace("__", "."): value for key, value in settings.items()}
    return ["--config", str(home / "config.ini"), *(f"--set={key}={value}" for key, value in chosen.items()), *more]


def run(home, *more, **settings):
    return main(arguments(home, *more, **settings))


def folders(home):
    return sorted((home / "memory" / "runs").iterdir())


def rows(folder):
    """metrics.csv without what depends on the machine."""
    with open(folder / "metrics.csv", newline="") as file:
        return [{k: v for k, v in row.items() if not k.endswith(MACHINE_COLUMNS)} for row in csv.DictReader(file)]


def test_a_run_leaves_what_it_promises(home, capsys):
    assert run(home) == 0
    out = capsys.readouterr().out
    assert "device: cpu" in out or "device: cuda" in out
    assert "generator.batch_size = 32 (default 256)" in out
    assert "new best, reward" in out
    assert "not solved in 200 attempts" in out
    (folder,) = folders(home)
    assert folder.name.startswith("hello_world-")
    table = rows(folder)
    assert [int(row["attempts"]) for row in table] == [32, 64, 96, 128, 160, 192, 200]
    result = json.loads((folder / "result.json").read_text())
    assert {key: result[key] for key in ("task", "seed", "solved", "attempts", "device", "torch_version")} == {
        "task": "hello_world",
        "seed": 0,
        "solved": False,
        "attempts": 200,
        "device": "cpu",
        "torch_version": torch.__version__,
    }
    assert result["attempts_per_second"] > 0 < result["seconds"]
    assert result["best_reward"] == pytest.approx(float(table[-1]["best_reward"]))
    assert result["program"] in (folder / "best.py").read_text()
    compile((folder / "best.py").read_text(), "best.py", "exec")


def test_the_same_seed_gives_the_same_table_whatever_the_workers(home, tmp_path):
    assert run(home) == 0
    assert run(home, "--fresh", executor__workers="2") == 0
    first, second = (rows(folder) for folder in folders(home))
    assert first == second
    assert COLUMNS[-1].endswith(MACHINE_COLUMNS)


def test_more_attempts_go_on_with_the_same_run(home, capsys):
    assert run(home) == 0
    assert run(home) == 0
    assert "all 200 attempts are used up; set run.max_attempts higher" in capsys.readouterr().out
    assert run(home, run__max_attempts="296") == 0
    assert "resumed at 200 attempts" in capsys.readouterr().out
    (folder,) = folders(home)
    assert [int(row["attempts"]) for row in rows(folder)][-3:] == [232, 264, 296]
    entries = json.loads((folder / "config.json").read_text())
    assert [(entry["attempts"], entry["config"]["run"]["max_attempts"]) for entry in entries] == [(0, 200), (200, 296)]


def test_fresh_sets_aside_and_loses_nothing(home, capsys):
    assert run(home) == 0
    assert run(home, "--fresh") == 0
    assert "set aside: " in capsys.readouterr().out
    (kept,) = (home / "memory").glob("set_aside-*")
    assert {path.name for path in kept.iterdir()} >= {"model_state.pth", "optimizer_state.pth", "run_state.pth"}
    assert len(folders(home)) == 2


def test_a_solved_task_is_said_and_solved_again(home, capsys, easy_task):
    settings = {"run__task": easy_task, "run__max_attempts": "5000", "run__polish_attempts": "64"}
    assert run(home, **settings) == 0
    first = capsys.readouterr().out
    assert "solved easy in" in first
    result = json.loads((folders(home)[0] / "result.json").read_text())
    assert result["solved"]
    assert result["best_reward"] == 1.0
    assert f"solved easy in {result['attempts']:,} attempts" in first
    assert f"its shortest solution has {result['tokens']} tokens" in first
    assert run(home, **settings) == 0
    again = capsys.readouterr().out
    assert f"solved before, in {result['attempts']:,} attempts; going on from what it has learned" in again
    assert len(folders(home)) == 2
    assert run(home) == 0
    assert "carrying over what it learned on easy" in capsys.readouterr().out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_finishes_the_step_and_the_run_goes_on_exactly(home, number, code, capsys):
    assert run(home, run__max_attempts="1500") == 0
    straight = rows(folders(home)[0])
    command = [sys.executable, ROOT / "runner.py", *arguments(home, "--fresh", run__max_attempts=1500)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # under nohup, these tests inherit that it is ignored
    )
    deadline = time.monotonic() + 60
    while len(folders(home)) < 2 or not (folders(home)[1] / "metrics.csv").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == code, out
    assert "stopped; without --fresh, the same command goes on from here" in out
    assert len(rows(folders(home)[1])) < len(straight)
    assert run(home, run__max_attempts="1500") == 0
    assert rows(folders(home)[1]) == straight
    assert not list((home / "memory").glob(".lock"))


@pytest.mark.parametrize(
    ("break_it", "settings", "complaint"),
    [
        (lambda home: (home / "config.ini").write_text("[run]\ntusk = add\n"), {}, "tusk"),
        (lambda home: None, {"run__task": "hello_wrld"}, "hello_world"),
        (lambda home: None, {"run__device": "cuda:7"}, "cuda:7"),
        (lambda home: None, {"generator__max_length": "2"}, "shortest program has 3 tokens"),
        (
            lambda home: None,
            {"executor__max_output": "11"},
            "12 characters, its line end included: set it to 12 or more",
        ),
        (
            lambda home: (home / "v.json").write_text(
                json.dumps([t for t in read_vocabulary(ROOT / "memory" / "vocab.json") if t != "while"])
            ),
            {"paths__vocabulary": "v.json"},
            "vocabulary has no token while",
        ),
        (lambda home: (home / "memory").write_text("a file"), {}, "memory"),
        (lambda home: None, {"paths__grammar": "none.grammar"}, "none.grammar"),
    ],
)
def test_a_users_mistake_is_one_message_and_exit_code_2(home, break_it, settings, complaint, capsys):
    break_it(home)
    assert run(home, **settings) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert complaint in captured.err
    assert "Traceback" not in captured.err
    assert captured.err.count("\n") == 1


def test_another_hidden_dim_stops_and_loses_nothing(home, capsys):
    assert run(home) == 0
    before = {path: path.read_bytes() for path in (home / "memory").glob("*.pth")}
    assert run(home, model__hidden_dim="24") == 2
    assert "model.hidden_dim is 24, but the saved model was made with 16" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (home / "memory").glob("*.pth")} == before


def test_a_truncated_model_file_falls_back_or_is_named(home, capsys):
    assert run(home, run__save_every="64") == 0
    model = home / "memory" / "model_state.pth"
    model.write_bytes(model.read_bytes()[:1000])
    assert run(home, run__max_attempts="264") == 0
    assert "model_state.pth" in capsys.readouterr().out
    for path in (home / "memory").glob("model_state*.pth"):
        path.write_bytes(b"not a model")
    assert run(home, run__max_attempts="328") == 2
    error = capsys.readouterr().err
    assert "model_state.pth" in error
    assert "--fresh" in error


def test_tasks_are_listed_by_rung(home, capsys):
    assert run(home, "--tasks") == 0
    out = capsys.readouterr().out
    assert out.index("say it") < out.index("compute it") < out.index("handle it") < out.index("repeat it")
    assert "hello_world" in out
    assert "tokens" in out


def test_samples_of_the_saved_policy(home, capsys):
    assert run(home, "--sample", "3") == 0
    assert "nothing is saved yet" in capsys.readouterr().out
    assert run(home) == 0
    capsys.readouterr()
    assert run(home, "--sample", "4") == 0
    assert capsys.readouterr().out.count("# reward ") == 4


def test_scoring_files(home, capsys):
    good, poor, broken = home / "good.py", home / "poor.py", home / "broken.py"
    good.write_text("def add(var_a, var_b):\n    return var_a + var_b\n")
    poor.write_text("def add(a, b):\n    return a\n")
    broken.write_text("def add(a, b:\n")
    assert run(home, "--score", str(good), str(poor), str(broken), run__task="add") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == [str(good), str(poor), str(broken)]
    assert lines[0]["reward"] == 1.0
    assert all(case["expected"] == case["got"] for case in lines[0]["cases"])
    assert 0 < lines[1]["reward"] < 1
    assert lines[2]["reward"] == 0
    assert lines[2]["message"]
    assert run(home, "--score", str(home / "none.py"), run__task="add") == 2
    assert "none.py: cannot be read" in capsys.readouterr().err


def test_it_starts_from_any_folder_without_a_terminal(home, tmp_path):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, ROOT / "runner.py", *arguments(home)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
