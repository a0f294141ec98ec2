"""Known programs as tensors to learn from: their tokens, and what was legal and likely at each."""

from collections.abc import Sequence

import torch

from agent_core.grammar.legal_tokens import Prompt
from agent_core.learning.language import Language
from agent_core.play.mind.network import Replayed


def replay(programs: Sequence[Sequence[int]], prompts: Sequence[Prompt], language: Language) -> Replayed:
    """programs: legal ones, each a sequence of ids that ends in <EOS>; prompts: where each begins."""
    legal_tokens, longest = language.legal_tokens, max(map(len, programs))
    rows = [[*program, *[legal_tokens.pad] * (longest - len(program))] for program in programs]
    ids = torch.tensor(rows, device=language.device)
    stacks, legal, log_priors = legal_tokens.begin_each(prompts, language.max_length), [], []
    prior, prior_state = language.prior, language.prior.begin(len(programs), language.max_length)
    for place in range(longest):
        legal.append(legal_tokens.legal(stacks))
        if not prior.is_even:
            log_priors.append(prior.log_weights(prior_state, stacks))
            prior.advance(prior_state, ids[:, place])
        legal_tokens.advance(stacks, ids[:, place])
    log_prior = torch.stack(log_priors, dim=1) if log_priors else None
    return Replayed(ids, ids != legal_tokens.pad, torch.stack(legal, dim=1), log_prior)
