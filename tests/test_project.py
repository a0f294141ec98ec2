"""The promises around the code: the README's two commands, what CI runs, what is installed."""

import ast
import os
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -q -r requirements.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
OWN = ("agent_core", "memory", "tests", "runner", "tokenizer", "utils")
CODE = [*ROOT.glob("*.py"), *ROOT.glob("agent_core/**/*.py"), *ROOT.glob("memory/**/*.py")]
BENCHMARKS = [*ROOT.glob("tests/benchmarks/*.py")]
TESTS = sorted({*ROOT.glob("tests/**/*.py")} - {*BENCHMARKS})


def commands() -> list[str]:
    """The README's fenced bash blocks, in their order."""
    return [block.strip() for block in re.findall(r"(?ms)^```bash\n(.*?)^```", (ROOT / "README.md").read_text())]


def requirements(name: str = "requirements.txt") -> list[str]:
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [line for line in lines if line]


def names(lines: Iterable[str]) -> set[str]:
    """The packages that requirements name."""
    return {re.match(r"[A-Za-z][\w-]*", line)[0] for line in lines}


def plain(lines: Iterable[str]) -> set[str]:
    return {line.replace('"', "'") for line in lines}


def packages(files: Iterable[Path]) -> set[str]:
    """What these files import that is neither theirs nor Python's own, wherever they do."""
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split(".")[0])
    return {name for name in found - sys.stdlib_module_names if name not in OWN}


def test_the_readme_opens_with_two_commands_each_complete_in_itself():
    assert commands()[:2] == [
        f"{INSTALL} && .venv/bin/python runner.py",
        f"{INSTALL} && .venv/bin/python -m pytest -q -n 2",
    ]


def test_ci_runs_exactly_the_readmes_test_command_and_then_the_other_checks():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
    place = lines.index(commands()[1])
    assert [line.split()[0] for line in lines[:place]] == ["set", "export", "cd"]
    assert lines[0] == "set -e"
    checks = [line.split() for line in lines[place + 1 :]]
    assert {words[0].removeprefix(".venv/bin/") for words in checks} == {"pip", "python", "ruff", "mypy"}
    assert [".venv/bin/ruff", "check"] in checks
    assert [".venv/bin/ruff", "format", "--check"] in checks
    assert [".venv/bin/mypy"] in checks


def test_ci_runs_every_test_that_needs_a_package_of_an_extra():
    """Where the package is missing such a test is skipped, so the README's command alone would never run it."""
    ci = (ROOT / ".ci" / "run").read_text()
    skipping = {file for file in TESTS if 'importorskip("tensorboard")' in file.read_text()} - {Path(__file__)}
    assert skipping
    for file in skipping:
        assert str(file.relative_to(ROOT)) in ci
    assert "tensorboard" in names(requirements("requirements-dev.txt"))


def test_requirements_pin_torch_alone_and_name_no_index():
    assert "torch==2.13.0" in requirements()
    assert not [line for line in requirements() if line.startswith("-") or "://" in line]
    assert [line for line in requirements() if re.search(r"[=<>~]=", line.split(";")[0])] == ["torch==2.13.0"]


def test_requirements_for_development_are_pinned_each():
    lines = requirements("requirements-dev.txt")
    assert {"ruff", "mypy"} <= names(lines)
    assert all(re.fullmatch(r"\w+==[\d.]+", line) for line in lines)


def test_requirements_name_exactly_what_is_imported():
    needed = packages(CODE) - names(EXTRAS["curves"])
    assert {"torch", "numpy", "pyseccomp"} <= needed
    assert names(PROJECT["project"]["dependencies"]) == needed
    plugins = {"pytest-xdist"}  # imported by pytest: what `-n` of the README's command needs
    assert names(EXTRAS["tests"]) == packages(TESTS) - needed - names(EXTRAS["curves"]) | plugins
    assert names(EXTRAS["benchmarks"]) == packages(BENCHMARKS) - needed - names(EXTRAS["tests"])


def test_an_extra_is_imported_only_where_it_may_be_missing():
    """Inside a function: the module itself loads without it."""
    extra = names(EXTRAS["curves"])
    assert extra <= packages(CODE)
    for file in CODE:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] not in extra, file
            elif isinstance(node, ast.Import):
                assert not extra & {alias.name.split(".")[0] for alias in node.names}, file


def test_the_project_table_and_requirements_say_the_same():
    assert plain(requirements()) == plain([*PROJECT["project"]["dependencies"], *EXTRAS["tests"]])
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert PROJECT["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    assert PROJECT["tool"]["mypy"]["python_version"] == oldest


def test_the_version_is_in_the_changelog():
    released = re.findall(r"(?m)^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text())
    assert PROJECT["project"]["version"] == released[0]


def test_every_package_of_the_project_is_in_its_table():
    tops = {file.stem for file in ROOT.glob("*.py")}
    assert set(PROJECT["tool"]["setuptools"]["py-modules"]) == tops
    folders = {f"{file.parent.name}*" for file in ROOT.glob("*/__init__.py")}
    assert set(PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]) == folders


@pytest.mark.parametrize("mark", ["type: ignore", "noqa"])
def test_what_a_check_is_told_to_ignore_has_its_code_and_its_reason(mark):
    code = {"type: ignore": r"# type: ignore\[[a-z-]+(, ?[a-z-]+)*\]  # ", "noqa": r"# noqa: [A-Z]+\d+\W+"}[mark]
    for file in CODE:
        with open(file, "rb") as text:
            for token in tokenize.tokenize(text.readline):
                if token.type == tokenize.COMMENT and mark in token.string:
                    assert re.fullmatch(code + r"\w.*", token.string), f"{file}, line {token.start[0]}: {token.string}"
