"""A batch of programs that is being written: what may come next in each, what is kept of an elite, what has ended.

Programs that have ended are dropped from the batch now and then, so that they cost nothing more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from agent_core.grammar.legal_tokens import UNLIMITED, LegalTokens, Within
from agent_core.learning.mutation import MutationPlan, any_token
from tokenizer import Tokenizer

TokenIds = tuple[int, ...]
OnEnded = Callable[[list[TokenIds]], None]

_DROP_SHARE = 1 / 8  # of ended programs in the batch, from which on dropping them pays


@dataclass(frozen=True)
class Rollouts:
    """A batch of programs as it was sampled."""

    ids: Tensor  # (B, T) int64, <PAD> after <EOS>
    mask: Tensor  # (B, T) bool: the program's own tokens, <EOS> among them
    chosen: Tensor  # (B, T) bool: the tokens that the policy chose in this batch; the others were kept from an elite
    legal: Tensor  # (B, T, V) bool: what could have been written
    log_probs: Tensor  # (B, T) of the chosen tokens when they were sampled; 0 elsewhere
    mutated: Tensor  # (B,) bool
    epsilon: Tensor  # (B,) the share of each program's choices that is left to chance

    def rows(self) -> list[TokenIds]:
        """The ids of each program up to its <EOS>, as plain integers: what it is known by."""
        return _rows(self.ids, self.mask)


def _rows(ids: Tensor, mask: Tensor) -> list[TokenIds]:
    return [tuple(row[:length]) for row, length in zip(ids.tolist(), mask.sum(dim=1).tolist(), strict=True)]


class OpenRollouts:
    """The programs that have not ended, R of the batch's B, and all that was written so far."""

    def __init__(
        self,
        legal_tokens: LegalTokens,
        tokenizer: Tokenizer,
        start: str,
        defined: Sequence[str],
        batch_size: int,
        max_length: int,
        legal_tokens_only: bool,
        epsilon: Tensor,
        length_budget: Tensor,
        plan: MutationPlan | None,
        on_ended: OnEnded | None,
    ):
        """epsilon: (B,) the share of each program's choices that is left to chance; length_budget: (B,) the tokens that
        a fresh one may have beyond the fewest; on_ended: is given programs that are dropped."""
        self._legal_tokens, self._tokenizer, self._plan, self._max_length = legal_tokens, tokenizer, plan, max_length
        self._on_ended = on_ended
        device = legal_tokens.device
        self.token = torch.full((batch_size,), tokenizer.sos, device=device)  # (R,) the last one of each
        self.epsilon = epsilon  # (R,)
        self.ended = batch_size == 0
        self._place = 0  # of the next token
        self._rows = torch.arange(batch_size, device=device)  # (R,) place of each in the batch
        self._finished = torch.zeros(batch_size, dtype=torch.bool, device=device)  # (R,)
        self._mutated, self._epsilons = plan.mutated if plan else self._finished, epsilon
        if plan is not None:
            self._kept = plan.begin > 0  # (R,) the next token is the elite's
            self._cursor = torch.zeros_like(plan.begin)  # (R,) place of the next token to keep in the elite
            self._within = Within(torch.zeros_like(plan.begin), plan.within.stop)  # of the stretches that have begun
        self._stacks = legal_tokens.begin(start, batch_size, max_length, defined) if legal_tokens_only else None
        if self._stacks is not None:
            fresh = length_budget if plan is None else length_budget.masked_fill(plan.mutated, UNLIMITED)
            self._stacks.length_budget = self._stacks.length_budget.minimum(fresh)
        self._any_token = any_token(tokenizer, device)
        # Time first, so that the tokens of one step lie together.
        shape = (max_length, batch_size)
        self._ids = torch.full(shape, tokenizer.pad, device=device)
        self._chosen = torch.zeros(shape, dtype=torch.bool, device=device)
        self._legal = torch.ones((*shape, len(tokenizer)), dtype=torch.bool, device=device)
        self._probs = torch.ones(shape, dtype=epsilon.dtype, device=device)

    def legal(self) -> Tensor:
        """(R, V) bool: what may come next. It says nothing where a token is kept."""
        plan, stacks = self._plan, self._stacks
        if stacks is None:
            return self._any_token.expand(len(self.token), -1)
        if plan is None:
            return self._legal_tokens.legal(stacks)
        if self._place > plan.last_begin:
            return self._legal_tokens.legal(stacks, self._within)
        begins = plan.begin == self._place
        self._kept &= ~begins
        self._cursor = torch.where(begins, plan.end, self._cursor)
        self._within.base_cell = torch.where(begins, plan.within.base_cell, self._within.base_cell)
        narrow = (stacks.length_budget - plan.suffix_excess).minimum(plan.length_budget)
        stacks.length_budget = torch.where(begins, narrow, stacks.length_budget)
        legal = self._legal_tokens.legal(stacks, self._within)
        # The elite's own token is not the first of its stretch, unless it is the only one. <SOS> is never legal.
        forbidden_first = torch.where(begins, plan.forbidden_first, self._tokenizer.sos).unsqueeze(1)
        alone = legal.sum(dim=1, keepdim=True) == 1
        return legal.scatter_(1, forbidden_first, legal.gather(1, forbidden_first) & alone)

    def take(self, token: Tensor, legal: Tensor, prob: Tensor) -> Tensor | None:
        """One chosen token a program, what was legal then and its probability: (R,), (R, V), (R,). Returns which of
        the R programs go on, as indexes, where some were dropped."""
        chosen = ~self._finished
        if self._plan is not None:
            chosen &= ~self._kept
            token = torch.where(self._kept, self._plan.source.gather(1, self._cursor.unsqueeze(1)).squeeze(1), token)
        if self._stacks is None:
            token = token.masked_fill(self._finished, self._tokenizer.pad)
            self._finished = self._finished | (token == self._tokenizer.eos)
        else:
            served_by = self._legal_tokens.advance(self._stacks, token)
            self._finished = self._legal_tokens.is_finished(self._stacks)
            if self._plan is not None:
                self._stop(served_by < self._within.base_cell)
        written = (self._ids, token), (self._chosen, chosen), (self._legal, legal), (self._probs, prob)
        for column, values in written:
            column[self._place].index_copy_(0, self._rows, values.to(column.dtype))
        self.token = token
        self._place += 1
        finished = int(self._finished.sum())
        self.ended = finished == len(token) or self._place == self._max_length
        return None if self.ended or finished < len(token) * _DROP_SHARE else self._drop_finished()

    def _stop(self, stops: Tensor) -> None:
        """Goes back to the elites where a stretch has ended: with a token of theirs, the first that is kept again."""
        self._kept |= stops
        self._cursor = (self._cursor + self._kept).clamp_(max=self._plan.source.shape[1] - 1)
        self._within.base_cell = self._within.base_cell.masked_fill(stops, 0)
        # What is kept fits, however few tokens a stretch was allowed to leave for it.
        self._stacks.length_budget = self._stacks.length_budget.masked_fill(stops, UNLIMITED)

    def programs(self) -> Rollouts:
        """All that was written, as long as the longest."""
        ids, chosen, legal, probs = (
            column[: self._place].transpose(0, 1) for column in (self._ids, self._chosen, self._legal, self._probs)
        )
        log_probs = torch.where(chosen, probs, 1.0).log()
        return Rollouts(ids, ids != self._tokenizer.pad, chosen, legal, log_probs, self._mutated, self._epsilons)

    def _drop_finished(self) -> Tensor:
        if self._on_ended is not None:
            ids = self._ids[: self._place, self._rows[self._finished]].t()
            self._on_ended(_rows(ids, ids != self._tokenizer.pad))
        left = (~self._finished).nonzero().squeeze(1)
        self.token, self._rows, self.epsilon, self._finished = (
            part.index_select(0, left) for part in (self.token, self._rows, self.epsilon, self._finished)
        )
        if self._stacks is not None:
            self._stacks.select(left)
        if self._plan is not None:
            self._plan = self._plan.select(left)
            self._kept, self._cursor, base_cell = (
                part.index_select(0, left) for part in (self._kept, self._cursor, self._within.base_cell)
            )
            self._within = Within(base_cell, self._plan.within.stop)
        return left
