"""Crossover only makes legal programs out of two known ones, and teaches nothing."""

import dataclasses

import pytest
import torch

from agent_core.learning.operators import crossover
from agent_core.learning.operators.parents import KnownPrograms
from agent_core.learning.operators.proposal import Request
from tests.test_generator import PLAIN, make_generator, tiny, tiny_generator  # noqa: F401  tiny is a fixture

NAMES = ("var_a", "var_b", "func_a")


def program(tokenizer, text):
    return tuple(tokenizer.tokens.index(token) for token in text.split())


def children_of(generator, parents, count=400):
    """Programs of a batch that is all crossover; and whether the policy chose any of their tokens, (count,)."""
    programs = generator.generate(count, parents)
    return programs.rows(), programs.chosen.any(dim=1).tolist()


def test_every_exchange_of_texts_of_the_same_symbols_comes_up_and_nothing_else(tiny):  # noqa: F811
    generator = tiny_generator(tiny, crossover_share=1.0)
    tokenizer, _ = tiny
    parents = [program(tokenizer, "0 + 1 <EOS>"), program(tokenizer, "1 + 1 + 0 <EOS>")]
    # Of either the first number stays; a rest for a rest (of which one is empty), and so on to its end.
    expected = ["0", "1", "0 + 0", "0 + 1", "1 + 0", "1 + 1", "0 + 1 + 0", "0 + 1 + 1", "1 + 1 + 0", "1 + 1 + 1"]
    rows, chosen = children_of(generator, parents)
    whole = {row for row, own in zip(rows, chosen, strict=True) if not own}
    assert whole == {program(tokenizer, f"{text} <EOS>") for text in expected}


def test_a_child_is_one_parent_with_a_part_of_another(tokenizer, legal_tokens):
    learning = dataclasses.replace(PLAIN, crossover_share=1.0)
    generator = make_generator(tokenizer, legal_tokens, learning, start="function_body", defined=NAMES)
    parents = [
        program(tokenizer, "return max ( var_a , 1 ) NEWLINE <EOS>"),
        program(tokenizer, "return var_b [ 0 ] if var_a else 2 NEWLINE <EOS>"),
    ]
    rows, chosen = children_of(generator, parents)
    children = {row for row, own in zip(rows, chosen, strict=True) if not own} - set(parents)
    assert len(children) > 5
    assert all(generator.accepts(list(children)))
    for child in children:
        assert any(
            child[:begin] == parent[:begin] and child[len(child) - kept :] == parent[len(parent) - kept :]
            for parent in parents
            for begin in range(1, len(parent))
            for kept in range(1, len(parent) - begin + 1)
        )


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_children_are_legal_and_what_is_given_carries_no_gradient(tokenizer, legal_tokens, share):
    learning = dataclasses.replace(PLAIN, mutation_share=0.5, crossover_share=share)
    generator = make_generator(tokenizer, legal_tokens, learning, start="function_body", defined=("var_a", "func_a"))
    elites = list(dict.fromkeys(generator.generate(64).rows()))[:24]
    programs = generator.generate(128, elites)
    whole = ~programs.chosen.any(dim=1)  # not a token of them was the policy's choice
    assert int(whole.sum()) <= int(128 * share)
    assert int(whole.sum()) > 40 * share or not share
    assert int(programs.mutated.sum()) == 64 + int(128 * share)
    assert not whole[~programs.mutated].any()
    assert all(generator.accepts(programs.rows()))
    log_probs, entropies, _ = generator.rescore(programs)
    assert not log_probs[whole].any()
    assert not entropies[whole].any()


def test_names_of_another_program_are_not_taken_over_undefined(tokenizer, legal_tokens):
    """The donor's variable is its own; a child that reads it elsewhere is no program, and the policy writes on."""
    learning = dataclasses.replace(PLAIN, crossover_share=1.0)
    generator = make_generator(tokenizer, legal_tokens, learning, start="function_body", defined=("var_a", "func_a"))
    elites = [
        program(tokenizer, "var_b = 1 NEWLINE return 2 + var_b NEWLINE <EOS>"),
        program(tokenizer, "return 3 + var_a NEWLINE <EOS>"),
    ]
    rows, _ = children_of(generator, elites)
    assert all(generator.accepts(rows))
    assert program(tokenizer, "return 3 + var_b NEWLINE <EOS>") not in rows


def test_the_same_randomness_gives_the_same_children(tokenizer, legal_tokens):
    generator = make_generator(tokenizer, legal_tokens, start="function_body", defined=NAMES)
    elites = list(dict.fromkeys(generator.generate(64).rows()))[:24]
    parents = generator._parents.examine(KnownPrograms(elites))
    plans = [
        crossover.propose(Request(parents, 50, PLAIN, torch.Generator().manual_seed(seed), generator._language))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(plans[0].parent, plans[1].parent)
    assert torch.equal(plans[0].given_span, plans[1].given_span)
    assert plans[0].span_begin.tolist() != plans[2].span_begin.tolist()
