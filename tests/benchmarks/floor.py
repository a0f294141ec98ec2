"""The floor: what the network alone costs for programs of given lengths, nothing masked, run, scored or updated.

`Bare` is this project's own network code, so the floor falls when that gets faster; `Plain` computes the same with
PyTorch's modules as they come: `nn.LSTM` a step at a time, `torch.multinomial`, and padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from agent_core.learning.objectives import draw
from agent_core.model import CodePolicy

DROP_SHARE = 1 / 8  # of ended programs, from which on a batch goes on without them: as in rollout.py


@dataclass(frozen=True)
class Shape:
    """The lengths of a batch, the longest first: which token belongs to which program is all the same here."""

    lengths: Tensor  # (B,) int64, not growing, on the network's device
    sizes: list[int]  # (T,) programs that have each token
    widths: list[int]  # (T,) programs that are read at each step: those, and a few that have ended
    programs: Tensor  # (N,) whose each token is, packed: the first of every program, then the second, and so on

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device) -> "Shape":
        """lengths: tokens of each program, at least one each."""
        ordered = sorted(lengths, reverse=True)
        sizes, left = [], len(ordered)
        for place in range(ordered[0]):
            while ordered[left - 1] <= place:
                left -= 1
            sizes.append(left)
        widths, width = [], len(ordered)
        for size in sizes:
            width = size if width - size >= width * DROP_SHARE else width
            widths.append(width)
        programs = torch.cat([torch.arange(size) for size in sizes])
        return cls(torch.tensor(ordered, device=device), sizes, widths, programs.to(device))


class Bare:
    """The policy without anything around it. Its weights are only read."""

    def __init__(self, policy: CodePolicy, sos: int, random: torch.Generator):
        self.policy, self.sos, self.random = policy, sos, random

    @torch.no_grad()
    def sample(self, shape: Shape) -> Tensor:
        """(N,) packed: as many tokens as the programs have, each drawn from the policy."""
        width = shape.widths[0]
        reader = self.policy.reader(width)
        token = torch.full((width,), self.sos, device=shape.lengths.device)
        tokens = []
        for size, now in zip(shape.sizes, shape.widths, strict=True):
            if now < width:
                width, token = now, token[:now]
                reader.select(torch.arange(now, device=token.device))
            probs = torch.softmax(reader.read(token), dim=-1)
            token = draw(probs, torch.rand(width, generator=self.random, device=token.device))
            tokens.append(token[:size])
        return torch.cat(tokens)

    def learn(self, tokens: Tensor, shape: Shape) -> tuple[Tensor, ...]:
        """One forward and one backward pass of REINFORCE over these tokens (N,), with random advantages. Returns the
        gradients of the weights."""
        batch, device = shape.sizes[0], tokens.device
        sos = tokens.new_full((batch,), self.sos)
        before = torch.cat(
            [sos, *(part[:size] for part, size in zip(tokens.split(shape.sizes), shape.sizes[1:], strict=False))]
        )
        logits = self.policy.head(self.policy.hidden(before, shape.sizes))  # (N, V)
        log_probs = torch.log_softmax(logits, dim=-1).gather(1, tokens.unsqueeze(1)).squeeze(1)
        advantages = torch.randn(batch, generator=self.random, device=device)
        loss = -(advantages[shape.programs] * log_probs).sum() / batch
        return torch.autograd.grad(loss, list(self.policy.parameters()))


class Plain(Bare):
    """The same as most would write it: every program goes on until the last has ended."""

    @torch.no_grad()
    def sample(self, shape: Shape) -> Tensor:
        """(B, T), the tokens beyond a program's length drawn in vain."""
        policy, state = self.policy, None
        token = torch.full((shape.sizes[0], 1), self.sos, device=shape.lengths.device)
        tokens = []
        for _ in shape.sizes:
            hidden, state = policy.lstm(policy.embedding(token), state)
            probs = torch.softmax(policy.head(hidden.squeeze(1)), dim=-1)
            token = torch.multinomial(probs, 1, generator=self.random)
            tokens.append(token)
        return torch.cat(tokens, dim=1)

    def learn(self, tokens: Tensor, shape: Shape) -> tuple[Tensor, ...]:
        """tokens: (B, T), of which those within the programs' lengths count."""
        batch, longest = tokens.shape
        before = torch.cat([torch.full_like(tokens[:, :1], self.sos), tokens[:, :-1]], dim=1)
        log_probs = torch.log_softmax(self.policy(before), dim=-1).gather(2, tokens.unsqueeze(2)).squeeze(2)
        mask = shape.lengths.unsqueeze(1) > torch.arange(longest, device=tokens.device)  # (B, T)
        advantages = torch.randn(batch, generator=self.random, device=tokens.device)
        loss = -(advantages.unsqueeze(1) * log_probs * mask).sum() / batch
        return torch.autograd.grad(loss, list(self.policy.parameters()))
