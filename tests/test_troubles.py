"""What may happen to a run of a week: it loses nothing that was learned, or ends with one line and a way out."""

import csv
import errno
import functools
import json
import os
import re
import subprocess
import sys

import pytest
import torch

from agent_core.agent import Agent
from agent_core.learning import learner
from agent_core.learning.generator import CodeGenerator
from agent_core.run.streams import let_go_of_the_unsaid
from agent_core.sandbox import room, worker
from agent_core.sandbox.worker import Worker
from memory.history import run_log
from memory.state import checkpoint
from runner import main
from tests.test_runner import MACHINE_COLUMNS, SMALL

STEPS = 20


@pytest.fixture
def home(tmp_path):
    return tmp_path


def run(home, memory, *more, **settings):
    """A run of 20 steps, with a save after every second one."""
    (home / "config.ini").write_text("")
    paths = {f"paths.{name}_state": memory / f"{name}_state.pth" for name in ("model", "optimizer", "run")}
    chosen = SMALL | {
        "run.task": "hello_world",
        "run.save_every": 64,
        "run.max_attempts": 32 * STEPS,
        "run.show_every": 0,
        "paths.runs": memory / "runs",
        **paths,
    }
    chosen |= {key.replace("__", "."): value for key, value in settings.items()}
    return main([f"--config={home / 'config.ini'}", *(f"--set={key}={value}" for key, value in chosen.items()), *more])


def left_behind(memory):
    """Of the only run: its rows without what depends on the machine, its best programs, and what it learned."""
    (folder,) = (memory / "runs").iterdir()
    with open(folder / "metrics.csv", newline="") as file:
        rows = [{k: v for k, v in row.items() if not k.endswith(MACHINE_COLUMNS)} for row in csv.DictReader(file)]
    result = json.loads((folder / "result.json").read_text())
    model = torch.load(memory / "model_state.pth", weights_only=True)
    return rows, (folder / "best.py").read_text(), result["program"], {k: v.tolist() for k, v in model.items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    home = tmp_path_factory.mktemp("undisturbed")
    assert run(home, home / "memory") == 0
    return left_behind(home / "memory")


@pytest.fixture
def at_step(monkeypatch):
    """Has something happen before a step: `at_step({5: fill, 9: free})`."""
    real = Agent.step

    def plan(happenings):
        def step(agent):
            happenings.get(agent.progress.steps, lambda: None)()
            return real(agent)

        monkeypatch.setattr(Agent, "step", step)

    return plan


def fill(disk):
    space = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(space.f_bavail * space.f_frsize))


def one_line(capsys):
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


# --- a kill, at the two instants that were once wrong; tests/benchmarks/kill.py finds others -------------------------


class Kill(BaseException):
    """After which nothing more is done."""


def kill(*arguments):
    raise Kill


def test_a_run_that_is_killed_before_its_first_save_keeps_its_folder(home, at_step, undisturbed):
    at_step({1: kill})
    with pytest.raises(Kill):
        run(home, home / "memory")
    at_step({})
    assert run(home, home / "memory") == 0
    assert left_behind(home / "memory") == undisturbed


@pytest.mark.parametrize("method", ["result", "sync"])
def test_a_run_that_is_killed_at_its_end_has_its_result_in_the_end(home, at_step, undisturbed, method, monkeypatch):
    at_step({STEPS - 1: lambda: monkeypatch.setattr(run_log.RunLog, method, kill)})
    with pytest.raises(Kill):
        run(home, home / "memory")
    monkeypatch.undo()
    assert run(home, home / "memory") == 0
    assert left_behind(home / "memory") == undisturbed


def test_a_run_that_is_killed_in_its_last_save_leaves_no_other_files_in_the_end(
    home, at_step, undisturbed, monkeypatch
):
    at_step({STEPS - 1: lambda: monkeypatch.setattr(checkpoint, "_rotate", kill)})
    with pytest.raises(Kill):
        run(home, home / "memory")
    monkeypatch.undo()
    assert list((home / "memory").glob("*.new.pth"))
    assert run(home, home / "memory") == 0  # all attempts are used up
    assert left_behind(home / "memory") == undisturbed
    assert not list((home / "memory").glob("*.new.pth"))


# --- a full disk ----------------------------------------------------------------------------------------------------


def test_a_disk_that_is_full_for_a_while_costs_nothing(home, disk_of, at_step, undisturbed, capsys):
    disk = disk_of("4m")
    at_step({3: lambda: fill(disk), 15: (disk / "filler").unlink})
    assert run(home, disk) == 0
    out = capsys.readouterr().out
    assert len(re.findall(r"note: .* cannot be written: No space left on device; learning goes on", out)) == 1
    assert "saving is tried again every 64 attempts; saved so far: 64 attempts" in out
    assert len(re.findall(r"note: there is space again; saved at 512 attempts", out)) == 1
    assert left_behind(disk) == undisturbed


def test_a_disk_that_stays_full_ends_the_run_with_one_line_and_the_next_goes_on(
    home, disk_of, at_step, undisturbed, capsys
):
    disk = disk_of("4m")
    at_step({11: lambda: fill(disk)})
    assert run(home, disk) == 2
    error = one_line(capsys)
    assert "No space left on device; free some space and run again: what was saved before is whole" in error
    assert run(home, disk) == 2  # still full
    assert "No space left on device" in one_line(capsys)
    (disk / "filler").unlink()
    at_step({})
    assert run(home, disk) == 0
    assert "resumed at 320 attempts" in capsys.readouterr().out
    assert left_behind(disk) == undisturbed


def test_rows_wait_in_memory_but_not_without_end(home, disk_of, at_step, monkeypatch, capsys):
    disk = disk_of("4m")
    monkeypatch.setattr(run_log, "_MOST_WAITING", 1_000)
    at_step({3: lambda: fill(disk)})
    assert run(home, disk) == 2
    assert "metrics.csv cannot be written: No space left on device" in one_line(capsys)


def test_no_file_can_be_synced_for_a_while(home, at_step, undisturbed, monkeypatch, capsys):
    """The same where nothing may be mounted."""

    def refuse(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    real = os.fsync
    at_step({3: lambda: monkeypatch.setattr(os, "fsync", refuse), 15: lambda: monkeypatch.setattr(os, "fsync", real)})
    assert run(home, home / "memory") == 0
    assert capsys.readouterr().out.count("learning goes on") == 1
    assert left_behind(home / "memory") == undisturbed


def test_nobody_need_listen(home, undisturbed, monkeypatch):
    """The disk under the log of a run may be full, too, or the terminal that it was started in gone."""
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run(home, home / "memory", run__show_every=1) == 0
        with pytest.raises(OSError, match="No space left"):
            sys.stdout.flush()
        let_go_of_the_unsaid()
        sys.stdout.flush()
    assert left_behind(home / "memory") == undisturbed


# --- folders that cannot be written ---------------------------------------------------------------------------------


def read_only(disk, switch="ro"):
    subprocess.run(["mount", "-o", f"remount,{switch}", str(disk)], check=True)


def test_a_memory_that_is_read_only_is_one_line(home, disk_of, at_step, undisturbed, capsys):
    disk = disk_of("4m")
    read_only(disk)
    assert run(home, disk) == 2
    assert "cannot be written: Read-only file system; make the folder writable, or choose another" in one_line(capsys)
    read_only(disk, "rw")
    assert run(home, disk) == 0
    assert left_behind(disk) == undisturbed


def test_a_memory_that_becomes_read_only_is_one_line_and_the_next_run_goes_on(
    home, at_step, undisturbed, monkeypatch, capsys
):
    def refuse(*arguments):
        raise OSError(errno.EROFS, "Read-only file system")

    # as on a disk that has failed; the lock cannot be removed then either
    at_step({9: lambda: [monkeypatch.setattr(os, name, refuse) for name in ("fsync", "unlink")]})
    assert run(home, home / "memory") == 2
    assert "cannot be written: Read-only file system; make the folder writable, or choose another" in one_line(capsys)
    monkeypatch.undo()
    assert run(home, home / "memory") == 0
    assert left_behind(home / "memory") == undisturbed


# --- processes, memory, numbers -------------------------------------------------------------------------------------


def test_a_worker_that_the_system_has_no_room_for_is_tried_again(home, at_step, undisturbed, monkeypatch):
    tries = []
    real = Worker._start

    def start(worker):
        tries.append(worker)
        if len(tries) in (2, 3):
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        return real(worker)

    monkeypatch.setattr(Worker, "_start", start)
    monkeypatch.setattr(room, "PAUSES", (0, 0, 0))
    at_step({5: lambda: tries[0].process.kill()})
    assert run(home, home / "memory") == 0
    assert len(tries) == 4
    assert left_behind(home / "memory") == undisturbed


def test_a_worker_that_cannot_be_restarted_is_one_line_and_all_is_saved(
    home, at_step, undisturbed, monkeypatch, capsys
):
    first = []
    real = Worker._start

    def start(worker):
        if first:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        first.append(worker)
        return real(worker)

    monkeypatch.setattr(Worker, "_start", start)
    monkeypatch.setattr(room, "PAUSES", (0, 0, 0))
    at_step({5: lambda: first[0].process.kill()})
    assert run(home, home / "memory") == 2
    error = one_line(capsys)
    assert "a jailed worker cannot be started: Resource temporarily unavailable; the limit on processes " in error
    assert "ulimit -u is " in error
    assert error.endswith("then run again; all that was learned is saved\n")
    monkeypatch.setattr(Worker, "_start", real)
    at_step({})
    assert run(home, home / "memory") == 0
    assert "resumed at 160 attempts" in capsys.readouterr().out  # saved last at 128, but for this
    assert left_behind(home / "memory") == undisturbed


@pytest.mark.parametrize("step", [5, 6])
def test_a_worker_that_can_make_no_process_any_more_is_one_line_and_all_is_saved(
    home, at_step, undisturbed, step, monkeypatch, capsys
):
    monkeypatch.setattr(worker, "BOOT", BOOT_UNTIL.replace("FLAG", repr(str(home / "no_room"))))
    at_step({step: lambda: (home / "no_room").touch()})
    assert run(home, home / "memory", run__save_every=10_000) == 2
    error = one_line(capsys)
    assert "a jailed process cannot be started: Resource temporarily unavailable; the limit on processes " in error
    assert "all that was learned is saved" in error
    assert "libseccomp" not in error
    (home / "no_room").unlink()
    at_step({})
    assert run(home, home / "memory") == 0
    assert f"resumed at {32 * step} attempts" in capsys.readouterr().out
    assert left_behind(home / "memory") == undisturbed


def test_after_fresh_it_is_said_that_the_same_command_would_start_anew(home, at_step, monkeypatch, capsys):
    monkeypatch.setattr(worker, "BOOT", BOOT_UNTIL.replace("FLAG", repr(str(home / "no_room"))))
    at_step({1: lambda: (home / "no_room").touch()})
    assert run(home, home / "memory", "--fresh") == 2
    assert one_line(capsys).endswith("; leave --fresh out then, for it would start anew\n")


# A worker that can make no process while there is a file of that name.
BOOT_UNTIL = """
import sys; sys.path.insert(0, sys.argv[1])
import errno, os
from agent_core.sandbox import zygote
zygote.PAUSES = (0, 0, 0)
real, own = os.fork, os.getpid()
def fork():
    if os.getpid() == own and os.path.exists(FLAG):
        raise OSError(errno.EAGAIN, "not now")
    return real()
os.fork = fork
zygote.main(int(sys.argv[2]))
"""


@pytest.mark.parametrize(
    "lack",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize(
    ("room", "advice"),
    [(9, "generator.batch_size = 8 fits; run again with it"), (0, "not even one program fits: set run.device = cpu")],
)
def test_too_little_memory_names_a_batch_that_fits(home, at_step, room, advice, lack, monkeypatch, capsys):
    real = CodeGenerator.generate

    def generate(self, count, *others, **named):
        if count > room:
            raise lack
        return real(self, count, *others, **named)

    monkeypatch.setattr(CodeGenerator, "generate", generate)
    assert run(home, home / "memory") == 2
    error = one_line(capsys)
    assert f"the device has too little memory for generator.batch_size = 32; {advice}" in error
    if room:
        assert run(home, home / "memory", generator__batch_size=8, run__max_attempts=32) == 0


def test_a_loss_that_is_not_finite_three_times_in_a_row_ends_the_run_and_nothing_is_lost(
    home, at_step, monkeypatch, capsys
):
    real = learner.policy_gradient_loss
    broken = {"now": False}

    def loss(*arguments):
        return real(*arguments) * (float("nan") if broken["now"] else 1.0)

    monkeypatch.setattr(learner, "policy_gradient_loss", loss)
    mend, smash = (functools.partial(broken.update, now=now) for now in (False, True))
    at_step({2: smash, 4: mend, 5: smash})
    for stopped_at in (8, 11):  # two steps are nothing; and again three where it is still broken
        assert run(home, home / "memory") == 2
        error = one_line(capsys)
        assert "loss or gradient was not finite in 3 steps in a row" in error
        assert "lower optimizer.learning_rate and run again" in error
        saved = torch.load(home / "memory" / "model_state.pth", weights_only=True)
        assert all(weight.isfinite().all() for weight in saved.values())
        state = torch.load(home / "memory" / "run_state.pth", weights_only=True)
        assert state["agent"]["progress"]["steps"] == stopped_at
    at_step({11: mend})
    assert run(home, home / "memory") == 0
    rows, *_ = left_behind(home / "memory")
    assert [int(row["step"]) for row in rows if float(row["skipped"])] == [3, 4, 6, 7, 8, 9, 10, 11]
    assert len(rows) == STEPS
