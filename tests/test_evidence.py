"""How much the cases of a task say for a program: bits by their definition, and what is made of them."""

import itertools
import json
import math
from dataclasses import replace

import pytest
import torch

from agent_core.agent import Agent
from agent_core.grammar.legal_tokens import Prompt
from agent_core.run.console import show_verdict
from agent_core.run.loop import TrainingRun
from agent_core.run.recorder import NullRecorder
from agent_core.sandbox.executor import Executor
from agent_core.scoring.evidence import ENOUGH, Evidence, bits_of, evidence
from agent_core.settings.config import load_config
from agent_core.tasks.task import load_task
from tests.benchmarks.real import verdict
from tests.conftest import ROOT


def test_answers_that_came_before_cost_little_and_new_ones_what_they_are_made_of():
    constant = math.log2(3)
    assert bits_of([]) == 0
    assert bits_of([True]) == pytest.approx(constant)
    assert bits_of([True, True, False]) == pytest.approx(constant + 1 + math.log2(3) + constant)
    assert bits_of([0]) == pytest.approx(2)  # sign and length
    assert bits_of([-7, -7, -7]) == pytest.approx(1 + 7 + 1 + math.log2(3 / 2))
    assert bits_of(["ab"]) == pytest.approx(2 * math.log2(3) + 1 + 2 * math.log2(95))
    assert bits_of([[1, 0]]) == pytest.approx(2 * math.log2(3) + 1 + 4 + 2)
    assert bits_of([1.5]) == pytest.approx(1 + 2 * math.log2(10))
    assert bits_of([True, 1, 1.0]) > 3 * math.log2(2)  # three kinds: none came before
    assert math.isfinite(bits_of([math.inf, math.nan, None, [], "", 10**5_000, [[[]]]]))


def test_the_order_of_the_cases_makes_no_difference():
    answers = [True, False, True, 12, 12, "a"]
    wanted = bits_of(answers)
    assert all(bits_of(order) == pytest.approx(wanted) for order in itertools.permutations(answers))


def test_rare_answers_say_more_than_many_alike():
    alike = [False] * 30
    some = [False] * 15 + [True] * 15
    assert bits_of(alike) < 10 < bits_of([False] * 28 + [True] * 2) < 25 < bits_of(some) < bits_of(range(30))


def test_a_task_with_one_text_to_print_says_all_of_it(tokenizer):
    assert evidence(load_task("hello_world", tokenizer.tokens), 50.0) is None


def test_the_probabilities_of_all_programs_add_up_to_one(agent_on, tokenizer, legal_tokens):
    """Of all that there are where no more than five tokens are allowed."""
    agent, prompt = agent_on("double", "generator.max_length=5"), Prompt(*load_task("double", tokenizer.tokens).start)
    rows, ended = [()], []
    while rows:
        stacks = legal_tokens.begin_each([prompt] * len(rows), 5)
        for token in torch.tensor(rows, dtype=torch.long).t():
            legal_tokens.advance(stacks, token)
        legal = legal_tokens.legal(stacks)
        longer = [
            (*row, token) for row, mask in zip(rows, legal, strict=True) for token in mask.nonzero()[:, 0].tolist()
        ]
        ended += [row for row in longer if row[-1] == tokenizer.eos]
        rows = [row for row in longer if row[-1] != tokenizer.eos]
    bits = [agent.generator.prior_bits(row) for row in ended]
    assert len(bits) > 20
    assert sum(2**-each for each in bits) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("answers", "program", "enough"), [(30.0, 20.0, True), (30.0, 20.1, False), (9.0, 60.0, False)]
)
def test_a_program_must_explain_its_answers(answers, program, enough):
    assert ENOUGH == 10
    assert Evidence(answers, program).enough == enough


# --- what is made of it ----------------------------------------------------------------------------------------------


@pytest.fixture
def agent_on(executor, tokenizer, legal_tokens):
    def make(task, *settings):
        config = load_config(ROOT / "config.ini", [f"run.task={task}", "generator.batch_size=64", *settings])
        return Agent(config, load_task(str(task), tokenizer.tokens), tokenizer, legal_tokens, executor)

    return make


@pytest.fixture(scope="module")
def executor(config):
    with Executor(replace(config.executor, workers=1)) as executor:
        yield executor


def result_of(agent, text):
    """What a run leaves whose only program this is."""
    row = tuple(agent.tokenizer.encode(text).tolist())
    agent.memory.remember([row], agent.scorer.score([agent.task.module(text)], [len(row)]))
    agent.memory.record(agent.memory.batch([row]), 0)
    agent.progress.attempts = agent.progress.solved_at = 1
    return TrainingRun(agent, NullRecorder(), 1.0, 0).result()


def task_file(tmp_path, answers):
    cases = [{"inputs": [i], "expected": answer} for i, answer in enumerate(answers)]
    criteria = {"function_name": "f", "parameters": ["var_a"], "test_cases": cases[:6], "check_cases": cases[6:]}
    path = tmp_path / "task.json"
    path.write_text(json.dumps({"name": "f", "description": "Some.", "success_criteria": criteria}))
    return path


COINCIDENCE = "its answers may be a coincidence ("


@pytest.mark.parametrize(
    ("answers", "program", "enough"),
    [
        ([i % 2 == 0 for i in range(30)], "return not var_a % 2\n", True),
        ([i == 7 for i in range(30)], "return var_a * 2 == 8 + 8 - 2\n", False),
        ([2 * i for i in range(12)], "return var_a + var_a\n", True),
    ],
)
def test_a_solution_that_may_be_a_coincidence_is_said_to_be_one(agent_on, tmp_path, capsys, answers, program, enough):
    result = result_of(agent_on(task_file(tmp_path, answers)), program)
    assert result["solved"]
    assert Evidence(**json.loads(json.dumps(result["evidence"]))).enough == enough
    show_verdict(result, tmp_path, stopped=False, fresh=False)
    assert (COINCIDENCE in capsys.readouterr().out) == (not enough)
    run = result | {"disputed": False, "fresh": 10, "fresh_right": 10}
    assert verdict(run) == ("right" if enough else "doubtful")
    assert verdict(run | {"disputed": True}) == "disputed"


def test_nothing_is_said_of_what_is_not_solved_nor_over_the_bare_vocabulary(agent_on, tmp_path):
    path = task_file(tmp_path, range(12))
    assert result_of(agent_on(path), "return var_a + 1\n")["evidence"] is None
    bare = result_of(agent_on(path, "generator.legal_tokens_only=no"), "return var_a\n")
    assert bare["solved"]
    assert bare["evidence"] is None
