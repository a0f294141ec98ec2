"""Known programs as operators need them: what was legal at each token, and which spans can be taken out.

The pushdown stack says where a part of a program begins and when it is finished, so whatever is put in the place of a
span, what stood after it fits again.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from agent_core.grammar.legal_tokens import LegalTokens, Prompt
from agent_core.learning.language import Language, TokenIds

_CACHED = 1_000  # examined programs that are kept at hand


class Span(NamedTuple):
    """A stretch of a program that can be replaced: tokens `begin` up to `end`, which may be none at all."""

    begin: int
    end: int
    base_cell: int  # index of the lowest stack cell of the span
    below: int  # fewest tokens of all cells under it


_WHOLE = Span(0, 0, 0, 0)  # for a program that has no span: base_cell 0 says that it goes to the end


@dataclass(frozen=True)
class KnownPrograms:
    """Programs that were tried before: operators start from them, and the policy imitates them."""

    rows: Sequence[TokenIds]  # E of them, as `Rollouts.rows` gives them
    context: Tensor | None = None  # (E, C) what each depends on; None where no program has a context
    prompts: Sequence[Prompt] | None = None  # (E,) that of each; None where all have the generator's own
    recalled: Sequence[TokenIds] = ()  # to be tried as they are, besides these: those of one rank


@dataclass(frozen=True)
class Parent:
    """A known program as tensors. The spans' tensors and `span_symbols` are in the same order."""

    prompt: Prompt
    ids: Tensor  # (T,) on the CPU, where operators work
    legal: Tensor  # (T, V) on the device of the legal tokens
    log_prior: Tensor | None  # (T, V) there, too: what is added to the logits; None where the prior is even
    open: Tensor  # (T,) float on the CPU: 1 where another token could have stood; at least one
    spans: Tensor  # (spans, 4) int64 on the CPU, a `Span` each; at least one
    span_weights: Tensor  # (spans,) how often each is drawn: every place where a span can begin is as likely
    # Of each span the grammar's symbols (`LegalTokens.symbol_of_state`) that it was written for, from base_cell to the
    # top; () for one that goes to the end. Two spans of the same symbols can stand in one another's place, as far as
    # the grammar goes; whether names are known and the length fits is seen as the program is written.
    span_symbols: tuple[tuple[int, ...], ...]


class ParentCache:
    """Known programs as parents; each is replayed once, and forgotten when too many have been."""

    def __init__(self, language: Language, prompt: Prompt):
        """prompt: of programs that come without one."""
        self._language, self._prompt = language, prompt
        self._parents: dict[tuple[TokenIds, Prompt], Parent] = {}

    def examine(self, known: KnownPrograms, which: slice = slice(None)) -> list[Parent]:
        """Some of the programs as parents."""
        rows = known.rows[which]
        prompts = [self._prompt] * len(rows) if known.prompts is None else known.prompts[which]
        keys = list(zip(rows, prompts, strict=True))
        if new := [key for key in keys if key not in self._parents]:
            found = examine([row for row, _ in new], self._language, [prompt for _, prompt in new])
            if len(self._parents) > _CACHED:
                self._parents = {key: self._parents[key] for key in keys if key in self._parents}
            self._parents |= zip(new, found, strict=True)
        return [self._parents[key] for key in keys]


def examine(programs: Sequence[Sequence[int]], language: Language, prompts: Sequence[Prompt]) -> list[Parent]:
    """Replays known legal programs, each a sequence of ids that ends in <EOS>, and finds their spans.

    prompts: that of each program.
    """
    if not language.legal_tokens_only:
        pairs = zip(programs, prompts, strict=True)
        return [_without_spans(program, prompt, language.any_token) for program, prompt in pairs]
    legal_tokens, longest = language.legal_tokens, max(map(len, programs))
    padded = torch.full((len(programs), longest), legal_tokens.pad, device=legal_tokens.device)
    for row, program in enumerate(programs):
        padded[row, : len(program)] = torch.tensor(program)
    state = legal_tokens.begin_each(prompts, language.max_length)
    prior, prior_state = language.prior, language.prior.begin(len(programs), language.max_length)
    legal, log_priors, stacks, pointers, served = [], [], [], [], []
    for t in range(longest):
        token = padded[:, t]
        legal.append(legal_tokens.legal(state))
        stacks.append(state.stack.clone())
        pointers.append(state.pointer)
        if not prior.is_even:
            log_priors.append(prior.log_weights(prior_state, state))
            prior.advance(prior_state, token)
        served.append(legal_tokens.advance(state, token))
    all_legal = torch.stack(legal, dim=1)  # (E, T, V)
    log_prior = torch.stack(log_priors, dim=1) if log_priors else None  # (E, T, V)
    deepest = max(int(pointer.max()) for pointer in pointers) + 1
    columns = [torch.stack(kind, dim=1).tolist() for kind in ([s[:, :deepest] for s in stacks], pointers, served)]
    choice = (all_legal.sum(dim=2) > 1).tolist()
    for row in choice:  # one that could not be another is mutated as it is
        row[0] = row[0] or not any(row)
    parents = []
    for row, (program, prompt) in enumerate(zip(programs, prompts, strict=True)):
        replay = [column[row] for column in columns]
        own_prior = None if log_prior is None else log_prior[row, : len(program)]
        tables = all_legal[row, : len(program)], own_prior
        parents.append(_parent(program, prompt, tables, choice[row], replay, legal_tokens))
    return parents


def _parent(
    program: Sequence[int],
    prompt: Prompt,
    tables: tuple[Tensor, Tensor | None],
    choice: list[bool],
    replay: list[list],
    legal_tokens: LegalTokens,
) -> Parent:
    """tables: what was legal at each token, and the prior's log-weights. choice: whether another token could have stood
    there. replay: stacks, pointers and serving cells."""
    stacks, pointers, served = replay
    found = _spans(len(program), stacks, pointers, served, legal_tokens)
    spans = [span for span in found if choice[span.begin]] or [_WHOLE]
    per_begin = Counter(span.begin for span in spans)
    cells = [stacks[s.begin][s.base_cell : pointers[s.begin] + 1] if s.base_cell else [] for s in spans]
    return Parent(
        prompt,
        torch.tensor(program),
        *tables,
        torch.tensor(choice[: len(program)], dtype=torch.float),
        torch.tensor(spans),
        torch.tensor([1 / per_begin[span.begin] for span in spans]),
        tuple(tuple(legal_tokens.symbol_of_state[state] for state in states) for states in cells),
    )


def _without_spans(program: Sequence[int], prompt: Prompt, allowed: Tensor) -> Parent:
    """Where the grammar is left out: nothing says where a program could be cut."""
    length = len(program)
    return Parent(
        prompt,
        torch.tensor(program),
        allowed.expand(length, -1),
        None,
        torch.ones(length),
        torch.tensor([_WHOLE]),
        torch.ones(1),
        ((),),
    )


def _spans(
    length: int, stacks: list[list[int]], pointers: list[int], served: list[int], legal_tokens: LegalTokens
) -> Iterable[Span]:
    """Every span of one program, each stretch once. The lists hold one entry a token, as it was before that token."""
    for begin in range(length):
        base_cells = {}  # of each end the lowest, which leaves the span the most that it can become
        for base_cell in range(pointers[begin], 0, -1):
            if not legal_tokens.keeps_names[stacks[begin][base_cell]]:
                break
            base_cells[next(t for t in range(begin, length) if served[t] < base_cell)] = base_cell
        for end, base_cell in base_cells.items():
            yield Span(begin, end, base_cell, sum(legal_tokens.fewest_of_state[s] for s in stacks[begin][:base_cell]))
