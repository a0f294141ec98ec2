"""The promises around the code: the README's two commands, what CI runs, what is installed."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -q -r requirements.txt"


def commands() -> list[str]:
    """The README's fenced bash blocks, in their order."""
    return [block.strip() for block in re.findall(r"(?ms)^```bash\n(.*?)^```", (ROOT / "README.md").read_text())]


def requirements() -> list[str]:
    lines = (line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    return [line for line in lines if line]


def test_the_readme_opens_with_two_commands_each_complete_in_itself():
    assert commands()[:2] == [f"{INSTALL} && .venv/bin/python runner.py", f"{INSTALL} && .venv/bin/python -m pytest -q"]


def test_ci_runs_exactly_the_readmes_test_command():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
    assert lines[-1] == commands()[1]
    assert [line.split()[0] for line in lines[:-1]] == ["set", "export", "cd"]


def test_requirements_pin_torch_alone_and_name_no_index():
    assert "torch==2.13.0" in requirements()
    assert not [line for line in requirements() if line.startswith("-") or "://" in line]
    assert [line for line in requirements() if re.search(r"[=<>~]=", line.split(";")[0])] == ["torch==2.13.0"]


@pytest.mark.parametrize("name", ["torch", "numpy", "tqdm", "pytest", "hypothesis", "pyseccomp"])
def test_requirements_name_what_is_imported(name):
    assert name in [re.match(r"[A-Za-z]\w*", line)[0] for line in requirements()]
