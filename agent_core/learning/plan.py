"""What is given of each program of a batch before it is written: the common form of what operators propose.

A program that has a parent is made of three pieces:

    prefix    the parent's first tokens, given
    span      written by the policy; or given, too, as the tokens of another parent
    suffix    the parent's last tokens, given; it may be empty

The policy chooses nothing that is given, so it carries no gradient. A fresh program is all span, and has no parent.

Worked example. The parent is `return var_a + 1`; the operand 1 is to become something else:

    place            0       1      2  3  4        5
    parent           return  var_a  +  1  NEWLINE  <EOS>
                     prefix            |  suffix
                                       span

    span_begin       3   the prefix are the tokens 0, 1 and 2
    suffix_begin     4   the suffix are the tokens from 4 on, moved to wherever the new span ends
    suffix_excess    0   the suffix has 2 tokens, and what stands under the span cannot be finished with fewer
    span_budget      5   the span may have 5 tokens more than the fewest that finish what has been begun
    forbidden_first  1   the token 1 may not come first, or the parent would be written once more
    base_cell        4   index of the lowest stack cell that the span is made of: under it are NEWLINE and what follows
    end_token            only NEWLINE: it is served from below base_cell, so choosing it ends the span

`var_b * 2` then gives `return var_a + var_b * 2`. Crossover gives the span as well: of another parent that has
`len(var_b)` in such a place, with the token that ends it,

    given_span       len  (  var_b  )  NEWLINE

gives `return var_a + len(var_b)`, in which the policy has chosen nothing. Whatever is given for a span is taken only
as long as it is legal where it comes to stand: its names are known, it fits into `max_length`, the grammar lets it
follow. From the first token that is not, the policy writes the rest of the span, as if nothing had been given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class RolloutPlan:
    """What each of B programs is given; see the worked example above. A fresh program has span_begin -1."""

    parent: Tensor  # (B, T) int64 the parent's tokens, then <PAD>, at least one
    span_begin: Tensor  # (B,) tokens of the prefix; -1 for a fresh program
    suffix_begin: Tensor  # (B,) where in the parent the suffix begins; the parent's length where there is none
    suffix_excess: Tensor  # (B,) tokens of the suffix beyond the fewest that could stand there
    span_budget: Tensor  # (B,) tokens that the span may have beyond the fewest that finish it
    forbidden_first: Tensor  # (B,) may not be the span's first token, unless it is the only one; <SOS> forbids nothing
    base_cell: Tensor  # (B,) index of the lowest stack cell of the span; 0 where the span goes to the program's end
    end_token: Tensor  # (B, V) bool the one token that may end the span: the first of the suffix
    given_span: Tensor | None = None  # (B, S) int64 the span's tokens and its end, then <PAD>, at least one

    def to(self, device: torch.device) -> "RolloutPlan":
        return self._map(lambda tensor: tensor.to(device))

    def select(self, rows: Tensor) -> "RolloutPlan":
        """The plan of some of the programs, by index."""
        return self._map(lambda tensor: tensor.index_select(0, rows))

    def _map(self, change: Callable[[Tensor], Tensor]) -> "RolloutPlan":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: change(value) for name, value in values.items() if value is not None})


def join(plans: Sequence[RolloutPlan], batch_size: int, pad: int) -> RolloutPlan:
    """One plan of a batch of `batch_size` programs: fresh ones first, then those of the plans in their order."""
    fresh = _fresh(batch_size - sum(len(plan.span_begin) for plan in plans), plans[0], pad)
    parts = [fresh, *plans]
    if any(plan.given_span is not None for plan in plans):
        parts = [plan if plan.given_span is not None else _without_given_span(plan, pad) for plan in parts]
    names = [field.name for field in fields(RolloutPlan) if getattr(parts[0], field.name) is not None]
    return replace(fresh, **{name: _stack([getattr(plan, name) for plan in parts], pad) for name in names})


def _without_given_span(plan: RolloutPlan, pad: int) -> RolloutPlan:
    """The same plan, saying with tokens that no span is given."""
    return replace(plan, given_span=plan.parent.new_full((len(plan.parent), 1), pad))


def _fresh(count: int, like: RolloutPlan, pad: int) -> RolloutPlan:
    """The plan of programs that are given nothing."""
    zero = like.span_begin.new_zeros(count)
    return RolloutPlan(
        parent=like.parent.new_full((count, 1), pad),
        span_begin=zero - 1,
        suffix_begin=zero,
        suffix_excess=zero,
        span_budget=zero,
        forbidden_first=zero,
        base_cell=zero,
        end_token=like.end_token.new_zeros((count, like.end_token.shape[1])),
    )


def _stack(tensors: Sequence[Tensor], pad: int) -> Tensor:
    """One below the other; rows of tokens are filled up to the longest with <PAD>."""
    if tensors[0].ndim == 1:
        return torch.cat(list(tensors))
    width = max(tensor.shape[1] for tensor in tensors)
    return torch.cat([functional.pad(tensor, (0, width - tensor.shape[1]), value=pad) for tensor in tensors])
