"""The benchmark on real problems makes its runs, cold and from a mind, and goes on where it was stopped."""

import json
from dataclasses import replace

import pytest
import torch

from agent_core.play.player import Player
from agent_core.play.saved import state_of
from tests.benchmarks import real
from tests.fakes import InProcessExecutor

TASK = {
    "name": "twice",
    "description": "Twice a number.",
    "success_criteria": {
        "function_name": "twice",
        "parameters": ["var_a"],
        "test_cases": [{"inputs": [n], "expected": 2 * n} for n in (3, 0, -4, 11, 5, 8)],
        "check_cases": [{"inputs": [n], "expected": 2 * n} for n in (7, -1, 100)],
    },
}
OWN = ["--set=generator.batch_size=32", "--set=mind.recall=0", "--set=run.polish_attempts=0", "--cap=20000", "--jobs=1"]


@pytest.fixture
def problems(tmp_path):
    fresh = [[[n], 2 * n] for n in range(20, 40)]
    file = tmp_path / "problems.jsonl"
    file.write_text(json.dumps({"task": TASK, "fresh_cases": fresh}) + "\n")
    return file


@pytest.fixture
def mind(tmp_path, config, tokenizer, legal_tokens):
    small = replace(config.mind, hidden_dim=16, encoder_dim=16, context_dim=8, batch_size=16)
    config = replace(config, mind=small)
    player = Player(config, tokenizer, legal_tokens, InProcessExecutor())
    file = tmp_path / "mind.pth"
    torch.save(state_of(player), file)
    return file


@pytest.mark.parametrize("from_mind", [False, True])
def test_a_problem_is_learned_judged_by_fresh_cases_and_not_learned_again(problems, mind, tmp_path, capsys, from_mind):
    command = [str(problems), *OWN, f"--results={tmp_path}"]
    if from_mind:
        command.append(f"--mind={mind}")
        command += [f"--set=mind.{name}" for name in ("hidden_dim=16", "encoder_dim=16", "context_dim=8")]
    assert real.main(command) == 0
    (run,) = map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines())
    assert run["solved"]
    assert (run["fresh_right"], run["fresh"]) == (20, 20)
    assert real.main(command) == 0
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 1
    assert "1 of 1 runs are there already" in capsys.readouterr().err


def test_a_file_that_is_no_mind_is_said_in_one_line(problems, tmp_path, capsys):
    assert real.main([str(problems), f"--mind={problems}", f"--results={tmp_path}"]) == 2
    assert "is no saved mind" in capsys.readouterr().err
