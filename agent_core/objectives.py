"""What the policy is pushed toward: advantages and losses as pure functions of tensors.

REINFORCE (Williams 1992) with a baseline and an entropy bonus, and a gentle imitation of the best programs so far
(priority queue training, Abolafia et al. 2018). Left out on purpose: a critic, importance ratios and clipping as in
PPO; every program is learned from once, on policy.

Everywhere `mask` (B, T) marks the tokens that count: <EOS> does, nothing after it does. Losses are means over programs
of sums over tokens, so a program's weight does not depend on how long its neighbours are.
"""

import math

import torch
from torch import Tensor


def policy_log_probs(logits: Tensor, legal: Tensor, floor: Tensor) -> Tensor:
    """Log-probabilities of the policy: softmax over legal tokens, mixed with a share `floor` of the uniform choice.

    logits: (..., V). legal: (..., V) bool, at least one True in each row. floor: (...) in [0, 1). Returns (..., V),
    -inf where illegal. The mixture is part of the policy, so its gradient is exact and no token is ever out of reach.
    """
    log_probs = torch.log_softmax(logits.masked_fill(~legal, -math.inf), dim=-1).masked_fill(~legal, 0.0)
    floor = floor.to(logits.dtype).unsqueeze(-1)  # (..., 1)
    log_uniform = floor.log() - legal.sum(dim=-1, keepdim=True).to(logits.dtype).log()  # -inf where there is no floor
    return torch.logaddexp(log_probs + torch.log1p(-floor), log_uniform).masked_fill(~legal, -math.inf)


def policy_probs(logits: Tensor, legal: Tensor, floor: Tensor) -> Tensor:
    """The same policy as probabilities, for sampling: cheaper, and 0 where `policy_log_probs` may still tell.

    logits: (R, V). legal: (R, V) bool. floor: (R,). Returns (R, V).
    """
    probs = torch.softmax(logits.masked_fill(~legal, -math.inf), dim=-1)
    uniform = (floor / legal.sum(dim=-1)).unsqueeze(-1)
    return probs.mul_((1 - floor).unsqueeze(-1)).addcmul_(legal, uniform)


def draw(probs: Tensor, chance: Tensor) -> Tensor:
    """One choice a row by inverting the cumulative distribution. probs: (R, V), each row with something above 0.
    chance: (R,) uniform in [0, 1). Returns (R,) indexes, never one of probability 0.
    """
    cumulative = probs.cumsum(dim=-1)
    # Less than the sum even after rounding, which `chance` times the sum need not be.
    mark = (chance * (1 - 1e-6)).unsqueeze(-1) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, mark, right=True).squeeze(-1)


def chosen_log_probs(log_probs: Tensor, ids: Tensor) -> Tensor:
    """The log-probability of each token that was written. log_probs: (..., V). ids: (...). Returns (...)."""
    return log_probs.gather(-1, ids.unsqueeze(-1)).squeeze(-1)


def entropy(log_probs: Tensor) -> Tensor:
    """Entropy in nats of each choice, over its last axis; illegal tokens (-inf) add nothing. (..., V) -> (...)."""
    finite = log_probs.masked_fill(log_probs == -math.inf, 0.0)  # p log p -> 0 with p, in value and in gradient
    return -(log_probs.exp() * finite).sum(dim=-1)


def group_advantages(rewards: Tensor, group: Tensor, floor: float) -> Tensor:
    """How much better each program did than its own group did on average, in units of the group's spread.

    rewards: (B,). group: (B,) bool; programs of either kind are compared with their own kind only. The spread is the
    standard deviation, but never less than `floor`, so that noise among equals is not blown up. Returns (B,), summing
    to 0 in each group; zeros in a group of one.
    """
    advantages = torch.zeros_like(rewards)
    for members in (group, ~group):
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
