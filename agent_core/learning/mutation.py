"""Mutation: part of a batch starts from an elite program and writes a stretch of it anew.

Either everything from a random token on, or only what lies between two tokens: the pushdown stack says where a
sub-expression begins and when it is finished, so what stood after it always fits again. The second is genetic
programming's mutation (Koza 1992) with a learned proposal; the decision to stop is the policy's too. Only what is
written anew carries gradient. Its first token is another than the elite's wherever the grammar allows one: a policy
that likes its elites would otherwise write them over and over.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from agent_core.grammar.legal_tokens import UNLIMITED, LegalTokens, Within
from tokenizer import Tokenizer


class Span(NamedTuple):
    """A stretch of a program that can be written anew: tokens `begin` up to `end`, which may be none at all."""

    begin: int
    end: int
    base_cell: int  # lowest stack cell of the stretch
    below: int  # fewest tokens of all cells under it


_INSERTION = 2  # tokens of the shortest thing that can be put where nothing was: an operator and its operand
_ALL_ANEW = Span(0, 0, 0, 0)  # for a program that has no stretch to cut out


@dataclass(frozen=True)
class Parent:
    """A known program as tensors: its tokens, what was legal at each, and where it can be cut."""

    ids: Tensor  # (T,) on the CPU, where mutation is planned
    legal: Tensor  # (T, V) on the device of the legal tokens
    open: Tensor  # (T,) float on the CPU: 1 where another token could have stood; at least one
    spans: Tensor  # (spans, 4) int64 on the CPU, a `Span` each; at least one
    span_weights: Tensor  # (spans,) how often each is drawn: every place where a stretch can begin is as likely


@dataclass(frozen=True)
class MutationPlan:
    """What each program of a batch keeps. All (B,) but `source`; a fresh program keeps nothing."""

    source: Tensor  # (B, T) the elite's tokens, and <PAD> at the end of each
    begin: Tensor  # tokens kept before the stretch; -1 for a fresh program
    end: Tensor  # where in the source what is kept goes on
    suffix_excess: Tensor  # tokens that what is kept takes beyond the fewest that could stand there
    length_budget: Tensor  # tokens that the stretch may have beyond the fewest
    forbidden_first: Tensor  # what may not be written first: what the elite has there
    within: Within
    mutated: Tensor  # bool
    last_begin: int  # where the last stretch begins

    def to(self, device: torch.device) -> "MutationPlan":
        return self._map(lambda tensor: tensor.to(device))

    def select(self, rows: Tensor) -> "MutationPlan":
        """The plan of some of the programs, by index."""
        return self._map(lambda tensor: tensor.index_select(0, rows))

    def _map(self, change: Callable[[Tensor], Tensor]) -> "MutationPlan":
        within = Within(change(self.within.base_cell), change(self.within.stop))
        return MutationPlan(
            change(self.source),
            change(self.begin),
            change(self.end),
            change(self.suffix_excess),
            change(self.length_budget),
            change(self.forbidden_first),
            within,
            change(self.mutated),
            self.last_begin,
        )


def examine(
    programs: Sequence[Sequence[int]], legal_tokens: LegalTokens, start: str, max_length: int, defined: Sequence[str]
) -> list[Parent]:
    """Replays known legal programs, each a sequence of ids that ends in <EOS>, and finds their spans."""
    longest = max(map(len, programs))
    padded = torch.full((len(programs), longest), legal_tokens.pad, device=legal_tokens.device)
    for row, program in enumerate(programs):
        padded[row, : len(program)] = torch.tensor(program)
    state = legal_tokens.begin(start, len(programs), max_length, defined)
    legal, stacks, pointers, served = [], [], [], []
    for t in range(longest):
        token = padded[:, t]
        legal.append(legal_tokens.legal(state))
        stacks.append(state.stack.clone())
        pointers.append(state.pointer)
        served.append(legal_tokens.advance(state, token))
    all_legal = torch.stack(legal, dim=1)  # (E, T, V)
    deepest = max(int(pointer.max()) for pointer in pointers) + 1
    columns = [torch.stack(kind, dim=1).tolist() for kind in ([s[:, :deepest] for s in stacks], pointers, served)]
    choice = (all_legal.sum(dim=2) > 1).tolist()
    for row in choice:  # one that could not be another is mutated as it is
        row[0] = row[0] or not any(row)
    parents = []
    for row, program in enumerate(programs):
        spans = [
            span
            for span in _spans(len(program), *(column[row] for column in columns), legal_tokens)
            if choice[row][span.begin]
        ] or [_ALL_ANEW]
        per_begin = Counter(span.begin for span in spans)
        parents.append(
            Parent(
                torch.tensor(program),
                all_legal[row, : len(program)],
                torch.tensor(choice[row][: len(program)], dtype=torch.float),
                torch.tensor(spans),
                torch.tensor([1 / per_begin[span.begin] for span in spans]),
            )
        )
    return parents


def any_token(tokenizer: Tokenizer, device: torch.device) -> Tensor:
    """(V,) bool: what may be written where the grammar is left out."""
    allowed = torch.ones(len(tokenizer), dtype=torch.bool, device=device)
    allowed[[tokenizer.pad, tokenizer.sos, tokenizer.unk]] = False
    return allowed


def unruled(programs: Sequence[Sequence[int]], tokenizer: Tokenizer, device: torch.device) -> list[Parent]:
    """As `examine` where the grammar is left out: nothing says where a program could be cut."""
    allowed = any_token(tokenizer, device)
    return [
        Parent(
            torch.tensor(program),
            allowed.expand(len(program), -1),
            torch.ones(len(program)),
            torch.tensor([_ALL_ANEW]),
            torch.ones(1),
        )
        for program in programs
    ]


def _spans(
    length: int, stacks: list[list[int]], pointers: list[int], served: list[int], legal_tokens: LegalTokens
) -> Iterable[Span]:
    """Every span of one program, each stretch once. The lists hold one entry a token, as it was before that token."""
    for begin in range(length):
        base_cells = {}  # of each end the lowest, which leaves the stretch the most that it can become
        for base_cell in range(pointers[begin], 0, -1):
            if not legal_tokens.keeps_names[stacks[begin][base_cell]]:
                break
            base_cells[next(t for t in range(begin, length) if served[t] < base_cell)] = base_cell
        for end, base_cell in base_cells.items():
            yield Span(begin, end, base_cell, sum(legal_tokens.fewest_of_state[s] for s in stacks[begin][:base_cell]))


def draw_length_budget(count: int, mean: float, generator: torch.Generator, device: torch.device) -> Tensor:
    """How many tokens more than the fewest may be written, from the geometric distribution of that mean; 0 = no limit.

    Returns (count,) on the device, where the generator lives.
    """
    if not mean:
        return torch.full((count,), UNLIMITED, device=device)
    uniform = torch.rand(count, generator=generator, device=device).clamp(min=1e-6)
    return (uniform.log() / math.log(mean / (mean + 1))).clamp(max=UNLIMITED).long()


def plan_mutations(
    parents: Sequence[Parent],
    batch_size: int,
    mutated: int,
    inner_share: float,
    mean_length_budget: float,
    generator: torch.Generator,
    pad: int,
    vocabulary: int,
) -> MutationPlan:
    """Draws for the last `mutated` programs of a batch which elite to start from and what to keep of it.

    inner_share: the share of them that keeps both sides of the stretch; the others keep only what is before it.
    Everything is drawn on the CPU, where `generator` lives. vocabulary: how many tokens there are.
    """
    sources = pad_sequence([parent.ids for parent in parents], batch_first=True, padding_value=pad)  # (E, T)
    sources = functional.pad(sources, (0, 1), value=pad)
    spans = pad_sequence([parent.spans for parent in parents], batch_first=True)  # (E, spans, 4)
    weights = pad_sequence([parent.span_weights for parent in parents], batch_first=True)
    places = pad_sequence([parent.open for parent in parents], batch_first=True)  # (E, T)
    lengths = torch.tensor([len(parent.ids) for parent in parents])

    elite = torch.randint(len(parents), (mutated,), generator=generator)
    picked = torch.multinomial(weights[elite], 1, generator=generator).squeeze(1)
    begin, end, base_cell, below = spans[elite, picked].unbind(1)
    to_the_end = torch.rand(mutated, generator=generator) >= inner_share
    anywhere = torch.multinomial(places[elite], 1, generator=generator).squeeze(1)
    begin = torch.where(to_the_end, anywhere, begin)
    inner = ~to_the_end & (base_cell > 0)
    end = torch.where(inner, end, lengths[elite])
    base_cell, below = base_cell * inner, below * inner
    after = sources[elite, end.clamp(max=sources.shape[1] - 1)]
    stop = torch.where(inner, after, pad)
    suffix_excess = (lengths[elite] - end) - below

    length_budget = draw_length_budget(mutated, mean_length_budget, generator, generator.device)
    length_budget = (length_budget + _INSERTION * (begin == end)).clamp(max=UNLIMITED)

    def placed(values: Tensor, fill: int = 0) -> Tensor:
        """Fresh programs first, with `fill`."""
        fresh = torch.full((batch_size - mutated, *values.shape[1:]), fill, dtype=values.dtype)
        return torch.cat([fresh, values])

    return MutationPlan(
        placed(sources[elite], pad),
        placed(begin, -1),
        placed(end),
        placed(suffix_excess),
        placed(length_budget),
        placed(sources[elite, begin]),
        Within(placed(base_cell), placed(stop.unsqueeze(1) == torch.arange(vocabulary))),
        placed(torch.ones(mutated, dtype=torch.bool)),
        int(begin.max()),
    )
