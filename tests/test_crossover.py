"""Crossover only makes legal programs out of two known ones, and teaches nothing; known programs can be drawn anew."""

import dataclasses

import pytest
import torch
from agent_core.learning.crossover import cross

from tests.test_agent import executor, make_agent, steps  # noqa: F401  executor is a fixture
from tests.test_generator import PLAIN, make_generator, tiny, tiny_generator  # noqa: F401  tiny, too


def program(tokenizer, text):
    return tuple(tokenizer.tokens.index(token) for token in text.split())


def children_of(generator, programs, count=400, max_length=24):
    return cross(generator._examine(programs), count, max_length, torch.Generator().manual_seed(0))


def test_every_exchange_of_texts_of_the_same_symbols_comes_up_and_nothing_else(tiny):  # noqa: F811
    generator = tiny_generator(tiny)
    tokenizer, _ = tiny
    parents = [program(tokenizer, "0 + 1 <EOS>"), program(tokenizer, "1 + 1 + 0 <EOS>")]
    # Of either the first number stays; a rest for a rest (of which one is empty), and so on to its end.
    expected = ["0", "1", "0 + 0", "1 + 0", "1 + 1", "0 + 1 + 0", "0 + 1 + 1", "1 + 1 + 1"]
    found = set(children_of(generator, parents, max_length=6))
    assert found == {program(tokenizer, f"{text} <EOS>") for text in expected}
    assert len(children_of(generator, parents, max_length=4)) < len(found)  # what would be too long is not made


def test_a_child_is_one_parent_with_a_part_of_another(tokenizer, legal_tokens):
    generator = make_generator(tokenizer, legal_tokens, start="function_body", defined=("var_a", "var_b", "func_a"))
    parents = [
        program(tokenizer, "return max ( var_a , 1 ) NEWLINE <EOS>"),
        program(tokenizer, "return var_b [ 0 ] if var_a else 2 NEWLINE <EOS>"),
    ]
    children = children_of(generator, parents)
    assert len(children) > 5
    assert all(generator.accepts(children))
    for child in children:
        assert any(
            child[:begin] == parent[:begin] and child[len(child) - kept :] == parent[len(parent) - kept :]
            for parent in parents
            for begin in range(1, len(parent))
            for kept in range(1, len(parent) - begin + 1)
        )


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_children_are_legal_and_carry_no_gradient(tokenizer, legal_tokens, share):
    learning = dataclasses.replace(PLAIN, mutation_share=0.5, crossover_share=share)
    generator = make_generator(tokenizer, legal_tokens, learning, start="function_body", defined=("var_a", "func_a"))
    elites = list(dict.fromkeys(generator.generate(64).rows()))[:24]
    programs = generator.generate(128, elites)
    whole = ~programs.chosen.any(dim=1)  # not a token of them was the policy's choice
    assert int(whole.sum()) <= int(64 * share)
    assert int(whole.sum()) > 40 * share or not share
    assert not whole[~programs.mutated].any()
    children = [row for row, crossed in zip(programs.rows(), whole.tolist(), strict=True) if crossed]
    assert all(generator.accepts(programs.rows()))
    assert not set(children) & set(elites)
    log_probs, entropies, _ = generator.rescore(programs)
    assert not log_probs[whole].any()
    assert not entropies[whole].any()


def test_names_of_another_program_are_not_taken_over_undefined(tokenizer, legal_tokens):
    """The donor's variable is its own; a child that reads it elsewhere is no program."""
    learning = dataclasses.replace(PLAIN, mutation_share=1.0, crossover_share=1.0)
    generator = make_generator(tokenizer, legal_tokens, learning, start="function_body", defined=("var_a", "func_a"))
    elites = [
        program(tokenizer, "var_b = 1 NEWLINE return 2 + var_b NEWLINE <EOS>"),
        program(tokenizer, "return 3 + var_a NEWLINE <EOS>"),
    ]
    undefined = program(tokenizer, "return 3 + var_b NEWLINE <EOS>")
    assert undefined in children_of(generator, elites)
    rows = generator.generate(200, elites).rows()
    assert all(generator.accepts(rows))
    assert undefined not in rows


def test_known_programs_are_drawn_anew(executor, tokenizer, legal_tokens):  # noqa: F811
    """The same attempts bring up more different programs; a batch has as many as ever."""
    tried = {}
    for share in (0.0, 2.0):
        agent = make_agent(executor, tokenizer, legal_tokens, task="sum_list", learning__redraw_share=share)
        figures = steps(agent, 4)
        assert agent.progress.attempts == 256
        assert len(agent._latest) == 64
        tried[share] = len(agent.memory._scores)
        again = make_agent(executor, tokenizer, legal_tokens, task="sum_list", learning__redraw_share=share)
        assert steps(again, 4) == figures
    assert tried[0.0] < 230 < tried[2.0] <= 256
