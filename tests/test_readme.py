"""What the README says to type can be typed, and what it names exists."""

import importlib
import importlib.util
import json
import re
import shlex

import pytest
from torch.distributed.run import parse_args as torchrun_words

import runner
from agent_core.run.loop import COLUMNS
from agent_core.settings.config import load_config
from agent_core.tasks.task import load_task
from memory.history.run_log import RunLog
from tests.conftest import ROOT
from tests.test_runner import SMALL
from tokenizer import Tokenizer

README = (ROOT / "README.md").read_text()
PROSE = re.sub(r"(?ms)^```.*?^```\n", "", README)
CONFIG = load_config(ROOT / "config.ini").plain()


def commands() -> list[list[str]]:
    """The words of every command in a code block: in fenced ones all lines, in indented ones those that begin so."""
    fenced = [line for block in re.findall(r"(?ms)^```bash\n(.*?)^```", README) for line in block.splitlines()]
    indented = [re.split(r"\s{3,}", line)[0] for line in re.findall(r"(?m)^ {4}((?:python|torchrun) .*)", PROSE)]
    return [shlex.split(part) for line in fenced + indented for part in line.split(" && ")]


def of_script(script: str) -> list[list[str]]:
    return [words[2:] for words in commands() if words[1:2] == [script]]


def parser_of(script: str):
    return importlib.import_module(script.removesuffix(".py").replace("/", ".")).parse


def test_every_command_is_known():
    for words in commands():
        program = words[0].removeprefix(".venv/bin/")
        if program == "pip":
            assert words[1:] == ["install", "-q", "-r", "requirements.txt"]
            assert (ROOT / words[-1]).is_file()
        elif program == "torchrun":
            started = torchrun_words(words[1:])
            assert started.training_script == "runner.py"
            runner.parse(started.training_script_args)
        elif words[1] == "-m":
            assert words[2:] in (["venv", ".venv"], ["pytest", "-q"])
        else:
            assert program == "python"
            parser_of(words[1])(words[2:])  # ends the test if it does not like them
    assert len(commands()) >= 10


@pytest.mark.parametrize("script", sorted(set(re.findall(r"tests/benchmarks/\w+\.py", README))))
def test_every_benchmark_is_there(script):
    assert (ROOT / script).is_file()
    parser_of(script)


def test_words_for_the_soak():
    for what in ("flat", "load"):
        assert f"(`{what}`)" in README
        assert parser_of("tests/benchmarks/soak.py")([what]).what == what


def test_every_command_of_the_runner_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "config.ini").write_text("")
    (tmp_path / "mine.py").write_text("print('hello')\n")
    monkeypatch.chdir(tmp_path)
    small = [
        f"--config={tmp_path / 'config.ini'}",
        "--set=run.max_attempts=64",
        *(f"--set={key}={value}" for key, value in SMALL.items()),
    ]
    shown = []
    for words in [[], *of_script("runner.py")]:
        needs_matplotlib = words[:1] == ["--report"] and importlib.util.find_spec("matplotlib") is None
        assert runner.main([*small, *words]) == (2 if needs_matplotlib else 0)
        shown.append(capsys.readouterr().out)
    by_option = dict(zip([words[0] if words else "" for words in [[], *of_script("runner.py")]], shown, strict=True))
    assert "AltLAS: hello_world" in by_option[""]
    assert "maximum" in by_option["--tasks"]
    assert "AltLAS: maximum" in by_option["--set"]
    assert by_option["--sample"].count("# reward ") == 5
    scored = json.loads(by_option["--score"])
    assert scored["departure"] == "line 1, character 6: got 'hello', wanted 'hello world'"


def test_every_setting_exists():
    named = re.findall(r"`(\w+)\.(?!py)(\w+)(?: = ([^`]+))?`", PROSE)
    named = [(section, key, value) for section, key, value in named if section in CONFIG]
    assert {("run", "seed"), ("generator", "batch_size"), ("learning", "elites")} <= {name[:2] for name in named}
    for section, key, value in named:
        assert key in CONFIG[section], f"{section}.{key}"
        if value and re.fullmatch(r"[\w.]+", value):
            load_config(ROOT / "config.ini", [f"{section}.{key}={value}"])
    for section in re.findall(r"`\[(\w+)\]`", PROSE):
        assert section in CONFIG


def test_every_setting_is_in_the_table_with_its_default():
    rows = re.findall(r"(?m)^\| `(\w+)\.(\w+)` \| ([^|]+) \| ", README)
    assert [f"{section}.{key}" for section, key, _ in rows] == [
        f"{section}.{key}" for section, values in CONFIG.items() for key in values
    ]
    load_config(ROOT / "config.ini", [f"{section}.{key}={value.replace(',', '')}" for section, key, value in rows])
    for section, key, value in rows:
        default = load_config(ROOT / "config.ini", [f"{section}.{key}={value.replace(',', '')}"]).plain()[section][key]
        assert section == "paths" or default == CONFIG[section][key], f"{section}.{key}"


def test_the_task_in_the_readme_is_a_task(tmp_path):
    path = tmp_path / "triple.json"
    path.write_text(re.search(r"(?ms)^```json\n(.*?)^```", README).group(1))
    assert load_task(str(path), Tokenizer.from_file(ROOT / "memory" / "vocab.json").tokens).function_name == "triple"


def test_words_with_underscores_are_settings_columns_or_fields():
    """A setting that is renamed must be renamed here, too."""
    fields = json.loads((ROOT / "agent_core" / "tasks" / "add.json").read_text())["success_criteria"].keys()
    known = {key for section in CONFIG.values() for key in section} | set(COLUMNS) | set(fields)
    known |= {path.stem for path in (ROOT / "agent_core" / "tasks").glob("*.json")}
    known |= {"success_criteria", "exact_output", "case_sensitive", "required_tokens", "max_tokens"}  # of other tasks
    known |= {"func_a", "func_x", "var_a", "var_b", "var_x"}
    words = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", PROSE))
    assert len(words) > 20
    assert words <= known


def test_every_option_exists(capsys):
    with pytest.raises(SystemExit):
        runner.parse(["--help"])
    known = set(re.findall(r"--[a-z]+", capsys.readouterr().out))
    assert set(re.findall(r"`(--[a-z]+)`", PROSE)) <= known


def test_every_column_is_explained_once_and_in_order():
    table = README.split("| column of `metrics.csv` |")[1].split("\n\n")[0]
    explained = [column for row in table.splitlines()[2:] for column in re.findall(r"`(\w+)`", row.split(" | ")[0])]
    assert explained == list(COLUMNS)


def test_every_file_is_there(tmp_path):
    places = ("", "agent_core", "memory", ".devcontainer", "tests")
    made_by_a_run = {"best.py", "config.json", "mine.py", "metrics.csv", "result.json"}
    for name in set(re.findall(r"`([\w./]+\.(?:py|json|ini|grammar|csv))`", PROSE)) - made_by_a_run - {"paths.grammar"}:
        assert any((ROOT / place / name).is_file() for place in places), name
    with RunLog(tmp_path, COLUMNS) as log:
        log.settings({})
        log.best([])
        log.result({})
    assert made_by_a_run - {"mine.py"} <= {path.name for path in tmp_path.iterdir()}
