"""What is known from elsewhere is tried as it is: the order, the plan, and that it costs attempts like any other."""

from dataclasses import replace

import numpy
import pytest
import torch

from agent_core.grammar.legal_tokens import Prompt
from agent_core.learning.operators.parents import KnownPrograms
from agent_core.play.answers import pack
from agent_core.play.mind.features import features_of
from agent_core.play.recall import in_order_of_the_mind, programs_to_recall
from agent_core.sandbox.executor import Executor
from agent_core.sandbox.results import CaseResult
from agent_core.scoring.score import Score
from agent_core.tasks.task import load_task
from memory.repertoire.repertoire import Behaviour
from tests.test_generator import PLAIN, make_generator
from tests.test_mind_learns import Learning, settings


@pytest.fixture(scope="module")
def executor():
    with Executor(settings().executor) as executor:
        yield executor


def ids(tokenizer, text):
    return tuple(tokenizer.encode(text).tolist())


def test_they_are_written_as_they_are_and_the_policy_chooses_nothing_of_them(tokenizer, legal_tokens):
    generator = make_generator(
        tokenizer, legal_tokens, replace(PLAIN, mutation_share=0.5), start="function_body", defined=("var_a", "func_a")
    )
    texts = "return len(var_a)\n", "return var_a[0]\n", "if var_a:\n    return 1\nreturn 0\n"
    rows = [ids(tokenizer, text) for text in texts]
    programs = generator.generate(8, KnownPrograms([rows[0]], recalled=rows))
    assert programs.rows()[:3] == rows
    assert not programs.chosen[:3].any()
    assert programs.mutated.tolist() == [*[True] * 3, False, *[True] * 4]  # half of the batch is mutated
    assert programs.chosen[3:].any(dim=1).all()


def test_where_one_is_not_legal_the_policy_writes_the_rest(tokenizer, legal_tokens):
    generator = make_generator(tokenizer, legal_tokens, PLAIN, start="function_body", defined=("var_a", "func_a"))
    row = ids(tokenizer, "return var_a + var_b\n")
    (written,) = generator.generate(1, KnownPrograms([], recalled=[row])).rows()
    assert written[:3] == row[:3]
    assert written != row
    assert generator.accepts([written]) == [True]


def test_those_of_the_types_of_the_task_come_short_and_often_useful_ones_first(executor):
    learning = Learning(settings(), executor, name="length")  # of a list, a number
    player, tokenizer = learning.player, learning.player.tokenizer
    player.repertoire = type(player.repertoire)(100, player.places.place_of, 0.88)
    lists = player.questions.give(["var_a"], [[[1, 2]], [[3]]])
    others = [player.questions.give(["var_a"], [[[i]], [[i, 4]]]) for i in range(3)]
    numbers = player.questions.give(["var_a"], [[1], [2]])
    pairs = player.questions.give(["var_a", "var_b"], [[[1], 1], [[2], 2]])

    def add(text, question, answers):
        row = ids(tokenizer, text)
        player.repertoire.add(len(player.repertoire), Behaviour(question, row, 0, pack(answers), True))
        return row

    long = add("return var_a[0] + 1\n", lists, [2, 4])
    short = add("return sum(var_a)\n", lists, [3, 3])
    add("return sorted(var_a)\n", lists, [[1, 2], [3]])  # the task wants numbers
    add("return var_a + 1\n", numbers, [2, 3])
    add("return len(var_a) + var_b\n", pairs, [2, 3])
    often = [add("return max(var_a) * 2\n", question, [1, 2]) for question in others][0]
    task = load_task("length", tokenizer.tokens)
    assert programs_to_recall(task, player.questions, player.repertoire, 10) == [often, short, long]
    assert programs_to_recall(task, player.questions, player.repertoire, 1) == [often]
    text_task = load_task("hello_world", tokenizer.tokens)
    assert programs_to_recall(text_task, player.questions, player.repertoire, 10) == []
    printing = add("print(1 + 2)\n", player.questions.printing, ["3"])
    assert programs_to_recall(text_task, player.questions, player.repertoire, 10) == [printing]
    assert printing not in programs_to_recall(task, player.questions, player.repertoire, 10)


def test_the_likeliest_for_the_examples_come_first(executor):
    learning = Learning(settings(), executor)
    learner, task = learning.player.learner, learning.agent.task
    rows = [ids(learning.player.tokenizer, f"return var_a {sign} var_b\n") for sign in "+-*/"]
    cases = [(case.arguments, case.expected) for case in learning.agent.scorer.judge.paid]
    ordered = in_order_of_the_mind(rows, learner, task, cases)
    assert sorted(ordered) == sorted(rows)
    prompt, shown = Prompt(*task.start), [numpy.array(features_of(*case), numpy.int16) for case in cases]
    scores = [learner.score([(row, prompt, shown)], learner.contexts([shown])).item() for row in ordered]
    assert scores == sorted(scores, reverse=True)


def test_what_has_solved_a_task_comes_before_all_else(executor):
    learning = Learning(settings(), executor, name="maximum")
    player, lessons, task = learning.player, learning.lessons, learning.agent.task
    player.repertoire = type(player.repertoire)(100, player.places.place_of, 0.88)
    cases = [(case.arguments, case.expected) for case in learning.agent.scorer.judge.paid]
    rows = [ids(player.tokenizer, f"return var_a {sign} var_b + 7 * var_a\n") for sign in "+-*"]
    given = [case.arguments for case in task.test_cases]
    answers = [[CaseResult("finished", a + i) for a, _ in given] for i in range(1, 4)]
    scores = [Score(0.5, False, "finished", "", "", 0, (), 0, answers=tuple(each)) for each in answers]
    lessons.note(rows, scores)
    lessons.keep(3)
    ordered = lessons.to_recall(cases)
    assert sorted(ordered) == sorted(rows)
    last = rows.index(ordered[-1])
    lessons.note([ordered[-1]], [replace(scores[last], solved=True)])
    lessons.keep(1)
    assert lessons.to_recall(cases) == [ordered[-1], *ordered[:-1]]
    found = programs_to_recall(task, player.questions, player.repertoire, 1, {ordered[-1]})
    assert found == [ordered[-1]]


def test_an_agent_tries_each_once_in_a_life_and_counts_them(executor):
    learning = Learning(settings(task_learn_every=0, cold_restarts=False), executor)
    known = [ids(learning.player.tokenizer, f"return var_a + {i}\n") for i in range(10)]
    learning.start.follow(learning.player.learner, lambda cases: list(known))
    generator, batches = learning.agent.generator, []
    generate = generator.generate
    generator.generate = lambda *given: batches.append(generate(*given)) or batches[-1]
    for _ in range(5):
        row = learning.step()
    assert row["attempts"] == 320
    assert [row for batch, count in zip(batches, (6, 4, 0, 0, 0), strict=True) for row in batch.rows()[:count]] == known
    assert learning.start.recall(6) == []
    while not learning.agent.progress.restarts:
        learning.step()
    assert batches[-1].rows()[:6] == known[:6]
    assert learning.agent.latest(1) == [learning.agent.task_run.present(batches[-1].rows()[6])]


def test_programs_that_are_recalled_are_compared_with_nobody(executor):
    learning = Learning(settings(), executor)
    groups = learning.start.groups(torch.zeros(64, dtype=torch.bool), [32, 32], [2, 4])
    assert (groups == 4).nonzero().squeeze(1).tolist() == [0, 1, 32, 33, 34, 35]
    assert set(groups.tolist()) == {0, 2, 4}


def test_it_can_be_turned_off(executor):
    learning = Learning(settings(recall=0), executor)
    learning.step()
    assert learning.start.recall(6) == []
