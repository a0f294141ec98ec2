"""What the policy is pushed toward: advantages and losses as pure functions of tensors.

REINFORCE (Williams 1992) with a baseline and an entropy bonus, and a gentle imitation of the best programs so far
(priority queue training, Abolafia et al. 2018). Left out on purpose: a critic, importance ratios and clipping as in
PPO; every program is learned from once, on policy.

Everywhere `mask` (B, T) marks the tokens that count: <EOS> does, nothing after it does. Losses are means over programs
of sums over tokens, so a program's weight does not depend on how long its neighbours are.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def policy_probs(logits: Tensor, legal: Tensor, epsilon: Tensor, prior: Tensor) -> Tensor:
    """The policy: softmax over legal tokens, mixed with a share `epsilon` of what chance draws from them.

    logits: (R, V). legal: (R, V) bool, at least one True in each row. epsilon: (R,) in [0, 1). prior: (V,) above 0, in
    proportion to which chance draws. Returns (R, V), 0 where illegal. The mixture is part of the policy, so its
    gradient is exact and no token is ever out of reach.
    """
    return _mixed(torch.softmax(_masked(logits, legal), dim=-1), legal, epsilon, prior)


def draw(probs: Tensor, uniform: Tensor) -> Tensor:
    """One choice a row by inverting the cumulative distribution. probs: (R, V), each row with something above 0.
    uniform: (R,) in [0, 1), drawn evenly. Returns (R,) indexes, never one of probability 0.
    """
    cumulative = probs.cumsum(dim=-1)
    # Less than the sum even after rounding, which `uniform` times the sum need not be.
    mark = (uniform * (1 - 1e-6)).unsqueeze(-1) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, mark, right=True).squeeze(-1)


class _Choices(torch.autograd.Function):
    """By hand, because autograd would go a dozen times over (N, V) where a few will do. With s the softmax, p the
    policy and e epsilon, dp/ds = 1 - e, and the softmax turns a gradient g into s (g - sum of s g).
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, legal: Tensor, epsilon: Tensor, ids: Tensor, prior: Tensor
    ) -> tuple[Tensor, Tensor]:
        ids = ids.unsqueeze(-1)
        own_logs = torch.log_softmax(_masked(logits, legal), dim=-1)
        own = own_logs.exp()
        probs = _mixed(own.clone(), legal, epsilon, prior)
        chosen = probs.gather(-1, ids).squeeze(-1)
        # Without epsilon the logarithm is known even where the probability is too small to be told from 0.
        log_probs = torch.where(epsilon > 0, chosen.log(), own_logs.gather(-1, ids).squeeze(-1))
        ctx.save_for_backward(own, probs, epsilon, chosen, ids)
        return log_probs, torch.special.entr(probs).sum(dim=-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_log_prob: Tensor, grad_entropy: Tensor) -> tuple[Tensor, None, None, None, None]:
        own, probs, epsilon, chosen, ids = ctx.saved_tensors
        # How much of the choice's probability is the softmax's own: all of it where epsilon is 0.
        share = torch.where(epsilon > 0, own.gather(-1, ids).squeeze(-1) * (1 - epsilon) / chosen, 1.0)
        at_choice = (grad_log_prob * share).unsqueeze(-1)
        grad = torch.xlogy(own, probs).mul_((grad_entropy * (epsilon - 1)).unsqueeze(-1))  # 0 where s is
        total = grad.sum(dim=-1, keepdim=True) + at_choice
        grad.addcmul_(own, total, value=-1).scatter_add_(-1, ids, at_choice)
        return grad, None, None, None, None


def choices(logits: Tensor, legal: Tensor, epsilon: Tensor, ids: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
    """What was chosen, under the policy of now: log-probability of each token and entropy of each choice, in nats.

    logits, legal, epsilon, prior: as for `policy_probs`. ids: (N,) legal. Returns (N,) twice, with gradients to
    `logits`.
    """
    return _Choices.apply(logits, legal, epsilon.to(logits.dtype), ids, prior)


def _masked(logits: Tensor, legal: Tensor) -> Tensor:
    return torch.where(legal, logits, -math.inf)


def _mixed(own: Tensor, legal: Tensor, epsilon: Tensor, prior: Tensor) -> Tensor:
    """In place: the softmax's share and that of the prior."""
    drawn = legal * prior.to(own.dtype)
    return own.mul_((1 - epsilon).unsqueeze(-1)).addcmul_(drawn, (epsilon / drawn.sum(dim=-1)).unsqueeze(-1))


def group_advantages(rewards: Tensor, groups: Tensor, floor: float) -> Tensor:
    """How much better each program did than its own group did on average, in units of the group's spread.

    rewards: (B,). groups: (B,) bool, or integers where there are more than two; programs are compared with those of
    their own group only. The spread is the standard deviation, but never less than `floor`, so that noise among equals
    is not blown up. Returns (B,), summing to 0 in each group; zeros in a group of one.
    """
    advantages = torch.zeros_like(rewards)
    all_members = (groups, ~groups) if groups.dtype == torch.bool else [groups == each for each in groups.unique()]
    for members in all_members:
        count = members.sum().clamp(min=1)
        centred = torch.where(members, rewards - (rewards * members).sum() / count, 0.0)
        spread = (centred.square().sum() / count).sqrt()
        advantages += centred / spread.clamp(min=floor)
    return advantages


def policy_gradient_loss(log_probs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """REINFORCE: minus advantage times the log-probability of each token. (B, T), (B,), (B, T) -> scalar.

    Minimising it makes programs of positive advantage likelier. Source: Williams 1992.
    """
    return -(advantages.unsqueeze(1) * log_probs * mask).sum(dim=1).mean()


def mean_entropy(entropies: Tensor, mask: Tensor) -> Tensor:
    """Entropy of a program's choices in nats, mean over programs of the sum over tokens. (B, T) twice -> scalar."""
    return (entropies * mask).sum(dim=1).mean()


def imitation_loss(log_probs: Tensor, mask: Tensor) -> Tensor:
    """Minus the log-likelihood of programs to imitate, their mean. (E, T) twice -> scalar."""
    return -(log_probs * mask).sum(dim=1).mean()
