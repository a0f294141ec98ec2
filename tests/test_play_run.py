"""Play from the command line: it ends, goes on, survives a kill, leaves a task alone, refuses what makes no sense."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from agent_core.run.session import where_it_is
from tests.conftest import ROOT

SETTINGS = """
[run]
task = play
max_attempts = {programs}
save_every = 128
show_every = 0
threads = 1
[executor]
workers = 1
[mind]
hidden_dim = 24
encoder_dim = 24
context_dim = 12
batch_size = 16
[play]
batch_size = 64
signatures = 3
learn_every = 128
look_every = 256
"""
CLOCK = ("elapsed_seconds", "attempts_per_second")


def settings(folder, programs=768):
    folder.mkdir(exist_ok=True)
    (folder / "config.ini").write_text(SETTINGS.format(programs=programs))
    return folder


def command(folder, *more):
    return [sys.executable, str(ROOT / "runner.py"), "--config", str(folder / "config.ini"), *more]


def run(folder, *more):
    return subprocess.run(command(folder, *more), capture_output=True, text=True, timeout=300)


def rows(folder):
    (path,) = folder.glob("memory/runs/play-*/metrics.csv")
    with open(path) as file:
        return [{name: value for name, value in row.items() if name not in CLOCK} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run that nobody disturbed."""
    folder = settings(tmp_path_factory.mktemp("play") / "straight")
    done = run(folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder, done.stdout


def test_it_says_what_it_does_and_leaves_curves_and_a_result(straight):
    folder, said = straight
    assert said.startswith("AltLAS: play. ")
    assert "mind: new" in said
    assert "played 768 programs" in said
    (path,) = folder.glob("memory/runs/play-*/result.json")
    result = json.loads(path.read_text())
    assert result["attempts"] == 768
    assert result["behaviours"] > 0
    table = rows(folder)
    assert [int(row["attempts"]) for row in table] == list(range(64, 769, 64))
    assert float(table[-1]["behaviours"]) == result["behaviours"]
    assert float(table[-1]["loss_other_examples"]) > 0
    (path,) = folder.glob("memory/runs/play-*/abilities.json")
    abilities = json.loads(path.read_text())
    assert (abilities["programs"], abilities["behaviours"]) == (768, result["behaviours"])


def test_raised_it_goes_on_as_if_it_had_never_ended(straight, tmp_path):
    folder = settings(tmp_path / "raised", 320)
    run(folder)
    again = run(folder)
    assert again.returncode == 0
    assert "all 320 programs are written; set run.max_attempts higher to go on" in again.stdout
    settings(folder, 768)
    said = run(folder).stdout
    assert "mind: 320 programs behind it" in said
    assert rows(folder) == rows(straight[0])


def test_killed_it_goes_on_as_if_nothing_had_happened(straight, tmp_path):
    folder = settings(tmp_path / "killed")
    running = subprocess.Popen(command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    saved = folder / "memory" / "run_state_mind.previous.pth"
    deadline = time.monotonic() + 200
    while not (saved.exists() and len(list(folder.glob("memory/runs/play-*/metrics.csv"))) == 1):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    done = run(folder)
    assert done.returncode == 0
    assert rows(folder) == rows(straight[0])


def test_stopped_it_saves_and_says_how_to_go_on(tmp_path):
    folder = settings(tmp_path / "stopped", 1_000_000)
    running = subprocess.Popen(command(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    while not any(len(file.read_text().splitlines()) > 2 for file in folder.glob("memory/runs/play-*/metrics.csv")):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    said, errors = running.communicate(timeout=100)
    assert (running.returncode, errors) == (128 + signal.SIGTERM, "")
    assert "stopped; the same command goes on from here" in said
    assert "behind it" in run(folder, "--set", "run.max_attempts=64").stdout


def test_a_task_between_two_plays_and_play_between_two_starts_of_a_task(tmp_path):
    folder = settings(tmp_path / "both", 128)
    assert run(folder).returncode == 0
    task = ("--set", "run.task=factorial", "--set", "run.max_attempts=128")
    first = run(folder, *task)
    assert first.returncode == 0, first.stderr
    assert "mind: 128 programs played, " in first.stdout
    assert "resumed" not in first.stdout
    settings(folder, 256)
    played = run(folder)
    assert "mind: 128 programs behind it" in played.stdout
    again = run(folder, *task[:3], "run.max_attempts=192")
    assert (again.returncode, again.stderr) == (0, "")
    assert "resumed at 128 attempts" in again.stdout
    assert "mind: 256 programs played, " in again.stdout


def test_cold_a_task_begins_without_the_mind_and_keeps_it(tmp_path):
    folder = settings(tmp_path / "cold", 128)
    run(folder)
    task = ("--set", "run.task=factorial", "--set", "run.max_attempts=64", "--set", "mind.start_tasks=no")
    cold = run(folder, *task)
    assert (cold.returncode, cold.stderr) == (0, "")
    assert "programs played" not in cold.stdout
    settings(folder, 192)
    assert "mind: 128 programs behind it" in run(folder).stdout


def test_what_a_run_cannot_use_of_the_mind_is_kept(tmp_path):
    folder = settings(tmp_path / "shorter", 512)
    run(folder)
    task = ("--set", "run.task=factorial", "--set", "run.max_attempts=64")
    said = run(folder, *task, "--set", "generator.max_length=6").stdout
    assert "known behaviours are left out" in said
    (aside,) = folder.glob("memory/set_aside-*")
    assert f"all that was known before is kept in {aside}" in said
    assert {file.name for file in aside.iterdir()} == {
        file.name for file in (folder / "memory").glob("*state*.pth") if "previous" not in file.name
    }
    again = run(folder, *task, "--set", "generator.max_length=6", "--set", "run.max_attempts=128").stdout
    assert "is kept in" not in again
    kept = len(list(folder.glob("memory/set_aside-*")))
    settings(folder, 512)
    run(folder, "--set", "generator.max_length=5")  # all is used up: nothing is saved, so nothing need be kept
    assert len(list(folder.glob("memory/set_aside-*"))) == kept
    for file in aside.iterdir():
        shutil.copy(file, folder / "memory" / file.name)
    settings(folder, 640)
    assert "left out" not in run(folder).stdout


def test_a_memory_that_was_moved_or_copied_has_its_own_run_folders(tmp_path):
    original, runs = tmp_path / "a" / "runs" / "x", tmp_path / "b" / "runs"
    original.mkdir(parents=True)
    assert where_it_is(original, runs) == original  # `paths.runs` has changed
    (runs / "x").mkdir(parents=True)
    assert where_it_is(original, runs) == runs / "x"
    original.rmdir()
    assert where_it_is(original, runs) == runs / "x"


def test_a_vocabulary_without_a_name_is_said_or_its_questions_are_left_out(tmp_path):
    folder = settings(tmp_path / "names", 512)
    assert run(folder).returncode == 0
    tokens = json.loads((ROOT / "memory" / "vocab.json").read_text())
    for gone, code in (("var_b", 0), ("func_a", 2)):
        (folder / "vocab.json").write_text(json.dumps([token for token in tokens if token != gone]))
        done = run(folder, "--set", f"paths.vocabulary={folder}/vocab.json", "--set", "run.max_attempts=576")
        assert (done.returncode, done.stderr.count("\n")) == (code, code // 2), done.stderr


def test_what_makes_no_sense_is_one_line(tmp_path):
    folder = settings(tmp_path / "wrong", 64)
    for more, said in (
        (("--set", "generator.legal_tokens_only=no"), "play writes legal programs only"),
        (("--sample", "3"), "--sample needs a task"),
        (("--score", "x.py"), "--score needs a task"),
    ):
        done = run(folder, *more)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {said}")
        assert done.stderr.count("\n") == 1
