"""The losses in closed form."""

import math

import pytest
import torch

from agent_core.learning.objectives import (
    choices,
    draw,
    group_advantages,
    imitation_loss,
    mean_entropy,
    policy_gradient_loss,
    policy_probs,
)

FLOORS = torch.tensor([0.1, 0.0, 0.3], dtype=torch.float64)
EVEN = torch.ones(6)
CHANCE = torch.tensor([1.0, 0.25, 1.0, 0.25, 0.5, 0.25], dtype=torch.float64)
LEGAL = torch.tensor([[1, 1, 0, 1, 0, 1], [1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]]).bool()


def test_the_policy_is_a_distribution_over_legal_tokens():
    torch.manual_seed(0)
    logits, legal = torch.randn(35, 11) * 3, torch.rand(35, 11) > 0.4
    legal[:, 0] = True
    for epsilon in (0.0, 0.1, 0.5):
        probs = policy_probs(logits, legal, torch.full((35,), epsilon), torch.ones(11))
        assert torch.allclose(probs.sum(-1), torch.ones(35))
        assert (probs[~legal] == 0).all()
        expected = (logits.exp() * legal) / (logits.exp() * legal).sum(-1, keepdim=True)
        uniform = legal / legal.sum(-1, keepdim=True)
        assert torch.allclose(probs, (1 - epsilon) * expected + epsilon * uniform, atol=1e-6)


def test_chance_draws_legal_tokens_in_proportion_to_their_weights():
    probs = policy_probs(torch.zeros(3, 6).double(), LEGAL, torch.ones(3).double(), CHANCE)
    assert probs.tolist() == [
        pytest.approx([1 / 1.75, 0.25 / 1.75, 0, 0.25 / 1.75, 0, 0.25 / 1.75]),
        [1, 0, 0, 0, 0, 0],
        pytest.approx((CHANCE / 3.25).tolist()),
    ]


def test_what_is_drawn_follows_the_policy_and_is_never_impossible():
    probs = torch.tensor([[0.0, 0.5, 0.0, 0.2, 0.3, 0.0]]).expand(100_000, -1)
    chance = torch.rand(100_000, generator=torch.Generator().manual_seed(0))
    chance[:2] = torch.tensor([0.0, 1 - 2**-24])  # the least and the most that it can be
    token = draw(probs, chance)
    assert token[:2].tolist() == [1, 4]
    assert torch.bincount(token, minlength=6).div(1e5).tolist() == pytest.approx(probs[0].tolist(), abs=0.005)
    for scale in (1.0, 1e-3, 1 / 3, 0.7):  # sums that round in other ways
        assert draw(torch.tensor([[scale, scale / 3, 0.0]]), chance[1:2]).item() < 2


def test_extreme_logits_stay_finite_with_their_gradients():
    logits = torch.tensor([[1e4, -1e4, 0.0, 50.0]], requires_grad=True)
    legal = torch.tensor([[True, True, True, False]])
    for epsilon in (0.0, 0.05):
        log_probs, entropies = choices(logits, legal, torch.tensor([epsilon]), torch.tensor([1]), torch.ones(4))
        loss = -log_probs.sum() - entropies.sum()
        (grad,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss)
        assert torch.isfinite(grad).all()
        assert grad[0, 3] == 0
    certain = choices(logits, legal, torch.tensor([0.0]), torch.tensor([1]), torch.ones(4))[0]
    assert certain.item() == pytest.approx(-2e4)
    assert torch.autograd.grad(certain.sum(), logits)[0].tolist() == [[-1.0, 1.0, 0.0, 0.0]]


@pytest.mark.parametrize("chance", [EVEN, CHANCE])
@pytest.mark.parametrize("ids", [[0, 0, 0], [3, 0, 5]])
def test_log_probs_and_entropies_of_choices_in_value_and_in_gradient(ids, chance):
    ids = torch.tensor(ids)
    logits = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    probs = policy_probs(logits, LEGAL, FLOORS, chance)
    log_probs, entropies = choices(logits, LEGAL, FLOORS, ids, chance)
    assert torch.allclose(log_probs, probs.log().gather(1, ids.unsqueeze(1)).squeeze(1), atol=1e-14)
    assert torch.allclose(entropies, -(probs * probs.clamp(min=1e-300).log()).sum(dim=1), atol=1e-14)
    assert torch.autograd.gradcheck(lambda x: choices(x, LEGAL, FLOORS, ids, chance), logits)


def test_entropy_of_uniform_and_of_certain_choices():
    legal = torch.tensor([[True] * 8, [True] * 4 + [False] * 4, [True] + [False] * 7])
    _, entropies = choices(torch.zeros(3, 8), legal, torch.zeros(3), torch.zeros(3, dtype=torch.long), torch.ones(8))
    assert entropies.tolist() == pytest.approx([math.log(8), math.log(4), 0.0])


def test_advantages_compare_with_the_own_group_only():
    rewards = torch.tensor([0.0, 1.0, 0.5, 0.7])
    mutated = torch.tensor([False, False, True, True])
    assert group_advantages(rewards, mutated, 0.01).tolist() == pytest.approx([-1.0, 1.0, -1.0, 1.0], abs=1e-5)
    assert group_advantages(rewards, mutated, 1.0).tolist() == pytest.approx([-0.5, 0.5, -0.1, 0.1])


def test_advantages_of_equals_and_of_one_are_zero():
    assert group_advantages(torch.full((4,), 0.3), torch.zeros(4).bool(), 0.1).abs().max() < 1e-6
    assert group_advantages(torch.tensor([0.9]), torch.tensor([True]), 0.1).tolist() == [0.0]


def test_what_was_not_chosen_is_not_pushed():
    log_probs = torch.full((2, 3), -1.0, requires_grad=True)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    loss = policy_gradient_loss(log_probs, torch.tensor([2.0, -4.0]), mask)
    loss.backward()
    assert loss.item() == pytest.approx((2.0 * 2 - 4.0 * 1) / 2)
    assert log_probs.grad.tolist() == [[-1.0, -1.0, 0.0], [2.0, 0.0, 0.0]]  # minus advantage, over 2 programs


def test_reductions_are_means_over_programs_of_sums_over_tokens():
    mask = torch.tensor([[True, True, True, False], [True, False, False, False]])
    assert mean_entropy(torch.full((2, 4), 0.5), mask).item() == pytest.approx((1.5 + 0.5) / 2)
    assert imitation_loss(torch.full((2, 4), -0.5), mask).item() == pytest.approx((1.5 + 0.5) / 2)
