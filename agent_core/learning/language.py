"""What programs are written in: the tokens there are, which of them may come next, and how many a program may have."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from agent_core.grammar.legal_tokens import LegalTokens, Prompt, StackState
from agent_core.learning.program_prior import ProgramPrior
from tokenizer import Tokenizer

TokenIds = tuple[int, ...]  # a program up to its <EOS>, as plain integers: what it is known by


@dataclass(frozen=True)
class Language:
    """Vocabulary, grammar and limit of one run. Everything lives on the device of `legal_tokens`."""

    tokenizer: Tokenizer
    legal_tokens: LegalTokens
    max_length: int  # tokens that a program may have, <EOS> included
    legal_tokens_only: bool  # whether the grammar decides what may come next; else any token may
    prior: ProgramPrior  # what is drawn before anything is learned

    @property
    def device(self) -> torch.device:
        return self.legal_tokens.device

    @cached_property
    def any_token(self) -> Tensor:
        """(V,) bool: what may be written where the grammar is left out."""
        allowed = torch.ones(len(self.tokenizer), dtype=torch.bool, device=self.device)
        allowed[[self.tokenizer.pad, self.tokenizer.sos, self.tokenizer.unk]] = False
        return allowed

    def begin(self, prompts: Sequence[Prompt]) -> StackState | None:
        """A batch of empty programs, (B,); None where the grammar is left out."""
        return self.legal_tokens.begin_each(prompts, self.max_length) if self.legal_tokens_only else None

    def accepts(self, rows: Sequence[Sequence[int]], prompts: Sequence[Prompt]) -> list[bool]:
        """Which of these programs could be written under the grammar and the limit, each from its prompt."""
        if not self.legal_tokens_only:
            return [len(row) <= self.max_length for row in rows]
        return self.legal_tokens.accepts_each(rows, prompts, self.max_length)
