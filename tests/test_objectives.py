"""The losses in closed form."""

import math

import pytest
import torch

from agent_core.objectives import (
    chosen_log_probs,
    entropy,
    group_advantages,
    imitation_loss,
    mean_entropy,
    policy_gradient_loss,
    policy_log_probs,
)


def test_the_policy_is_a_distribution_over_legal_tokens():
    torch.manual_seed(0)
    logits, legal = torch.randn(5, 7, 11) * 3, torch.rand(5, 7, 11) > 0.4
    legal[..., 0] = True
    for epsilon in (0.0, 0.1, 0.5):
        probs = policy_log_probs(logits, legal, torch.full((5, 7), epsilon)).exp()
        assert torch.allclose(probs.sum(-1), torch.ones(5, 7))
        assert (probs[~legal] == 0).all()
        expected = (logits.exp() * legal) / (logits.exp() * legal).sum(-1, keepdim=True)
        uniform = legal / legal.sum(-1, keepdim=True)
        assert torch.allclose(probs, (1 - epsilon) * expected + epsilon * uniform, atol=1e-6)


def test_extreme_logits_stay_finite_with_their_gradients():
    logits = torch.tensor([[1e4, -1e4, 0.0, 50.0]], requires_grad=True)
    legal = torch.tensor([[True, True, True, False]])
    for epsilon in (0.0, 0.05):
        log_probs = policy_log_probs(logits, legal, torch.tensor([epsilon]))
        loss = -log_probs[0, 1] - entropy(log_probs).sum()
        grad, = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss)
        assert torch.isfinite(grad).all()
        assert grad[0, 3] == 0


FLOORS = torch.tensor([0.1, 0.0, 0.3], dtype=torch.float64)


def test_the_gradient_through_the_exploration_floor_is_exact():
    logits = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    legal = torch.tensor([[1, 1, 0, 1, 0, 1], [1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]]).bool()
    assert torch.autograd.gradcheck(lambda x: policy_log_probs(x, legal, FLOORS)[legal], logits)
    assert torch.autograd.gradcheck(lambda x: entropy(policy_log_probs(x, legal, FLOORS)), logits)


def test_entropy_of_uniform_and_of_certain_choices():
    legal = torch.tensor([[True] * 8, [True] * 4 + [False] * 4, [True] + [False] * 7])
    log_probs = policy_log_probs(torch.zeros(3, 8), legal, torch.zeros(3))
    assert entropy(log_probs).tolist() == pytest.approx([math.log(8), math.log(4), 0.0])


def test_advantages_compare_with_the_own_group_only():
    rewards = torch.tensor([0.0, 1.0, 0.5, 0.7])
    regrown = torch.tensor([False, False, True, True])
    assert group_advantages(rewards, regrown, 0.01).tolist() == pytest.approx([-1.0, 1.0, -1.0, 1.0], abs=1e-5)
    assert group_advantages(rewards, regrown, 1.0).tolist() == pytest.approx([-0.5, 0.5, -0.1, 0.1])


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


def test_chosen_log_probs_picks_the_ids():
    log_probs = torch.arange(12.0).view(1, 3, 4)
    assert chosen_log_probs(log_probs, torch.tensor([[3, 0, 2]])).tolist() == [[3.0, 4.0, 10.0]]
