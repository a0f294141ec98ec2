"""A task feeds the mind: it learns meanwhile, and all of it is saved and the same on all ranks."""

import io
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist

from agent_core.agent import Agent
from agent_core.distributed.ranks import Ranks, join
from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.grammar.rules import read_grammar
from agent_core.play.mind.start import TaskStart
from agent_core.play.player import Player
from agent_core.play.relabel import TaskLessons
from agent_core.play.saved import load
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import load_config
from agent_core.tasks.task import load_task
from tests.conftest import ROOT
from tests.test_ranks import Started
from tokenizer import Tokenizer

PLAYED = 12  # steps of play before the task


def settings(**mind):
    config = load_config(ROOT / "config.ini", ["generator.batch_size=64", "executor.workers=1", "play.signatures=2"])
    sizes = {"hidden_dim": 16, "encoder_dim": 16, "context_dim": 8, "batch_size": 16}
    return replace(
        config,
        mind=replace(config.mind, **sizes | {"task_learn_every": 128, "recall": 40} | mind),
        learning=replace(config.learning, restart_after=320),
        play=replace(config.play, print_share=0.0, learn_every=256, batch_size=64),
    )


class Learning:
    """An agent and the mind that it feeds, as a run has them."""

    def __init__(self, config, executor, ranks=None, mind=None, name="gcd"):
        """mind: what was saved; None: one that has played a little."""
        tokenizer = Tokenizer.from_file(config.paths.vocabulary)
        legal = LegalTokens(read_grammar(config.paths.grammar, tokenizer.tokens), tokenizer.tokens, torch.device("cpu"))
        self.ranks = ranks or Ranks()
        self.player = Player(config, tokenizer, legal, executor, self.ranks)
        if mind is not None:
            assert load(self.player, mind) == []
        for _ in range(0 if mind else PLAYED):
            self.player.step()
        task = load_task(name, tokenizer.tokens)
        self.lessons = TaskLessons(self.player, task, {"seconds": 1.0, "folder": ""})
        self.start = TaskStart(self.player.learner.state(), config, tokenizer, torch.device("cpu"))
        self.agent = Agent(config, task, tokenizer, legal, executor, self.ranks, self.start)
        self.agent.task_run.on_scores = self.lessons.note
        self.start.follow(self.player.learner, self.lessons.to_recall)

    def step(self):
        before = self.agent.progress.attempts
        row = self.agent.step()
        self.lessons.keep(self.agent.progress.attempts - before)
        return row

    def saved(self):
        """What a checkpoint would hold, through a file as torch writes and reads it."""
        buffer, generator = io.BytesIO(), self.agent.generator
        policy, optimizer = generator.policy.state_dict(), generator.optimizer.state_dict()
        torch.save((policy, optimizer, self.agent.state(), self.lessons.state()), buffer)
        return buffer.getvalue()

    @classmethod
    def resumed(cls, config, executor, saved, ranks=None):
        *task, mind = torch.load(io.BytesIO(saved), weights_only=True)
        found = cls(config, executor, ranks, mind)
        assert found.agent.load(*task) == []
        return found

    def weights(self):
        return [parameter.tolist() for parameter in self.player.learner.network.parameters()]

    def behaviours(self):
        return {key: tuple(found) for key, found in self.player.repertoire.behaviours.items()}


@pytest.fixture(scope="module")
def executor():
    with Executor(settings().executor) as executor:
        yield executor


def policy_of(learning):
    return {name: tensor.clone() for name, tensor in learning.agent.generator.policy.state_dict().items()}


def is_of_the_mind(learning):
    mind = learning.player.learner.network.policy.state_dict()
    return all(torch.equal(mind[name], tensor) for name, tensor in policy_of(learning).items())


def test_the_mind_learns_every_so_many_attempts(executor):
    learning = Learning(settings(), executor)
    steps = learning.player.learner.steps
    for step in range(1, 6):
        learning.step()
        assert learning.player.learner.steps == steps + 64 * step // 128
    assert learning.player.progress.untaught_on_tasks == 64


def test_it_can_be_told_not_to(executor):
    learning = Learning(settings(task_learn_every=0), executor)
    before = learning.weights()
    for _ in range(4):
        learning.step()
    assert learning.weights() == before
    assert len(learning.player.repertoire) > 0


def test_half_of_a_lesson_is_of_the_task_and_half_is_replay(executor, monkeypatch):
    learning = Learning(settings(), executor)
    for _ in range(4):
        learning.step()
    seen = []
    monkeypatch.setattr(learning.player.learner, "learn", lambda lessons, hidden: seen.append(lessons) or {})
    drawn, draw = [], learning.player.lessons.draw

    def noting(count, *more):
        drawn.append((count, draw(count, *more)))
        return list(drawn[-1][1])

    monkeypatch.setattr(learning.player.lessons, "draw", noting)
    learning.player.learn(learning.lessons.question)
    (of_task, keys), (rest, others) = drawn
    assert (of_task, rest) == (8, 16 - len(keys))
    assert {learning.player.repertoire.behaviours[key].question for key in keys} == {learning.lessons.question}
    assert {learning.player.repertoire.behaviours[key].question for key in others} != {learning.lessons.question}
    assert len(seen[0]) == len(keys) + len(others)


def test_a_restart_begins_from_the_mind_as_it_is_then(executor):
    learning = Learning(settings(cold_restarts=False), executor)
    assert is_of_the_mind(learning)
    first, context = policy_of(learning), learning.agent._contexts(1)[0].clone()
    while not learning.agent.task_run.restart_due:
        learning.step()
    assert not is_of_the_mind(learning)
    assert torch.equal(learning.agent._contexts(1)[0], context)  # within a period the encoder stays as it was
    learning.agent.generator.reset()
    assert is_of_the_mind(learning)
    assert any(not torch.equal(first[name], tensor) for name, tensor in policy_of(learning).items())
    learning.step()
    assert not torch.equal(learning.agent._seeing(1)[0], context)


def test_stopped_in_the_middle_of_a_task_it_goes_on_exactly(executor):
    config = settings()
    straight = Learning(config, executor)
    for _ in range(3):
        straight.step()
    saved = straight.saved()
    rows = [straight.step() for _ in range(6)]
    assert rows[-1]["restarts"] == 1
    resumed = Learning.resumed(config, executor, saved)
    assert [resumed.step() for _ in range(6)] == rows
    assert resumed.weights() == straight.weights()
    assert resumed.behaviours() == straight.behaviours()
    again = Learning.resumed(
        config, executor, straight.saved()
    )  # in the second period, whose encoder the mind has left
    assert [again.step() for _ in range(2)] == [straight.step() for _ in range(2)]


def learn_for_a_while(steps, state=None):
    """What each rank holds in the end, and the state that is saved."""
    config = settings()
    with join() as ranks, Executor(config.executor) as executor:
        learning = Learning.resumed(config, executor, state, ranks) if state else Learning(config, executor, ranks)
        rows = [learning.step() for _ in range(steps)]
        return rows, learning.weights(), learning.behaviours(), learning.saved()


@pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()),
    reason="this PyTorch has no gloo, by which ranks talk on a CPU",
)
def test_two_ranks_have_one_mind_and_go_on_exactly():
    one, other = Started(learn_for_a_while, 8).results()
    assert one[:3] == other[:3]
    assert one[0][-1]["restarts"] == 1
    half = Started(learn_for_a_while, 4).results()[0]
    again = Started(learn_for_a_while, 4, half[3]).results()
    assert half[0] + again[0][0] == one[0]
    assert again[0][1:3] == again[1][1:3] == one[1:3]
