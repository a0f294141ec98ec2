"""Known programs as tensors to learn from: their tokens, and what was legal at each."""

from collections.abc import Sequence

import torch

from agent_core.grammar.legal_tokens import LegalTokens, Prompt
from agent_core.mind.network import Replayed


def replay(
    programs: Sequence[Sequence[int]], prompts: Sequence[Prompt], legal_tokens: LegalTokens, max_length: int
) -> Replayed:
    """programs: legal ones, each a sequence of ids that ends in <EOS>; prompts: where each begins."""
    longest, device = max(map(len, programs)), legal_tokens.device
    rows = [[*program, *[legal_tokens.pad] * (longest - len(program))] for program in programs]
    ids = torch.tensor(rows, device=device)
    stacks, legal = legal_tokens.begin_each(prompts, max_length), []
    for place in range(longest):
        legal.append(legal_tokens.legal(stacks))
        legal_tokens.advance(stacks, ids[:, place])
    return Replayed(ids, ids != legal_tokens.pad, torch.stack(legal, dim=1))
