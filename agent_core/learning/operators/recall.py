"""Recall: programs that are known from elsewhere are tried as they are, to see what they are worth here.

The policy chooses nothing of them, so they carry no gradient; those that are good become elites, which it imitates and
other operators start from. A program that is not legal here is given as far as it is, and the policy writes the rest.
"""

from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from agent_core.grammar.legal_tokens import UNLIMITED
from agent_core.learning.language import Language, TokenIds
from agent_core.learning.plan import RolloutPlan


def propose(rows: Sequence[TokenIds], language: Language) -> RolloutPlan:
    """The plan of these programs, at least one: each is given whole, as the span of a parent that has no tokens."""
    tokenizer, zeros = language.tokenizer, torch.zeros(len(rows), dtype=torch.long)
    return RolloutPlan(
        parent=torch.full((len(rows), 1), tokenizer.pad),
        span_begin=zeros,
        suffix_begin=zeros,
        suffix_excess=zeros,
        span_budget=torch.full_like(zeros, UNLIMITED),
        forbidden_first=torch.full_like(zeros, tokenizer.sos),
        base_cell=zeros,
        end_token=torch.zeros((len(rows), len(tokenizer)), dtype=torch.bool),
        given_span=pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=tokenizer.pad),
    )
