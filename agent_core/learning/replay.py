"""Known programs as tensors to learn from: their tokens, and what was legal and likely at each."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from agent_core.grammar.legal_tokens import Prompt
from agent_core.learning.language import Language

_DROP_SHARE = 1 / 8  # of the programs under way, that must have ended before they are left behind


@dataclass(frozen=True)
class Replayed:
    """Known programs as tensors, to learn from.

    What belongs to a token is packed as `CodePolicy.logits_at` packs: the first token of every program, the longest
    program first, then the second of those that have one, and so on, N in all.
    """

    ids: Tensor  # (B, T) int64, <PAD> after <EOS>
    mask: Tensor  # (B, T) bool: the program's own tokens, <EOS> among them
    place: Tensor  # (N,) of each token in its program
    program: Tensor  # (N,) that each token belongs to
    legal: Tensor  # (N, V) bool
    log_prior: Tensor | None  # (N, V) what is added to the policy's logits; None where the prior is even


def replay(programs: Sequence[Sequence[int]], prompts: Sequence[Prompt], language: Language) -> Replayed:
    """programs: legal ones, each a sequence of ids that ends in <EOS>; prompts: where each begins."""
    legal_tokens, device = language.legal_tokens, language.device
    lengths = torch.tensor([len(program) for program in programs])
    order = lengths.argsort(descending=True, stable=True)  # so that those that have ended are the last ones
    by_length = [programs[i] for i in order.tolist()]
    longest = len(by_length[0])
    ids = torch.tensor([[*row, *[legal_tokens.pad] * (longest - len(row))] for row in by_length], device=device)
    mask = torch.arange(longest) < lengths[order].unsqueeze(1)
    stacks = legal_tokens.begin_each([prompts[i] for i in order.tolist()], language.max_length)
    prior, state = language.prior, language.prior.begin(len(programs), language.max_length)
    legal, log_priors = [], []
    under_way = len(programs)
    for place, going in enumerate(mask.sum(dim=0).tolist()):
        if going <= (1 - _DROP_SHARE) * under_way:
            under_way, first = going, torch.arange(going, device=device)
            stacks.select(first)
            state.select(first)
        legal.append(legal_tokens.legal(stacks)[:going])
        token = ids[:under_way, place]
        if not prior.is_even:
            log_priors.append(prior.log_weights(state, stacks)[:going])
            prior.advance(state, token)
        legal_tokens.advance(stacks, token)
    back = order.argsort().to(device)
    places, rows = mask.t().to(device).nonzero().unbind(1)
    return Replayed(
        ids.index_select(0, back),
        mask.to(device).index_select(0, back),
        places,
        order.to(device)[rows],
        torch.cat(legal),
        torch.cat(log_priors) if log_priors else None,
    )


def prior_of(programs: Replayed) -> Tensor:
    """(B,) log-probability, in nats, of each whole program by the prior alone; where that is even, by chance."""
    log_prior, at = programs.log_prior, (programs.program, programs.place)
    added = torch.zeros(programs.legal.shape, device=programs.ids.device) if log_prior is None else log_prior
    log_probs = torch.log_softmax(added.masked_fill(~programs.legal, -torch.inf), dim=1)
    own = log_probs.gather(1, programs.ids[at].unsqueeze(1)).squeeze(1)
    return own.new_zeros(programs.ids.shape).index_put(at, own).sum(dim=1)
