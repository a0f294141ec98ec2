"""The worked examples of docs/own_tasks.md start learning as they are, and solutions in their language solve them."""

import json

import pytest

import runner
from tests.conftest import ROOT

EXAMPLES = {
    "shout.py": "def shout(text):\n    return text.upper() + '!'\n",
    "second_largest.py": "def second_largest(numbers):\n    return sorted(numbers)[-2]\n",
    "calculate.json": (
        "def calculate(a, b, how):\n    return a + b if how == 'plus' else a * b if how == 'times' else a - b\n"
    ),
}


def test_every_example_is_told_of():
    page = (ROOT / "docs" / "own_tasks.md").read_text()
    assert {file.name for file in (ROOT / "examples").iterdir() if file.suffix != ".pyc"} == set(EXAMPLES)
    assert all(f"examples/{name}" in page for name in EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_can_be_solved_and_starts_learning(name, tmp_path, monkeypatch, capsys):
    (tmp_path / "config.ini").write_text("")
    (tmp_path / "mine.py").write_text(EXAMPLES[name])
    monkeypatch.chdir(tmp_path)
    own = [f"--config={tmp_path / 'config.ini'}", f"--set=run.task={ROOT / 'examples' / name}"]
    own += [f"--set=paths.vocabulary={ROOT / 'memory' / 'vocab.json'}"]
    own += [f"--set=paths.grammar={ROOT / 'agent_core' / 'python.grammar'}"]
    assert runner.main([*own, "--set=generator.max_length=40", "--score", "mine.py"]) == 0
    scored = json.loads(capsys.readouterr().out)
    assert scored["reward"] == 1.0, scored
    assert scored["writable"], scored
    assert runner.main([*own, "--set=run.max_attempts=256", "--set=generator.batch_size=64"]) == 0
