"""A task begins from the mind, sees its paid cases, goes back to the mind at a restart, and resumes exactly."""

import json
from dataclasses import replace

import pytest
import torch

from agent_core.agent import Agent
from agent_core.distributed.ranks import Ranks
from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.grammar.rules import read_grammar
from agent_core.learning.language import Language
from agent_core.learning.program_prior import ProgramPrior
from agent_core.play.mind.learner import MindLearner
from agent_core.play.mind.start import TaskStart
from agent_core.play.player import Player
from agent_core.play.relabel import TaskLessons
from agent_core.play.saved import load
from agent_core.sandbox.executor import CaseResult, Executor
from agent_core.scoring.score import Score
from agent_core.tasks.task import load_task
from memory.state.sealed import check_plain
from tokenizer import Tokenizer


@pytest.fixture(scope="module")
def small(config):
    return replace(
        config,
        generator=replace(config.generator, batch_size=64),
        executor=replace(config.executor, workers=1),
        mind=replace(config.mind, hidden_dim=24, encoder_dim=24, context_dim=12),
        learning=replace(config.learning, restart_after=256),
    )


@pytest.fixture(scope="module")
def executor(small):
    with Executor(small.executor) as executor:
        yield executor


@pytest.fixture(scope="module")
def mind(small, tokenizer, legal_tokens):
    prior = ProgramPrior(legal_tokens, tokenizer.tokens, small.learning)
    return MindLearner(small.mind, Language(tokenizer, legal_tokens, 32, True, prior), 5, Ranks()).state()


@pytest.fixture
def new_agent(small, tokenizer, legal_tokens, executor, mind):
    def new(name="maximum", learning=None, **mind_settings):
        task = load_task(name, tokenizer.tokens)
        config = small if learning is None else replace(small, learning=replace(small.learning, **learning))
        config = replace(config, mind=replace(config.mind, **mind_settings))
        start = TaskStart(mind, config, tokenizer, torch.device("cpu"))
        return Agent(config, task, tokenizer, legal_tokens, executor, start=start)

    return new


def weights(agent):
    return {name: tensor.clone() for name, tensor in agent.generator.policy.state_dict().items()}


def is_the_mind(agent, mind):
    return all(torch.equal(mind["network"][f"policy.{name}"], tensor) for name, tensor in weights(agent).items())


def test_it_begins_with_the_weights_of_the_mind_and_goes_back_to_them(new_agent, mind):
    agent = new_agent("gcd")
    assert is_the_mind(agent, mind)
    agent.step()
    assert not is_the_mind(agent, mind)
    agent.begin_anew()
    assert is_the_mind(agent, mind)


def test_the_mind_is_left_as_it_was(new_agent, mind):
    before = {name: tensor.clone() for name, tensor in mind["network"].items()}
    agent = new_agent()
    for _ in range(3):
        agent.step()
    assert all(torch.equal(before[name], tensor) for name, tensor in mind["network"].items())


def test_a_share_of_each_batch_goes_without_the_examples(new_agent):
    agent = new_agent()
    contexts = agent._contexts(64)
    blind = (contexts == agent.generator.policy.no_context).all(dim=1)
    assert blind.sum() == 16
    assert torch.equal(blind, agent._start.blind(64))
    assert len(contexts[~blind].unique(dim=0)) == 1


def test_other_tasks_have_other_contexts_and_a_counterexample_changes_it(new_agent):
    agent, other = new_agent("maximum"), new_agent("add")
    assert not torch.allclose(agent._contexts(1), other._contexts(1))
    before = agent._contexts(1)
    agent.scorer.load_state(agent.scorer.state() | {"counterexamples": [[[3, 4], 4], [[100, -7], 100]]})
    assert agent.scorer.version == 2
    assert not torch.allclose(before, agent._contexts(1))


def test_a_text_task_has_a_context_too(new_agent):
    one, other = new_agent("hello_world")._contexts(1), new_agent("count_to_five")._contexts(1)
    assert not torch.allclose(one, other)


def test_what_stands_for_no_context_learns_too(new_agent):
    agent = new_agent()
    before = agent.generator.policy.no_context.clone()
    agent.step()
    assert not torch.equal(before, agent.generator.policy.no_context)


def test_it_resumes_exactly_across_a_restart(new_agent):
    straight, stopped = new_agent("gcd"), new_agent("gcd")
    for _ in range(3):
        straight.step()
        stopped.step()
    resumed = new_agent("gcd")
    generator = stopped.generator
    assert resumed.load(generator.policy.state_dict(), generator.optimizer.state_dict(), stopped.state()) == []
    for _ in range(5):
        assert straight.step() == resumed.step()
    assert straight.progress.restarts == resumed.progress.restarts > 0


def test_every_second_period_does_without_the_mind(new_agent, mind):
    agent, kinds = new_agent("gcd"), []
    while agent.progress.restarts < 4:
        before = agent.progress.restarts
        agent.step()
        if agent.progress.restarts > before:
            (rate,) = {group["lr"] for group in agent.generator.optimizer.param_groups}
            policy, sizes = agent.generator.policy, agent.config.model
            as_cold = (policy.context_dim, policy.lstm.hidden_size) == (0, sizes.hidden_dim)
            seeing = agent._contexts(8) is not None
            kinds.append((agent._start.cold, as_cold, not seeing, rate == agent.config.optimizer.learning_rate))
    assert kinds == [(True,) * 4, (False,) * 4, (True,) * 4, (False,) * 4]
    agent.generator.reset()
    assert is_the_mind(agent, mind)
    agent._start.restart(1)
    agent.generator.reset()
    assert agent._recalled(64) == []
    agent.progress.restarts = 5
    agent.begin_anew()  # as a new visit does
    assert agent.progress.restarts == 6
    assert is_the_mind(agent, mind)


def test_a_cold_period_is_what_a_cold_start_is(new_agent):
    """With the same randomness it writes the same programs, is paid the same, and learns the same."""
    agent = new_agent("gcd")
    while not agent.task_run.restart_due:
        agent.step()
    cold = Agent(agent.config, agent.task, agent.tokenizer, agent._legal_tokens, agent.scorer.executor)
    cold.generator.randomness.load(agent.generator.run_state())
    cold.generator.reset()
    for _ in range(3):
        agent.step()
        cold.step()
        ours, theirs = weights(agent), weights(cold)
        assert list(ours) == list(theirs)
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert agent.memory.elites == cold.memory.elites


def a_recursion(agent):
    solved = (False,) * len(agent.task.test_cases)
    return Score(0.2, False, "finished", "", "", 5, solved, agent.scorer.version, self_calls=(0, 5))


def test_what_waits_is_for_its_own_kind_of_period_after_a_new_visit_too(new_agent):
    agent = new_agent("gcd")
    while agent.progress.restarts < 1:
        agent.step()
    cold, warm = ((i,) for i in (7, 8))
    agent.memory.remember([cold, warm], [a_recursion(agent)] * 2)
    archive, found = agent.memory.archive, agent.memory.evaluations([cold])[0]
    archive.add(cold, found, 1)
    agent.task_run.restart()
    assert cold in archive.contents().waiting[1]
    agent.begin_anew()
    archive.add(warm, found, 2)
    agent.task_run.restart()
    waiting = archive.contents().waiting
    assert (warm in waiting[0], warm in waiting[1]) == (True, False)


def test_without_cold_periods_what_waited_for_them_waits_for_the_others(new_agent):
    agent, row = new_agent("gcd"), (7,)
    while agent.progress.restarts < 1:
        agent.step()
    agent.memory.remember([row], [a_recursion(agent)])
    agent.memory.archive.add(row, agent.memory.evaluations([row])[0], 1)
    agent.task_run.restart()
    assert row in agent.memory.archive.contents().waiting[1]
    other = new_agent("gcd", cold_restarts=False)
    notes = other.load(agent.generator.policy.state_dict(), agent.generator.optimizer.state_dict(), agent.state())
    assert notes == ["mind.cold_restarts is no now, it was yes when this was saved"]
    assert row in other.memory.archive.contents().waiting[0]
    other.task_run.restart()
    other.task_run.restart()
    assert row in other.memory.archive.contents().all_rows


def test_a_cold_period_resumes_exactly(new_agent):
    straight, stopped = new_agent("gcd"), new_agent("gcd")
    while stopped.progress.restarts < 1:
        straight.step()
        stopped.step()
    assert stopped._start.cold
    resumed = new_agent("gcd")
    generator = stopped.generator
    assert resumed.load(generator.policy.state_dict(), generator.optimizer.state_dict(), stopped.state()) == []
    for _ in range(6):
        assert straight.step() == resumed.step()
    assert resumed.progress.restarts == straight.progress.restarts > 1


def test_without_cold_restarts_each_period_begins_from_the_mind(new_agent):
    agent = new_agent("gcd", cold_restarts=False)
    while agent.progress.restarts < 2:
        agent.step()
        assert not agent._start.cold


def test_another_task_begins_from_the_mind_and_not_from_the_last_task(new_agent, mind):
    agent, other = new_agent(), new_agent("add")
    agent.step()
    notes = other.load(agent.generator.policy.state_dict(), agent.generator.optimizer.state_dict(), agent.state())
    assert notes == ["beginning from the mind"]
    assert is_the_mind(other, mind)
    assert other.progress.attempts == 0


def test_words_of_the_task_are_new_to_the_mind_and_all_else_is_known(
    small, config, executor, mind, tokenizer, tmp_path
):
    cases = [{"inputs": [i], "expected": "zebra"} for i in range(3)] + [{"inputs": [9], "expected": "no"}]
    path = tmp_path / "zebra.json"
    criteria = {"function_name": "f", "parameters": ["var_a"], "test_cases": cases}
    path.write_text(json.dumps({"name": "zebra", "description": "", "words": ["zebra"], "success_criteria": criteria}))
    task = load_task(path, tokenizer.tokens)
    assert task.words
    wider = Tokenizer([*tokenizer.tokens, *task.words])
    legal = LegalTokens(read_grammar(config.paths.grammar, wider.tokens), wider.tokens, torch.device("cpu"))
    start = TaskStart(mind, small, wider, torch.device("cpu"))
    agent = Agent(small, task, wider, legal, executor, start=start)
    known = len(tokenizer)
    policy = agent.generator.policy
    assert torch.equal(policy.embedding.weight[:known], mind["network"]["policy.embedding.weight"])
    assert policy.embedding.weight.shape[0] == len(wider)
    agent.step()
    agent.generator.reset()


@pytest.fixture
def lessons(small, tokenizer, legal_tokens, executor):
    def new(name):
        player = Player(small, tokenizer, legal_tokens, executor)
        return player, TaskLessons(player, load_task(name, tokenizer.tokens), {"seconds": 1.0, "folder": ""})

    return new


def test_what_is_tried_on_a_task_joins_the_repertoire_as_what_it_did(new_agent, lessons):
    agent, (player, noted) = new_agent("maximum"), lessons("maximum")
    agent.task_run.on_scores = noted.note
    for _ in range(12):
        agent.step()
        noted.keep(64)
    assert len(player.repertoire) > 0
    number = player.questions.give(agent.task.parameters, [case.arguments for case in agent.task.test_cases])
    for key, behaviour in player.repertoire.behaviours.items():
        assert behaviour.question == number
        if key in player.repertoire.kept:  # a solution is there twice
            continue
        module = player.questions.task_of(number).module(player.tokenizer.decode(behaviour.program))
        assert player.trial.keys(player.questions[number], [module]) == {key}
    learned = player.learn()
    assert learned["loss"] > 0


def test_what_a_task_gave_the_mind_comes_back_and_play_goes_on(
    small, new_agent, lessons, tokenizer, legal_tokens, executor
):
    agent, (player, noted) = new_agent("maximum"), lessons("maximum")
    agent.task_run.on_scores = noted.note
    while not len(player.repertoire):
        agent.step()
        noted.keep(64)
    noted.solved()
    state = noted.state()
    check_plain(state, "the mind")
    again = Player(small, tokenizer, legal_tokens, executor)
    assert load(again, state) == []
    assert again.repertoire.behaviours == player.repertoire.behaviours
    assert again.progress.solved == ["maximum"]
    again.step()


def test_a_function_without_parameters_that_prints_is_no_program_that_prints(
    small, tokenizer, legal_tokens, executor, tmp_path
):
    criteria = {"function_name": "f", "parameters": [], "test_cases": [{"inputs": [], "expected": 7}]}
    path = tmp_path / "seven.json"
    path.write_text(json.dumps({"name": "seven", "description": "", "success_criteria": criteria}))
    player = Player(small, tokenizer, legal_tokens, executor)
    noted = TaskLessons(player, load_task(path, tokenizer.tokens), {})
    assert player.questions.prompt_of(noted.question).start == "function_body"
    rows = [tuple(tokenizer.encode(text).tolist()) for text in ("print(1)\nreturn 2\n", "return 3\n")]
    answers = [(CaseResult("finished", value, ""),) for value in (2, 3)]
    noted.note(rows, [Score(0.1, False, "finished", "", "1\n", 0, (), 0, answers=answer) for answer in answers])
    noted.keep(64)
    assert len(player.repertoire) == 0  # one case without arguments shows nothing


def test_printed_texts_join_too_and_right_answers_play_no_part(lessons):
    player, noted = lessons("hello_world")
    rows = [tuple(player.tokenizer.encode(text).tolist()) for text in ('print("no")\n', "print(7)\n", "pass\n")]
    texts = ["no\n", "7\n", ""]
    scores = [Score(0.0, False, "finished", "", text, 0, (), 0) for text in texts]
    noted.note(rows, scores)
    assert len(player.repertoire) == 0
    noted.keep(64)
    kept = {behaviour.program: behaviour.answers for behaviour in player.repertoire.behaviours.values()}
    assert kept == {rows[0]: b'[["no"]]', rows[1]: b'[["7"]]'}


def test_two_tasks_with_the_same_answer_keep_a_solution_each(lessons, tokenizer):
    player, noted = lessons("list_operations")
    short, wanted = (tuple(tokenizer.encode(text).tolist()) for text in ("print(8)\n", "print([8, []][0])\n"))

    def note(row, solved):
        noted.note([row], [Score(0.5, solved, "finished", "", "8\n", 0, (), 0)])
        noted.keep(1)

    note(short, False)  # prints the same, without what the task demands
    note(wanted, True)
    other = TaskLessons(player, load_task("add_two_numbers", tokenizer.tokens), {})
    other.note([short], [Score(1.0, True, "finished", "", "8\n", 0, (), 0)])
    other.keep(1)
    assert {player.repertoire.behaviours[key].program for key in player.repertoire.kept} == {short, wanted}
    assert noted.to_recall([((), "8")])[:2] in ([short, wanted], [wanted, short])
