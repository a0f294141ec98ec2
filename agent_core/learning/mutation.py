"""Regrowth: part of a batch starts from an elite program and writes a stretch of it anew.

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

from agent_core.grammar.legal_tokens import NEVER, LegalTokens, Within
from tokenizer import Tokenizer


class Cut(NamedTuple):
    """A stretch of a program that can be written anew: tokens `begin` up to `end`, which may be none at all."""

    begin: int
    end: int
    floor: int  # lowest stack cell of the stretch
    below: int  # fewest tokens of all cells under it


_INSERTION = 2  # tokens of the shortest thing that can be put where nothing was: an operator and its operand
_ALL_ANEW = Cut(0, 0, 0, 0)  # for a program that has no stretch to cut out


@dataclass(frozen=True)
class Specimen:
    """A known program as tensors: its tokens, what was legal at each, and where it can be cut."""

    ids: Tensor  # (T,) on the CPU, where regrowth is planned
    legal: Tensor  # (T, V) on the machine's device
    open: Tensor  # (T,) float on the CPU: 1 where another token could have stood; at least one
    cuts: Tensor  # (cuts, 4) int64 on the CPU, a `Cut` each; at least one
    cut_weights: Tensor  # (cuts,) how often each is drawn: every place where a stretch can begin is as likely


@dataclass(frozen=True)
class Plan:
    """What each program of a batch keeps. All (B,) but `source`; a fresh program keeps nothing."""

    source: Tensor  # (B, T) the elite's tokens, and <PAD> at the end of each
    begin: Tensor  # tokens kept before the stretch; -1 for a fresh program
    end: Tensor  # where in the source what is kept goes on
    crowding: Tensor  # tokens that what is kept takes beyond the fewest that could stand there
    slack: Tensor  # tokens that the stretch may have beyond the fewest
    barred: Tensor  # what may not be written first: what the elite has there
    within: Within
    regrown: Tensor  # bool
    last_begin: int  # where the last stretch begins

    def to(self, device: torch.device) -> "Plan":
        return self._map(lambda tensor: tensor.to(device))

    def select(self, rows: Tensor) -> "Plan":
        """The plan of some of the programs, by index."""
        return self._map(lambda tensor: tensor.index_select(0, rows))

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Plan":
        within = Within(change(self.within.floor), change(self.within.stop))
        return Plan(
            change(self.source),
            change(self.begin),
            change(self.end),
            change(self.crowding),
            change(self.slack),
            change(self.barred),
            within,
            change(self.regrown),
            self.last_begin,
        )


def examine(
    programs: Sequence[Sequence[int]], machine: LegalTokens, start: str, max_length: int, defined: Sequence[str]
) -> list[Specimen]:
    """Replays known legal programs, each a sequence of ids that ends in <EOS>, and finds their cuts."""
    longest = max(map(len, programs))
    padded = torch.full((len(programs), longest), machine.pad, device=machine.device)
    for row, program in enumerate(programs):
        padded[row, : len(program)] = torch.tensor(program)
    progress = machine.begin(start, len(programs), max_length, defined)
    legal, stacks, pointers, served = [], [], [], []
    for t in range(longest):
        token = padded[:, t]
        legal.append(machine.legal(progress))
        stacks.append(progress.stack.clone())
        pointers.append(progress.pointer)
        served.append(machine.advance(progress, token))
    all_legal = torch.stack(legal, dim=1)  # (E, T, V)
    deepest = max(int(pointer.max()) for pointer in pointers) + 1
    columns = [torch.stack(kind, dim=1).tolist() for kind in ([s[:, :deepest] for s in stacks], pointers, served)]
    choice = (all_legal.sum(dim=2) > 1).tolist()
    for row in choice:  # one that could not be another is regrown as it is
        row[0] = row[0] or not any(row)
    specimens = []
    for row, program in enumerate(programs):
        cuts = [
            cut for cut in _cuts(len(program), *(column[row] for column in columns), machine) if choice[row][cut.begin]
        ] or [_ALL_ANEW]
        per_begin = Counter(cut.begin for cut in cuts)
        specimens.append(
            Specimen(
                torch.tensor(program),
                all_legal[row, : len(program)],
                torch.tensor(choice[row][: len(program)], dtype=torch.float),
                torch.tensor(cuts),
                torch.tensor([1 / per_begin[cut.begin] for cut in cuts]),
            )
        )
    return specimens


def any_token(tokenizer: Tokenizer, device: torch.device) -> Tensor:
    """(V,) bool: what may be written where the grammar is left out."""
    allowed = torch.ones(len(tokenizer), dtype=torch.bool, device=device)
    allowed[[tokenizer.pad, tokenizer.sos, tokenizer.unk]] = False
    return allowed


def unruled(programs: Sequence[Sequence[int]], tokenizer: Tokenizer, device: torch.device) -> list[Specimen]:
    """As `examine` where the grammar is left out: nothing says where a program could be cut."""
    allowed = any_token(tokenizer, device)
    return [
        Specimen(
            torch.tensor(program),
            allowed.expand(len(program), -1),
            torch.ones(len(program)),
            torch.tensor([_ALL_ANEW]),
            torch.ones(1),
        )
        for program in programs
    ]


def _cuts(
    length: int, stacks: list[list[int]], pointers: list[int], served: list[int], machine: LegalTokens
) -> Iterable[Cut]:
    """Every cut of one program, each stretch once. The lists hold one entry a token, as it was before that token."""
    for begin in range(length):
        floors = {}  # of each end the lowest, which leaves the stretch the most that it can become
        for floor in range(pointers[begin], 0, -1):
            if not machine.keeps_names[stacks[begin][floor]]:
                break
            floors[next(t for t in range(begin, length) if served[t] < floor)] = floor
        for end, floor in floors.items():
            yield Cut(begin, end, floor, sum(machine.fewest_of_state[s] for s in stacks[begin][:floor]))


def draw_slack(count: int, mean: float, generator: torch.Generator, device: torch.device) -> Tensor:
    """How many tokens more than the fewest may be written, from the geometric distribution of that mean; 0 = no limit.

    Returns (count,) on the device, where the generator lives.
    """
    if not mean:
        return torch.full((count,), NEVER, device=device)
    chance = torch.rand(count, generator=generator, device=device).clamp(min=1e-6)
    return (chance.log() / math.log(mean / (mean + 1))).clamp(max=NEVER).long()


def make_plan(
    specimens: Sequence[Specimen],
    batch_size: int,
    regrown: int,
    inner_share: float,
    mean_slack: float,
    generator: torch.Generator,
    pad: int,
    vocabulary: int,
) -> Plan:
    """Draws for the last `regrown` programs of a batch which elite to start from and what to keep of it.

    inner_share: the share of them that keeps both sides of the stretch; the others keep only what is before it.
    Everything is drawn on the CPU, where `generator` lives. vocabulary: how many tokens there are.
    """
    sources = pad_sequence([specimen.ids for specimen in specimens], batch_first=True, padding_value=pad)  # (E, T)
    sources = functional.pad(sources, (0, 1), value=pad)
    cuts = pad_sequence([specimen.cuts for specimen in specimens], batch_first=True)  # (E, cuts, 4)
    weights = pad_sequence([specimen.cut_weights for specimen in specimens], batch_first=True)
    places = pad_sequence([specimen.open for specimen in specimens], batch_first=True)  # (E, T)
    lengths = torch.tensor([len(specimen.ids) for specimen in specimens])

    elite = torch.randint(len(specimens), (regrown,), generator=generator)
    picked = torch.multinomial(weights[elite], 1, generator=generator).squeeze(1)
    begin, end, floor, below = cuts[elite, picked].unbind(1)
    to_the_end = torch.rand(regrown, generator=generator) >= inner_share
    anywhere = torch.multinomial(places[elite], 1, generator=generator).squeeze(1)
    begin = torch.where(to_the_end, anywhere, begin)
    inner = ~to_the_end & (floor > 0)
    end = torch.where(inner, end, lengths[elite])
    floor, below = floor * inner, below * inner
    after = sources[elite, end.clamp(max=sources.shape[1] - 1)]
    stop = torch.where(inner, after, pad)
    crowding = (lengths[elite] - end) - below

    slack = draw_slack(regrown, mean_slack, generator, generator.device)
    slack = (slack + _INSERTION * (begin == end)).clamp(max=NEVER)

    def placed(values: Tensor, fill: int = 0) -> Tensor:
        """Fresh programs first, with `fill`."""
        fresh = torch.full((batch_size - regrown, *values.shape[1:]), fill, dtype=values.dtype)
        return torch.cat([fresh, values])

    return Plan(
        placed(sources[elite], pad),
        placed(begin, -1),
        placed(end),
        placed(crowding),
        placed(slack),
        placed(sources[elite, begin]),
        Within(placed(floor), placed(stop.unsqueeze(1) == torch.arange(vocabulary))),
        placed(torch.ones(regrown, dtype=torch.bool)),
        int(begin.max()),
    )
