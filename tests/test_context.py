"""Programs that depend on a context: the same policy when sampling and when learning, and exact gradients to it."""

import dataclasses

import pytest
import torch

from agent_core.learning.generator import KnownPrograms
from agent_core.learning.learner import with_parents
from agent_core.learning.objectives import policy_gradient_loss
from tests.test_generator import PLAIN, every_program, make_generator, outcomes, tiny, tiny_generator
from tests.test_generator import known as parents_of
from utils import UserError

__all__ = ["tiny"]  # a fixture


def contextual(tiny, **learning):
    """A generator in float64 of which no_context is not zero, as it is once it has learned."""
    generator = tiny_generator(tiny, context_dim=3, **learning)
    with torch.no_grad():
        generator.policy.no_context += torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    return generator


@pytest.mark.parametrize("epsilon", [0.0, 0.2])
@pytest.mark.parametrize("hidden", [False, True])
def test_the_gradient_of_reinforce_is_that_of_the_expected_reward_to_the_context_too(tiny, epsilon, hidden):
    generator = contextual(tiny, epsilon=epsilon)
    vector = torch.randn(3, dtype=torch.float64, generator=torch.Generator().manual_seed(5)).requires_grad_()
    programs = outcomes(generator, context=vector.detach().expand(40_000, -1) if not hidden else None)
    assert sorted(programs.rows()) == sorted(every_program(tiny))
    rewards = torch.rand(14, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def log_prob():
        context = generator.policy.hide(vector.expand(14, -1), torch.full((14,), hidden))
        return generator.rescore(programs, context=context).log_probs

    def gradients(loss):
        return torch.autograd.grad(loss, [*generator.policy.parameters(), vector])

    probability = log_prob().sum(dim=1).exp()
    assert probability.sum().item() == pytest.approx(1.0, abs=1e-12)
    expected = gradients((probability * rewards).sum())
    weights = probability.detach() * 14 * (rewards - 0.3)
    found = gradients(policy_gradient_loss(log_prob(), weights, programs.chosen))
    names = [*(name for name, _ in generator.policy.named_parameters()), "vector"]
    for name, one, other in zip(names, found, expected, strict=True):
        assert torch.allclose(one, -other, atol=1e-14), name
        assert bool(other.any()) == (name != ("vector" if hidden else "no_context")), name
    assert torch.autograd.gradcheck(
        lambda given: generator.rescore(programs, context=given).log_probs.sum(dim=1),
        vector.detach().expand(14, -1).clone().requires_grad_(),
    )


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_sampling_and_rescoring_agree_and_each_program_has_its_own_context(tokenizer, legal_tokens, share):
    learning = dataclasses.replace(PLAIN, epsilon=0.05, mutation_share=share, imitation_weight=0.3)
    generator = make_generator(tokenizer, legal_tokens, learning, context_dim=4)
    context = torch.randn(128, 4, generator=torch.Generator().manual_seed(2)) * 3
    elites = list(dict.fromkeys(generator.generate(32).rows()))
    programs = generator.generate(128, elites, context=context)
    again = generator.rescore(programs, context=context)
    chosen = programs.chosen
    assert torch.allclose(again.log_probs[chosen], programs.log_probs[chosen], atol=1e-5)
    for other in (None, context.flip(0)):
        off = generator.rescore(programs, context=other).log_probs[chosen] - programs.log_probs[chosen]
        assert off.abs().max() > 1e-2


def test_elites_are_imitated_under_their_own_context(tiny):
    generator = contextual(tiny, imitation_weight=1.0)
    first, last = every_program(tiny)[0], every_program(tiny)[-1]
    contexts = torch.tensor([[2.0, 0.0, -1.0], [-2.0, 1.0, 1.0]], dtype=torch.float64)
    known = KnownPrograms([first, last], contexts)

    def shares(context):
        rows = generator.generate(500, context=None if context is None else context.expand(500, -1)).rows()
        return rows.count(first) / 500, rows.count(last) / 500

    for _ in range(150):
        programs = generator.generate(16, context=contexts[:1].expand(16, -1))
        figures = generator.learn(torch.zeros(16), programs, known, context=contexts[:1].expand(16, -1))
    assert figures["imitation_loss"] > 0
    assert shares(contexts[0])[0] > 0.8 > 0.1 > shares(contexts[0])[1]
    assert shares(contexts[1])[1] > 0.8 > 0.1 > shares(contexts[1])[0]


def test_elites_may_have_a_context_where_programs_have_none_and_the_other_way_round(tiny):
    generator = contextual(tiny, imitation_weight=1.0)
    elites, programs = every_program(tiny)[:3], generator.generate(8)
    context = torch.randn(8, 3, dtype=torch.float64)
    nothing = generator.policy.no_context.expand(11, -1)
    known = KnownPrograms(elites, context[:3])
    for own, others, given in (
        (None, elites, nothing),
        (context, elites, torch.cat([context, nothing[:3]])),
        (None, known, torch.cat([nothing[:8], context[:3]])),
        (context, known, torch.cat([context, context[:3]])),
    ):
        found = generator.rescore(programs, others, own)
        batch = with_parents(programs, parents_of(generator, elites), generator._tokenizer.pad)
        expected, _ = generator._learner.score(batch, given)
        assert torch.equal(found.log_probs, expected)


def test_a_policy_learns_to_follow_its_context(tiny):
    """The reward is for the number that the context names: what no policy without it could earn more than half of."""
    tokenizer, _ = tiny
    generator = contextual(tiny)
    digits = [tokenizer.tokens.index(digit) for digit in "01"]
    wanted = torch.arange(64) % 2
    context = torch.nn.functional.one_hot(wanted, 3).double() * 2
    earned = []
    for _ in range(150):
        programs = generator.generate(64, context=context)
        hits = (programs.ids == torch.tensor(digits)[wanted].unsqueeze(1)).sum(dim=1)
        both = (programs.ids == digits[0]).sum(dim=1) + (programs.ids == digits[1]).sum(dim=1)
        earned.append((hits / both).mean().item())
        generator.learn(hits / both, programs, context=context)
    assert earned[0] < 0.7
    assert sum(earned[-10:]) / 10 > 0.9


def test_a_state_saved_with_another_context_is_refused_in_one_line(tiny):
    without, with_context = tiny_generator(tiny), contextual(tiny)
    for saved, now, sizes in ((without, with_context, (3, 0)), (with_context, without, (0, 3))):
        message = f"given a context of {sizes[0]} numbers, but the saved model was made for one of {sizes[1]}"
        with pytest.raises(UserError, match=message):
            now.load(saved.policy.state_dict(), saved.optimizer.state_dict(), saved.run_state(), True)
    old = {key: value for key, value in without.run_state().items() if key != "context_dim"}
    assert without.load(without.policy.state_dict(), without.optimizer.state_dict(), old, True) == []
