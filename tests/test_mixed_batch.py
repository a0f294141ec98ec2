"""A batch that holds programs of more than one task: each begins where its own prompt says, and so do its parents."""

import dataclasses

import pytest
import torch

from agent_core.grammar.legal_tokens import Prompt
from agent_core.learning.objectives import group_advantages
from agent_core.learning.operators.parents import KnownPrograms
from tests.test_generator import PLAIN, make_generator, rescored

OUTPUT, ONE, TWO = Prompt("program"), Prompt("function_body", ("var_a", "func_a")), Prompt("function_body", ("var_b",))
LEARNING = dataclasses.replace(
    PLAIN, epsilon=0.1, mutation_share=0.5, inner_share=0.5, imitation_weight=0.3, fresh_length_budget=4.0
)


@pytest.fixture
def elites(tokenizer):
    texts = ["print(max(1, 2))\n", "return var_a + 1\n", "return func_a(var_a)\n", "pass\n"]
    rows = [tuple(tokenizer.encode(text).tolist()) for text in texts]
    return KnownPrograms(rows, prompts=[OUTPUT, ONE, ONE, OUTPUT])


def test_each_program_begins_where_its_prompt_says_and_has_parents_of_that_prompt(tokenizer, legal_tokens, elites):
    generator = make_generator(tokenizer, legal_tokens, LEARNING)
    prompts = [OUTPUT, ONE, TWO, ONE] * 32
    programs = generator.generate(128, elites, prompts=prompts)
    rows = programs.rows()
    assert all(generator.accepts(rows, prompts))
    assert not all(generator.accepts(rows, prompts[1:] + prompts[:1]))
    mutated = {prompt: [] for prompt in (OUTPUT, ONE, TWO)}
    for prompt, has_parent in zip(prompts, programs.mutated.tolist(), strict=True):
        mutated[prompt].append(has_parent)
    assert mutated == {
        OUTPUT: [False] * 16 + [True] * 16,
        ONE: [False] * 32 + [True] * 32,
        TWO: [False] * 32,  # no program is known to start from
    }
    for row, chosen, prompt, has_parent in zip(
        rows, programs.chosen.tolist(), prompts, programs.mutated.tolist(), strict=True
    ):
        begin = chosen.index(True)
        own = [elite for elite, other in zip(elites.rows, elites.prompts, strict=True) if other == prompt]
        assert has_parent or begin == 0
        assert not begin or any(row[:begin] == elite[:begin] for elite in own)
    assert torch.allclose(
        rescored(generator, programs)[programs.chosen], programs.log_probs[programs.chosen], atol=1e-5
    )


def test_learning_compares_each_program_with_those_of_its_group(tokenizer, legal_tokens, elites):
    generator = make_generator(tokenizer, legal_tokens, LEARNING)
    prompts = [OUTPUT, ONE] * 16
    programs = generator.generate(32, elites, prompts=prompts)
    tasks = torch.arange(32) % 2
    rewards = 0.5 * tasks  # every program of a task earns the same, so that there is nothing to learn but by imitation
    figures = generator.learn(rewards, programs, groups=tasks)
    assert figures["policy_loss"] == 0
    assert generator.learn(rewards, programs, elites, groups=tasks)["imitation_loss"] > 0
    assert generator.learn(rewards, programs)["policy_loss"] != 0


def test_advantages_within_many_groups_are_those_of_each_group_alone():
    rewards = torch.rand(30, generator=torch.Generator().manual_seed(0))
    groups = torch.arange(30) % 4
    found = group_advantages(rewards, groups, 0.01)
    for group in range(4):
        members = groups == group
        alone = group_advantages(rewards[members], torch.ones(int(members.sum())).bool(), 0.01)
        assert torch.allclose(found[members], alone, atol=1e-6)
    two = groups % 2
    assert torch.equal(group_advantages(rewards, two, 0.01), group_advantages(rewards, two.bool(), 0.01))


def test_prompts_that_are_all_the_generators_own_change_nothing(tokenizer, legal_tokens, elites):
    plain, asked = (make_generator(tokenizer, legal_tokens, LEARNING) for _ in range(2))
    own = KnownPrograms(elites.rows[:1] + elites.rows[3:], prompts=[OUTPUT] * 2)
    for _ in range(2):
        first, second = plain.generate(64, own.rows), asked.generate(64, own, prompts=[OUTPUT] * 64)
        for field in dataclasses.fields(first):
            one, other = getattr(first, field.name), getattr(second, field.name)
            assert (one is None and other is None) or torch.equal(one, other), field.name
