"""What programs are written in: the tokens there are, which of them may come next, and how many a program may have."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from agent_core.grammar.legal_tokens import LegalTokens
from tokenizer import Tokenizer


@dataclass(frozen=True)
class Language:
    """Vocabulary, grammar and limit of one run. Everything lives on the device of `legal_tokens`."""

    tokenizer: Tokenizer
    legal_tokens: LegalTokens
    max_length: int  # tokens that a program may have, <EOS> included
    legal_tokens_only: bool  # whether the grammar decides what may come next; else any token may

    @property
    def device(self) -> torch.device:
        return self.legal_tokens.device

    @cached_property
    def any_token(self) -> Tensor:
        """(V,) bool: what may be written where the grammar is left out."""
        allowed = torch.ones(len(self.tokenizer), dtype=torch.bool, device=self.device)
        allowed[[self.tokenizer.pad, self.tokenizer.sos, self.tokenizer.unk]] = False
        return allowed
