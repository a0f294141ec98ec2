"""The training step as a whole: it learns, repeats itself, resumes exactly, restarts, and carries over what it can."""

import contextlib
import dataclasses
import io
import json
import os
import signal
import threading

import pytest
import torch

from agent_core.agent import Agent
from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.grammar.rules import parse_grammar, read_grammar
from agent_core.progress import FIGURES, luby
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import load_config
from agent_core.tasks.task import load_task
from tests.conftest import ROOT
from tokenizer import Tokenizer
from utils import UserError


@pytest.fixture(scope="module")
def executor(config):
    with Executor(config.executor) as pool:
        yield pool


def make_agent(executor, tokenizer, legal_tokens, task="hello_world", **changes):
    overrides = [
        f"run.task={task}",
        "generator.batch_size=64",
        "generator.max_length=16",
        "learning.elites=16",
        *(f"{key.replace('__', '.')}={value}" for key, value in changes.items()),
    ]
    config = load_config(ROOT / "config.ini", overrides)
    return Agent(config, load_task(config.run.task, tokenizer.tokens), tokenizer, legal_tokens, executor)


def saved(agent):
    """What a checkpoint would hold, through a file as torch writes and reads it."""
    buffer = io.BytesIO()
    policy, optimizer = agent.generator.policy.state_dict(), agent.generator.optimizer.state_dict()
    torch.save((policy, optimizer, agent.state()), buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def steps(agent, count):
    return [agent.step() for _ in range(count)]


def step_until_solved(agent):
    while not agent.solved:
        agent.step()
        assert agent.progress.steps < 300, "it is not solved"


def test_twice_the_same_seed_gives_the_same_run(executor, tokenizer, legal_tokens):
    first, second, other = (
        steps(make_agent(executor, tokenizer, legal_tokens, run__seed=seed), 6) for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other
    assert tuple(first[0]) == FIGURES
    assert all(torch.isfinite(torch.tensor(list(row.values()))).all() for row in first)
    assert all(row["entropy"] > 0 and row["loss"] != 0 for row in first)


@pytest.mark.parametrize("task", ["hello_world", "maximum"])
def test_workers_and_overlap_change_nothing(config, tokenizer, legal_tokens, task):
    runs = []
    for workers, overlap in ((1, True), (2, False), (2, True), (4, True)):
        with Executor(dataclasses.replace(config.executor, workers=workers, overlap=overlap)) as pool:
            agent = make_agent(pool, tokenizer, legal_tokens, task)
            runs.append((steps(agent, 6), agent.state()["memory"]["scores"]["ids"].tolist()))
    assert runs[1:] == runs[:1] * 3


@pytest.fixture
def misleading(tmp_path):
    """The path of a task whose test cases the argument itself passes and whose check cases nothing short does."""
    path = tmp_path / "misleading.json"
    cases = [{"inputs": [i], "expected": answer} for i, answer in enumerate((0, 1, 2, 3, 71, -5, 19))]
    criteria = {"function_name": "odd", "parameters": ["var_a"], "test_cases": cases[:4], "check_cases": cases[4:]}
    path.write_text(json.dumps({"name": "misleading", "description": "None.", "success_criteria": criteria}))
    return str(path)


@pytest.mark.parametrize(
    ("task", "before", "counterexamples"), [("hello_world", 5, 0), ("maximum", 5, 0), ("misleading", 9, 1)]
)
def test_resume_equals_straight_run_bit_for_bit(
    executor, tokenizer, legal_tokens, misleading, task, before, counterexamples
):
    task = misleading if task == "misleading" else task
    restart_after = 64 * before + 1
    straight = make_agent(executor, tokenizer, legal_tokens, task, learning__restart_after=restart_after)
    expected = steps(straight, 16)
    assert expected[before - 1]["counterexamples"] == counterexamples
    assert expected[before]["restarts"] < expected[-1]["restarts"]  # so the clock of the restart is resumed, too
    stopped = make_agent(executor, tokenizer, legal_tokens, task, learning__restart_after=restart_after)
    rows = steps(stopped, before)
    resumed = make_agent(executor, tokenizer, legal_tokens, task, learning__restart_after=restart_after)
    assert resumed.load(*saved(stopped)) == []
    rows += steps(resumed, 16 - before)
    assert rows == expected
    assert resumed.history == straight.history
    for a, b in zip(resumed.generator.policy.parameters(), straight.generator.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_it_learns(executor, tokenizer, legal_tokens):
    agent = make_agent(executor, tokenizer, legal_tokens, generator__batch_size=128)
    rows = steps(agent, 30)
    first, last = (sum(row["mean_reward"] for row in part) / 10 for part in (rows[:10], rows[-10:]))
    assert last > 2 * first


def test_programs_of_an_untrained_policy_know_their_names(executor, tokenizer, legal_tokens):
    """20,000 programs compile (crashes at compile time would be syntax errors), and none fails for a missing name."""
    agent = make_agent(executor, tokenizer, legal_tokens, generator__max_length=20)
    crashes = 0
    for _ in range(10):
        rows = agent.generator.generate(2_000).rows()
        for result in executor.run([tokenizer.decode(row) for row in rows]):
            assert result.status != "refused", result.message
            assert not result.message.startswith(("NameError", "UnboundLocalError", "SyntaxError", "IndentationError"))
            crashes += result.status == "crashed"
    assert 0 < crashes < 20_000


def test_killing_workers_in_the_middle_changes_nothing(config, executor, tokenizer, legal_tokens):
    expected = steps(make_agent(executor, tokenizer, legal_tokens), 16)
    with Executor(dataclasses.replace(config.executor, workers=2)) as pool:
        agent, stop = make_agent(pool, tokenizer, legal_tokens), threading.Event()
        kills = []

        def kill_now_and_then():
            while len(kills) < 4 and not stop.wait(0.1):  # one program is never hit three times
                kills.append(pool._workers[len(kills) % 2].process.pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(kills[-1], signal.SIGKILL)

        killer = threading.Thread(target=kill_now_and_then)
        killer.start()
        try:
            rows = steps(agent, 16)
        finally:
            stop.set()
            killer.join()
    assert len(kills) >= 2
    assert rows == expected


def test_the_attempts_that_are_left_bound_the_last_batch(executor, tokenizer, legal_tokens):
    agent = make_agent(executor, tokenizer, legal_tokens, run__max_attempts=100)
    assert [row["attempts"] for row in steps(agent, 2)] == [64, 100]


def test_a_restart_clears_the_policy_and_keeps_the_best(executor, tokenizer, legal_tokens):
    agent = make_agent(executor, tokenizer, legal_tokens, learning__restart_after=256)
    steps(agent, 4)
    best, before = agent.memory.best, agent.generator.policy.head.weight.clone()
    figures = agent.step()
    assert figures["restarts"] == 1
    assert (agent.generator.policy.head.weight - before).abs().max() > 0.05  # far more than one step of Adam
    assert not set(agent.memory.elites) - set(agent._latest)
    assert agent.memory.best.reward >= best.reward


def test_restarts_come_by_the_sequence_of_luby(executor, tokenizer, legal_tokens):
    assert [luby(i) for i in range(1, 16)] == [1, 1, 2, 1, 1, 2, 4, 1, 1, 2, 1, 1, 2, 4, 8]
    agent = make_agent(executor, tokenizer, legal_tokens, learning__restart_after=64)
    assert [row["restarts"] for row in steps(agent, 9)] == [0, 1, 2, 2, 3, 4, 5, 5, 6]


def test_another_task_carries_the_weights_over(executor, tokenizer, legal_tokens):
    agent = make_agent(executor, tokenizer, legal_tokens)
    steps(agent, 3)
    other = make_agent(executor, tokenizer, legal_tokens, "add")
    notes = other.load(*saved(agent))
    assert "carrying over what it learned on hello_world" in notes[0]
    assert other.progress.attempts == 0
    assert other.memory.best is None
    assert torch.equal(other.generator.policy.head.weight, agent.generator.policy.head.weight)


def test_a_changed_learning_rate_wins_and_is_said(executor, tokenizer, legal_tokens):
    agent = make_agent(executor, tokenizer, legal_tokens)
    steps(agent, 2)
    changed = make_agent(executor, tokenizer, legal_tokens, optimizer__learning_rate=0.5)
    assert any("learning_rate is 0.5 now, it was 0.003" in note for note in changed.load(*saved(agent)))
    assert changed.generator.optimizer.param_groups[0]["lr"] == 0.5
    changed = make_agent(executor, tokenizer, legal_tokens, learning__entropy_weight=0, generator__batch_size=32)
    assert changed.load(*saved(agent)) == [
        "generator.batch_size is 32 now, it was 64 when this was saved",
        "learning.entropy_weight is 0 now, it was 0.01 when this was saved",
    ]


def test_a_state_from_before_the_weights_of_the_grammar_loads_and_says_so(executor, tokenizer, legal_tokens):
    agent = make_agent(executor, tokenizer, legal_tokens)
    steps(agent, 2)
    policy, optimizer, state = saved(agent)
    for key in ("grammar_weights", "type_weight", "name_weight"):
        del state["settings"][f"learning.{key}"]
    again = make_agent(executor, tokenizer, legal_tokens, learning__grammar_weights=True, learning__name_weight=2)
    (note,) = again.load(policy, optimizer, state)
    assert "without weights of the grammar and without types and without weights of names" in note
    assert again.progress.attempts == agent.progress.attempts
    assert all(torch.isfinite(torch.tensor(list(row.values()))).all() for row in steps(again, 2))


@pytest.mark.parametrize("key", ["hidden_dim", "embedding_dim", "num_layers"])
def test_another_architecture_is_refused_with_both_values(executor, tokenizer, legal_tokens, key):
    agent = make_agent(executor, tokenizer, legal_tokens)
    other = make_agent(executor, tokenizer, legal_tokens, **{f"model__{key}": 3})
    with pytest.raises(UserError, match=rf"model.{key} is 3, .* made with {getattr(agent.config.model, key)}.*--fresh"):
        other.load(*saved(agent))


def test_tokens_keep_what_was_learned_by_their_text(executor, tokenizer, config):
    def machine_of(tokens):
        return LegalTokens(read_grammar(config.paths.grammar, tokens), tokens, torch.device("cpu"))

    agent = make_agent(executor, tokenizer, machine_of(tokenizer.tokens))
    steps(agent, 4)
    gone = next(t for t in ('"buzz"', '"fizz"', "100") if tokenizer.tokens.index(t) not in agent.memory.best.row)
    tokens = list(reversed([t for t in tokenizer.tokens if t != gone])) + ['"new"', "11"]
    other = make_agent(executor, Tokenizer(tokens), machine_of(tokens))
    fresh = other.generator.policy.embedding.weight.detach().clone()
    notes = other.load(*saved(agent))
    assert any("131 tokens keep what was learned, 2 are new, 1 are gone" in note for note in notes)
    old, new = agent.generator, other.generator
    moments = [g.optimizer.state[g.policy.head.bias]["exp_avg"] for g in (old, new)]
    for i, token in enumerate(tokens):
        if token in ('"new"', "11"):
            assert torch.equal(new.policy.embedding.weight[i], fresh[i])
            assert moments[1][i] == 0
        else:
            was = tokenizer.tokens.index(token)
            assert torch.equal(new.policy.embedding.weight[i], old.policy.embedding.weight[was])
            assert torch.equal(new.policy.head.weight[i], old.policy.head.weight[was])
            assert moments[1][i] == moments[0][was]
    assert other.progress.attempts == agent.progress.attempts
    assert other.memory.best.reward == agent.memory.best.reward
    assert other.best_program == agent.best_program
    steps(other, 2)


def test_elites_that_are_no_programs_any_more_are_let_go(executor, tokenizer, legal_tokens, config):
    agent = make_agent(executor, tokenizer, legal_tokens, learning__elites_per_niche=8)
    steps(agent, 6)
    assert any(len(row) > 6 for row in agent.memory.elites)
    shorter = make_agent(executor, tokenizer, legal_tokens, generator__max_length=6)
    notes = shorter.load(*saved(agent))
    assert any("scored anew" in note for note in notes)
    assert all(len(row) <= 6 for row in shorter.memory.elites)
    steps(shorter, 2)
    text = config.paths.grammar.read_text().replace("TEXT after", "TEXT")
    machine_without = LegalTokens(parse_grammar(text, tokenizer.tokens), tokenizer.tokens, torch.device("cpu"))
    strict = make_agent(executor, tokenizer, machine_without)
    row = tuple(map(tokenizer.tokens.index, ["print", "(", '"hello"', "[", "0", "]", ")", "NEWLINE", "<EOS>"]))
    assert agent.generator.accepts([row]) == [True]
    agent.memory.remember([row], agent.scorer.score([tokenizer.decode(row)], [len(row)]))
    agent.memory.archive.best = dataclasses.replace(agent.memory.best, row=row)
    strict.load(*saved(agent))
    assert row not in strict.memory.archive.contents().all_rows
    assert all(strict.generator.accepts(strict.memory.archive.contents().all_rows))
    steps(strict, 2)


@pytest.mark.parametrize("task", ["hello_world", "maximum"])
def test_what_was_written_without_the_grammar_is_let_go_with_it(executor, tokenizer, legal_tokens, task):
    free = make_agent(executor, tokenizer, legal_tokens, task, generator__legal_tokens_only="no")
    while not free.memory.elites:
        free.step()
    legal = make_agent(executor, tokenizer, legal_tokens, task)
    notes = legal.load(*saved(free))
    assert any("scored anew" in note for note in notes)
    assert all(legal.generator.accepts(legal.memory.elites))
    assert all(row["skipped"] == 0 for row in steps(legal, 4))


@pytest.mark.parametrize("max_length", [3, 4, 5])
def test_elites_that_could_not_be_otherwise_are_regrown_as_they_are(executor, tokenizer, legal_tokens, max_length):
    agent = make_agent(executor, tokenizer, legal_tokens, generator__max_length=max_length)
    rows = steps(agent, 3)
    assert agent.memory.elites
    assert rows[-1]["skipped"] == 0


def test_changed_rules_leave_recursion_its_places_and_doubt_what_was_confirmed(executor, tokenizer, legal_tokens):
    settings = {"task": "factorial", "learning__restart_after": 64, "generator__max_length": 12}
    agent = make_agent(executor, tokenizer, legal_tokens, **settings)
    texts = ["return", "var_a", "and", "func_a", "(", "0", ")", "NEWLINE", "<EOS>"]
    row = tuple(map(tokenizer.tokens.index, texts))
    text = agent.task.module(tokenizer.decode(row))
    agent.memory.remember([row], agent.scorer.score([text], [len(row)]))
    agent.memory.record(agent.memory.batch([row]), 0)
    for restarts in (1, 2):
        while agent.progress.restarts < restarts:
            agent.step()
        assert (row in agent.memory.archive.contents().waiting.get(0, [])) == (restarts == 1)
        changed = make_agent(executor, tokenizer, legal_tokens, **settings | {"generator__max_length": 13})
        assert any("scored anew" in note for note in changed.load(*saved(agent)))
        assert changed.memory.archive.contents().waiting == agent.memory.archive.contents().waiting
        assert set(agent.memory.elites) <= set(changed.memory.elites)  # with places where there were some
        confirmed, _ = changed.scorer.state()["confirmed"]
        assert confirmed <= changed.memory.best.reward


def test_the_best_is_never_below_an_elite_even_after_a_counterexample(executor, tokenizer, legal_tokens, tmp_path):
    """`return var_a` passes the test cases of this task and is refused by its check cases."""
    right = [{"inputs": [i], "expected": i} for i in (0, 2, 4, 6)]
    wrong = [{"inputs": [i], "expected": i + 1} for i in (1, 3, 5, 7)]
    criteria = {"function_name": "even_up", "parameters": ["var_a"], "test_cases": right, "check_cases": wrong}
    path = tmp_path / "even_up.json"
    path.write_text(json.dumps({"name": "even_up", "description": "", "success_criteria": criteria}))
    agent = make_agent(executor, tokenizer, legal_tokens, str(path))
    after = 0
    while after < 10:
        agent.step()
        after += agent.scorer.version > 0
        assert agent.progress.steps < 300, "nothing has passed the test cases"
        if best := agent.memory.best:
            (now,) = agent.memory.evaluations([best.row])
            assert (now.reward, now.version) == (best.reward, agent.scorer.version)
            assert best.reward >= max(agent.memory.archive.elite_rewards, default=0.0)
            assert agent.history[-1].program == agent.best_program


def test_solved_before_goes_on_from_the_weights(executor, tokenizer, legal_tokens):
    agent = make_agent(executor, tokenizer, legal_tokens)
    steps(agent, 2)
    agent.memory.archive.best = dataclasses.replace(agent.memory.best, solved=True)
    agent.progress.solved_at = 77
    resumed = make_agent(executor, tokenizer, legal_tokens)
    assert resumed.load(*saved(agent)) == []  # it is still being polished
    again = make_agent(executor, tokenizer, legal_tokens, run__polish_attempts=51)
    assert "solved before, in 77 attempts" in again.load(*saved(agent))[0]
    assert again.progress.attempts == 0
    endless = make_agent(executor, tokenizer, legal_tokens, run__stop_on_success="no")
    assert endless.load(*saved(agent)) == []
    assert endless.progress.attempts == 128


def test_after_the_first_solution_shorter_ones_are_sought(executor, tokenizer, legal_tokens, easy_task):
    settings = {"learning__length_price": 0.02, "run__polish_attempts": 1_000, "learning__fresh_length_budget": 0.0}
    agent = make_agent(executor, tokenizer, legal_tokens, easy_task, **settings)
    step_until_solved(agent)
    solved_at, tokens = agent.progress.solved_at, agent.step()["mean_tokens"]
    assert agent.progress.attempts - 128 < solved_at <= agent.memory.best.attempts
    while not agent.finished:
        last = agent.step()
        assert agent.progress.attempts < solved_at + 1_000 + 64, "polishing does not end"
    assert solved_at + 1_000 <= agent.progress.attempts < solved_at + 1_000 + 64
    assert agent.progress.solved_at == solved_at
    assert last["mean_tokens"] < tokens
    assert agent.best_program.endswith("return var_a")
    changes = {"generator__max_length": 3, "run__polish_attempts": 2_000}
    shorter = make_agent(executor, tokenizer, legal_tokens, easy_task, **settings | changes)
    assert any("scored anew" in note for note in shorter.load(*saved(agent)))
    assert (shorter.solved, shorter.progress.solved_at) == (False, None)  # no solution is so short
    lengths = [len(improvement.program) for improvement in agent.history if improvement.reward == 1.0]
    assert lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize(("novelty", "price"), [(0.3, 0.005), (0.0, 0.0)])
def test_what_programs_are_paid(executor, tokenizer, legal_tokens, easy_task, monkeypatch, novelty, price):
    """Less the more often a behaviour was seen; once there is a solution, less by a price for each token."""
    agent, paid = (
        make_agent(
            executor, tokenizer, legal_tokens, easy_task, learning__novelty=novelty, learning__length_price=price
        ),
        [],
    )
    learn = agent.generator.learn
    monkeypatch.setattr(agent.generator, "learn", lambda rewards, *rest: paid.append(rewards) or learn(rewards, *rest))
    steps_after = 0
    while steps_after < 3:
        assert agent.progress.steps < 300, "it is not solved"
        steps_after += agent.solved
        was_solved = agent.solved
        agent.step()
        found = agent.memory.batch(agent._latest)
        earned = torch.tensor(found.rewards) * torch.tensor(agent.memory.novelty(found, novelty))
        assert torch.allclose(paid[-1], earned - was_solved * price * torch.tensor(found.lengths))
        assert (earned.sum().item() < sum(found.rewards) - 1e-4) == (novelty > 0)  # but for rounding


def test_samples_teach_nothing(executor, tokenizer, legal_tokens):
    agent = make_agent(executor, tokenizer, legal_tokens)
    before = saved(agent)[0]
    samples = agent.sample(5)
    assert len(samples) == 5
    assert all(0 <= reward <= 1 and isinstance(text, str) for reward, text in samples)
    assert agent.progress.attempts == 0
    assert all(torch.equal(a, b) for a, b in zip(before.values(), saved(agent)[0].values(), strict=True))
