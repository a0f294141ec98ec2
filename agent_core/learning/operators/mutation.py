"""Mutation: the policy writes a span of one parent anew.

Either everything from a random token on, or only what lies between two tokens. The second is genetic programming's
mutation (Koza 1992) with a learned proposal; the decision to stop is the policy's too. Only what is written anew
carries gradient. Its first token is another than the parent's wherever the grammar allows one: a policy that likes
its elites would otherwise write them over and over.
"""

import torch
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from agent_core.grammar.legal_tokens import UNLIMITED
from agent_core.learning.length_budget import draw_length_budget
from agent_core.learning.operators.proposal import Request
from agent_core.learning.plan import RolloutPlan

_INSERTION = 2  # tokens of the shortest thing that can be put where nothing was: an operator and its operand


def propose(request: Request) -> RolloutPlan:
    """Draws a parent and a span of it for each program; parents are as likely as one another.

    `inner_share` of the programs keep both sides of the span, the others only what is before it.
    """
    parents, count, random = request.parents, request.count, request.random
    tokenizer = request.language.tokenizer
    pad = tokenizer.pad
    sources = pad_sequence([parent.ids for parent in parents], batch_first=True, padding_value=pad)  # (E, T)
    sources = functional.pad(sources, (0, 1), value=pad)
    spans = pad_sequence([parent.spans for parent in parents], batch_first=True)  # (E, spans, 4)
    weights = pad_sequence([parent.span_weights for parent in parents], batch_first=True)
    places = pad_sequence([parent.open for parent in parents], batch_first=True)  # (E, T)
    lengths = torch.tensor([len(parent.ids) for parent in parents])

    parent = torch.randint(len(parents), (count,), generator=random)
    picked = torch.multinomial(weights[parent], 1, generator=random).squeeze(1)
    begin, end, base_cell, below = spans[parent, picked].unbind(1)
    to_the_end = torch.rand(count, generator=random) >= request.learning.inner_share
    anywhere = torch.multinomial(places[parent], 1, generator=random).squeeze(1)
    begin = torch.where(to_the_end, anywhere, begin)
    inner = ~to_the_end & (base_cell > 0)
    end = torch.where(inner, end, lengths[parent])
    base_cell, below = base_cell * inner, below * inner
    after = sources[parent, end.clamp(max=sources.shape[1] - 1)]
    end_token = torch.where(inner, after, pad)

    budget = draw_length_budget(count, request.learning.mutation_length_budget, random, random.device)
    return RolloutPlan(
        parent=sources[parent],
        span_begin=begin,
        suffix_begin=end,
        suffix_excess=(lengths[parent] - end) - below,
        span_budget=(budget + _INSERTION * (begin == end)).clamp(max=UNLIMITED),
        forbidden_first=sources[parent, begin],
        base_cell=base_cell,
        end_token=end_token.unsqueeze(1) == torch.arange(len(tokenizer)),
    )
