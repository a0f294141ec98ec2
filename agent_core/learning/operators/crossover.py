"""Crossover: a span of one parent gives way to a span of another that the grammar lets stand there.

Genetic programming's other operator (Koza 1992). Two spans can be exchanged where they are texts of the same symbols;
the pushdown stack says which. The policy chooses nothing of a child, so it carries no gradient, unless what is given
turns out illegal where it comes to stand (a name that is not known there): from that token on the policy writes.
"""

from collections import defaultdict

import torch
from torch.nn.utils.rnn import pad_sequence

from agent_core.grammar.legal_tokens import UNLIMITED
from agent_core.learning.operators.parents import Parent, Span
from agent_core.learning.operators.proposal import Request
from agent_core.learning.plan import RolloutPlan

Place = tuple[Parent, Span]


def propose(request: Request) -> RolloutPlan:
    """Draws for each program a parent, one of its spans, and a span of the same symbols of any parent, all evenly.

    A child may be its parent once more where no other span has these symbols.
    """
    donors: dict[tuple[int, ...], list[Place]] = defaultdict(list)
    for parent in request.parents:
        for span, symbols in zip(parent.spans.tolist(), parent.span_symbols, strict=True):
            donors[symbols].append((parent, Span(*span)))
    pairs = [_draw(request, donors) for _ in range(request.count)]
    pad, vocabulary = request.language.tokenizer.pad, len(request.language.tokenizer)
    spans = torch.tensor([span for (_, span), _ in pairs])  # (B, 4)
    begin, end, base_cell, below = spans.unbind(1)
    lengths = torch.tensor([len(parent.ids) for (parent, _), _ in pairs])
    end = torch.where(base_cell > 0, end, lengths)
    sources = pad_sequence([parent.ids for (parent, _), _ in pairs], batch_first=True, padding_value=pad)
    sources = torch.nn.functional.pad(sources, (0, 1), value=pad)
    after = torch.where(base_cell > 0, sources.gather(1, end.unsqueeze(1)).squeeze(1), pad)
    given = [_given(donor, int(token), pad) for (_, donor), token in zip(pairs, after.tolist(), strict=True)]
    return RolloutPlan(
        parent=sources,
        span_begin=begin,
        suffix_begin=end,
        suffix_excess=(lengths - end) - below,
        span_budget=torch.full_like(begin, UNLIMITED),
        forbidden_first=torch.full_like(begin, request.language.tokenizer.sos),
        base_cell=base_cell,
        end_token=after.unsqueeze(1) == torch.arange(vocabulary),
        given_span=pad_sequence(given, batch_first=True, padding_value=pad),
    )


def _draw(request: Request, donors: dict[tuple[int, ...], list[Place]]) -> tuple[Place, Place]:
    first, second, third = torch.rand(3, generator=request.random).tolist()
    parent = request.parents[int(first * len(request.parents))]
    place = int(second * len(parent.spans))
    others = donors[parent.span_symbols[place]]
    return (parent, Span(*parent.spans[place].tolist())), others[int(third * len(others))]


def _given(donor: Place, end_token: int, pad: int) -> torch.Tensor:
    """The donor's span and the token that ends it where it comes to stand; at least one token."""
    parent, span = donor
    if not span.base_cell:
        return parent.ids[span.begin :]
    return torch.cat([parent.ids[span.begin : span.end], torch.tensor([end_token])])
