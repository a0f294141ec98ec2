"""A batch of programs that is being written: what may come next in each, what is kept of an elite, what has ended.

Programs that have ended are dropped from the batch now and then, so that they cost nothing more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from agent_core.pushdown import NEVER, LegalTokens, Within
from agent_core.regrowth import Plan, any_token
from tokenizer import Tokenizer

Row = tuple[int, ...]
OnEnded = Callable[[list[Row]], None]

_DROP_SHARE = 1 / 8  # of ended programs in the batch, from which on dropping them pays


@dataclass(frozen=True)
class Programs:
    """A batch of programs as it was sampled."""

    ids: Tensor  # (B, T) int64, <PAD> after <EOS>
    mask: Tensor  # (B, T) bool: the program's own tokens, <EOS> among them
    chosen: Tensor  # (B, T) bool: the tokens that the policy chose in this batch; the others were kept from an elite
    legal: Tensor  # (B, T, V) bool: what could have been written
    log_probs: Tensor  # (B, T) of the chosen tokens when they were sampled; 0 elsewhere
    regrown: Tensor  # (B,) bool
    floor: Tensor  # (B,) the share of each program's choices that is left to chance

    def rows(self) -> list[Row]:
        """The ids of each program up to its <EOS>, as plain integers: what it is known by."""
        return _rows(self.ids, self.mask)


def _rows(ids: Tensor, mask: Tensor) -> list[Row]:
    return [tuple(row[:length]) for row, length in zip(ids.tolist(), mask.sum(dim=1).tolist(), strict=True)]


class Writing:
    """The programs that have not ended, R of the batch's B, and all that was written so far."""

    def __init__(self, machine: LegalTokens, tokenizer: Tokenizer, start: str, defined: Sequence[str], batch_size: int,
                 max_length: int, legal_tokens_only: bool, floor: Tensor, slack: Tensor, plan: Plan | None,
                 on_ended: OnEnded | None):
        """floor: (B,) the share of each program's choices that is left to chance; slack: (B,) int16, the tokens that
        a fresh one may have beyond the fewest; on_ended: is given programs that are dropped."""
        self._machine, self._tokenizer, self._plan, self._max_length = machine, tokenizer, plan, max_length
        self._on_ended = on_ended
        device = machine.device
        self.token = torch.full((batch_size,), tokenizer.sos, device=device)  # (R,) the last one of each
        self.floor = floor  # (R,)
        self.ended = batch_size == 0
        self._place = 0  # of the next token
        self._rows = torch.arange(batch_size, device=device)  # (R,) place of each in the batch
        self._finished = torch.zeros(batch_size, dtype=torch.bool, device=device)  # (R,)
        self._regrown, self._floors = plan.regrown if plan else self._finished, floor
        self._stopped = self._finished  # (R,) the stretch written anew has ended
        self._cursor = plan.end if plan else None  # (R,) place in the source of the next token to keep
        self._progress = machine.begin(start, batch_size, max_length, defined) if legal_tokens_only else None
        if self._progress is not None:
            fresh = slack if plan is None else slack.masked_fill(plan.regrown, NEVER)
            self._progress.spare = self._progress.spare.minimum(fresh)
        self._any_token = any_token(tokenizer, device)
        # Time first, so that the tokens of one step lie together.
        shape = (max_length, batch_size)
        self._ids = torch.full(shape, tokenizer.pad, device=device)
        self._chosen = torch.zeros(shape, dtype=torch.bool, device=device)
        self._legal = torch.ones((*shape, len(tokenizer)), dtype=torch.bool, device=device)
        self._probs = torch.ones(shape, dtype=floor.dtype, device=device)

    def legal(self) -> Tensor:
        """(R, V) bool: what may come next. It says nothing where a token is kept."""
        plan, progress = self._plan, self._progress
        if progress is None:
            legal = self._any_token.expand(len(self.token), -1)
        elif plan is None:
            legal = self._machine.legal(progress)
        else:
            begins = plan.begin == self._place if self._place <= plan.last_begin else None
            self._kept = (self._stopped | (plan.begin > self._place)) & ~self._finished
            if begins is not None:
                narrow = (progress.spare - plan.crowding).minimum(plan.slack)
                progress.spare = torch.where(begins, narrow, progress.spare)
            within = Within(plan.within.floor * ~(self._kept | self._finished), plan.within.stop)
            legal = self._machine.legal(progress, within)
            if begins is not None:
                self._bar(legal, begins)
        self._legal[self._place].index_copy_(0, self._rows, legal)
        return legal

    def take(self, token: Tensor, prob: Tensor) -> Tensor | None:
        """One chosen token a program and its probability, (R,) each. Returns which of the R programs go on, as
        indexes, where some were dropped."""
        chosen = ~self._finished
        if self._plan is not None:
            token = self._follow_plan(token)
            chosen = chosen & ~self._kept
        if self._progress is None:
            token = token.masked_fill(self._finished, self._tokenizer.pad)
        self._ids[self._place].index_copy_(0, self._rows, token)
        self._chosen[self._place].index_copy_(0, self._rows, chosen)
        self._probs[self._place].index_copy_(0, self._rows, prob.to(self._probs.dtype))
        self.token = token
        self._place += 1
        if self._progress is None:
            self._finished = self._finished | (token == self._tokenizer.eos)
        else:
            self._machine.advance(self._progress, token)
            self._finished = self._machine.is_finished(self._progress)
        finished = int(self._finished.sum())
        self.ended = finished == len(token) or self._place == self._max_length
        return None if self.ended or finished < len(token) * _DROP_SHARE else self._drop_finished()

    def programs(self) -> Programs:
        """All that was written, as long as the longest."""
        ids, chosen, legal, probs = (column[:self._place].transpose(0, 1)
                                     for column in (self._ids, self._chosen, self._legal, self._probs))
        log_probs = torch.where(chosen, probs, 1.0).log()
        return Programs(ids, ids != self._tokenizer.pad, chosen, legal, log_probs, self._regrown, self._floors)

    def _bar(self, legal: Tensor, begins: Tensor) -> None:
        """Takes from what is legal, in place, the elite's own token where a stretch begins, unless it is the only one.

        legal: (R, V). begins: (R,) bool.
        """
        token = torch.where(begins, self._plan.barred, self._tokenizer.sos).unsqueeze(1)  # <SOS> is never legal
        alone = legal.sum(dim=1, keepdim=True) == 1
        legal.scatter_(1, token, legal.gather(1, token) & alone)

    def _follow_plan(self, token: Tensor) -> Tensor:
        """The token that each program really gets: the elite's where it is kept, else the one that was chosen."""
        plan = self._plan
        stops = self._machine.serving_cell(self._progress, token) < plan.within.floor
        stops &= ~(self._kept | self._finished)
        place = torch.where(self._stopped, self._cursor, self._place).clamp_(max=plan.source.shape[1] - 1)
        token = torch.where(self._kept, plan.source.gather(1, place.unsqueeze(1)).squeeze(1), token)
        self._cursor = self._cursor + (self._stopped | stops)  # the stop token is the source's own
        self._stopped = self._stopped | stops
        # What is kept fits, however few tokens a stretch was allowed to leave for it.
        self._progress.spare = self._progress.spare.masked_fill(self._stopped, NEVER)
        return token

    def _drop_finished(self) -> Tensor:
        if self._on_ended is not None:
            ids = self._ids[:self._place, self._rows[self._finished]].t()
            self._on_ended(_rows(ids, ids != self._tokenizer.pad))
        left = (~self._finished).nonzero().squeeze(1)
        self.token, self._rows, self.floor = self.token[left], self._rows[left], self.floor[left]
        self._finished, self._stopped = self._finished[left], self._stopped[left]
        if self._progress is not None:
            self._progress.select(left)
        if self._plan is not None:
            self._plan, self._cursor = self._plan.select(left), self._cursor[left]
        return left
