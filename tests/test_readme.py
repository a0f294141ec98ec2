"""What the README and docs/ say to type can be typed, and what they name exists."""

import importlib
import json
import re
import shlex
import shutil

import pytest
from torch.distributed.run import parse_args as torchrun_words

import runner
from agent_core.play.progress import PLAY_FIGURES
from agent_core.run.many.show import COLUMNS as TABLE
from agent_core.run.many.show import write_tables
from agent_core.run.recorder import COLUMNS
from agent_core.settings.config import load_config
from agent_core.tasks.task import load_task
from memory.history.many_folder import ABILITIES
from memory.history.run_log import RunLog, write_json
from tests.benchmarks.cells import PARTS, VARIANTS
from tests.conftest import ROOT
from tests.test_runner import SMALL
from tokenizer import Tokenizer

PAGES = {str(path.relative_to(ROOT)): path.read_text() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))}
README = PAGES["README.md"]
PROSE = {name: re.sub(r"(?ms)^```.*?^```\n", "", text) for name, text in PAGES.items()}
NOW = {name: text for name, text in PROSE.items() if name != "CHANGELOG.md"}  # that one names what was, too
FOR_USERS = [PROSE[name] for name in ("README.md", *(f"docs/{page}.md" for page in ("learning", "results")))] + [
    PROSE[f"docs/{page}.md"] for page in ("reading_runs", "distributed", "performance")
]
CONFIG = load_config(ROOT / "config.ini").plain()
CHECKS = {"ruff": [["check"], ["format", "--check"], ["format"]], "mypy": [[]]}


def commands() -> list[list[str]]:
    """The words of every command in a code block: in fenced ones all lines, in indented ones those that begin so."""
    fenced = [
        line
        for text in PAGES.values()
        for block in re.findall(r"(?ms)^```bash\n(.*?)^```", text)
        for line in block.splitlines()
    ]
    found = re.findall(r"(?m)^ {4}((?:python|torchrun) .*)", "\n".join(PROSE.values()))
    indented = [re.split(r"\s{3,}", line)[0] for line in found]
    quoted = re.findall(r"`(python\s-m\s[^`]+)`", "\n".join(PROSE.values()))
    return [shlex.split(part, comments=True) for line in fenced + indented + quoted for part in line.split(" && ")]


def of_script(script: str) -> list[list[str]]:
    return [words[2:] for words in commands() if words[1:2] == [script]]


def parser_of(script: str):
    return importlib.import_module(script.removesuffix(".py")).parse


def check_module(module: str, words: list[str]) -> None:
    """Ends the test if `python -m module` does not like the words."""
    if module == "venv":
        assert words == [".venv"]
    elif module == "pytest":
        assert set(words) <= {"-q", "-x", "-n", "2"} or (ROOT / words[0]).is_file()
    elif module == "tests.draw_architecture":
        assert (ROOT / "tests" / "draw_architecture.py").is_file()
        assert not words
    else:
        parser_of(module)(words)


def test_every_command_is_known():
    for words in commands():
        program = words[0].removeprefix(".venv/bin/")
        if program == "pip":
            for place, word in enumerate(words):
                assert word != "-r" or (ROOT / words[place + 1]).is_file()
                assert word != "-e" or words[place + 1] in (".", ".[benchmarks,curves]")
        elif program == "torchrun":
            started = torchrun_words(words[1:])
            assert started.training_script == "runner.py"
            runner.parse(started.training_script_args)
        elif program in CHECKS:
            assert words[1:] in CHECKS[program]
        elif program in ("git", "cd"):
            assert words[1] in ("clone", "AltLAS", "worktree")
        elif words[1] == "-m":
            check_module(words[2], words[3:])
        elif words[1] == "tests/same_runs.py":
            parser_of("tests.same_runs")(words[2:])
        else:
            assert program in ("python", "python3")
            assert words[1] == "runner.py"
            runner.parse(words[2:])
    assert len(commands()) >= 20


@pytest.mark.parametrize("module", sorted(set(re.findall(r"tests\.benchmarks\.\w+", "\n".join(PAGES.values())))))
def test_every_benchmark_is_there(module):
    assert callable(parser_of(module))


def test_every_command_of_the_runner_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "config.ini").write_text("")
    (tmp_path / "mine.py").write_text("print('hello')\n")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    small = [
        f"--config={tmp_path / 'config.ini'}",
        "--set=run.max_attempts=64",
        *(f"--set={key}={value}" for key, value in SMALL.items()),
    ]
    shown = {}
    for words in sorted([[], *of_script("runner.py")]):  # first one without words, so that there is something saved
        assert runner.main([*words, *small]) == 0, words  # the last word on a setting counts
        shown[" ".join(words)] = capsys.readouterr().out
    assert "AltLAS: hello_world" in shown[""]
    assert "maximum" in shown["--tasks"]
    assert "AltLAS: maximum" in shown["--set run.task=maximum"]
    assert "AltLAS: 34 tasks" in shown["--set run.task=ladder --set run.max_attempts=5e6"]
    assert "report.html" in shown["--report"]
    assert shown["--sample 5"].count("# reward ") == 5
    scored = json.loads(shown["--score mine.py"])
    assert scored["departure"] == "line 1, character 6: got 'hello', wanted 'hello world'"


def test_every_setting_exists():
    named = [found for text in NOW.values() for found in re.findall(r"`(\w+)\.(?!py)(\w+)(?: = ([^`]+))?`", text)]
    named = [(section, key, value) for section, key, value in named if section in CONFIG]
    assert {("run", "seed"), ("generator", "batch_size"), ("learning", "elites")} <= {name[:2] for name in named}
    for section, key, value in named:
        assert key in CONFIG[section], f"{section}.{key}"
        if value and re.fullmatch(r"[\w.]+", value):
            load_config(ROOT / "config.ini", [f"{section}.{key}={value}"])
    for text in NOW.values():
        for section in re.findall(r"`\[(\w+)\]`", text):
            assert section in CONFIG


def test_no_page_copies_the_settings():
    """config.ini explains each with its default and its range; its own tests hold that against the code."""
    for name, text in NOW.items():
        rows = re.findall(r"(?m)^\| `(\w+\.\w+)` \| ", text)
        assert len([row for row in rows if row.split(".")[0] in CONFIG]) < 6, name


def test_the_task_in_the_readme_is_a_task(tmp_path):
    path = tmp_path / "triple.json"
    path.write_text(re.search(r"(?ms)^```json\n(.*?)^```", README).group(1))
    assert load_task(str(path), Tokenizer.from_file(ROOT / "memory" / "vocab.json").tokens).function_name == "triple"


def test_benchmarks_are_run_as_modules():
    """By their path they run only where the project is installed."""
    for name, text in PAGES.items():
        assert not re.search(r"python tests/benchmarks/", text), name


def test_words_with_underscores_are_settings_columns_or_fields():
    """A setting that is renamed must be renamed here, too."""
    fields = json.loads((ROOT / "agent_core" / "tasks" / "add.json").read_text())["success_criteria"].keys()
    known = {key for section in CONFIG.values() for key in section} | set(COLUMNS) | set(fields)
    known |= {path.stem for path in (ROOT / "agent_core" / "tasks").glob("*.json")}
    known |= {"success_criteria", "exact_output", "case_sensitive", "required_tokens", "max_tokens"}  # of other tasks
    known |= {"first_solution", *PLAY_FIGURES, *TABLE}  # of result.json, of play's metrics.csv, of tasks.csv
    known |= {"func_a", "func_x", "var_a", "var_b", "var_x"}
    words = {word for text in FOR_USERS for word in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text)}
    assert len(words) > 40
    assert words <= known


def test_every_option_exists(capsys):
    with pytest.raises(SystemExit):
        runner.parse(["--help"])
    known = set(re.findall(r"--[a-z]+", capsys.readouterr().out))
    assert {option for text in FOR_USERS for option in re.findall(r"`(--[a-z]+)`", text)} <= known


def test_every_column_is_explained_once_and_in_order():
    (page,) = [text for text in PAGES.values() if "| column of `metrics.csv` |" in text]
    table = page.split("| column of `metrics.csv` |")[1].split("\n\n")[0]
    explained = [column for row in table.splitlines()[2:] for column in re.findall(r"`(\w+)`", row.split(" | ")[0])]
    assert explained == list(COLUMNS)


def test_every_file_is_there(tmp_path):
    places = ("", "agent_core", "memory", ".devcontainer", "tests")
    made_by_a_run = {"best.py", "config.json", "mine.py", "metrics.csv", "result.json"}
    made_by_a_run |= {"tasks.csv", "visits.csv", "abilities.json"}
    named = {
        name for text in NOW.values() for name in re.findall(r"`([\w./]+\.(?:py|json|ini|grammar|csv|txt|toml))`", text)
    }
    known = {file.name for folder in ("agent_core", "memory", "tests") for file in (ROOT / folder).rglob("*.*")}
    for name in named - made_by_a_run:
        assert name in known or any((ROOT / place / name).is_file() for place in places), name
    with RunLog(tmp_path, COLUMNS) as log:
        log.settings({})
        log.best([])
        log.result({})
    write_tables(tmp_path, {}, [])
    write_json(tmp_path / ABILITIES, {})
    assert made_by_a_run - {"mine.py"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PROSE[page]):
        if "://" not in target:
            assert (ROOT / page).parent.joinpath(target).is_file(), target


def test_the_readme_leads_to_every_page_and_is_short():
    linked = set(re.findall(r"\]\(([^)#]+\.md)\)", README))
    assert linked >= PAGES.keys() - {"README.md"}
    assert len(README.splitlines()) <= 200


def test_every_variant_of_the_ablation_is_in_its_table_and_no_other():
    rows = re.findall(r"(?m)^\| `\w+` \| (-?\w+) \| \d+/\d+ \|", PAGES["docs/learning.md"])
    (unmeasured,) = re.findall(r"Not measured so yet: ([^.]*)\.", PAGES["docs/learning.md"])
    assert set(rows) | set(re.findall(r"`(-\w+)`", unmeasured)) == set(VARIANTS)
    assert len(set(rows) & set(PARTS)) == len(re.findall(r"(?m)^\| without ", PAGES["docs/learning.md"]))


def test_the_new_names_in_the_changelog_exist():
    rows = re.findall(r"(?m)^\| `([^`]+)` \| `([^`]+)` \|", PAGES["CHANGELOG.md"])
    assert len(rows) > 20
    for old, new in rows:
        if "/" in new:
            assert (ROOT / new).exists(), new
            assert not (ROOT / old).exists(), old
        else:
            section, key = new.split(".")
            assert key in CONFIG[section], new
            load_config(ROOT / "config.ini", [f"{old}={CONFIG[section][key]}"])  # the old name still works
