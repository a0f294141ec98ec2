"""Where the programs of play come from, what they are shown, and which types they go by."""

import re
from dataclasses import replace
from random import Random

import pytest
import torch

from agent_core.play.answers import NOTHING, pack, unpack
from agent_core.play.mind.features import features_of
from agent_core.play.player import Player
from agent_core.play.proposer import Sources
from agent_core.sandbox.executor import Executor
from memory.repertoire.repertoire import Behaviour
from tests.test_play import small_player


@pytest.fixture(scope="module")
def small(config):
    return small_player(config, signatures=32, learn_every=10_000, look_every=0, print_share=0.0)


@pytest.fixture(scope="module")
def executor(small):
    with Executor(small.executor) as executor:
        yield executor


WITHOUT_PRIOR = {"grammar_weights": False, "type_weight": 0.0, "name_weight": 0.0}


@pytest.fixture
def new_player(small, tokenizer, legal_tokens, executor):
    def new(play=(), learning=()):
        config = replace(
            small, play=replace(small.play, **dict(play)), learning=replace(small.learning, **dict(learning))
        )
        return Player(config, tokenizer, legal_tokens, executor)

    return new


def of_one_number(player):
    questions = player.questions
    return [n for n in questions.functions if [kind.name[:5] for kind in questions[n].kinds] == ["whole"]]


def test_sources_are_counted_in_the_order_in_which_they_stand():
    sources = Sources(chance=1, policy=2, mutation=0, transfer=3)
    assert sources.total == 6
    places = [sources.source_of(place) for place in range(6)]
    assert places == ["chance", "policy", "policy", "transfer", "transfer", "transfer"]


def test_what_is_known_from_one_question_is_tried_on_another(new_player, monkeypatch):
    player = new_player(play={"transfer_share": 1.0})
    there, here, *_ = of_one_number(player)
    row = tuple(player.tokenizer.encode("return var_a * var_a\n").tolist())
    key = next(key for key in range(1, 99) if key % 50)
    player.repertoire.add(key, Behaviour(there, row, 0, pack([1, 4]), True))
    monkeypatch.setattr(player.questions, "alike", lambda number: [there, here])
    monkeypatch.setattr(player, "_draw_question", lambda: here)
    player.step()
    programs = {each.question: each.program for each in player.repertoire.behaviours.values() if each.program == row}
    assert programs == {there: row, here: row}
    assert player.progress.tried["transfer"] == 1
    assert player.progress.new["transfer"] == 1
    player.step()
    assert player.progress.tried["transfer"] < 1  # it is known here now


def test_chance_goes_by_the_types_of_the_arguments(new_player):
    """Of one number, far fewer programs of chance ask for what only a list has."""
    wrong = []
    for weight in (0.0, 8.0):
        player = new_player(learning={"type_weight": weight})
        asked = player._asked(of_one_number(player)[0])
        rows = player.proposer.write(player.learner.network.policy, asked, Sources(3_000, 0, 0), None)
        texts = map(player.tokenizer.decode, rows)
        wrong.append(sum(re.search(r"(len|sum|sorted) \( var_a", text) is not None for text in texts))
    assert wrong[0] > 10
    assert wrong[1] < wrong[0] / 4


def test_questions_of_the_same_types_have_one_language_and_texts_have_none(new_player):
    player = new_player(learning={"type_weight": 3.0})
    one, other, *_ = of_one_number(player)
    assert player.languages.of(one) is player.languages.of(other)
    assert player.languages.of(one) is not player.languages.plain
    assert player.languages.of(player.questions.printing) is player.languages.plain
    assert new_player(learning=WITHOUT_PRIOR).languages.of(one).prior.is_even


def test_the_cases_of_a_lesson_have_the_features_of_their_examples(new_player):
    player = new_player()
    while len(player.repertoire) < 30:
        player.step()
    for key in player.repertoire.keys:
        behaviour = player.repertoire.behaviours[key]
        calls, answers = player.questions[behaviour.question].inputs(behaviour.shown), unpack(behaviour.answers)
        wanted = [features_of(*case) for case in zip(calls, answers, strict=True) if case[1] is not NOTHING]
        found = [case.tolist() for case in player.lessons.cases(key, Random(0), 99)]
        assert sorted(found) == sorted(wanted)


def test_what_a_policy_likes_without_types_is_the_same_policy(new_player):
    """The prior is added outside of it, so that one network serves all questions."""
    plain, typed = new_player(learning=WITHOUT_PRIOR), new_player()
    bias = typed.learner.network.policy.head.bias
    torch.testing.assert_close(plain.learner.network.policy.head.bias - plain.languages.plain.prior.even.log(), bias)
