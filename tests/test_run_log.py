"""The files of a run: rows that survive a stop, a history of bests, whole results, curves where they can be."""

import builtins
import contextlib
import errno
import json
import os
import re
import resource
import signal
import subprocess
import sys

import pytest

from memory.history import curves, run_log
from memory.history.run_log import BestRecord, RunLog, new_run_folder
from utils import UserError

COLUMNS = ["attempts", "mean_reward", "best_reward", "note"]


@pytest.fixture(autouse=True)
def no_curves(monkeypatch):
    """Without TensorBoard's files, and without the time it takes to load; its own tests put it back."""

    def __init__(self, folder, attempts=0):
        self._records = None
        self._flushed = 0.0

    monkeypatch.setattr(curves.Curves, "__init__", __init__)


@pytest.fixture
def run(tmp_path):
    """A run's folder with rows at 10, 20, 30 and 40 attempts."""
    with RunLog(tmp_path / "run", COLUMNS) as log:
        for attempts in (10, 20, 30, 40):
            log.row(row(attempts))
    return tmp_path / "run"


def row(attempts: int) -> dict:
    return {"attempts": attempts, "mean_reward": attempts / 7, "best_reward": 1, "note": None}


def lines(folder) -> list[str]:
    return (folder / "metrics.csv").read_text().split("\n")


def test_rows_read_back_exactly(run):
    assert lines(run)[0] == "attempts,mean_reward,best_reward,note"
    assert lines(run)[1] == "10,1.4285714285714286,1,"
    assert float(lines(run)[1].split(",")[1]) == 10 / 7
    assert len(lines(run)) == 6


@pytest.mark.parametrize(("attempts", "left"), [(0, 0), (9, 0), (10, 1), (25, 2), (30, 3), (40, 4), (99, 4)])
def test_a_resumed_run_drops_the_rows_after_it_and_goes_on(run, attempts, left):
    whole = lines(run)
    with RunLog(run, COLUMNS, attempts) as log:
        assert lines(run) == [*whole[: 1 + left], ""]
        for more in (10, 20, 30, 40)[left:]:
            log.row(row(more))
    assert lines(run) == whole


def test_a_resumed_run_that_dropped_nothing_does_not_rewrite_the_file(run):
    before = os.stat(run / "metrics.csv")
    with RunLog(run, COLUMNS, 40):
        pass
    after = os.stat(run / "metrics.csv")
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_cut_anywhere_it_goes_on_from_the_last_whole_row(run):
    whole = (run / "metrics.csv").read_bytes()
    for length in {*range(0, len(whole), 7), len(whole) - 1}:
        (run / "metrics.csv").write_bytes(whole[:length])
        with RunLog(run, COLUMNS, 30):
            pass
        left = (run / "metrics.csv").read_bytes()
        assert whole.startswith(left)
        assert left.endswith(b"\n")
        assert left.count(b"\n") == max(1, min(4, whole[:length].count(b"\n")))


def test_other_columns_are_refused_and_left_alone(run):
    before = lines(run)
    with pytest.raises(UserError, match=r"metrics\.csv has other columns .*--fresh"):
        RunLog(run, ["attempts", "other"], 10)
    assert lines(run) == before


@pytest.mark.parametrize("wrong", [{"attempts": 50}, {**row(50), "more": 1}, {**row(50), "note": "two\nlines"}])
def test_a_row_that_does_not_fit_is_refused(run, wrong):
    before = lines(run)
    with RunLog(run, COLUMNS, 40) as log, pytest.raises(ValueError, match="row"):
        log.row(wrong)
    assert lines(run) == before


def test_a_full_disk_leaves_whole_rows_and_says_so(run):
    before = lines(run)
    size = (run / "metrics.csv").stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log = RunLog(run, COLUMNS, 40)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, limits[1]))  # the row's first bytes fit
        with pytest.raises(UserError, match=r"metrics\.csv cannot be written: File too large"):
            log.row(row(50))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert lines(run) == before
    log.row(row(50))
    log.sync()
    log.close()
    assert len(lines(run)) == len(before) + 1


def test_rows_are_in_the_file_when_the_process_is_killed(tmp_path):
    code = f"""
import os, sys
from pathlib import Path
sys.modules["torch"] = None  # no curves, and no waiting for them
from memory.history.run_log import RunLog
log = RunLog(Path(sys.argv[1]), {COLUMNS!r})
log.row({row(10)!r})
os.kill(os.getpid(), 9)
"""
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=run_log.Path(__file__).parent.parent)
    assert result.returncode == -signal.SIGKILL
    assert lines(tmp_path) == [",".join(COLUMNS), "10,1.4285714285714286,1,", ""]


def test_best_is_a_python_file_with_its_history(run):
    history = [
        BestRecord(3, 0.25, "print(1)"),
        BestRecord(1_234, 0.5, "if 1:\n    print(2)"),
        BestRecord(5_000, 1.0, 'print("hello")'),
    ]
    with RunLog(run, COLUMNS, 40) as log:
        log.best(history)
    text = (run / "best.py").read_text()
    assert compile(text, "best.py", "exec").co_names == ("print",)
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == ['print("hello")']
    assert re.findall(r"# attempt ([\d_]+), reward ([\d.]+)", text) == [
        ("5_000", "1.0000"),
        ("1_234", "0.5000"),
        ("3", "0.2500"),
    ]
    assert "#     if 1:\n#         print(2)\n" in text


def test_result_is_json_whole_or_not_at_all(run, monkeypatch):
    with RunLog(run, COLUMNS, 40) as log:
        log.result({"task": "café", "solved": True, "seconds": 1.5})
        with pytest.raises(ValueError, match="not JSON compliant"):
            log.result({"seconds": float("nan")})
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="No space left on device"):
            log.result({"task": "other"})
        with pytest.raises(UserError, match="No space left on device"):
            log.sync()
    assert json.loads((run / "result.json").read_text()) == {"task": "café", "solved": True, "seconds": 1.5}


def test_settings_are_noted_with_the_attempts_from_which_they_held(tmp_path):
    steps = [
        (0, 1, [(0, 1)]),
        (10, 1, [(0, 1)]),
        (20, 2, [(0, 1), (20, 2)]),
        (20, 1, [(0, 1)]),
        (30, 3, [(0, 1), (30, 3)]),
        (40, 1, [(0, 1), (30, 3), (40, 1)]),
        (10, 3, [(0, 1), (10, 3)]),
        (0, 5, [(0, 5)]),
    ]
    for attempts, seed, noted in steps:
        with RunLog(tmp_path, COLUMNS, attempts) as log:
            log.settings({"run": {"seed": seed}})
        entries = [(entry["attempts"], entry["config"]["run"]["seed"]) for entry in run_log.read_settings(tmp_path)]
        assert entries == noted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "{}",
        "5",
        '[{"attempts": 1}]',
        '[{"attempts": "1", "config": {}}]',
        "[[]]",
        '[{"attempts": 1, "config": {"run": 5}}]',
        "[" * 100_000,
        "\xff",
    ],
)
def test_settings_that_cannot_be_read_are_noted_anew(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    assert run_log.read_settings(tmp_path) == []
    with RunLog(tmp_path, COLUMNS, 10) as log:
        log.settings({"paths": {"runs": "/tmp/\udcff"}})  # a name that is not UTF-8
    assert run_log.read_settings(tmp_path) == [{"attempts": 10, "config": {"paths": {"runs": "/tmp/\udcff"}}}]


def full(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_run_folders_are_new_and_named_after_the_task(tmp_path):
    folders = [new_run_folder(tmp_path / "runs", "hello_world") for _ in range(3)]
    assert len({folder.name for folder in folders}) == 3
    assert re.fullmatch(r"hello_world-\d{8}-\d{6}", folders[0].name)
    assert re.fullmatch(r"a_b_ü-\d{8}-\d{6}", new_run_folder(tmp_path, "../a b/ü").name)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        new_run_folder(tmp_path / "file", "x")


class TestWithTheRealCurves:
    @pytest.fixture(autouse=True)
    def no_curves(self):
        """Here they are wanted."""

    def test_without_tensorboard_there_are_none(self, tmp_path, monkeypatch):
        real = builtins.__import__

        def without(name, *arguments):
            if "tensorboard" in name:
                raise ImportError(name)
            return real(name, *arguments)

        monkeypatch.setattr(builtins, "__import__", without)
        with RunLog(tmp_path, COLUMNS) as log:
            log.row(row(50))
            log.best([BestRecord(1, 0.5, "print(1)")])
        assert sorted(path.name for path in tmp_path.iterdir()) == ["best.py", "metrics.csv"]

    def test_with_tensorboard_they_can_be_read(self, tmp_path):
        for start in (0, 0, 20):  # resumed from generation 0, then from a later one
            with RunLog(tmp_path, COLUMNS, start) as log:
                for attempts in range(start + 10, 50, 10):
                    log.row(row(attempts))
                log.best([BestRecord(35, 0.5, "x = 1\nprint(x)")])
        events = read(tmp_path)
        assert events.Tags()["scalars"] == ["reward/mean", "reward/best"]
        assert [event.step for event in events.Scalars("reward/mean")] == [10, 20, 30, 40]
        values = [event.value for event in events.Scalars("reward/mean")]
        assert values == pytest.approx([n / 7 for n in [10, 20, 30, 40]])
        shown = events.Tensors("best program/text_summary")
        assert {event.step for event in shown} == {35}
        assert shown[-1].tensor_proto.string_val == [b"reward 0.5\n\n    x = 1\n    print(x)\n"]

    def test_all_columns_that_have_a_curve_are_drawn(self, tmp_path):
        with RunLog(tmp_path, ["attempts", *curves.TAGS]) as log:
            log.row({"attempts": 10, **dict.fromkeys(curves.TAGS, 0.5), "imitation_loss": None})
        assert read(tmp_path).Tags()["scalars"] == [tag for tag in curves.TAGS.values() if tag != "loss/imitation"]

    def test_a_full_disk_loses_no_curve_and_stops_no_run(self, tmp_path, disk_of):
        pytest.importorskip("tensorboard")
        disk = disk_of("64k")
        with RunLog(disk, COLUMNS) as log:
            for attempts in range(10, 20_010, 10):
                log.row(row(attempts))
                if attempts == 4_000:
                    space = os.statvfs(disk)
                    (disk / "filler").write_bytes(bytes(space.f_bavail * space.f_frsize))
                if attempts % 1_000 == 0:
                    with contextlib.suppress(UserError):
                        log.sync()
            (disk / "filler").unlink()
            subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
            log.sync()
        assert [event.step for event in read(disk).Scalars("reward/mean")] == list(range(10, 20_010, 10))
        assert len(lines(disk)) == 2_002

    def test_curves_that_cannot_be_written_for_too_long_are_let_go(self, tmp_path, monkeypatch):
        pytest.importorskip("tensorboard")
        monkeypatch.setattr(curves, "_MOST_WAITING", 100)
        with RunLog(tmp_path / "run", COLUMNS) as log:
            log._curves._path = tmp_path / "none" / "events"
            for attempts in (10, 20, 30):
                log.row(row(attempts))
                log.sync()
            assert log._curves._records is None
        assert len(lines(tmp_path / "run")) == 5


def read(folder):
    """What TensorBoard would show."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
