"""A batch of programs that is being written: what may come next in each, what is given of it, what has ended.

Programs that have ended are dropped from the batch now and then, so that they cost nothing more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from agent_core.grammar.legal_tokens import UNLIMITED, OpenSpan, Prompt, StackState
from agent_core.learning.language import Language, TokenIds
from agent_core.learning.plan import RolloutPlan

OnEnded = Callable[[list[TokenIds]], None]

_DROP_SHARE = 1 / 8  # of ended programs in the batch, from which on dropping them pays


@dataclass(frozen=True)
class Rollouts:
    """A batch of programs as it was sampled."""

    ids: Tensor  # (B, T) int64, <PAD> after <EOS>
    mask: Tensor  # (B, T) bool: the program's own tokens, <EOS> among them
    chosen: Tensor  # (B, T) bool: the tokens that the policy chose in this batch; the others were given by a plan
    legal: Tensor  # (B, T, V) bool: what could have been written
    log_probs: Tensor  # (B, T) of the chosen tokens when they were sampled; 0 elsewhere
    log_prior: Tensor | None  # (B, T, V) what is added to the logits; None where the prior is even
    mutated: Tensor  # (B,) bool: has a parent, whichever operator proposed it
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
        language: Language,
        prompts: Sequence[Prompt],
        epsilon: Tensor,
        length_budget: Tensor,
        plan: RolloutPlan | None,
        on_ended: OnEnded | None,
    ):
        """prompts: (B,) where each begins. epsilon: (B,) the share of each program's choices that is left to chance.
        length_budget: (B,) the tokens that a fresh one may have beyond the fewest. on_ended: is given programs that are
        dropped."""
        self._language, self._legal_tokens, self._tokenizer = language, language.legal_tokens, language.tokenizer
        self._plan, self._on_ended = plan, on_ended
        device, batch_size = language.device, len(epsilon)
        self.token = torch.full((batch_size,), self._tokenizer.sos, device=device)  # (R,) the last one of each
        self.epsilon = epsilon  # (R,)
        self.ended = batch_size == 0
        self._place = 0  # of the next token
        self._rows = torch.arange(batch_size, device=device)  # (R,) place of each in the batch
        self._finished = torch.zeros(batch_size, dtype=torch.bool, device=device)  # (R,)
        self._epsilons, self._mutated = epsilon, self._finished
        if plan is not None:
            self._mutated = plan.span_begin >= 0
            self._last_begin = int(plan.span_begin.max())
            self._kept = plan.span_begin > 0  # (R,) the next token is one of the prefix or of the suffix
            self._cursor = torch.zeros_like(plan.span_begin)  # (R,) place in the parent of the next token to keep
            self._follows = ~self._finished  # (R,) what is given for the span has been legal so far
            self._span = OpenSpan(torch.zeros_like(plan.span_begin), plan.end_token)  # of the spans that have begun
        self._stacks = language.begin(prompts)
        self._prior_state = language.prior.begin(batch_size, language.max_length)
        if self._stacks is not None:
            fresh = length_budget if plan is None else length_budget.masked_fill(self._mutated, UNLIMITED)
            self._stacks.length_budget = self._stacks.length_budget.minimum(fresh)
        # Time first, so that the tokens of one step lie together.
        shape = (language.max_length, batch_size)
        self._ids = torch.full(shape, self._tokenizer.pad, device=device)
        self._chosen = torch.zeros(shape, dtype=torch.bool, device=device)
        self._legal = torch.ones((*shape, len(self._tokenizer)), dtype=torch.bool, device=device)
        self._probs = torch.ones(shape, dtype=epsilon.dtype, device=device)
        weighted = self._stacks is not None and not language.prior.is_even
        self._log_prior = torch.zeros((*shape, len(self._tokenizer)), device=device) if weighted else None

    def legal(self) -> Tensor:
        """(R, V) bool: what may come next. It says nothing where a token is kept."""
        plan, stacks = self._plan, self._stacks
        if stacks is None:
            return self._language.any_token.expand(len(self.token), -1)
        if plan is None:
            return self._legal_tokens.legal(stacks)
        if self._place > self._last_begin:
            return self._legal_tokens.legal(stacks, self._span)
        begins = plan.span_begin == self._place
        self._kept &= ~begins
        self._cursor = torch.where(begins, plan.suffix_begin, self._cursor)
        self._span.base_cell = torch.where(begins, plan.base_cell, self._span.base_cell)
        narrow = (stacks.length_budget - plan.suffix_excess).minimum(plan.span_budget)
        stacks.length_budget = torch.where(begins, narrow, stacks.length_budget)
        legal = self._legal_tokens.legal(stacks, self._span)
        forbidden = torch.where(begins, plan.forbidden_first, self._tokenizer.sos).unsqueeze(1)  # <SOS> never is legal
        alone = legal.sum(dim=1, keepdim=True) == 1
        return legal.scatter_(1, forbidden, legal.gather(1, forbidden) & alone)

    def log_prior(self) -> Tensor | None:
        """(R, V) what is added to the logits of what may come next; None where the prior is even."""
        if self._log_prior is None or self._stacks is None:
            return None
        log_prior = self._language.prior.log_weights(self._prior_state, self._stacks)
        self._log_prior[self._place].index_copy_(0, self._rows, log_prior)
        return log_prior

    def take(self, token: Tensor, legal: Tensor, prob: Tensor) -> Tensor | None:
        """One token a program as the policy would choose it, what was legal then and its probability: (R,), (R, V),
        (R,). Where the plan gives a token, that one is taken instead. Returns which of the R programs go on, as
        indexes, where some were dropped."""
        chosen = ~self._finished
        if self._plan is not None:
            token, given = self._given(self._plan, token, legal)
            chosen &= ~given
        if self._stacks is None:
            token = token.masked_fill(self._finished, self._tokenizer.pad)
            self._finished = self._finished | (token == self._tokenizer.eos)
        else:
            self._language.prior.advance(self._prior_state, token)
            served_by = self._legal_tokens.advance(self._stacks, token)
            self._finished = self._legal_tokens.is_finished(self._stacks)
            if self._plan is not None:
                self._end_spans(self._plan, self._stacks, served_by < self._span.base_cell)
        written = (self._ids, token), (self._chosen, chosen), (self._legal, legal), (self._probs, prob)
        for column, values in written:
            column[self._place].index_copy_(0, self._rows, values.to(column.dtype))
        self.token = token
        self._place += 1
        finished = int(self._finished.sum())
        self.ended = finished == len(token) or self._place == self._language.max_length
        return None if self.ended or finished < len(token) * _DROP_SHARE else self._drop_finished()

    def _given(self, plan: RolloutPlan, token: Tensor, legal: Tensor) -> tuple[Tensor, Tensor]:
        """What is written next, (R,), given or else as it was chosen; and which of it is given, (R,) bool."""
        given = self._kept
        token = torch.where(given, plan.parent.gather(1, self._cursor.unsqueeze(1)).squeeze(1), token)
        if plan.given_span is not None:
            place = (self._place - plan.span_begin).clamp(0, plan.given_span.shape[1] - 1).unsqueeze(1)
            from_span = plan.given_span.gather(1, place)
            self._follows &= given | legal.gather(1, from_span).squeeze(1)  # <PAD>, where it is used up, is not legal
            token = torch.where(given | ~self._follows, token, from_span.squeeze(1))
            given = given | self._follows
        return token, given

    def _end_spans(self, plan: RolloutPlan, stacks: StackState, ends: Tensor) -> None:
        """Goes back to the parents where a span has ended: with a token of theirs, the first of the suffix."""
        self._kept |= ends
        self._cursor = (self._cursor + self._kept).clamp_(max=plan.parent.shape[1] - 1)
        self._span.base_cell = self._span.base_cell.masked_fill(ends, 0)
        # What is kept fits, however few tokens a span was allowed to leave for it.
        stacks.length_budget = stacks.length_budget.masked_fill(ends, UNLIMITED)

    def programs(self) -> Rollouts:
        """All that was written, as long as the longest."""
        ids, chosen, legal, probs = (
            column[: self._place].transpose(0, 1) for column in (self._ids, self._chosen, self._legal, self._probs)
        )
        log_probs = torch.where(chosen, probs, 1.0).log()
        log_prior = None if self._log_prior is None else self._log_prior[: self._place].transpose(0, 1)
        mask = ids != self._tokenizer.pad
        return Rollouts(ids, mask, chosen, legal, log_probs, log_prior, self._mutated, self._epsilons)

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
        self._prior_state.select(left)
        if self._plan is not None:
            self._plan = self._plan.select(left)
            self._kept, self._cursor, self._follows, base_cell = (
                part.index_select(0, left) for part in (self._kept, self._cursor, self._follows, self._span.base_cell)
            )
            self._span = OpenSpan(base_cell, self._plan.end_token)
        return left
