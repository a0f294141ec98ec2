"""The report: what it reads from run folders in any state, and a page that loads nothing and lets nothing out."""

import html
import json
import re
import subprocess
import sys

import numpy
import pytest

from memory.history import charts, curves, panels, run_folder
from memory.history.highlight import highlight
from memory.history.report import write_report
from memory.history.run_folder import read_run
from memory.history.run_log import BestRecord, RunLog
from runner import main
from tests.conftest import ROOT
from utils import UserError

COLUMNS = (
    "attempts",
    "mean_reward",
    "best_reward",
    "best_tokens",
    "distinct_programs",
    "finished",
    "elites",
    "elite_reward",
    "restarts",
    "entropy",
    "elapsed_seconds",
    "attempts_per_second",
)
CONFIG = {
    "run": {"task": "add", "seed": 0, "max_attempts": 10_000},
    "learning": {"novelty": 0.3, "elites": 32},
    "paths": {"runs": "/here"},
}
RESULT = {"task": "add", "seed": 0, "solved": False, "attempts": 1_000, "device": "cpu"}
HISTORY = (BestRecord(3, 0.25, "print(1)"), BestRecord(250, 0.5, "def add(a, b):\n    return a"))
HOSTILE = "</pre><script src='http://evil.org/x.js'></script>$\\frac$ & \"<img src=x onerror=alert(1)>\" \x00 \ud800"


@pytest.fixture(autouse=True)
def no_curves(monkeypatch):
    """Without TensorBoard's files, and without the time it takes to load."""

    def __init__(self, folder, attempts=0):
        self._records = None
        self._flushed = 0.0

    monkeypatch.setattr(curves.Curves, "__init__", __init__)


@pytest.fixture(autouse=True)
def few_panels(monkeypatch):
    """Each costs a few hundredths of a second."""
    monkeypatch.setattr("memory.history.page.PANELS", panels.PANELS[:2])


def row(attempts, **figures):
    return {
        "attempts": attempts,
        "mean_reward": attempts / 2_000,
        "best_reward": 0.5,
        "best_tokens": 7,
        "distinct_programs": 80,
        "finished": 0.9,
        "elites": 2,
        "elite_reward": 0.4,
        "restarts": 0,
        "entropy": 2.0,
        "elapsed_seconds": attempts / 500,
        "attempts_per_second": 500.0,
    } | figures


def make_run(folder, rows=None, history=HISTORY, config=CONFIG, result=RESULT):
    """A run's folder as a run would leave it; None leaves a file out."""
    with RunLog(folder, COLUMNS) as log:
        if config:
            log.settings(config)
        for figures in [row(attempts) for attempts in range(100, 1_100, 100)] if rows is None else rows:
            log.row(figures)
        if history:
            log.best(history)
        if result:
            log.result(result)
    return folder


def changed(**settings):
    """The config with other values, by section__key."""
    config = json.loads(json.dumps(CONFIG))
    for name, value in settings.items():
        section, key = name.split("__")
        config[section][key] = value
    return config


def page_of(runs, *folders):
    path, _ = write_report(runs, folders)
    return path.read_text(encoding="utf-8")


def text_of(page):
    """What a reader sees of the page, a line a cell."""
    return html.unescape(re.sub(r"<[^>]+>", "\n", re.sub(r"(?s)<(style|svg).*?</\1>", "", page)))


# --- reading --------------------------------------------------------------------------------------------------------


def test_what_a_run_wrote_is_read_back(tmp_path):
    run = read_run(make_run(tmp_path / "add-20260101-000000"))
    assert run.curves["attempts"].tolist() == list(range(100, 1_100, 100))
    assert run.curves["mean_reward"][3] == 0.2
    assert run.curves["distinct_programs"].tolist() == [0.8] * 10
    assert (run.task, run.attempts, run.solved_at, run.ended) == ("add", 1_000, None, True)
    assert run.bests == list(HISTORY)
    assert run.setting("learning.novelty") == [(0, 0.3)]


@pytest.mark.parametrize(
    "program",
    ["", "x = 1", "if x:\n\n    '''\n# attempt 3, reward 0.5\n'''", "# only a comment", "a\n#     b\n    c\n"],
)
def test_any_history_is_read_back(tmp_path, program):
    history = (BestRecord(1, 0.1, program), BestRecord(2_345_678, 1.0, program))
    run = read_run(make_run(tmp_path / "run", history=history))
    assert [best._replace(program=best.program.rstrip("\n")) for best in run.bests] == [
        best._replace(program=program.rstrip("\n")) for best in history
    ]


def test_a_killed_run_is_read_up_to_its_last_whole_row(tmp_path):
    folder = make_run(tmp_path / "add-20260101-000000", result=None)
    with open(folder / "metrics.csv", "ab") as file:
        file.write(b"1100,0.5,1.0")
    run = read_run(folder)
    assert (run.task, run.attempts, run.ended, run.solved_at) == ("add", 1_000, False, None)


def test_a_resumed_run_has_outgrown_its_result(tmp_path):
    folder = make_run(tmp_path / "run", result=RESULT | {"attempts": 500})
    assert not read_run(folder).ended


def test_solved_is_when_the_first_program_earned_1(tmp_path):
    history = (*HISTORY, BestRecord(640, 1.0, "return a + b + 0"), BestRecord(900, 1.0, "return a + b"))
    rows = [row(attempts, best_reward=1.0) for attempts in (500, 1_000)]
    assert read_run(make_run(tmp_path / "run", rows, history, result=None)).solved_at == 640


def test_long_runs_are_thinned_out_to_means(tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "POINTS", 10)
    monkeypatch.setattr(run_folder, "CHUNK", 1_000)  # bytes: a few rows at a time
    rows = [row(attempts * 100, mean_reward=attempts, restarts=attempts // 40) for attempts in range(1, 101)]
    run = read_run(make_run(tmp_path / "run", rows))
    assert run.curves["mean_reward"].tolist() == [numpy.mean(range(i, i + 10)) for i in range(1, 101, 10)]
    assert run.curves["attempts"].tolist() == [100 * i for i in run.curves["mean_reward"]]
    assert run.restarts == [3_900, 7_900]
    assert run.last["restarts"] == 2


def test_values_that_are_missing_or_not_finite_leave_a_gap(tmp_path):
    rows = [row(100), row(200, entropy=float("nan"), mean_reward=None), row(300, elites=0), row(350)]
    run = read_run(make_run(tmp_path / "run", rows))
    gaps = {name: numpy.flatnonzero(numpy.isnan(values)).tolist() for name, values in run.curves.items()}
    assert {name: rows for name, rows in gaps.items() if rows} == {
        "entropy": [1],
        "mean_reward": [1],
        "elite_reward": [2],
        "distinct_programs": [3],
    }  # a rest of a batch is more diverse than a whole one


def test_damaged_files_are_as_good_as_none(tmp_path):
    folder = make_run(tmp_path / "add-20260101-000000")
    for name in ("config.json", "result.json", "best.py"):
        (folder / name).write_bytes(b"\xff[{")
    lines = (folder / "metrics.csv").read_bytes().splitlines(keepends=True)
    (folder / "metrics.csv").write_bytes(b"".join([*lines[:4], b"\0" * 20 + b"\n", b"x,y\n", *lines[4:]]))
    run = read_run(folder)
    assert (run.task, run.attempts, run.bests, run.settings, run.ended) == ("add", 1_000, [], [], False)
    assert len(run.curves["attempts"]) == 10


# --- the page -------------------------------------------------------------------------------------------------------


class TestPage:
    def test_it_loads_nothing(self, tmp_path, monkeypatch):
        monkeypatch.setattr("memory.history.page.PANELS", panels.PANELS)
        make_run(tmp_path / "one")
        page = page_of(tmp_path)
        assert "default-src 'none'" in page
        assert not re.search(r"<(script|link|img|iframe|object|embed|base|form|image)\b|@import", page)
        assert all(target.startswith("#") for target in re.findall(r"""(?:href|src)\s*=\s*["']?([^"'\s>]*)""", page))
        assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))
        assert set(re.findall(r'(\S*)="https?:', page)) <= {"xmlns", "xmlns:xlink"}
        assert page.count("http") == len(re.findall(r'xmlns(?::xlink)?="http|http-equiv', page))

    def test_every_link_leads_somewhere(self, tmp_path, monkeypatch):
        monkeypatch.setattr("memory.history.page.PANELS", panels.PANELS)
        make_run(tmp_path / "one")
        make_run(tmp_path / "two")
        page = page_of(tmp_path)
        names = re.findall(r'\bid="([^"]*)"', page)
        assert len(names) == len(set(names))
        assert {target.removeprefix("#") for target in re.findall(r'href="([^"]*)"', page)} <= set(names)
        assert {"A", "B", "A-3", "A-250", "B-3", "B-250"} <= set(names)

    def test_hostile_text_is_only_text(self, tmp_path):
        program = HOSTILE.encode(errors="replace").decode()
        config = changed(run__task=HOSTILE, learning__novelty=HOSTILE)
        config["learning"][HOSTILE] = 1
        other = changed(learning__novelty=0.1)
        other["learning"][HOSTILE] = 2
        folder = make_run(tmp_path / "<b>&$x^", history=[BestRecord(1, 0.1, program), BestRecord(2, 0.2, program)])
        (folder / "config.json").write_text(json.dumps([{"attempts": 0, "config": config}]))
        (folder / "result.json").write_text(json.dumps(RESULT | {"task": HOSTILE, "seed": HOSTILE, "device": HOSTILE}))
        make_run(tmp_path / "other", config=other)
        page = page_of(tmp_path)
        assert not re.search(r"<(script|img|b>&)|onerror=alert\(1\)>", page)
        assert html.escape(program) in page.replace('<span class="s">', "").replace("</span>", "")

    def test_settings_that_differ_are_shown_and_others_are_not(self, tmp_path):
        make_run(tmp_path / "one")
        make_run(tmp_path / "two", config=changed(learning__novelty=0.0, run__seed=5, paths__runs="/there"))
        make_run(tmp_path / "three", config=None)  # of an older version
        text = text_of(page_of(tmp_path))
        assert "novelty" in text
        assert "seed 5" in text
        assert not re.search(r"\b(elites|max_attempts|there)\b", text.split("Settings that differ")[1])

    def test_without_a_difference_there_is_no_table_of_them(self, tmp_path):
        make_run(tmp_path / "one")
        make_run(tmp_path / "two", config=changed(run__seed=5))
        assert "Settings that differ" not in page_of(tmp_path)

    def test_a_setting_that_was_changed_on_the_way_is_said(self, tmp_path):
        folder = make_run(tmp_path / "one")
        with RunLog(folder, COLUMNS, 1_000) as log:
            log.settings(changed(learning__novelty=0.1))
        text = text_of(page_of(tmp_path))
        assert "0.3\n0.1 from 1,000" in text

    def test_each_best_is_there_with_its_moment(self, tmp_path):
        make_run(tmp_path / "one")
        text = re.sub(r"\n+", "\n", text_of(page_of(tmp_path)))
        assert re.search(r"attempt 250\nreward 0.5\ndef\n add\(a, b\):\n", text)
        assert text.index("attempt 250") < text.index("attempt 3\nreward 0.25\nprint\n(")

    def test_restarts_are_marked(self, tmp_path):
        rows = [row(attempts, restarts=int(attempts > 500)) for attempts in range(100, 1_100, 100)]
        without, marked = page_of(tmp_path, make_run(tmp_path / "a")), page_of(tmp_path, make_run(tmp_path / "b", rows))
        assert "restart with fresh weights" in marked
        assert "restart with fresh weights" not in without
        assert marked.count("<use") == without.count("<use") + marked.count("<figure>")

    def test_an_interrupted_run_is_shown(self, tmp_path):
        make_run(tmp_path / "add-20260101-000000", result=None, history=None, config=None)
        text = text_of(page_of(tmp_path))
        assert "1 run of add" in text
        assert "no result yet" in text

    def test_the_same_runs_give_the_same_bytes(self, tmp_path):
        folders = [make_run(tmp_path / "one"), make_run(tmp_path / "two", [row(100), row(50_000, restarts=3)])]
        first = page_of(tmp_path, *folders)
        (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nfont.size: 30\n")
        code = (
            "import sys; from pathlib import Path; from memory.history import page, report\n"
            "page.PANELS = page.PANELS[:2]\n"
            "report.write_report(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])"
        )
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "again"), *map(str, folders)],
            check=True,
            env={"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "PYTHONPATH": str(ROOT)},
        )
        assert (tmp_path / "again" / "report.html").read_text() == first

    def test_drawing_leaves_no_trace_in_the_process(self, tmp_path):
        import matplotlib

        before = dict(matplotlib.rcParams)
        page_of(tmp_path, make_run(tmp_path / "one"))
        assert dict(matplotlib.rcParams) == before

    def test_a_run_named_twice_is_shown_once(self, tmp_path):
        folder = make_run(tmp_path / "one")
        assert "1 run of" in page_of(tmp_path, folder, folder / ".." / "one")


def test_runs_have_letters_however_many():
    assert [charts.letter(index) for index in (0, 25, 26, 51, 52, 702)] == ["A", "Z", "AA", "AZ", "BA", "AAA"]


@pytest.mark.parametrize(
    "program",
    [
        "def f(x):\n    return x + 1  # more\n",
        "x = '''a\n<b>'''\n\ny = 1",
        "if x:\n  1\n 2",
        "((",
        "'",
        "\\",
        "a\tb\r\nc",
        "f'{x!r:>{y}} {{}}'",
        "é = 'ü<&>' + \"\U0001f600\"; x",
        "",
        "\n\n",
        "\x00",
        "1__0",
        "\ufeffx",
        "\x0cx = 1\n\x0c",
        HOSTILE,
    ],
)
def test_highlighting_changes_no_character(program):
    marked = highlight(program)
    assert html.unescape(re.sub(r'</?span(?: class="\w")?>', "", marked)) == html.unescape(html.escape(program))
    assert "<" not in re.sub(r'</?span(?: class="\w")?>', "", marked)


def test_highlighting_tells_kinds_apart():
    assert highlight("not len('a') # c\n") == (
        '<span class="k">not</span> <span class="b">len</span>(<span class="s">&#x27;a&#x27;</span>) '
        '<span class="c"># c</span>\n'
    )


# --- the command ----------------------------------------------------------------------------------------------------


def command(tmp_path, *arguments):
    return main([f"--set=paths.runs={tmp_path / 'runs'}", "--report", *map(str, arguments)])


def test_the_command_reports_all_runs_and_says_where(tmp_path, capsys):
    make_run(tmp_path / "runs" / "one")
    make_run(tmp_path / "runs" / "two")
    make_run(tmp_path / "runs" / "young", [])
    assert command(tmp_path) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("left out: ")
    assert "young" in out[0]
    assert out[1:] == [f"report: {tmp_path / 'runs' / 'report.html'}"]
    assert "2 runs of add" in (tmp_path / "runs" / "report.html").read_text()


@pytest.mark.parametrize(
    ("prepare", "named", "complaint"),
    [
        (lambda runs: None, [], "there are no runs in"),
        (lambda runs: make_run(runs / "one", []), [], "has no rows yet"),
        (lambda runs: make_run(runs / "one", []), ["one"], "has no rows yet"),
        (lambda runs: make_run(runs / "one"), ["one", "none"], "none is not there"),
        (lambda runs: (runs / "one").mkdir(parents=True), ["one"], "one is not a run's folder: it has no metrics.csv"),
        (lambda runs: make_run(runs / "one"), ["one/best.py"], "best.py is not there"),
        (lambda runs: (make_run(runs / "one") / "metrics.csv").write_text(""), ["one"], "has no rows yet"),
        (lambda runs: (make_run(runs / "one") / "metrics.csv").write_text("a,b\n1,2\n"), ["one"], "no column attempts"),
        (lambda runs: (make_run(runs / "one") / "../report.html").mkdir(), ["one"], "cannot be written"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(tmp_path, capsys, prepare, named, complaint):
    prepare(tmp_path / "runs")
    assert command(tmp_path, *(tmp_path / "runs" / name for name in named)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert complaint in error
    assert error.count("\n") == 1


def test_without_matplotlib_it_says_what_to_install(tmp_path, capsys, monkeypatch):
    make_run(tmp_path / "runs" / "one")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert command(tmp_path) == 2
    error = capsys.readouterr().err
    assert "pip install matplotlib" in error
    assert error.count("\n") == 1
    with pytest.raises(UserError):
        write_report(tmp_path / "runs")


def test_matplotlib_is_loaded_only_to_draw():
    code = "import sys, memory.history.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
