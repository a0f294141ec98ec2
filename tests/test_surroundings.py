"""What a run finds around it: streams, packages, limits, encodings, edited files. It survives, or says why not."""

import errno
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from agent_core.run.streams import prepare_streams
from agent_core.sandbox import worker
from agent_core.sandbox.executor import Executor, JailError
from agent_core.settings.config import ExecutorConfig
from memory.history import curves
from memory.history.run_log import new_run_folder
from memory.state.checkpoint import CheckpointStore
from tests.conftest import ROOT
from tests.test_runner import arguments, folders, run
from utils import not_written

PLAIN_USER = 23_456  # of no other process
BOM = b"\xef\xbb\xbf"


@pytest.fixture
def home(tmp_path):
    (tmp_path / "config.ini").write_text("[run]\ntask = hello_world\nmax_attempts = 64\n")
    return tmp_path


def shell(home, line, **options):
    """Runs a line of bash in which $RUN is the runner with small settings."""
    runner = shlex.join([sys.executable, str(ROOT / "runner.py"), *map(str, arguments(home))])
    return subprocess.run(
        ["bash", "-c", line.replace("$RUN", runner)], cwd=home, capture_output=True, timeout=120, text=True, **options
    )


def result_of(folder):
    return json.loads((folder / "result.json").read_text())


def task(home, **changes):
    """A task file, and the setting that takes it."""
    cases = [{"inputs": [i], "expected": i} for i in range(4)]
    asked = {"function_name": "same", "parameters": ["var_a"], "test_cases": cases}
    content = {"name": "mine", "description": "The number itself.", "success_criteria": asked} | changes
    (home / "mine.json").write_text(json.dumps(content))
    return {"run__task": str(home / "mine.json")}


# --- standard streams -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- 2>&- >log", "<&- >&- 2>&-"])
def test_a_run_needs_no_standard_stream(home, closed):
    done = shell(home, f"$RUN {closed}")
    assert (done.returncode, done.stderr) == (0, "")
    assert result_of(folders(home)[0])["attempts"] == 64
    if "log" in closed:
        assert "curves, best program and result: " in (home / "log").read_text()


def test_a_command_needs_no_standard_output(home):
    done = shell(home, "$RUN --tasks >&-")
    assert (done.returncode, done.stderr) == (0, "")


LIBRARY = """
import os, sys
sys.path.insert(0, sys.argv[1])
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import ExecutorConfig
for descriptor in (0, 1, 2):
    os.close(descriptor)
try:
    with Executor(ExecutorConfig(workers=2)) as pool:
        low = [worker.socket.fileno() for worker in pool._workers if worker.socket.fileno() < 3]
        answer = (low, [result.stdout for result in pool.run(["print(1)", "print(2)"])])
except Exception as error:
    answer = error
with open(sys.argv[2], "w") as file:
    file.write(repr(answer))
"""


def test_workers_start_while_descriptors_0_to_2_are_free(tmp_path):
    subprocess.run([sys.executable, "-c", LIBRARY, str(ROOT), str(tmp_path / "said")], timeout=60, check=True)
    assert (tmp_path / "said").read_text() == "([], ['1\\n', '2\\n'])"


@pytest.mark.parametrize("more", ["--tasks", "--score a.py b.py c.py", "--sample 40", "--help"])
def test_a_reader_that_leaves_ends_a_command_quietly(home, more):
    for name in "abc":
        (home / f"{name}.py").write_text("print('x')\n")
    done = shell(home, f"$RUN {more} | head -1; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


def test_an_answer_that_cannot_be_written_is_one_line(home, monkeypatch, capsys):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run(home, "--tasks") == 2
        monkeypatch.undo()
        prepare_streams()
        with pytest.raises(OSError, match="No space"):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
    assert capsys.readouterr().err.startswith("error: the output cannot be written: No space left on device; ")


# --- text -------------------------------------------------------------------------------------------------------------

# letters, what moves a terminal's cursor or turns its text around, and half of a pair
LETTERS = "Gr\u00fc\u00dfe \u4f60\u597d \U0001f600 \x1b[31m \u202e \udc80"


@pytest.mark.parametrize("encoding", ["latin-1", "gbk", "ascii", "utf-8"])
def test_text_that_a_stream_cannot_hold_is_escaped(home, encoding, monkeypatch):
    cases = [{"inputs": [letter], "expected": 7} for letter in ("\u4f60", "\ud800", "\u00e9")]
    asked = {"function_name": "same", "parameters": ["var_a"], "test_cases": cases}
    settings = task(home, description=LETTERS, success_criteria=asked)
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    assert run(home, **settings, run__show_every="1") == 0
    assert run(home, **settings, run__max_attempts="96") == 0
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(errors := io.BytesIO(), encoding=encoding))
    assert run(home, run__task="\u4f60\udc80.json") == 2
    text = written.getvalue().decode(encoding)
    assert text.count("AltLAS: mine. Gr") == 2
    assert "\\x1b[31m \\u202e \\udc80" in text
    assert "\x1b" not in text
    assert ("\u4f60" in text) == (encoding in ("gbk", "utf-8"))
    assert "\\udc80.json" in errors.getvalue().decode(encoding)


def test_letters_of_a_shell_with_another_encoding(home):
    settings = task(home, description=LETTERS)
    line = f"PYTHONIOENCODING=latin-1 LC_ALL=C $RUN --set run.task={settings['run__task']}"
    done = shell(home, line, encoding="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "AltLAS: mine. Gr\u00fc\u00dfe \\u4f60\\u597d \\U0001f600 \\x1b[31m \\u202e \\udc80\n" in done.stdout


@pytest.mark.parametrize("name", ["\u6570" * 64, "\U00020000" * 64, "a" * 64, "\u05d0.\u05d1"])
def test_any_name_that_a_task_may_have_names_a_folder(tmp_path, name):
    made = [new_run_folder(tmp_path, name) for _ in range(2)]
    assert all(folder.is_dir() and folder.parent == tmp_path and folder.name[0] == name[0] for folder in made)


# --- optional packages ------------------------------------------------------------------------------------------------


def broken(package, tmp_path, monkeypatch, code):
    """Puts a package in the place of the real one."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "packages" / package).mkdir(parents=True)
    (tmp_path / "packages" / package / "__init__.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path / "packages")


@pytest.mark.parametrize(
    "code",
    [
        "raise TypeError('Descriptors cannot be created directly.\\nMore')",
        "import no_such_module_at_all",
        "raise SystemExit(3)",
        "import warnings; print('loud'); warnings.warn('louder'); raise AttributeError('np.bool8')",
    ],
)
def test_a_broken_tensorboard_costs_the_curves_and_one_note(home, code, monkeypatch, capsys):
    broken("tensorboard", home, monkeypatch, code)
    assert run(home) == 0
    out, err = capsys.readouterr()
    assert out.count("note: no curves for TensorBoard, which fails with ") == 1
    assert "loud" not in out + err
    assert not list(folders(home)[0].glob("events*"))


def test_a_tensorboard_that_fails_at_work_costs_the_curves_and_one_note(home, monkeypatch, capsys):
    writer = pytest.importorskip("tensorboard.summary.writer.record_writer").RecordWriter
    real, calls = writer.write, []

    def write(self, data):
        calls.append(data)
        if len(calls) > 3:
            raise ValueError("bad record")
        real(self, data)

    monkeypatch.setattr(writer, "write", write)
    assert run(home) == 0
    assert (
        capsys.readouterr().out.count("note: no curves for TensorBoard, which fails with ValueError: bad record") == 1
    )
    assert len(calls) == 4


def test_without_tensorboard_there_is_no_note(home, monkeypatch, capsys):
    monkeypatch.setattr(curves, "find_spec", lambda name: None)
    assert run(home) == 0
    assert "TensorBoard" not in capsys.readouterr().out


def test_a_broken_matplotlib_costs_the_report_and_one_line(home, monkeypatch, capsys):
    assert run(home) == 0
    broken("matplotlib", home, monkeypatch, "raise RuntimeError('numpy.core.multiarray failed to import')")
    assert run(home, "--report") == 2
    error = capsys.readouterr().err
    assert "Matplotlib, which fails with RuntimeError: numpy.core.multiarray failed" in error
    assert error.count("\n") == 1


def test_a_matplotlib_that_fails_at_work_costs_the_report_and_one_line(home, monkeypatch, capsys):
    figure = pytest.importorskip("matplotlib.figure").Figure
    assert run(home) == 0
    monkeypatch.setattr(figure, "savefig", lambda *arguments, **named: {}["no font"])
    assert run(home, "--report") == 2
    error = capsys.readouterr().err
    assert "Matplotlib, which fails with KeyError: 'no font'" in error
    assert error.count("\n") == 1


# --- processes --------------------------------------------------------------------------------------------------------

# A worker whose system has no room for a while: `{name}` fails so many times with an error, after so many calls.
FLAKY = """
import sys; sys.path.insert(0, sys.argv[1])
import os
from agent_core.sandbox import zygote
zygote.PAUSES = (0.01, 0.01, 0.01)
real, calls, own = os.{name}, [], os.getpid()
def flaky(*arguments):
    if os.getpid() != own:  # a child that looks whether it can
        return real(*arguments)
    calls.append(1)
    if {after} < len(calls) <= {after} + {times}:
        raise OSError({number}, "not now")
    return real(*arguments)
os.{name} = flaky
zygote.main(int(sys.argv[2]))
"""


@pytest.mark.parametrize("after", [0, 1])  # in the self-test, in the first request
@pytest.mark.parametrize(("name", "number"), [("fork", 11), ("fork", 12), ("pipe", 24), ("pipe", 23)])
def test_a_child_that_the_system_has_no_room_for_is_tried_again(monkeypatch, name, number, after):
    boot = FLAKY.format(name=name, number=number, after=after, times=3)
    monkeypatch.setattr(worker, "BOOT", boot)
    with Executor(ExecutorConfig(workers=1)) as pool:
        assert [result.stdout for result in pool.run(["print(1)", "print(2)"], alone=True)] == ["1\n", "2\n"]
        assert pool.reruns == 0


@pytest.mark.parametrize(
    ("name", "number", "limit"), [("fork", 11, "ulimit -u is "), ("pipe", 24, "ulimit -n is "), ("fork", 12, "memory")]
)
def test_a_child_that_there_is_never_room_for_names_the_limit_and_no_other_cause(monkeypatch, name, number, limit):
    monkeypatch.setattr(worker, "BOOT", FLAKY.format(name=name, number=number, after=0, times=100))
    with pytest.raises(JailError, match=limit) as caught:
        Executor(ExecutorConfig(workers=1))
    assert "libseccomp" not in str(caught.value)
    monkeypatch.setattr(worker, "BOOT", FLAKY.format(name=name, number=number, after=1, times=100))
    with Executor(ExecutorConfig(workers=1)) as pool, pytest.raises(JailError, match=limit):
        pool.run(["print(1)"])


def as_plain_user(line):
    """Runs a line of bash as a user for whom the limit on processes counts, who may read what root may."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("may not become a plain user here")
    keep = "+dac_override,+dac_read_search"  # the interpreter may lie where only root may look
    become = [f"--reuid={PLAIN_USER}", f"--regid={PLAIN_USER}", "--clear-groups"]
    command = ["setpriv", *become, f"--inh-caps={keep}", f"--ambient-caps={keep}", "bash", "-c", line]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_plain_user_without_processes_is_told_which_limit(home):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        shutil.copy(home / "config.ini", folder)
        given = shlex.join([sys.executable, str(ROOT / "runner.py"), *map(str, arguments(Path(folder)))])
        # enough for the process that learns and for PyTorch's threads, but not for that many workers
        done = as_plain_user(f"export OPENBLAS_NUM_THREADS=1; ulimit -u 3; {given} --set executor.workers=3")
    assert done.returncode == 2, done.stderr
    assert "ulimit -u is 3" in done.stderr
    assert "libseccomp" not in done.stderr
    assert done.stderr.count("\n") == 1


# --- files that a person may have edited ------------------------------------------------------------------------------


def with_mark(path):
    path.write_bytes(BOM + path.read_bytes())


def test_a_byte_order_mark_is_accepted_in_every_file(home, capsys):
    settings = task(home)
    for name, source in (("vocabulary", "memory/vocab.json"), ("grammar", "agent_core/python.grammar")):
        shutil.copy(ROOT / source, home / name)
        with_mark(home / name)
        settings[f"paths__{name}"] = name
    with_mark(home / "mine.json")
    with_mark(home / "config.ini")
    assert run(home, **settings) == 0
    folder = folders(home)[0]
    for path in (folder / "metrics.csv", folder / "config.json", folder / "result.json", folder / "best.py"):
        with_mark(path)
    assert run(home, **settings, run__max_attempts="96") == 0
    assert len((folder / "metrics.csv").read_text().splitlines()) == 4
    (home / "same.py").write_bytes(BOM + b"def same(var_a):\n    return var_a\n")
    capsys.readouterr()
    assert run(home, "--score", str(home / "same.py"), **settings) == 0
    assert json.loads(capsys.readouterr().out)["solved"]


def test_a_report_reads_a_byte_order_mark(home, capsys):
    pytest.importorskip("matplotlib")
    assert run(home) == 0
    for name in ("metrics.csv", "config.json", "result.json"):
        with_mark(folders(home)[0] / name)
    assert run(home, "--report") == 0
    page = (home / "memory" / "runs" / "report.html").read_text()
    assert "not solved" in page
    assert "Learning curves" in page


# --- what a resumed run says ------------------------------------------------------------------------------------------


def test_a_resumed_run_keeps_its_seed_and_says_so(home, capsys):
    assert run(home) == 0
    assert run(home, run__max_attempts="96", run__seed="7") == 0
    out = capsys.readouterr().out
    assert out.count("\nseed 0, ") == 2
    assert "note: this run began with seed 0 and goes on with it; run.seed = 7 waits for a start with --fresh" in out
    assert "run.seed = 7 (default 0)" not in out
    (folder,) = folders(home)
    assert result_of(folder)["seed"] == 0
    noted = json.loads((folder / "config.json").read_text())
    assert [entry["config"]["run"]["seed"] for entry in noted] == [0, 0]
    assert run(home, "--fresh", run__seed="7") == 0
    assert "\nseed 7, " in capsys.readouterr().out
    assert result_of(folders(home)[1])["seed"] == 7


@pytest.mark.parametrize(("noted", "seed"), [(True, 0), (False, None)])
def test_a_run_that_an_older_version_saved_says_what_is_known_of_its_seed(home, noted, seed, capsys):
    assert run(home) == 0
    forget_the_seed(home)
    if not noted:
        (folders(home)[0] / "config.json").unlink()
    assert run(home, run__max_attempts="96", run__seed="7") == 0
    out = capsys.readouterr().out
    assert result_of(folders(home)[0])["seed"] == seed
    assert ("which seed began this run is not known" in out) == (seed is None)


def forget_the_seed(home):
    paths = [home / "memory" / f"{name}_state.pth" for name in ("model", "optimizer", "run")]
    store = CheckpointStore(*paths)
    saved = store.load()
    del saved.run_state["seed"]
    store.save(saved.model_state, saved.optimizer_state, saved.run_state)


def test_another_task_is_a_new_run_with_the_seed_of_now(home, capsys):
    assert run(home) == 0
    assert run(home, **task(home), run__seed="7") == 0
    assert result_of(folders(home)[1])["seed"] == 7
    assert "waits for" not in capsys.readouterr().out


def test_a_memory_that_was_moved_takes_its_runs_along(home, capsys):
    assert run(home) == 0
    shutil.move(home / "memory", home / "elsewhere")
    moved = {f"paths__{name}_state": f"elsewhere/{name}_state.pth" for name in ("model", "optimizer", "run")}
    assert run(home, **moved, paths__runs="elsewhere/runs", run__max_attempts="96") == 0
    (folder,) = (home / "elsewhere" / "runs").iterdir()
    assert result_of(folder)["attempts"] == 96
    assert not (home / "memory").exists()


def test_another_folder_for_runs_is_for_the_next_run(home, capsys):
    assert run(home) == 0
    assert run(home, paths__runs="other", run__max_attempts="96") == 0
    folder = folders(home)[0]
    assert f"note: this run goes on in {folder}; paths.runs = {home / 'other'} is where" in capsys.readouterr().out
    assert result_of(folder)["attempts"] == 96
    assert not (home / "other").exists()


# --- the environment --------------------------------------------------------------------------------------------------


def test_variables_that_are_set_but_empty_change_nothing(home):
    names = "HOME TMPDIR TERM COLUMNS LINES LANG LC_ALL CUDA_VISIBLE_DEVICES PYTHONHASHSEED NO_COLOR RANK"
    names += " OMP_NUM_THREADS MKL_NUM_THREADS TQDM_MININTERVAL"
    done = shell(home, f"env -i {' '.join(f'{name}=' for name in names.split())} TQDM_COLOUR=red TQDM_NCOLS=x $RUN")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT", "LOCAL_RANK"])
def test_a_variable_of_torchrun_that_is_set_to_nothing_is_not_set(home, name, monkeypatch):
    monkeypatch.setenv(name, "")
    assert run(home) == 0


def test_a_variable_of_torchrun_that_is_no_number_is_one_line(home, monkeypatch, capsys):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "two")
    assert run(home) == 2
    assert capsys.readouterr().err == (
        "error: WORLD_SIZE in the environment is 'two', not a number: start ranks with torchrun, or unset it\n"
    )


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"paths__runs": "~nobody_of_that_name/runs"}, "paths.runs must be a path whose ~ stands for a folder"),
        ({"run__task": "a" * 300}, "there is no built-in task of that name"),
        ({"run__task": f"{'a' * 300}.json"}, "File name too long"),
        ({"paths__runs": "b" * 300}, "File name too long"),
    ],
)
def test_a_path_that_cannot_be_is_one_line(home, settings, complaint, capsys):
    assert run(home, **settings) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_a_null_character_in_a_path_is_one_line(home, capsys):
    (home / "config.ini").write_bytes(b"[paths]\nruns = a\0b\n")
    assert run(home) == 2
    assert "paths.runs must be a path without a null character, not 'a\\x00b'" in capsys.readouterr().err


def test_warnings_that_are_errors_are_one_line(home):
    done = shell(home, "PYTHONWARNINGS=error $RUN && PYTHONWARNINGS=error $RUN --fresh --set executor.jail=limits")
    assert result_of(folders(home)[0])["attempts"] == 64
    assert done.returncode == 2
    assert done.stderr.startswith("error: jail = limits: ")
    assert done.stderr.count("\n") == 1


def test_it_starts_isolated_and_from_a_link(home):
    (home / "link.py").symlink_to(ROOT / "runner.py")
    (home / "config.ini").unlink()
    done = subprocess.run(
        [sys.executable, "-I", home / "link.py", "--tasks"], cwd=home, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "hello_world" in done.stdout


def test_a_limit_on_file_sizes_is_named(home):
    done = shell(home, "ulimit -f 10; $RUN")
    assert done.returncode == 2
    assert "File too large; raise the limit on the size of a file (ulimit -f" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", [".lock", "runs/mine/metrics.csv", "runs"])
def test_a_file_of_another_user_is_named(tmp_path, name):
    """What is said of it; whose it is, a process of root does not care."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir() if name == "runs" else path.touch()
    said = str(not_written(path, PermissionError(errno.EACCES, "Permission denied")))
    assert said.startswith(f"{path} cannot be written: Permission denied; ")
    assert ("it is another user's: remove it" in said) == (name != "runs")


def test_a_start_in_a_folder_that_is_gone(home):
    gone = home / "gone"
    gone.mkdir()
    done = shell(home, f"cd {gone}; rmdir {gone}; $RUN")
    assert (done.returncode, done.stderr) == (0, "")
    assert result_of(folders(home)[0])["attempts"] == 64
